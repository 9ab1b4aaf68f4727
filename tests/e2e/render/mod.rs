//! What is in real repositories, rendered by the real programs.

mod build;
mod helm;
mod kustomize;
mod same;
mod sops;
mod vault;

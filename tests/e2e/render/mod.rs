//! What is in real repositories, rendered by the real programs.

mod helm;
mod kustomize;
mod sops;
mod substitute;
mod vault;

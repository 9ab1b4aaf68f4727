//! What is in real repositories, rendered by the real programs.

mod alike;
mod build;
mod charts;
mod contained;
mod example;
mod helm;
mod kustomize;
mod plain;
mod same;
mod sops;
mod substitute;
mod vault;

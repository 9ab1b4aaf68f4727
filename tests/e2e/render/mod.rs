//! What is in real repositories, rendered by the real programs.

mod alike;
mod attacks;
mod bounds;
mod build;
mod charts;
mod contained;
mod diagnostics;
mod example;
mod helm;
mod kms;
mod kustomize;
mod plain;
mod same;
mod sops;
pub mod substitute;
mod vault;

//! What is in real repositories, rendered by the real programs.

mod kustomize;
mod substitute;

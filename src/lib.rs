//! gitops-sync: an in-cluster, pull-based GitOps reconcile daemon.

pub mod object;
pub mod render;
pub mod source;

//! gitops-sync: an in-cluster, pull-based GitOps reconcile daemon.

pub mod cluster;
pub mod object;
pub mod plan;
pub mod render;
pub mod source;

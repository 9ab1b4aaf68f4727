//! gitops-sync: an in-cluster, pull-based `GitOps` reconcile daemon.

pub mod api;
pub mod builder;
pub mod cli;
pub mod cluster;
pub mod controller;
pub mod election;
pub mod health;
pub mod lanes;
pub mod object;
pub mod plan;
pub mod render;
pub mod report;
pub mod serve;
pub mod source;
pub mod sync;

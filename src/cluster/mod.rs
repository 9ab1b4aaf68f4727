//! The only module that talks to Kubernetes. It decides nothing: plans are made above it.

pub mod apply;
pub mod apps;
mod breaker;
pub mod client;
pub mod discovery;
pub mod error;
pub mod events;
pub mod fence;
pub mod follow;
mod immutable;
mod kubeconfig;
pub mod lease;
pub mod list;
mod measure;
mod namespace;
mod pressure;
pub mod prune;
mod remote;
pub mod secret;
pub mod store;
mod transport;
pub mod watch;

pub use client::{Cluster, Connection};
pub use error::ApiError;
pub use fence::{Fence, Term};
pub use kubeconfig::BadKubeconfig;

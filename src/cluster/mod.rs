//! The only module that talks to Kubernetes. It decides nothing: plans are made above it.

pub mod apply;
mod breaker;
pub mod client;
pub mod discovery;
pub mod error;
pub mod events;
pub mod fence;
mod immutable;
pub mod lease;
pub mod list;
mod pressure;
pub mod prune;
pub mod store;
mod transport;
pub mod watch;

pub use client::{Cluster, Connection};
pub use error::ApiError;
pub use fence::Fence;

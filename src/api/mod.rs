//! GitOpsApp, the custom resource: an app, what is wanted of it, and how it fares. Pure.

pub mod bounded;
pub mod conditions;
pub mod crd;
pub mod decode;
pub mod decryption;
pub mod duration;
pub mod guard;
pub mod helm;
mod helm_rules;
pub mod kustomize;
pub mod names;
pub mod post_build;
pub mod reference;
pub mod render;
pub mod repository;
pub mod resources;
pub mod retry;
pub mod spec;
pub mod status;
pub mod tenancy;
pub mod validate;
pub mod verify;

pub use conditions::{ConditionType, Conditions, Finding, Truth};
pub use crd::crd;
pub use decode::decode;
pub use decryption::Decryption;
pub use duration::Duration;
pub use guard::PruneGuard;
pub use post_build::PostBuild;
pub use render::{Render, RenderType};
pub use spec::{DeletionPolicy, GitOpsApp, GitOpsAppSpec, SyncPolicy};
pub use status::GitOpsAppStatus;
pub use tenancy::Tenancy;
pub use validate::{Fault, Invalid};
pub use verify::Verify;

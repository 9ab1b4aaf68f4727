//! Which kinds the cluster serves.

use std::time::Duration;

use kube::core::discovery::{Scope, verbs};
use kube::discovery::{ApiGroup, Discovery};

use super::client::DEADLINE;
use super::error::chain;
use super::{ApiError, Cluster};
use crate::object::GroupKind;
use crate::plan::{Kinds, Resource};

impl Cluster {
    /// Asks for all kinds: two requests, by aggregated discovery (Kubernetes 1.26).
    pub async fn discover(&self) -> Result<Kinds, ApiError> {
        let discovery = Discovery::new(self.client.clone()).run_aggregated();
        let found = tokio::time::timeout(Duration::from_secs(DEADLINE), discovery).await;
        let found = found.map_err(|_| ApiError::TimedOut(DEADLINE))?;
        let code = if found.is_ok() { 200 } else { 0 };
        (0..2).for_each(|_| self.count("get", code));
        let found = found.map_err(|error| match error {
            kube::Error::Api(status) => ApiError::Refused(status),
            other => ApiError::Unreachable(chain(&other)),
        })?;
        let mut kinds = Kinds::default();
        found.groups().for_each(|group| add(group, &mut kinds));
        Ok(kinds)
    }
}

/// Adds a group's kinds, the preferred version first.
fn add(group: &ApiGroup, kinds: &mut Kinds) {
    let preferred = group.preferred_version_or_latest();
    let others = group.versions().filter(|version| *version != preferred);
    for version in std::iter::once(preferred).chain(others) {
        for (resource, capabilities) in group.versioned_resources(version) {
            kinds.insert(Resource {
                kind: GroupKind::new(&resource.group, &resource.kind),
                version: resource.version,
                plural: resource.plural,
                namespaced: capabilities.scope == Scope::Namespaced,
                listable: capabilities.operations.iter().any(|verb| verb == verbs::LIST),
            });
        }
    }
}

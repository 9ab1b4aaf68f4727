//! Which kinds the cluster serves.

use std::sync::Arc;

use http::StatusCode;
use kube::core::discovery::{Scope, verbs};
use kube::discovery::{ApiGroup, Discovery};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::error::chain;
use super::{ApiError, Cluster};
use crate::object::GroupKind;
use crate::plan::{Kinds, Resource};

impl Cluster {
    /// Asks for all kinds: two requests, by aggregated discovery (Kubernetes 1.26).
    pub async fn discover(&self) -> Result<Kinds, ApiError> {
        let found = self.persist("get", || async {
            let discovery = Discovery::new(self.client.clone()).run_aggregated();
            discovery.await.map(|found| (StatusCode::OK, found)).map_err(|error| match error {
                kube::Error::Api(status) => ApiError::Refused(status),
                other => ApiError::Unreachable(chain(&other)),
            })
        });
        let (_, found) = found.await?;
        // The first of the two is counted already.
        self.count("get", 200);
        let mut kinds = Kinds::default();
        found.groups().for_each(|group| add(group, &mut kinds));
        Ok(kinds)
    }
}

/// The kinds of one cluster, asked for once for all its apps.
#[derive(Clone)]
pub struct CachedDiscovery(Arc<Cache>);

struct Cache {
    cluster: Cluster,
    known: Mutex<Option<(Instant, Arc<Kinds>)>>,
}

impl CachedDiscovery {
    /// Nothing is known yet.
    pub fn new(cluster: Cluster) -> Self {
        Self(Arc::new(Cache { cluster, known: Mutex::default() }))
    }

    /// The kinds, as the cluster said them not before `since`.
    pub async fn kinds(&self, since: Instant) -> Result<Arc<Kinds>, ApiError> {
        let mut known = self.0.known.lock().await;
        if let Some((_, kinds)) = known.as_ref().filter(|(asked, _)| *asked >= since) {
            return Ok(kinds.clone());
        }
        let asked = Instant::now();
        let kinds = Arc::new(self.0.cluster.discover().await?);
        // Where nothing changed, all apps go on sharing what they have.
        let same = known.take().filter(|(_, known)| *known == kinds);
        let kinds = same.map_or(kinds, |(_, known)| known);
        *known = Some((asked, kinds.clone()));
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

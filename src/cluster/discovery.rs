//! Which kinds the cluster serves.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode};
use kube::core::discovery::{Scope, verbs};
use kube::discovery::{ApiGroup, Discovery};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::error::chain;
use super::{ApiError, Cluster};
use crate::object::GroupKind;
use crate::plan::{Capabilities, Kinds, Resource};

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

    /// Asks for the version of the API server, such as `v1.36.2`.
    async fn version(&self) -> Result<String, ApiError> {
        let unreadable = |what: &str| ApiError::Unreadable(what.to_owned());
        let request = Request::get("/version").body(Vec::new());
        let request = request.map_err(|error| unreadable(&error.to_string()))?;
        let (_, answer) = self.send("get", request).await?;
        let version = answer["gitVersion"].as_str().map(str::to_owned);
        version.ok_or_else(|| unreadable("it says no version"))
    }
}

/// When a cluster was asked for its version, its kinds then, and what comes of both.
type Asked = (Instant, Arc<Kinds>, Arc<Capabilities>);

/// Time after which a cluster may have been upgraded.
const UPGRADED: Duration = Duration::from_hours(1);

/// The kinds of one cluster, asked for once for all its apps.
#[derive(Clone)]
pub struct CachedDiscovery(Arc<Cache>);

struct Cache {
    cluster: Cluster,
    known: Mutex<Option<(Instant, Arc<Kinds>)>>,
    /// What charts ask for.
    capabilities: Mutex<Option<Asked>>,
}

impl CachedDiscovery {
    /// Nothing is known yet.
    pub fn new(cluster: Cluster) -> Self {
        let (known, capabilities) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Cache { cluster, known, capabilities }))
    }

    /// The kinds, as the cluster said them not before `since`, or whenever.
    pub async fn kinds(&self, since: Option<Instant>) -> Result<Arc<Kinds>, ApiError> {
        let mut known = self.0.known.lock().await;
        let will_do = |asked: &Instant| since.is_none_or(|since| *asked >= since);
        if let Some((_, kinds)) = known.as_ref().filter(|(asked, _)| will_do(asked)) {
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

    /// What the cluster can do, with the kinds as it said them not before `since`, or whenever.
    pub async fn capabilities(
        &self,
        since: Option<Instant>,
    ) -> Result<Arc<Capabilities>, ApiError> {
        let kinds = self.kinds(since).await?;
        let mut known = self.0.capabilities.lock().await;
        let is_recent = |asked: &Instant| asked.elapsed() < UPGRADED;
        if let Some((_, _, found)) =
            known.as_ref().filter(|(asked, of, _)| is_recent(asked) && Arc::ptr_eq(of, &kinds))
        {
            return Ok(found.clone());
        }
        let (asked, version) = (Instant::now(), self.0.cluster.version().await?);
        let found = Arc::new(Capabilities::new(version, &kinds));
        // Nothing is rendered again for what is as before.
        let same = known.take().filter(|(.., known)| *known == found);
        let found = same.map_or(found, |(.., known)| known);
        *known = Some((asked, kinds, found.clone()));
        Ok(found)
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

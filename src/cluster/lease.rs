//! Leases (coordination.k8s.io/v1): how replicas tell each other that they live. What becomes of a Lease is
//! decided by whoever asks for it, see `election`.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use futures::TryStreamExt;
use http::Request;
use jiff::Timestamp;
use kube::api::{DeleteParams, GetParams, ListParams, PostParams, Preconditions, WatchParams};
use kube::core::WatchEvent;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::error::chain;
use super::follow::{Opened, SILENCE, WATCH_SECONDS, silence};
use super::list::version_of;
use super::{ApiError, Cluster, client};
use crate::object::marks::MANAGER;
use crate::object::{GroupKind, ObjectId};
use crate::plan::Resource;

/// Longest time that a request for a Lease may take: a renewal that comes later is none.
const ATTEMPT: Duration = Duration::from_millis(2500);
/// Pause after a watch of Leases broke, and while it is refused: it only makes things faster.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(1));
/// Label of the Leases of one installation's replicas.
const LABEL_GROUP: &str = "gitops-sync.dev/replicas-of";
/// Annotation with the replicas that a replica knows of, and their terms.
const ANNOTATION_SEES: &str = "gitops-sync.dev/sees";

/// A Lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// Its name.
    pub name: String,
    /// Its `resourceVersion`; empty as long as it is not stored.
    pub version: String,
    /// Who holds it; empty if it was released.
    pub holder: String,
    /// How long it is held without being renewed.
    pub duration: Duration,
    /// How often it changed hands, or lapsed.
    pub transitions: u32,
    /// When its holder got it. For people: nothing is decided by it.
    pub acquired: Option<Timestamp>,
    /// The group of replicas that it is one of, if any.
    pub group: Option<String>,
    /// The replicas that its holder knows of, by holder, with their `transitions`.
    pub sees: BTreeMap<String, u32>,
}

/// Which Leases are followed.
#[derive(Clone, Debug)]
pub enum Which {
    /// The one of this name.
    Named(String),
    /// Those of this group.
    Group(String),
}

impl Which {
    fn label(&self) -> String {
        match self {
            Self::Named(_) => String::new(),
            Self::Group(group) => format!("{LABEL_GROUP}={group}"),
        }
    }

    fn field(&self) -> String {
        match self {
            Self::Named(name) => format!("metadata.name={name}"),
            Self::Group(_) => String::new(),
        }
    }
}

/// The Leases of one namespace.
#[derive(Clone)]
pub struct Leases {
    cluster: Cluster,
    namespace: String,
}

impl Leases {
    /// The Leases of a namespace. What is sent for them waits for no other request, and passes no fence: they
    /// are what fences are made of.
    pub fn new(cluster: &Cluster, namespace: &str) -> Self {
        Self { cluster: cluster.apart(ATTEMPT), namespace: namespace.to_owned() }
    }

    /// Reads a Lease; `None` if there is none.
    pub async fn get(&self, name: &str) -> Result<Option<Lease>, ApiError> {
        let request = self.requests(name).get(name, &GetParams::default());
        match self.send("get", request).await {
            Ok(lease) => Ok(Some(Lease::of(&lease))),
            Err(error) if error.says_gone(name) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All Leases of a group, as they are stored at some moment of this request.
    pub async fn list(&self, group: &str) -> Result<Vec<Lease>, ApiError> {
        // No `resourceVersion`: nothing that is older than the request.
        let params = ListParams::default().labels(&Which::Group(group.to_owned()).label());
        let list = self.send("list", self.requests("").list(&params)).await?;
        Ok(list["items"].as_array().into_iter().flatten().map(Lease::of).collect())
    }

    /// Writes a Lease, renewed now: creates it, or replaces exactly the version that it was made of.
    pub async fn write(&self, lease: &Lease) -> Result<Lease, ApiError> {
        let body = lease.body(&self.namespace, Timestamp::now()).to_string().into_bytes();
        let (requests, params) = (self.requests(&lease.name), PostParams::default());
        let written = if lease.version.is_empty() {
            self.send("create", requests.create(&params, body)).await
        } else {
            self.send("update", requests.replace(&lease.name, &params, body)).await
        };
        written.map(|lease| Lease::of(&lease))
    }

    /// Deletes exactly this version of a Lease.
    pub async fn delete(&self, lease: &Lease) -> Result<(), ApiError> {
        let resource_version = Some(lease.version.clone());
        let params =
            DeleteParams::default().preconditions(Preconditions { uid: None, resource_version });
        let request = self.requests(&lease.name).delete(&lease.name, &params);
        self.send("delete", request).await.map(drop)
    }

    /// Wakes whoever waits when a Lease comes, goes, changes hands or sees others. It only saves time: what
    /// may be missed is looked at now and then anyway.
    pub async fn follow(self, which: Which, wake: &Notify) {
        loop {
            let pause = match self.follow_once(&which, wake).await {
                Err(error) if matches!(error.code(), 403 | 405) => {
                    debug!("Leases are not watched, and looked at instead: {error}");
                    PAUSES.1
                }
                Err(error) => {
                    debug!("Watch of Leases: {error}");
                    PAUSES.0
                }
                Ok(()) => PAUSES.0,
            };
            sleep(pause).await;
        }
    }

    async fn follow_once(&self, which: &Which, wake: &Notify) -> Result<(), ApiError> {
        let (label, field) = (which.label(), which.field());
        let params = WatchParams::default().labels(&label).fields(&field).timeout(WATCH_SECONDS);
        let request = self.requests("").watch(&params, "").map_err(ApiError::BadRequest)?;
        let Opened::Events(events) = self.cluster.open_watch(request).await? else { return Ok(()) };
        let (mut events, mut known) = (pin!(events), BTreeMap::new());
        loop {
            let event = timeout(SILENCE, events.try_next()).await;
            let event = event.map_err(|_| silence(SILENCE))?;
            let is_news = match event.map_err(|error| ApiError::Unreachable(chain(&error)))? {
                Some(WatchEvent::Added(lease) | WatchEvent::Modified(lease)) => {
                    let Lease { name, holder, sees, .. } = Lease::of(&lease);
                    let now = (holder, sees);
                    known.insert(name, now.clone()) != Some(now)
                }
                Some(WatchEvent::Deleted(lease)) => known.remove(&Lease::of(&lease).name).is_some(),
                Some(WatchEvent::Bookmark(_)) => false,
                Some(WatchEvent::Error(_)) | None => return Ok(()),
            };
            if is_news {
                wake.notify_one();
            }
        }
    }

    fn requests(&self, name: &str) -> kube::core::Request {
        client::requests(&leases(), &ObjectId::new(leases().kind, &self.namespace, name))
    }

    async fn send(
        &self,
        verb: &'static str,
        request: Result<Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Value, ApiError> {
        let request = request.map_err(ApiError::BadRequest)?;
        let sent = timeout(ATTEMPT, self.cluster.send(verb, request)).await;
        Ok(sent.map_err(|_| silence(ATTEMPT))??.1)
    }
}

impl Lease {
    fn of(lease: &Value) -> Self {
        let (meta, spec) = (&lease["metadata"], &lease["spec"]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let sees = meta["annotations"][ANNOTATION_SEES].as_str();
        Self {
            name: text(&meta["name"]),
            version: version_of(lease),
            holder: text(&spec["holderIdentity"]),
            duration: Duration::from_secs(spec["leaseDurationSeconds"].as_u64().unwrap_or(0)),
            transitions: spec["leaseTransitions"]
                .as_u64()
                .and_then(|number| u32::try_from(number).ok())
                .unwrap_or(0),
            acquired: spec["acquireTime"].as_str().and_then(|time| time.parse().ok()),
            group: meta["labels"][LABEL_GROUP].as_str().map(str::to_owned),
            // What cannot be read says that it sees nobody.
            sees: sees.and_then(|sees| serde_json::from_str(sees).ok()).unwrap_or_default(),
        }
    }

    fn body(&self, namespace: &str, now: Timestamp) -> Value {
        // Microseconds: metav1.MicroTime.
        let time = |time: Timestamp| json!(format!("{time:.6}"));
        let mut body = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.name, "namespace": namespace,
                         "labels": {"app.kubernetes.io/managed-by": MANAGER}},
            "spec": {
                "holderIdentity": self.holder,
                // A Lease without a holder has to have a duration as well.
                "leaseDurationSeconds": self.duration.as_secs().max(1),
                "leaseTransitions": self.transitions,
                "renewTime": time(now),
                "acquireTime": time(self.acquired.unwrap_or(now)),
            },
        });
        if !self.version.is_empty() {
            body["metadata"]["resourceVersion"] = json!(self.version);
        }
        if let Some(group) = &self.group {
            body["metadata"]["labels"][LABEL_GROUP] = json!(group);
            body["metadata"]["annotations"] =
                json!({ANNOTATION_SEES: json!(self.sees).to_string()});
        }
        body
    }
}

fn leases() -> Resource {
    Resource {
        kind: GroupKind::new("coordination.k8s.io", "Lease"),
        version: "v1".to_owned(),
        plural: "leases".to_owned(),
        namespaced: true,
        listable: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let lease = Lease {
            name: "gitops-sync-leader-web".to_owned(),
            version: "7".to_owned(),
            holder: "pod_1".to_owned(),
            duration: Duration::from_secs(10),
            transitions: 3,
            acquired: Some(Timestamp::constant(1_000_000_000, 0)),
            group: None,
            sees: BTreeMap::new(),
        };
        let now = Timestamp::constant(1_000_000_002, 5_000);
        let check = |lease: &Lease| {
            let body = lease.body("ops", now);
            assert_eq!(Lease::of(&body), *lease);
            assert_eq!(body["spec"]["renewTime"], "2001-09-09T01:46:42.000005Z");
        };
        check(&lease);
        let sees = BTreeMap::from([("pod_2".to_owned(), 1)]);
        check(&Lease { group: Some("web".to_owned()), sees, version: String::new(), ..lease });
    }
}

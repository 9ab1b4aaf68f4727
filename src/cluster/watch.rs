//! Watches the objects of one scope, metadata only: lists once, then follows events for good.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, TryStreamExt};
use http::Request;
use kube::api::WatchParams;
use kube::core::WatchEvent;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, sleep, timeout};

use super::error::chain;
use super::list::{Content, version_of};
use super::{ApiError, Cluster, client};
use crate::object::{Live, ObjectId};
use crate::plan::observed::{Blind, Sighting};
use crate::plan::{Resource, Scope};

/// Seconds after which the API server ends a watch; kube takes no more than 294.
pub(super) const WATCH_SECONDS: u32 = 290;
/// Silence, with neither event nor bookmark, after which a watch is taken for dead. The API server
/// sends a bookmark about every minute.
pub(super) const SILENCE: Duration = Duration::from_secs(150);
/// Longest wait for a watch to open.
const OPENING: Duration = Duration::from_secs(30);
/// First and longest pause after a failure.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
/// A watch that lasts no longer than this was not meant to.
const TOO_SHORT: Duration = Duration::from_secs(1);
/// Time between two lists of a kind that cannot be watched.
const POLL: Duration = Duration::from_secs(15);

/// Where sightings go, with the scope they are of.
pub type Sightings = UnboundedSender<(Scope, Sighting)>;

/// A scope that is watched, and how far it was followed.
struct Watch {
    cluster: Cluster,
    resource: Resource,
    namespace: String,
    selector: String,
    sightings: Sightings,
    version: String,
}

/// Why a watch ended.
enum End {
    /// In the ordinary way: it goes on from its version.
    Over,
    /// Its version is too old: everything is listed again.
    Expired,
    /// The kind cannot be watched, only listed.
    Unwatchable,
}

impl Cluster {
    /// Watches a kind's objects in one namespace or (empty) in all that match a label selector until
    /// nobody listens.
    pub async fn watch(
        self,
        resource: Resource,
        namespace: String,
        selector: String,
        sightings: Sightings,
    ) {
        let version = String::new();
        let mut watch = Watch { cluster: self, resource, namespace, selector, sightings, version };
        let mut pause = PAUSES.0;
        while !watch.sightings.is_closed() {
            match watch.list_and_follow(&mut pause).await {
                Ok(()) => sleep(PAUSES.0).await,
                Err(error) => {
                    watch.lose(&error);
                    sleep(pause).await;
                    pause = (pause * 2).min(PAUSES.1);
                }
            }
        }
    }
}

/// A watch that was asked for.
pub(super) enum Opened<S> {
    /// What is seen.
    Events(S),
    /// The version it was to begin at is too old.
    Expired,
}

impl Cluster {
    /// Opens a watch of metadata, in the daemon's own name.
    pub(super) async fn open_watch(
        &self,
        request: Request<Vec<u8>>,
    ) -> Result<Opened<impl Stream<Item = kube::Result<WatchEvent<Value>>> + use<>>, ApiError> {
        let opened = timeout(OPENING, self.client.request_events::<Value>(request)).await;
        match opened.map_err(|_| silence(OPENING))? {
            Ok(events) => {
                self.count("watch", 200);
                Ok(Opened::Events(events))
            }
            Err(kube::Error::Api(status)) => {
                self.count("watch", status.code);
                if status.code == 410 {
                    return Ok(Opened::Expired);
                }
                Err(ApiError::Refused(status))
            }
            Err(error) => Err(ApiError::Unreachable(chain(&error))),
        }
    }
}

impl Watch {
    /// Lists, then follows. Whatever breaks off is an error; only a watch that ended in the
    /// ordinary way is opened again where it was. After anything else a new list tells what was
    /// missed, and the scope counts as unknown until it is there.
    async fn list_and_follow(&mut self, pause: &mut Duration) -> Result<(), ApiError> {
        let objects = self.list().await?;
        self.tell(Sighting::Listed(objects));
        loop {
            let opened = Instant::now();
            match self.follow(pause).await? {
                End::Unwatchable => {
                    sleep(POLL).await;
                    return Ok(());
                }
                End::Expired => return Ok(()),
                // A server that ends watches at once is in trouble.
                End::Over if opened.elapsed() < TOO_SHORT => sleep(PAUSES.1).await,
                End::Over => {}
            }
        }
    }

    async fn list(&mut self) -> Result<Vec<(ObjectId, Arc<Live>)>, ApiError> {
        let mut objects = Vec::new();
        let see =
            |item: &mut Value| objects.push((self.identify(item), Arc::new(Live::from(&*item))));
        let Self { resource, namespace, selector, .. } = &*self;
        let listed = self.cluster.list(resource, namespace, selector, Content::Metadata, see);
        self.version = listed.await?;
        Ok(objects)
    }

    /// Follows events from the version reached so far.
    async fn follow(&mut self, pause: &mut Duration) -> Result<End, ApiError> {
        let requests = self.requests();
        let params = WatchParams::default().labels(&self.selector).timeout(WATCH_SECONDS);
        let request =
            requests.watch_metadata(&params, &self.version).map_err(ApiError::BadRequest)?;
        let mut events = match self.cluster.open_watch(request).await {
            Ok(Opened::Events(events)) => pin!(events),
            Ok(Opened::Expired) => return Ok(End::Expired),
            Err(error) if matches!(error.code(), 403 | 405) => return Ok(End::Unwatchable),
            Err(error) => return Err(error),
        };
        loop {
            let event = timeout(SILENCE, events.try_next()).await;
            let event = event.map_err(|_| silence(SILENCE))?;
            match event.map_err(|error| ApiError::Unreachable(chain(&error)))? {
                None => return Ok(End::Over),
                Some(WatchEvent::Error(status)) if status.code == 410 => return Ok(End::Expired),
                Some(WatchEvent::Error(status)) => return Err(ApiError::Refused(status)),
                Some(event) => self.pass_on(event),
            }
            *pause = PAUSES.0;
        }
    }

    fn requests(&self) -> kube::core::Request {
        kube::core::Request::new(client::path(&self.resource, &self.namespace))
    }

    fn pass_on(&mut self, event: WatchEvent<Value>) {
        match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                self.version = version_of(&object);
                self.tell(Sighting::Seen(self.identify(&object), Arc::new(Live::from(&object))));
            }
            WatchEvent::Deleted(object) => {
                self.version = version_of(&object);
                self.tell(Sighting::Gone(self.identify(&object), self.version.clone()));
            }
            WatchEvent::Bookmark(mark) => self.version = mark.metadata.resource_version,
            WatchEvent::Error(_) => {}
        }
    }

    fn lose(&self, error: &ApiError) {
        let (why, is_outage, is_passing) =
            (error.to_string(), error.is_outage(), error.is_passing());
        self.tell(Sighting::Lost(Blind { why, is_outage, is_passing }));
    }

    /// Nobody listening any more ends the watch soon.
    fn tell(&self, sighting: Sighting) {
        let (kind, namespace) = (self.resource.kind.clone(), self.namespace.clone());
        let _ = self.sightings.send((Scope { kind, namespace }, sighting));
    }

    fn identify(&self, item: &Value) -> ObjectId {
        let text = |key: &str| item["metadata"][key].as_str().unwrap_or_default();
        ObjectId::new(self.resource.kind.clone(), text("namespace"), text("name"))
    }
}

/// A watch that says nothing is taken for an outage: nothing tells otherwise.
pub(super) fn silence(time: Duration) -> ApiError {
    ApiError::TimedOut { seconds: time.as_secs_f64(), answers_others: false }
}

//! Follows the objects of a kind: lists them once, then watches them for good. After any break but the
//! ordinary end of a watch everything is listed again, for only that tells what was missed.

use std::ops::ControlFlow;
use std::pin::pin;
use std::time::Duration;

use futures::{Stream, TryStreamExt};
use http::Request;
use kube::api::WatchParams;
use kube::core::WatchEvent;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::error::chain;
use super::list::{Content, Target, version_of};
use super::{ApiError, Cluster, client};

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

/// What was seen of them, each object reduced to what is to be kept of it.
#[derive(Debug)]
pub enum Sight<T> {
    /// All there are.
    Listed(Vec<T>),
    /// One as it is now.
    Seen(T),
    /// One as it was last: it is gone, or no longer selected.
    Gone(T),
    /// Nothing is known until the next list.
    Lost(ApiError),
}

/// Why a watch ended.
enum End {
    /// In the ordinary way: it goes on from its version.
    Over,
    /// Its version is too old: everything is listed again.
    Expired,
    /// The kind cannot be watched, only listed.
    Unwatchable,
    /// Nobody listens any more.
    Unheard,
}

/// Somebody who follows objects, and how far.
struct Follower<R, L> {
    cluster: Cluster,
    target: Target,
    reduce: R,
    listen: L,
    version: String,
    pause: Duration,
}

impl Cluster {
    /// Follows objects until `listen` breaks. `reduce` makes of each object what is kept of it.
    pub async fn follow<T: Send>(
        self,
        target: Target,
        reduce: impl Fn(&Value) -> T + Send,
        listen: impl FnMut(Sight<T>) -> ControlFlow<()> + Send,
    ) {
        let (version, pause) = (String::new(), PAUSES.0);
        let mut follower = Follower { cluster: self, target, reduce, listen, version, pause };
        loop {
            match follower.list_and_watch().await {
                Ok(ControlFlow::Break(())) => return,
                Ok(ControlFlow::Continue(())) => sleep(PAUSES.0).await,
                Err(error) => {
                    if (follower.listen)(Sight::Lost(error)).is_break() {
                        return;
                    }
                    sleep(follower.pause).await;
                    follower.pause = (follower.pause * 2).min(PAUSES.1);
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
    /// Opens a watch.
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

impl<T, R: Fn(&Value) -> T, L: FnMut(Sight<T>) -> ControlFlow<()>> Follower<R, L> {
    /// Lists, then watches. Whatever breaks off is an error; only a watch that ended in the ordinary way is
    /// opened again where it was.
    async fn list_and_watch(&mut self) -> Result<ControlFlow<()>, ApiError> {
        let objects = self.list().await?;
        if (self.listen)(Sight::Listed(objects)).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        loop {
            let opened = Instant::now();
            match self.watch().await? {
                End::Unwatchable => {
                    sleep(POLL).await;
                    return Ok(ControlFlow::Continue(()));
                }
                End::Expired => return Ok(ControlFlow::Continue(())),
                End::Unheard => return Ok(ControlFlow::Break(())),
                // A server that ends watches at once is in trouble.
                End::Over if opened.elapsed() < TOO_SHORT => sleep(PAUSES.1).await,
                End::Over => {}
            }
        }
    }

    async fn list(&mut self) -> Result<Vec<T>, ApiError> {
        let mut objects = Vec::new();
        let Self { target, reduce, .. } = &*self;
        let see = |item: &mut Value| objects.push(reduce(item));
        self.version = self.cluster.list(target, see).await?;
        Ok(objects)
    }

    /// Hands on events from the version reached so far.
    async fn watch(&mut self) -> Result<End, ApiError> {
        let mut events = match self.cluster.open_watch(self.request()?).await {
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
                Some(event) => {
                    if self.hand_on(event).is_break() {
                        return Ok(End::Unheard);
                    }
                }
            }
            self.pause = PAUSES.0;
        }
    }

    fn request(&self) -> Result<Request<Vec<u8>>, ApiError> {
        let Target { resource, namespace, labels, fields, content } = &self.target;
        let requests = kube::core::Request::new(client::path(resource, namespace));
        let params = WatchParams::default().labels(labels).fields(fields).timeout(WATCH_SECONDS);
        let request = match content {
            Content::Metadata => requests.watch_metadata(&params, &self.version),
            Content::Whole => requests.watch(&params, &self.version),
        };
        request.map_err(ApiError::BadRequest)
    }

    fn hand_on(&mut self, event: WatchEvent<Value>) -> ControlFlow<()> {
        let sight = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                self.version = version_of(&object);
                Sight::Seen((self.reduce)(&object))
            }
            WatchEvent::Deleted(object) => {
                self.version = version_of(&object);
                Sight::Gone((self.reduce)(&object))
            }
            WatchEvent::Bookmark(mark) => {
                self.version = mark.metadata.resource_version;
                return ControlFlow::Continue(());
            }
            WatchEvent::Error(_) => return ControlFlow::Continue(()),
        };
        (self.listen)(sight)
    }
}

/// A watch that says nothing is taken for an outage: nothing tells otherwise.
pub(super) fn silence(time: Duration) -> ApiError {
    ApiError::TimedOut { seconds: time.as_secs_f64(), answers_others: false }
}

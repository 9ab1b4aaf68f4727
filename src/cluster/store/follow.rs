//! Follows what people ask of an app: the annotations of its inventory.

use std::pin::pin;
use std::time::Duration;

use futures::TryStreamExt;
use kube::api::WatchParams;
use kube::core::WatchEvent;
use serde_json::{Map, Value, json};
use tokio::sync::watch::Sender;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::inbox::tell;
use super::{Store, StoreError, secrets, shards};
use crate::cluster::error::chain;
use crate::cluster::follow::{Opened, SILENCE, WATCH_SECONDS, silence};
use crate::cluster::{ApiError, client};
use crate::object::AppId;
use crate::plan::Controls;

/// Annotations by key.
type Annotations = Map<String, Value>;

/// Pause after a watch broke.
const PAUSE: Duration = Duration::from_secs(2);
/// Tries to write what the app itself writes as well.
const TRIES: u32 = 10;
/// Time between two looks when the Secret may not be watched.
const POLL: Duration = Duration::from_secs(15);

impl Store {
    /// Tells what people ask of an app, whenever that changes, until nobody listens.
    pub async fn follow(self, app: AppId, controls: Sender<Controls>) {
        let mut was_refused = false;
        while !controls.is_closed() {
            match self.follow_once(&app, &controls).await {
                Ok(()) => {}
                Err(error) if error.code() == 403 => {
                    if !std::mem::replace(&mut was_refused, true) {
                        let (namespace, name) = (&self.namespace, shards::name(&app, 0));
                        warn!(
                            "May not watch Secret {namespace}/{name}: approvals and suspension are noticed later; grant watch"
                        );
                    }
                    sleep(POLL).await;
                }
                Err(error) => debug!("Watch of the inventory: {error}"),
            }
            sleep(PAUSE).await;
        }
    }

    async fn follow_once(&self, app: &AppId, controls: &Sender<Controls>) -> Result<(), ApiError> {
        // Of a Secret that is gone, a watch shows nothing.
        let secret = self.cluster.get(&secrets(), &self.id(&shards::name(app, 0))).await?;
        tell(controls, asked(secret.as_ref()));
        let requests = kube::core::Request::new(client::path(&secrets(), &self.namespace));
        let field = format!("metadata.name={}", shards::name(app, 0));
        let params = WatchParams::default().fields(&field).timeout(WATCH_SECONDS);
        // From no version on, it begins with what there is.
        let request = requests.watch_metadata(&params, "");
        let opened = self.cluster.open_watch(request.map_err(ApiError::BadRequest)?).await?;
        let Opened::Events(events) = opened else { return Ok(()) };
        let mut events = pin!(events);
        loop {
            let event = timeout(SILENCE, events.try_next()).await;
            let event = event.map_err(|_| silence(SILENCE))?;
            match event.map_err(|error| ApiError::Unreachable(chain(&error)))? {
                Some(WatchEvent::Added(secret) | WatchEvent::Modified(secret)) => {
                    tell(controls, asked(Some(&secret)));
                }
                Some(WatchEvent::Deleted(_)) => tell(controls, asked(None)),
                Some(WatchEvent::Bookmark(_)) => {}
                Some(WatchEvent::Error(_)) | None => return Ok(()),
            }
        }
    }

    /// Sets an annotation on an app's inventory, or removes it, by what it says now.
    pub async fn annotate(
        &self,
        app: &AppId,
        key: &str,
        value: impl Fn(Option<&str>) -> Option<String>,
    ) -> Result<(), StoreError> {
        let edit = |annotations: &mut Annotations| {
            match value(annotations.get(key).and_then(Value::as_str)) {
                Some(new) => annotations.insert(key.to_owned(), json!(new)),
                None => annotations.remove(key),
            };
        };
        self.edit_annotations(app, edit).await
    }

    /// Changes the annotations on an app's inventory, all at once.
    pub async fn edit_annotations(
        &self,
        app: &AppId,
        edit: impl Fn(&mut Annotations),
    ) -> Result<(), StoreError> {
        for tried in 1.. {
            match self.edit_once(app, &edit).await {
                Err(StoreError::Conflict { .. }) if tried < TRIES => {}
                edited => return edited,
            }
        }
        Ok(())
    }

    async fn edit_once(
        &self,
        app: &AppId,
        edit: impl Fn(&mut Annotations),
    ) -> Result<(), StoreError> {
        let name = shards::name(app, 0);
        let Some(mut secret) = self.read(&name).await? else {
            return Err(StoreError::NoInventory { namespace: self.namespace.clone(), name });
        };
        let known = secret["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
        let mut annotations = known.clone();
        edit(&mut annotations);
        if annotations == known {
            return Ok(());
        }
        secret["metadata"]["annotations"] = Value::Object(annotations);
        self.replace(&name, &secret).await.map(drop)
    }
}

fn asked(secret: Option<&Value>) -> Controls {
    secret.map(Controls::of).unwrap_or_default()
}

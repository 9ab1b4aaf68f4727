//! Hands on to the replica that writes an app what only this one has heard: that there was a push.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::sleep;
use tracing::warn;

use crate::cluster::store::Store;
use crate::object::{AppId, ObjectId};
use crate::plan::controls::PUSHED;

/// Field manager of what is handed on.
const MANAGER: &str = "gitops-sync-webhook";
/// Apps that are told side by side.
const SIDE_BY_SIDE: usize = 8;
/// Time in which an app is told once, however many pushes there are.
const PAUSE: Duration = Duration::from_secs(1);

/// Where the replica that writes an app hears of a push.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    /// An annotation of the app's resource.
    Resource(ObjectId),
    /// An annotation of the inventory of an app without a resource.
    Inventory(AppId),
}

/// Pushes that are to be handed on.
#[derive(Clone, Default)]
pub struct Relay(Arc<Inner>);

#[derive(Default)]
struct Inner {
    due: Mutex<BTreeSet<Address>>,
    wake: Notify,
}

impl Relay {
    /// There was a push that concerns an app.
    pub fn tell(&self, address: Address) {
        self.due().insert(address);
        self.0.wake.notify_one();
    }

    /// Hands on for good, by annotations. They pass no fence, for they are about what this replica may not write.
    pub async fn run(self, store: Store) {
        loop {
            self.0.wake.notified().await;
            let due = std::mem::take(&mut *self.due());
            let handing = stream::iter(due);
            handing.for_each_concurrent(SIDE_BY_SIDE, |to| hand_on(&store, to)).await;
            sleep(PAUSE).await;
        }
    }

    fn due(&self) -> MutexGuard<'_, BTreeSet<Address>> {
        self.0.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn hand_on(store: &Store, to: Address) {
    let now = Timestamp::now().to_string();
    let (app, handed) = match &to {
        Address::Resource(id) => {
            let fields = json!({"metadata": {"annotations": {PUSHED: now}}});
            let merged = store.cluster().merge_app(id, MANAGER, &fields).await.map(drop);
            (format!("{}/{}", id.namespace, id.name), merged.map_err(|error| error.to_string()))
        }
        Address::Inventory(app) => {
            let told = store.annotate(app, PUSHED, |_| Some(now.clone())).await;
            (app.to_string(), told.map_err(|error| error.to_string()))
        }
    };
    if let Err(why) = handed {
        warn!(app, "Push not handed on, the next interval finds it: {why}");
    }
}

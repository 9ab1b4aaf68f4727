//! The apps of a namespace: each leaves its name with the key that all of them share, so that one that
//! deletes can ask whether another declares the object.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{KEY, Store, StoreError, data};
use crate::object::AppId;

/// Before an app's name among the data of the Secret.
const APP: &str = "app.";
/// Tries to write what others write as well.
const TRIES: u32 = 5;

/// An app of the namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The app.
    pub app: AppId,
    /// Time between two of its syncs; zero for one that is synced by hand.
    pub interval: Duration,
}

/// Names that are yet to be left, so that many apps of one process take few writes.
#[derive(Clone, Default)]
pub(super) struct Register(Arc<Inner>);

#[derive(Default)]
struct Inner {
    pending: Mutex<BTreeMap<String, u64>>,
    turn: tokio::sync::Mutex<()>,
}

impl Register {
    fn pending(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.0.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Leaves an app's name, unless it is there already.
    pub async fn register(&self, app: &AppId, interval: Duration) -> Result<(), StoreError> {
        let key = format!("{APP}{app}");
        self.register.pending().insert(key.clone(), interval.as_secs());
        let _turn = self.register.0.turn.lock().await;
        let all = self.register.pending().clone();
        if !all.contains_key(&key) {
            // Another app has left it.
            return Ok(());
        }
        self.change_register(|data| {
            for (key, seconds) in &all {
                let text = json!(STANDARD.encode(seconds.to_string()));
                // A sync by hand beside a daemon does not say how long to wait for that.
                let is_known = data[key] == text || (*seconds == 0 && data[key].is_string());
                if !is_known {
                    data[key] = text;
                }
            }
        })
        .await?;
        self.register.pending().retain(|key, seconds| all.get(key) != Some(seconds));
        Ok(())
    }

    /// Takes an app's name away.
    pub(super) async fn strike(&self, app: &AppId) -> Result<(), StoreError> {
        let key = format!("{APP}{app}");
        let _turn = self.register.0.turn.lock().await;
        // Nobody is to leave it in its name, should that have failed before.
        self.register.pending().remove(&key);
        self.change_register(|data| drop(data.as_object_mut().map(|names| names.remove(&key))))
            .await
    }

    async fn change_register(&self, change: impl Fn(&mut Value)) -> Result<(), StoreError> {
        for tried in 1.. {
            let Some(mut secret) = self.read(KEY).await? else { return Ok(()) };
            let before = secret["data"].clone();
            change(&mut secret["data"]);
            if secret["data"] == before {
                return Ok(());
            }
            match self.replace(KEY, &secret).await {
                Err(StoreError::Conflict { .. }) if tried < TRIES => {}
                replaced => return replaced.map(drop),
            }
        }
        Ok(())
    }

    /// All apps of the namespace.
    pub async fn apps(&self) -> Result<Vec<Registered>, StoreError> {
        let secret = self.read(KEY).await?.unwrap_or_default();
        let names = secret["data"].as_object().into_iter().flatten();
        let apps = names.filter_map(|(key, _)| {
            let app = key.strip_prefix(APP)?.parse::<AppId>().ok()?.within(&self.namespace);
            let seconds = String::from_utf8(data(&secret, key)?).ok()?.parse().ok()?;
            Some(Registered { app, interval: Duration::from_secs(seconds) })
        });
        Ok(apps.collect())
    }
}

//! The apps of a namespace: each leaves its name with the key that all of them share, so that one that
//! deletes can ask whether another declares the object.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

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

impl Store {
    /// Leaves an app's name, unless it is there already.
    pub async fn register(&self, app: &AppId, interval: Duration) -> Result<(), StoreError> {
        let key = format!("{APP}{app}");
        let seconds = STANDARD.encode(interval.as_secs().to_string());
        for tried in 1.. {
            let Some(mut secret) = self.read(KEY).await? else { return Ok(()) };
            // A sync by hand beside a daemon does not say how long to wait for that.
            let is_by_hand = interval.is_zero() && secret["data"][&key].is_string();
            if secret["data"][&key] == json!(seconds) || is_by_hand {
                return Ok(());
            }
            secret["data"][&key] = json!(seconds);
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

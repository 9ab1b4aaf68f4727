//! What people ask of many apps: the annotations of their inventories, followed by one watch.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::watch;
use tracing::{debug, warn};

use super::{Store, secrets};
use crate::cluster::follow::Sight;
use crate::cluster::list::{Content, Target};
use crate::object::AppId;
use crate::object::marks::MANAGER;
use crate::plan::Controls;
use crate::plan::shards::INVENTORY;

/// What is asked of each app that has an inventory or listens.
#[derive(Clone, Default)]
pub struct Inbox(Arc<Mutex<BTreeMap<AppId, watch::Sender<Controls>>>>);

/// An app, and what is asked of it, if the object is an inventory.
type Asked = Option<(AppId, Controls)>;

impl Inbox {
    /// What is asked of an app, from now on.
    pub fn of(&self, app: &AppId) -> watch::Receiver<Controls> {
        self.all().entry(app.clone()).or_default().subscribe()
    }

    /// Forgets an app that no longer listens. What its inventory asks is still known to who listens next.
    pub fn remove(&self, app: &AppId) {
        let mut all = self.all();
        if all.get(app).is_some_and(|sender| *sender.borrow() == Controls::default()) {
            all.remove(app);
        }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<AppId, watch::Sender<Controls>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, sight: Sight<Asked>) {
        let mut all = self.all();
        match sight {
            Sight::Listed(asked) => {
                let asked: BTreeMap<_, _> = asked.into_iter().flatten().collect();
                for (_, sender) in all.iter().filter(|(app, _)| !asked.contains_key(*app)) {
                    tell(sender, Controls::default());
                }
                for (app, now) in asked {
                    tell(all.entry(app).or_default(), now);
                }
            }
            // Also of those that have yet to listen: else what is withdrawn later were no news to them.
            Sight::Seen(Some((app, now))) => tell(all.entry(app).or_default(), now),
            Sight::Gone(Some((app, _))) => {
                if let Some(sender) = all.get(&app) {
                    tell(sender, Controls::default());
                }
                all.retain(|known, sender| *known != app || sender.receiver_count() > 0);
            }
            Sight::Seen(None) | Sight::Gone(None) => {}
            Sight::Lost(error) => debug!("Watch of the inventories: {error}"),
        }
    }
}

impl Store {
    /// Follows what is asked of all apps, for good.
    pub async fn follow_all(self, inbox: Inbox) {
        let namespace = self.namespace.clone();
        let reduce = move |secret: &Value| {
            let name = secret["metadata"]["name"].as_str()?.strip_prefix(INVENTORY)?;
            let app = name.parse::<AppId>().ok()?.within(&namespace);
            Some((app, Controls::of(secret)))
        };
        let mut was_refused = false;
        let listen = move |sight: Sight<Asked>| {
            let is_refused = matches!(&sight, Sight::Lost(error) if error.code() == 403);
            if is_refused && !std::mem::replace(&mut was_refused, is_refused) {
                warn!(
                    "May not list and watch Secrets of the own namespace: annotations of inventories are noticed late; grant it"
                );
            }
            inbox.take(sight);
            ControlFlow::Continue(())
        };
        let labels = format!("app.kubernetes.io/managed-by={MANAGER}");
        let (resource, namespace, fields) = (secrets(), self.namespace, String::new());
        let target = Target { resource, namespace, labels, fields, content: Content::Metadata };
        self.cluster.follow(target, reduce, listen).await;
    }
}

/// Tells only what is new.
pub(super) fn tell(controls: &watch::Sender<Controls>, now: Controls) {
    controls.send_if_modified(|known| {
        let is_news = *known != now;
        *known = now;
        is_news
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_late_hears_what_is_withdrawn() {
        let app: AppId = "web".parse().unwrap();
        let suspended = || Controls { suspended: true, ..Controls::default() };
        let seen = |controls: Controls| Sight::Seen(Some((app.clone(), controls)));
        let check = |first: Sight<Asked>| {
            let inbox = Inbox::default();
            inbox.take(first);
            let mut heard = inbox.of(&app);
            assert_eq!(*heard.borrow(), suspended());
            inbox.remove(&app);
            assert!(heard.has_changed().is_ok_and(|is_changed| !is_changed));
            inbox.take(seen(Controls::default()));
            assert!(heard.has_changed().unwrap());
            assert_eq!(*heard.borrow_and_update(), Controls::default());
            inbox.remove(&app);
            assert!(inbox.all().is_empty());
        };
        check(seen(suspended()));
        check(Sight::Listed(vec![None, Some((app.clone(), suspended()))]));
    }
}

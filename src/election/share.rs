//! What a replica may write.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::cluster::Fence;
use crate::object::AppId;

/// As good as forever: no clock overflows by it.
const FOREVER: Duration = Duration::from_hours(24 * 365 * 10);

/// Which apps a replica may write, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Share {
    /// None.
    Nothing,
    /// All, as the leader.
    All {
        /// Until then, if it is not renewed.
        until: Instant,
    },
    /// Those that fall to it among these replicas.
    Part {
        /// Until then, if it is not renewed.
        until: Instant,
        /// Its own name.
        me: String,
        /// All replicas that may write.
        replicas: BTreeSet<String>,
    },
}

impl Share {
    /// Until when an app may be written, if at all.
    pub fn until(&self, app: &AppId) -> Option<Instant> {
        match self {
            Self::Nothing => None,
            Self::All { until } => Some(*until),
            Self::Part { until, me, replicas } => {
                (owner(app, replicas) == Some(me.as_str())).then_some(*until)
            }
        }
    }

    /// Whether the same apps are written by it.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nothing, Self::Nothing) | (Self::All { .. }, Self::All { .. }) => true,
            (Self::Part { replicas, .. }, Self::Part { replicas: others, .. }) => {
                replicas == others
            }
            _ => false,
        }
    }
}

/// The replica that an app falls to: the one with the highest hash of both names (rendezvous hashing), so
/// that only the apps of a replica that goes, or comes, move.
pub fn owner<'a>(app: &AppId, replicas: &'a BTreeSet<String>) -> Option<&'a str> {
    let weight = |replica: &&'a String| -> [u8; 32] {
        Sha256::digest(format!("{}/{app}\n{replica}", app.namespace())).into()
    };
    replicas.iter().max_by_key(weight).map(String::as_str)
}

/// What this replica may write, as it changes: what a controller asks before it works on an app.
#[derive(Clone, Debug)]
pub struct Ownership(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    share: watch::Sender<Share>,
    /// Whether there is no other replica.
    is_sole: bool,
    /// One for each app that was asked about.
    fences: Mutex<BTreeMap<AppId, Arc<Fence>>>,
}

impl Ownership {
    /// Owns nothing yet.
    pub(super) fn none() -> Self {
        Self::of(Share::Nothing, false)
    }

    fn of(share: Share, is_sole: bool) -> Self {
        let share = watch::Sender::new(share);
        Self(Arc::new(Inner { share, is_sole, fences: Mutex::default() }))
    }

    /// Owns everything for good: there is but one replica.
    pub fn sole() -> Self {
        Self::of(Share::All { until: Instant::now() + FOREVER }, true)
    }

    /// Whether there is no other replica.
    pub fn is_sole(&self) -> bool {
        self.0.is_sole
    }

    /// Whether an app is this replica's to write, now.
    pub fn is_mine(&self, app: &AppId) -> bool {
        self.0.share.borrow().until(app).is_some_and(|until| Instant::now() < until)
    }

    /// Tells whenever other apps than before are this replica's.
    pub fn changes(&self) -> watch::Receiver<Share> {
        self.0.share.subscribe()
    }

    /// The fence of all writes for an app: open while it is this replica's. Its
    /// [`held`](Fence::held) tells when that changes.
    pub fn fence(&self, app: &AppId) -> Arc<Fence> {
        let mut fences = self.0.fences.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fence) = fences.get(app) {
            return fence.clone();
        }
        // Of apps that are gone, and of which nothing may arrive any more.
        fences.retain(|_, fence| Arc::strong_count(fence) > 1 || fence.is_haunted());
        let fence = Arc::new(Fence::default());
        fence.set(self.0.share.borrow().until(app));
        fences.insert(app.clone(), fence.clone());
        fence
    }

    /// Takes over a new share: every fence is open as it says before anybody is told.
    pub(super) fn publish(&self, share: Share) {
        let fences = self.0.fences.lock().unwrap_or_else(PoisonError::into_inner);
        for (app, fence) in &*fences {
            fence.set(share.until(app));
        }
        self.0.share.send_if_modified(|known| {
            let is_news = !known.is_like(&share);
            *known = share;
            is_news
        });
    }

    /// Returns when no write is under way for what is not this replica's; `false` if one was given up that may
    /// still arrive.
    pub(super) async fn quiet(&self) -> bool {
        let mut fences = self.fences();
        fences.retain(|fence| !fence.is_open());
        for fence in &fences {
            fence.quiet().await;
        }
        !fences.iter().any(|fence| fence.is_haunted())
    }

    /// All fences.
    pub(super) fn fences(&self) -> Vec<Arc<Fence>> {
        let fences = self.0.fences.lock().unwrap_or_else(PoisonError::into_inner);
        fences.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replicas(names: &str) -> BTreeSet<String> {
        names.chars().map(String::from).collect()
    }

    fn apps() -> Vec<AppId> {
        let app = |n| format!("app-{n}").parse::<AppId>().unwrap().within("ops");
        (0..300).map(app).collect()
    }

    #[test]
    fn only_the_apps_of_who_goes_move_and_all_have_their_part() {
        let (all, fewer) = (replicas("abc"), replicas("ac"));
        let mut counts = BTreeMap::<&str, usize>::new();
        for app in &apps() {
            let before = owner(app, &all).unwrap();
            *counts.entry(before).or_default() += 1;
            let after = owner(app, &fewer).unwrap();
            assert!(before == after || before == "b", "{app}: {before} to {after}");
        }
        assert!(counts.len() == 3 && counts.values().all(|number| *number > 70), "{counts:?}");
        assert_eq!(owner(&apps()[0], &BTreeSet::new()), None);
    }

    #[test]
    fn fences_follow_the_share_and_a_mere_renewal_is_no_news() {
        let ownership = Ownership::none();
        let (app, mut changes) = (apps().remove(0), ownership.changes());
        let fence = ownership.fence(&app);
        let mut check = |share: Share, is_mine: bool, is_news: bool| {
            ownership.publish(share);
            assert_eq!(ownership.is_mine(&app), is_mine);
            assert_eq!(fence.is_open(), is_mine);
            assert_eq!(ownership.fence(&app).is_open(), is_mine);
            assert_eq!(std::mem::take(&mut changes.has_changed().unwrap()), is_news);
            changes.mark_unchanged();
        };
        let now = Instant::now();
        let part = |names: &str, me: &str| {
            let (me, replicas) = (me.to_owned(), replicas(names));
            Share::Part { until: now + FOREVER, me, replicas }
        };
        let mine = owner(&apps()[0], &replicas("abc")).unwrap().to_owned();
        check(Share::Nothing, false, false);
        check(Share::All { until: now + FOREVER }, true, true);
        check(Share::All { until: now + FOREVER * 2 }, true, false);
        check(Share::All { until: now }, false, false);
        check(part("abc", &mine), true, true);
        check(part("abc", "nobody"), false, false);
        check(part("ab", "nobody"), false, true);
        check(Share::Nothing, false, true);
    }

    #[test]
    fn who_is_alone_owns_everything() {
        let ownership = Ownership::sole();
        assert!(apps().iter().all(|app| ownership.is_mine(app) && ownership.fence(app).is_open()));
    }
}

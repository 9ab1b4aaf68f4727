//! The other apps of a namespace, asked before anything is deleted: an object that moves from one app to
//! another is handed over, whichever of the two is first to see the commit.

use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;

use super::{App, Memory};
use crate::cluster::store::StoreError;
use crate::object::{AppId, GroupKind, ObjectId};
use crate::plan::prune::is_crd;
use crate::plan::{Inventory, Kinds};

/// Longest time that an object waits for another app to declare it, or to take it over.
pub const LONGEST: Duration = Duration::from_mins(10);

/// Shortest such time, where it is known which apps have seen the commit.
const SHORTEST: Duration = Duration::from_secs(2);

/// Shortest time that is left to those that have not seen the commit: their replica may have died, and another one
/// takes them over.
const TAKEOVER: Duration = Duration::from_secs(30);

/// The other apps and what they declare.
#[derive(Debug, Default)]
pub struct Rivals {
    inventories: Vec<(AppId, Arc<Inventory>)>,
    /// Why the inventory of one of them cannot be read, if so.
    unread: Option<String>,
    /// How long an object waits for one of them.
    grace: Duration,
}

impl Rivals {
    /// Reads what the others declare.
    pub async fn of(app: &App) -> Result<Self, StoreError> {
        let mut others = app.store.apps().await?;
        others.retain(|other| other.app != app.id);
        let slowest = others.iter().map(|other| other.interval).max();
        let load = async |other: AppId| match app.store.load(&other).await {
            Err(error) if error.is_outage() => Err(error),
            loaded => Ok((other, loaded)),
        };
        let (mut inventories, mut unread) = (Vec::new(), None);
        if let Some(peers) = &app.peers {
            let known = |other: &AppId| Some((other.clone(), peers.inventory(other)?));
            inventories.extend(others.iter().filter_map(|other| known(&other.app)));
            others.retain(|other| inventories.iter().all(|(known, _)| *known != other.app));
        }
        for (other, loaded) in try_join_all(others.into_iter().map(|other| load(other.app))).await?
        {
            match loaded {
                Ok(loaded) => inventories.push((other, loaded.inventory)),
                Err(error) => unread = Some(error.to_string()),
            }
        }
        // In another cluster an app has objects of the same names, and not these.
        let place = app.place();
        inventories.retain(|(_, inventory)| inventory.cluster == place);
        // One pass of each, wherever it is in its interval.
        let grace = slowest.map(|slowest| (slowest.max(app.interval) * 2).min(LONGEST));
        let grace = grace.filter(|_| !app.interval.is_zero() && app.peers.is_none());
        let grace = grace.unwrap_or_default();
        Ok(Self { inventories, unread, grace })
    }

    /// Whether a commit is so new that another app of the same repository may yet declare what left this one by it.
    /// It is known of each when it has looked; one that is made by the same commit comes a moment later.
    pub fn may_come(app: &App, memory: &Memory, commit: Option<&str>) -> bool {
        let (Some(peers), Some(newest)) = (&app.peers, memory.left.values().max()) else {
            return false;
        };
        let age = memory.clock.now().saturating_sub(*newest);
        let is_behind = commit.is_some_and(|commit| peers.are_behind(commit));
        age < SHORTEST || (is_behind && age < (app.interval * 2).clamp(TAKEOVER, LONGEST))
    }

    /// Why it is not known what one of them declares, if so.
    pub fn unread(&self) -> Option<&String> {
        self.unread.as_ref()
    }

    /// The app that declares an object, if one does.
    pub fn owner(&self, id: &ObjectId) -> Option<&AppId> {
        let declares = |(_, inventory): &&(AppId, Arc<Inventory>)| inventory.claims(id);
        self.inventories.iter().find(declares).map(|(app, _)| app)
    }

    /// The app of which objects would go with a namespace or CRD, if any would. So might those of a kind that is
    /// not known.
    pub fn holder(&self, id: &ObjectId, kinds: &Kinds) -> Option<&AppId> {
        let is_namespace = id.kind.is("", "Namespace");
        let is_crd = is_crd(id);
        if !is_namespace && !is_crd {
            return None;
        }
        let defines = |kind: &GroupKind| {
            let plural = id.name.strip_suffix(&format!(".{}", kind.group));
            let is_its = |plural| kinds.preferred(kind).is_none_or(|kind| kind.plural == plural);
            plural.is_some_and(is_its)
        };
        let goes = |other: &ObjectId| {
            (is_namespace && other.namespace == id.name) || (is_crd && defines(&other.kind))
        };
        let holds = |(_, inventory): &&(AppId, Arc<Inventory>)| inventory.claimed().any(goes);
        self.inventories.iter().find(holds).map(|(app, _)| app)
    }

    /// Whether an object left the source so lately that another app may yet declare it.
    pub fn may_follow(&self, id: &ObjectId, memory: &Memory) -> bool {
        let now = memory.clock.now();
        memory.left.get(id).is_some_and(|since| *since + self.grace > now)
    }
}

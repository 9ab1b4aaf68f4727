//! The watches of an app's kinds, and what they see.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::cluster::Cluster;
use crate::object::{AppId, GroupKind, ObjectId};
use crate::plan::observed::{Blind, Observed, Sighting};
use crate::plan::prune::selector;
use crate::plan::{Kinds, Resource};

/// Longest wait for kinds to be listed, or to answer again after an outage.
const SETTLE: Duration = Duration::from_secs(10);

/// One watch for each kind of an app. Dropping it ends them.
pub struct Watches {
    running: BTreeMap<GroupKind, (Resource, Ended)>,
    sender: UnboundedSender<(GroupKind, Sighting)>,
    receiver: UnboundedReceiver<(GroupKind, Sighting)>,
    unsettled: BTreeSet<GroupKind>,
}

/// Ends a task when it is dropped.
struct Ended(JoinHandle<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Default for Watches {
    fn default() -> Self {
        let (sender, receiver) = unbounded_channel();
        let (running, unsettled) = (BTreeMap::new(), BTreeSet::new());
        Self { running, sender, receiver, unsettled }
    }
}

impl Watches {
    /// Watches exactly these kinds: starts what is missing, ends what is no longer wanted.
    pub fn want(
        &mut self,
        cluster: &Cluster,
        app: &AppId,
        wanted: &BTreeSet<GroupKind>,
        kinds: &Kinds,
    ) {
        self.running.retain(|kind, (resource, task)| {
            wanted.contains(kind)
                && kinds.preferred(kind) == Some(resource)
                && !task.0.is_finished()
        });
        self.unsettled.retain(|kind| wanted.contains(kind));
        for resource in wanted.iter().filter_map(|kind| kinds.preferred(kind)) {
            if self.running.contains_key(&resource.kind) {
                continue;
            }
            let watch = cluster.clone().watch(resource.clone(), selector(app), self.sender.clone());
            let task = Ended(tokio::spawn(watch));
            self.running.insert(resource.kind.clone(), (resource.clone(), task));
            self.unsettled.insert(resource.kind.clone());
        }
    }

    /// The kinds that are watched.
    pub fn kinds(&self) -> BTreeSet<GroupKind> {
        self.running.keys().cloned().collect()
    }

    /// Waits until each kind was listed or refused, through a short outage as well. A kind that is
    /// late is unknown, not empty. Returns the objects that something was seen of.
    pub async fn settle(&mut self, app: &AppId, observed: &mut Observed) -> BTreeSet<ObjectId> {
        let mut touched = BTreeSet::new();
        while let Ok((kind, sighting)) = self.receiver.try_recv() {
            touched.extend(self.note(app, observed, &kind, sighting));
        }
        let deadline = Instant::now() + SETTLE;
        let is_out = |observed: &Observed| observed.blind.values().any(|blind| blind.is_outage);
        while !self.unsettled.is_empty() || is_out(observed) {
            let Ok(Some((kind, sighting))) = timeout_at(deadline, self.receiver.recv()).await
            else {
                break;
            };
            touched.extend(self.note(app, observed, &kind, sighting));
        }
        for kind in &self.unsettled {
            let why = format!("not listed within {} s", SETTLE.as_secs());
            let late = Blind { why, is_outage: false, is_passing: true };
            observed.blind.entry(kind.clone()).or_insert(late);
        }
        touched
    }

    /// Waits for something to be seen, and returns the objects it is about.
    pub async fn next(&mut self, app: &AppId, observed: &mut Observed) -> BTreeSet<ObjectId> {
        match self.receiver.recv().await {
            Some((kind, sighting)) => self.note(app, observed, &kind, sighting),
            // The sender is ours, so there is always one.
            None => BTreeSet::new(),
        }
    }

    fn note(
        &mut self,
        app: &AppId,
        observed: &mut Observed,
        kind: &GroupKind,
        sighting: Sighting,
    ) -> BTreeSet<ObjectId> {
        // A kind that is no longer wanted may have had something in the pipe.
        if !self.running.contains_key(kind) {
            return BTreeSet::new();
        }
        if !matches!(&sighting, Sighting::Lost(blind) if blind.is_passing) {
            self.unsettled.remove(kind);
        }
        observed.note(app, kind, sighting)
    }
}

//! The watches of an app's scopes, and what they see.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout_at};

use super::informers::{Ear, Heard, Informers, Subscription};
use crate::object::{AppId, ObjectId};
use crate::plan::observed::{Blind, Observed, Sighting};
use crate::plan::{Kinds, Resource, Scope};

/// Longest wait for scopes to be listed, or to answer again after an outage.
const SETTLE: Duration = Duration::from_secs(10);

/// The scopes of an app, each watched. Dropping it ends that.
pub struct Watches {
    running: BTreeMap<Scope, (Resource, Subscription)>,
    sender: Ear,
    /// Boxed, since a channel has room for many from the beginning.
    receiver: UnboundedReceiver<Box<Heard>>,
    unsettled: BTreeSet<Scope>,
}

impl Default for Watches {
    fn default() -> Self {
        let (sender, receiver) = unbounded_channel();
        let (running, unsettled) = (BTreeMap::new(), BTreeSet::new());
        Self { running, sender, receiver, unsettled }
    }
}

impl Watches {
    /// Watches exactly these scopes: starts what is missing, ends what is no longer wanted.
    pub fn want(
        &mut self,
        informers: &Informers,
        app: &AppId,
        wanted: &BTreeSet<Scope>,
        kinds: &Kinds,
    ) {
        self.running.retain(|scope, (resource, _)| {
            wanted.contains(scope) && kinds.preferred(&scope.kind) == Some(resource)
        });
        self.unsettled.retain(|scope| wanted.contains(scope));
        for scope in wanted {
            let Some(resource) = kinds.preferred(&scope.kind) else { continue };
            if self.running.contains_key(scope) {
                continue;
            }
            let heard = informers.subscribe(app, scope, resource, self.sender.clone());
            self.running.insert(scope.clone(), (resource.clone(), heard));
            self.unsettled.insert(scope.clone());
        }
    }

    /// The scopes that are watched.
    pub fn scopes(&self) -> BTreeSet<Scope> {
        self.running.keys().cloned().collect()
    }

    /// Waits until each scope was listed or refused, through a short outage as well. A scope that is
    /// late is unknown, not empty. Returns the objects that something was seen of.
    pub async fn settle(&mut self, app: &AppId, observed: &mut Observed) -> BTreeSet<ObjectId> {
        let mut touched = BTreeSet::new();
        while let Ok(heard) = self.receiver.try_recv() {
            let (scope, sighting) = *heard;
            touched.extend(self.note(app, observed, &scope, sighting));
        }
        let deadline = Instant::now() + SETTLE;
        let is_out = |observed: &Observed| observed.blind.values().any(|blind| blind.is_outage);
        while !self.unsettled.is_empty() || is_out(observed) {
            let Ok(Some(heard)) = timeout_at(deadline, self.receiver.recv()).await else { break };
            let (scope, sighting) = *heard;
            touched.extend(self.note(app, observed, &scope, sighting));
        }
        for scope in &self.unsettled {
            let why = format!("not listed within {} s", SETTLE.as_secs());
            let late = Blind { why, is_outage: false, is_passing: true };
            observed.blind.entry(scope.clone()).or_insert(late);
        }
        touched
    }

    /// Waits for something to be seen, and returns the objects it is about.
    pub async fn next(&mut self, app: &AppId, observed: &mut Observed) -> BTreeSet<ObjectId> {
        match self.receiver.recv().await {
            Some(heard) => {
                let (scope, sighting) = *heard;
                self.note(app, observed, &scope, sighting)
            }
            // The sender is ours, so there is always one.
            None => BTreeSet::new(),
        }
    }

    fn note(
        &mut self,
        app: &AppId,
        observed: &mut Observed,
        scope: &Scope,
        sighting: Sighting,
    ) -> BTreeSet<ObjectId> {
        // A scope that is no longer wanted may have had something in the pipe.
        if !self.running.contains_key(scope) {
            return BTreeSet::new();
        }
        if !matches!(&sighting, Sighting::Lost(blind) if blind.is_passing) {
            self.unsettled.remove(scope);
        }
        observed.note(app, scope, sighting)
    }
}

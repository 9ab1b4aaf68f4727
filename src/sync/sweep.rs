//! The slow sweep: now and then all objects are read whole, for what neither marks nor ownership show.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::{Instrument as _, debug};

use super::{App, Memory};
use crate::cluster::Cluster;
use crate::cluster::list::{Content, Target};
use crate::object::{AppId, ObjectId};
use crate::plan::overrides::overridden;
use crate::plan::prune::selector;
use crate::plan::yields::give_up;
use crate::plan::{Desired, Masks, Resource, Scope};

/// When objects are swept, and the sweep that runs.
#[derive(Debug)]
pub struct Sweeps {
    every: Option<Duration>,
    due: Instant,
    running: Option<JoinHandle<BTreeSet<ObjectId>>>,
}

impl Sweeps {
    /// A sweep each time this has passed, or none at all.
    pub fn new(every: Option<Duration>) -> Self {
        Self { every, due: Instant::now() + every.unwrap_or_default(), running: None }
    }

    /// Waits until a sweep is due (`None`), or for what the running one found: the objects whose
    /// values are not those that git wants. Nothing is lost if it is not waited for to the end.
    pub async fn next(&mut self) -> Option<BTreeSet<ObjectId>> {
        if let Some(running) = &mut self.running {
            let found = running.await.unwrap_or_default();
            self.running = None;
            return Some(found);
        }
        if self.every.is_none() {
            return pending().await;
        }
        sleep_until(self.due).await;
        None
    }

    /// Starts a sweep beside the caller.
    pub fn begin(&mut self, sweep: Sweep) {
        self.due = Instant::now() + self.every.unwrap_or_default();
        self.running = Some(tokio::spawn(sweep.run().in_current_span()));
    }
}

/// One sweep over an app's objects.
pub struct Sweep {
    cluster: Cluster,
    app: AppId,
    scopes: BTreeMap<Scope, Arc<Resource>>,
    wanted: BTreeMap<ObjectId, Arc<Desired>>,
}

impl Sweep {
    /// A sweep over all objects that an app wants and can see.
    pub fn of(app: &App, memory: &Memory) -> Self {
        let wanted = memory.in_force(app).into_iter().flat_map(|resolved| &resolved.wanted);
        let wanted: BTreeMap<_, _> =
            wanted.map(|object| (object.id.clone(), object.clone())).collect();
        // Who acts for a tenant may hardly list a whole cluster.
        let is_confined = app.cluster.account().is_some() || app.is_remote();
        let scope = |object: &Arc<Desired>| {
            let is_seen = memory.observed.blind_to(&object.id).is_none();
            let mut scope = app.reach.scope_of(&object.id).filter(|_| is_seen)?;
            if is_confined {
                scope.namespace.clone_from(&object.id.namespace);
            }
            Some((scope, object.resource.clone()))
        };
        let scopes = wanted.values().filter_map(scope).collect();
        Self { cluster: app.cluster.clone(), app: app.id.clone(), scopes, wanted }
    }

    /// Reads everything, and returns the objects that deserve a closer look.
    async fn run(self) -> BTreeSet<ObjectId> {
        let mut suspects = BTreeSet::new();
        for (scope, resource) in &self.scopes {
            let look = |object: &mut Value| {
                object["kind"] = json!(resource.kind.kind);
                suspects.extend(self.suspect(scope, object));
            };
            let target = Target {
                resource: Resource::clone(resource),
                namespace: scope.namespace.clone(),
                labels: selector(&self.app),
                fields: String::new(),
                content: Content::Whole,
            };
            if let Err(error) = self.cluster.list(&target, look).await {
                // The watch of the same scope finds out for itself.
                debug!("Sweep without {scope}: {error}");
            }
        }
        suspects
    }

    fn suspect(&self, scope: &Scope, object: &Value) -> Option<ObjectId> {
        let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
        let id = ObjectId::new(scope.kind.clone(), text("namespace"), text("name"));
        let desired = self.wanted.get(&id)?;
        let sent = give_up(desired.body(&self.app), &desired.yields(), object).body;
        (!overridden(&sent, object, &Masks::default()).is_empty()).then_some(id)
    }
}

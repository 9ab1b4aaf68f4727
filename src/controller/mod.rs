//! The apps of a cluster: one actor for each `GitOpsApp`, beside each other and fair.
//!
//! [`Controller`] follows the resources and keeps one [`actor`] for each. An actor makes an app of the resource's
//! spec and runs its loop until the spec changes, deals with its objects when it is deleted, and has its status
//! written. A resource that makes no sense stalls alone.

mod actor;
mod farewell;
pub mod prepare;
mod secrets;
mod seen;
mod status;
mod tenure;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use serde_json::Value;
use tokio::sync::mpsc::{Sender, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{Instrument as _, error, info_span, warn};

use crate::api::tenancy::Tenancy;
use crate::cluster::ApiError;
use crate::cluster::apps;
use crate::cluster::events::Event;
use crate::cluster::follow::Sight;
use crate::cluster::list::{Content, Target};
use crate::cluster::store::inbox::Inbox;
use crate::election::Ownership;
use crate::lanes::Lanes;
use crate::object::AppId;
use crate::report::{Metrics, Part};
use crate::sync::ground::Remote;
use crate::sync::stop::Halt;
use crate::sync::{Board, Directory, Ground, Stop};
use actor::{Actor, Ended};
use prepare::Clusters;
use seen::Seen;
pub use status::lanes as status_lanes;

/// Pause after a defect ended an app.
const ANEW: Duration = Duration::from_secs(30);

/// Keeps all apps of a cluster in sync.
pub struct Controller {
    /// What they share.
    pub common: Arc<Common>,
    /// Told when the apps are known.
    pub ready: watch::Sender<bool>,
}

/// What all apps share.
pub struct Common {
    /// What they are made on.
    pub ground: Ground,
    /// Where they count.
    pub metrics: Arc<Metrics>,
    /// Where they hand events.
    pub events: Sender<Event>,
    /// Where they are found from outside.
    pub directory: Directory,
    /// What is asked of them by annotations of their inventories.
    pub inbox: Inbox,
    /// What they tell each other.
    pub board: Board,
    /// What this replica may write.
    pub ownership: Ownership,
    /// What apps may do, whatever they say themselves.
    pub tenancy: Tenancy,
    /// The other clusters that apps go to.
    pub clusters: Clusters,
    /// How other clusters are reached.
    pub remote: Remote,
    /// Where statuses are written.
    pub statuses: Lanes,
    /// Time between two sweeps of an app.
    pub sweep: Option<Duration>,
    /// Labels of the resources to sync, empty for all.
    pub selector: String,
}

/// What was seen of the resources of a namespace, or (empty) of all.
type Sighting = (String, Sight<Seen>);

/// An actor, and what it is told.
struct Handle {
    /// What its resource is like.
    seen: watch::Sender<Arc<Seen>>,
    halt: Halt,
    /// Whether its resource is gone.
    is_gone: bool,
}

#[derive(Default)]
struct Actors {
    handles: BTreeMap<AppId, Handle>,
    tasks: JoinSet<AppId>,
}

impl Controller {
    /// Syncs until the process is to end.
    pub async fn run(self, stop: Stop) {
        let (ear, mut sightings) = unbounded_channel();
        let following = self.follow(&ear);
        let mut actors = Actors::default();
        let (part, mut shares) =
            (Part::new(self.common.metrics.clone()), self.common.ownership.changes());
        loop {
            let (were_known, number) = (*self.ready.borrow(), actors.handles.len());
            tokio::select! {
                () = stop.wait() => break,
                sighting = next(&mut sightings) => self.take(&mut actors, sighting),
                Ok(()) = shares.changed() => self.tell(&part, &actors),
                Some(ended) = actors.tasks.join_next() => {
                    if let Ok(app) = ended {
                        self.ended(&mut actors, &app);
                    }
                }
            }
            if !were_known && *self.ready.borrow() && !self.common.ownership.is_sole() {
                self.tell(&part, &actors);
            } else if actors.handles.len() != number {
                part.count(self.mine(&actors).len());
            }
        }
        actors.handles.values().for_each(|handle| handle.halt.halt());
        while actors.tasks.join_next().await.is_some() {}
        drop(following);
    }

    /// Says for which apps this replica writes.
    fn tell(&self, part: &Part, actors: &Actors) {
        part.tell(self.mine(actors).into_iter(), actors.handles.len());
    }

    fn mine<'a>(&self, actors: &'a Actors) -> Vec<&'a AppId> {
        let is_mine = |app: &&AppId| self.common.ownership.is_mine(app);
        actors.handles.keys().filter(is_mine).collect()
    }

    /// Follows the resources, and what people ask by inventories.
    fn follow(&self, ear: &UnboundedSender<Sighting>) -> Vec<Ended> {
        let Ground { destination, store, reach, .. } = &self.common.ground;
        let own = store.namespace().to_owned();
        let watch = |namespace: String| {
            let (cluster, ear, own) = (destination.cluster.clone(), ear.clone(), own.clone());
            let (resource, content) = (apps::resource(), Content::Whole);
            let (labels, fields) = (self.common.selector.clone(), String::new());
            let target = Target { resource, namespace: namespace.clone(), labels, fields, content };
            let reduce = move |object: &Value| Seen::of(object, &own);
            let mut was_missing = false;
            let listen = move |sight: Sight<Seen>| {
                explain(&sight, &mut was_missing);
                match ear.send((namespace.clone(), sight)) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            };
            Ended(tokio::spawn(cluster.follow(target, reduce, listen)).abort_handle())
        };
        let asked = tokio::spawn(store.clone().follow_all(self.common.inbox.clone()));
        let namespaces = reach.namespaces().map(watch);
        namespaces.chain([Ended(asked.abort_handle())]).collect()
    }

    fn take(&self, actors: &mut Actors, (namespace, sight): Sighting) {
        match sight {
            Sight::Listed(all) => {
                let is_inside =
                    |seen: &Seen| namespace.is_empty() || seen.id.namespace == namespace;
                let is_gone = |handle: &Handle| {
                    let known = handle.seen.borrow();
                    is_inside(&known) && all.iter().all(|seen| seen.app != known.app)
                };
                actors.handles.values_mut().filter(|h| is_gone(h)).for_each(Handle::halt);
                for seen in all {
                    self.see(actors, seen);
                }
                self.ready.send_replace(true);
            }
            Sight::Seen(seen) => self.see(actors, seen),
            Sight::Gone(seen) => {
                actors.handles.get_mut(&seen.app).into_iter().for_each(Handle::halt);
            }
            // They go on as they were.
            Sight::Lost(_) => {}
        }
    }

    fn see(&self, actors: &mut Actors, seen: Seen) {
        let app = seen.app.clone();
        match actors.handles.get_mut(&app) {
            Some(handle) => {
                handle.is_gone = false;
                handle.seen.send_replace(Arc::new(seen));
            }
            None => self.spawn(actors, Arc::new(seen)),
        }
    }

    fn spawn(&self, actors: &mut Actors, seen: Arc<Seen>) {
        let app = seen.app.clone();
        let span = info_span!("sync", app = %app.reference());
        let (seen, told) = watch::channel(seen);
        let (halt, stop) = Stop::new();
        let actor = Actor::new(self.common.clone(), told, stop.clone());
        let ended = app.clone();
        let run = async move {
            if AssertUnwindSafe(Box::pin(actor.run())).catch_unwind().await.is_err() {
                error!(
                    "The app is begun anew in {} s: please report the lines before",
                    ANEW.as_secs()
                );
                tokio::select! {
                    () = sleep(ANEW) => {}
                    () = stop.wait() => {}
                }
            }
            ended
        };
        actors.tasks.spawn(run.instrument(span));
        actors.handles.insert(app, Handle { seen, halt, is_gone: false });
    }

    /// Forgets an app. One that is there, again or still, is begun anew.
    fn ended(&self, actors: &mut Actors, app: &AppId) {
        let Some(handle) = actors.handles.remove(app) else { return };
        let Common { metrics, directory, inbox, board, .. } = &*self.common;
        metrics.forget(app.as_str());
        directory.remove(app);
        inbox.remove(app);
        board.forget(app);
        if !handle.is_gone {
            let seen = handle.seen.borrow().clone();
            self.spawn(actors, seen);
        }
    }
}

impl Handle {
    fn halt(&mut self) {
        self.is_gone = true;
        self.halt.halt();
    }
}

async fn next(sightings: &mut UnboundedReceiver<Sighting>) -> Sighting {
    match sightings.recv().await {
        Some(sighting) => sighting,
        // A sender lives as long as this is asked.
        None => std::future::pending().await,
    }
}

/// Says once what a person has to do something about.
fn explain(sight: &Sight<Seen>, was_missing: &mut bool) {
    match sight {
        Sight::Lost(error) if !std::mem::replace(was_missing, true) => match error.code() {
            404 => warn!(
                "The cluster has no GitOpsApp: install its definition (gitops-sync crd | kubectl apply -f -)"
            ),
            403 => warn!("May not list GitOpsApps: grant get, list and watch on them: {error}"),
            _ => warn!("Cannot list GitOpsApps, those that are known go on: {}", shown(error)),
        },
        Sight::Lost(_) => {}
        _ => *was_missing = false,
    }
}

fn shown(error: &ApiError) -> String {
    error.to_string()
}

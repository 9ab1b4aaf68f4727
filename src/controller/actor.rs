//! One app: what its resource wants is run, until it wants something else.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::sleep;
use tracing::{error, warn};

use super::prepare::Prepared;
use super::secrets::Used;
use super::status::{Writer, tell_others};
use super::tenure::Tenure;
use super::{Common, Seen, farewell, prepare};
use crate::api::reference::AppReference;
use crate::api::repository::RepoAddress;
use crate::api::{GitOpsApp, SyncPolicy};
use crate::cluster::{ApiError, Cluster, Term};
use crate::object::{AppId, ObjectId};
use crate::plan::Controls;
use crate::plan::dependencies::State;
use crate::report::{AppResource, AppStatus, Notice, Publisher};
use crate::sync::directory::Listing;
use crate::sync::relay::Address;
use crate::sync::{App, Daemon, Stop, Sweeps, references};

/// Wait before another try to reach the API server.
const RETRY: Duration = Duration::from_secs(2);
/// Time between two looks whether a Secret may be read by now.
const LOOK: Duration = Duration::from_secs(10);

/// Runs one app.
pub struct Actor {
    common: Arc<Common>,
    seen: watch::Receiver<Arc<Seen>>,
    stop: Stop,
    /// When the app is this replica's to write.
    tenure: Tenure,
    /// What people ask by the resource.
    asked: watch::Sender<Controls>,
    wake: Arc<Notify>,
}

/// Ends a task when it is dropped.
pub(super) struct Ended(pub AbortHandle);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Actor {
    /// The actor of what is seen.
    pub fn new(common: Arc<Common>, seen: watch::Receiver<Arc<Seen>>, stop: Stop) -> Self {
        let now = seen.borrow().clone();
        let fence = common.ownership.fence(&now.app);
        let status = watch::Sender::new(now.status.clone());
        let cluster = common.ground.store.cluster().fenced(fence.clone());
        let tenure = Tenure::new(cluster, fence, seen.clone(), status);
        let asked = watch::Sender::new(now.controls.clone());
        let wake = Arc::new(Notify::new());
        Self { common, seen, stop, tenure, asked, wake }
    }

    /// Runs the app until its resource is gone or the process is to end.
    pub async fn run(mut self) {
        let first = self.seen.borrow().clone();
        let tenure = self.tenure.clone();
        let told = tell_others(self.common.board.clone(), first.app.clone(), tenure.shown());
        let _telling = Ended(tokio::spawn(told).abort_handle());
        let writing = tokio::spawn(
            Writer::new(&tenure, self.common.statuses.clone()).run(tenure.status.subscribe()),
        );
        drop(tenure);
        let mut publisher = self.publisher(&first);
        while !self.stop.is_set() {
            let seen = self.seen.borrow_and_update().clone();
            if seen.uid != first.uid {
                // Another resource of the same name: its own actor follows.
                break;
            }
            publisher.observe(seen.generation);
            self.asked.send_replace(seen.controls.clone());
            publisher = if seen.is_deleting {
                Box::pin(self.part(&seen, &mut publisher)).await;
                publisher
            } else {
                Box::pin(self.serve(&seen, publisher)).await
            };
        }
        drop((publisher, self.tenure));
        // The last status is worth a moment.
        let _ = writing.await;
    }

    /// Deals with the objects of a resource that is being deleted, until it wants that otherwise.
    async fn part(&mut self, seen: &Seen, publisher: &mut Publisher) {
        let (common, tenure, stop) = (self.common.clone(), self.tenure.clone(), self.stop.clone());
        let asked = self.asked.subscribe();
        let farewell = farewell::say(&common, &tenure, seen, &asked, &stop, publisher);
        tokio::select! {
            () = farewell => self.superseded(seen).await,
            () = self.superseded(seen) => {}
        }
    }

    /// Does what the resource wants until it wants something else.
    async fn serve(&mut self, seen: &Seen, mut publisher: Publisher) -> Publisher {
        let mut secrets = Vec::new();
        let prepared = tokio::select! {
            prepared = Box::pin(prepare::app(&self.common, seen, &mut secrets)) => prepared,
            () = self.stop.wait() => return publisher,
        };
        match prepared {
            Ok(Prepared { resource, app }) => {
                let gate = (!resource.spec.depends_on.is_empty())
                    .then(|| self.common.board.gate(&seen.app));
                let peers = Some(self.common.board.peers(&seen.app, &self.tenure.fence));
                let asked = self.asked.subscribe();
                let app = App { asked, gate, peers, ..app.fenced(&self.tenure.fence) };
                self.announce(seen, &resource);
                Box::pin(self.sync(seen, &resource, app, secrets, publisher)).await
            }
            Err(notice) => {
                let tenure = self.tenure.clone();
                let told = async {
                    tenure.begin().await;
                    publisher.notice(&notice);
                    std::future::pending::<()>().await;
                };
                let renewed = renewed(self.here(), seen, secrets);
                tokio::select! {
                    () = told => {}
                    () = renewed => {}
                    () = sleep(LOOK), if notice.is_passing() => {}
                    () = self.superseded(seen) => {}
                }
                publisher
            }
        }
    }

    /// Tells the other apps of this one.
    fn announce(&self, seen: &Seen, resource: &GitOpsApp) {
        let spec = &resource.spec;
        let other = |reference: &AppReference| {
            let namespace = reference.namespace.as_ref().map_or(&seen.id.namespace, |name| &name.0);
            AppId::of_resource(namespace, &reference.name.0).within(seen.app.namespace())
        };
        let state = State {
            source: (RepoAddress::of(&spec.repo_url), spec.target_revision.clone()),
            is_idle: seen.controls.suspended || spec.sync_policy == SyncPolicy::Manual,
            depends_on: spec.depends_on.iter().map(other).collect(),
            ..State::default()
        };
        self.common.board.note(&seen.app, self.tenure.shown().told(state));
    }

    /// Runs the app's loop until its resource wants something else.
    async fn sync(
        &mut self,
        seen: &Seen,
        resource: &GitOpsApp,
        app: App,
        secrets: Vec<Used>,
        mut publisher: Publisher,
    ) -> Publisher {
        if self.tenure.fence.is_open() {
            publisher.notice(&Notice::Accepted);
        }
        publisher.goes_to(app.is_remote());
        let (halt, stop) = Stop::new();
        let held = watch::Sender::new(None);
        let following = tokio::spawn(references::follow(app.clone()));
        let _following = Ended(following.abort_handle());
        let mut daemon = Daemon {
            controls: self.common.inbox.of(&app.id),
            sweeps: Sweeps::new(self.common.sweep),
            wake: self.wake.clone(),
            ready: watch::Sender::new(false),
            held: held.subscribe(),
            app,
            publisher,
        };
        self.list(&daemon, &seen.id, resource);
        let admitting = admit(self.tenure.clone(), held);
        let _admitting = Ended(tokio::spawn(admitting).abort_handle());
        {
            let mut running = Box::pin(daemon.run(&stop));
            let renewed = Box::pin(renewed(self.here(), seen, secrets));
            tokio::select! {
                () = &mut running => error!("The loop of the app ended by itself"),
                () = self.superseded(seen) => halt.halt(),
                () = renewed => halt.halt(),
            }
            if halt.is_set() {
                running.await;
            }
        }
        daemon.publisher
    }

    /// Lets the app be found from outside.
    fn list(&self, daemon: &Daemon, id: &ObjectId, resource: &GitOpsApp) {
        let listing = Listing {
            status: daemon.publisher.shown(),
            url: resource.spec.repo_url.clone(),
            revision: resource.spec.target_revision.clone(),
            wake: self.wake.clone(),
            fence: self.tenure.fence.clone(),
            address: Address::Resource(id.clone()),
        };
        self.common.directory.insert(daemon.app.id.clone(), listing);
    }

    /// Waits until the resource wants something else than it did, or is to be run no more. What people ask by
    /// annotations meanwhile is passed on.
    async fn superseded(&mut self, seen: &Seen) {
        loop {
            tokio::select! {
                () = self.stop.wait() => return,
                changed = self.seen.changed() => {
                    let now = self.seen.borrow_and_update().clone();
                    if changed.is_err() || seen.is_superseded_by(&now) {
                        self.seen.mark_changed();
                        return;
                    }
                    self.asked.send_if_modified(|asked| {
                        let is_news = *asked != now.controls;
                        *asked = now.controls.clone();
                        is_news
                    });
                }
            }
        }
    }

    /// The daemon's own cluster, with its own rights.
    fn here(&self) -> Cluster {
        self.common.ground.destination.cluster.clone()
    }

    fn publisher(&self, seen: &Seen) -> Publisher {
        let Common { metrics, events, .. } = &*self.common;
        let shown = AppStatus {
            name: seen.app.to_string(),
            source: Some(seen.source()),
            ..AppStatus::default()
        };
        let (app, generation) = (seen.app.clone(), seen.generation);
        let resource =
            AppResource::new(app.clone(), seen.regarding(), generation, self.tenure.status.clone());
        let shown = watch::Sender::new(shown);
        Publisher::new(app, metrics.clone(), events.clone(), shown).with_resource(resource)
    }
}

/// Waits until one of the Secrets that an app was made of, or could not be made of, has changed.
async fn renewed(cluster: Cluster, seen: &Seen, secrets: Vec<Used>) {
    let namespace = &seen.id.namespace;
    let changed = secrets.into_iter().map(|Used { name, version }| {
        Box::pin(cluster.clone().secret_changed(namespace.clone(), name, version))
    });
    let changed: Vec<_> = changed.collect();
    if changed.is_empty() {
        std::future::pending::<()>().await;
    }
    futures::future::select_all(changed).await;
}

/// Lets an app write once its resource has our finalizer: nothing is to be applied of which nobody would know
/// when the resource goes.
async fn admit(mut tenure: Tenure, held: watch::Sender<Option<Term>>) {
    loop {
        let term = tenure.begin().await;
        if hold(&mut tenure).await {
            held.send_replace(Some(term));
            let mut keeping = tenure.clone();
            tokio::select! {
                () = tenure.end(term) => {}
                () = keep_hold(&mut keeping) => {}
            }
            held.send_replace(None);
        }
    }
}

/// Puts our finalizer back whenever somebody takes it away.
async fn keep_hold(tenure: &mut Tenure) {
    let is_seen = |seen: &Arc<Seen>| seen.is_held() || seen.is_deleting;
    let is_taken = |seen: &Arc<Seen>| !is_seen(seen);
    // The watch may yet have to show it.
    while tenure.seen.wait_for(is_seen).await.is_ok()
        && tenure.seen.wait_for(is_taken).await.is_ok()
    {
        warn!("Our finalizer was taken from the GitOpsApp, and is put back");
        while !hold(tenure).await && tenure.fence.is_open() {}
    }
    // The resource is gone.
    std::future::pending::<()>().await;
}

/// Sees to it that the resource stays until its objects are dealt with. `false` if that cannot be said yet.
async fn hold(tenure: &mut Tenure) -> bool {
    let Tenure { cluster, seen, .. } = tenure;
    let now = seen.borrow_and_update().clone();
    if now.is_held() {
        return true;
    }
    if now.is_deleting {
        // It will never have one.
        return std::future::pending().await;
    }
    match cluster.set_finalizers(&now.id, &now.version, &now.held()).await {
        Ok(_) => true,
        // There is news of it.
        Err(error) if matches!(error.code(), 404 | 409) => {
            let _ = seen.changed().await;
            false
        }
        // It is another replica's by now.
        Err(ApiError::NotLeader) => false,
        Err(error) => {
            warn!("Cannot set the finalizer, so that nothing is synced yet: {error}");
            sleep(RETRY).await;
            false
        }
    }
}

//! One app: what its resource wants is run, until it wants something else.

use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::sleep;
use tracing::{error, warn};

use super::status::{Writer, applied, tell_others};
use super::{Common, Seen, farewell};
use crate::api::{ConditionType, Fault, GitOpsApp, GitOpsAppStatus, Invalid};
use crate::object::AppId;
use crate::plan::Controls;
use crate::plan::dependencies::State;
use crate::report::{AppResource, AppStatus, Notice, Publisher};
use crate::sync::directory::Listing;
use crate::sync::{App, Daemon, Origin, Stop, Sweeps};

/// Wait before another try to reach the API server.
const RETRY: std::time::Duration = std::time::Duration::from_secs(2);

/// Runs one app.
pub struct Actor {
    common: Arc<Common>,
    seen: watch::Receiver<Arc<Seen>>,
    stop: Stop,
    /// The status that is written.
    status: watch::Sender<GitOpsAppStatus>,
    /// What people ask by the resource.
    asked: watch::Sender<Controls>,
    wake: Arc<Notify>,
    _telling: Ended,
}

/// Ends a task when it is dropped.
struct Ended(AbortHandle);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Actor {
    /// The actor of what is seen.
    pub fn new(common: Arc<Common>, seen: watch::Receiver<Arc<Seen>>, stop: Stop) -> Self {
        let now = seen.borrow().clone();
        let status = watch::Sender::new(now.status.clone());
        let asked = watch::Sender::new(now.controls.clone());
        let told = tell_others(common.board.clone(), now.app.clone(), status.subscribe());
        let _telling = Ended(tokio::spawn(told).abort_handle());
        let wake = Arc::new(Notify::new());
        Self { common, seen, stop, status, asked, wake, _telling }
    }

    /// Runs the app until its resource is gone or the process is to end.
    pub async fn run(mut self) {
        let first = self.seen.borrow().clone();
        let writer = Writer {
            cluster: self.common.ground.store.cluster().clone(),
            id: first.id.clone(),
            uid: first.uid.clone(),
            written: first.status.clone(),
        };
        let writing = tokio::spawn(writer.run(self.status.subscribe()));
        let mut publisher = self.publisher(&first);
        while !self.stop.is_set() {
            let seen = self.seen.borrow_and_update().clone();
            if seen.uid != first.uid {
                // Another resource of the same name: its own actor follows.
                break;
            }
            publisher.observe(seen.generation);
            self.asked.send_replace(seen.controls.clone());
            if seen.is_deleting {
                farewell::say(&self.common, &seen, &self.stop).await;
                self.superseded(&seen).await;
                continue;
            }
            publisher = self.serve(&seen, publisher).await;
        }
        drop((publisher, self.status));
        // The last status is worth a moment.
        let _ = writing.await;
    }

    /// Does what the resource wants until it wants something else.
    async fn serve(&mut self, seen: &Seen, mut publisher: Publisher) -> Publisher {
        match self.app(seen) {
            Ok((resource, app)) => {
                if !self.hold(seen).await {
                    return publisher;
                }
                self.announce(seen, &resource);
                publisher.notice(&Notice::Accepted);
                self.sync(seen, &resource, app, publisher).await
            }
            Err(invalid) => {
                publisher.notice(&Notice::InvalidSpec(invalid));
                self.superseded(seen).await;
                publisher
            }
        }
    }

    /// The app that the resource describes.
    fn app(&self, seen: &Seen) -> Result<(Arc<GitOpsApp>, App), Invalid> {
        let resource = seen.resource.clone()?;
        let ground = &self.common.ground;
        let origin = Origin::Git(ground.checkout.fetcher_of(&resource));
        let app = App::new(seen.app.clone(), &resource.spec, origin, ground)
            .map_err(|error| Fault::new("spec.pruneGuard.protectKinds", &error.to_string()))?;
        let gate =
            (!resource.spec.depends_on.is_empty()).then(|| self.common.board.gate(&seen.app));
        let namespace = &seen.id.namespace;
        let target = resource.spec.target_namespace.as_ref().map_or(namespace, |name| &name.0);
        let (target_namespace, asked) = (target.clone(), self.asked.subscribe());
        Ok((resource, App { target_namespace, asked, gate, ..app }))
    }

    /// Sees to it that the resource stays until its objects are dealt with. `false` if it is another by now.
    async fn hold(&mut self, seen: &Seen) -> bool {
        while !seen.is_held() {
            let cluster = self.common.ground.store.cluster();
            match cluster.set_finalizers(&seen.id, &seen.version, &seen.held()).await {
                Ok(_) => return true,
                // There is news of it.
                Err(error) if matches!(error.code(), 404 | 409) => {
                    tokio::select! {
                        _ = self.seen.changed() => {}
                        () = self.stop.wait() => {}
                    }
                    return false;
                }
                Err(error) => {
                    warn!("Cannot set the finalizer, so that nothing is synced yet: {error}");
                    tokio::select! {
                        () = sleep(RETRY) => {}
                        () = self.stop.wait() => return false,
                    }
                }
            }
        }
        true
    }

    /// Tells the other apps of this one.
    fn announce(&self, seen: &Seen, resource: &GitOpsApp) {
        let status = self.status.borrow();
        let is_current = status.observed_generation == Some(seen.generation);
        let spec = &resource.spec;
        let other = |reference: &crate::api::reference::AppReference| {
            let namespace = reference.namespace.as_ref().map_or(&seen.id.namespace, |name| &name.0);
            AppId::of_resource(namespace, &reference.name.0).within(seen.app.namespace())
        };
        let state = State {
            source: (spec.repo_url.clone(), spec.target_revision.clone()),
            applied: applied(&status),
            is_ready: is_current && status.conditions.is_true(ConditionType::Ready),
            depends_on: spec.depends_on.iter().map(other).collect(),
        };
        self.common.board.note(&seen.app, state);
    }

    /// Runs the app's loop until its resource wants something else.
    async fn sync(
        &mut self,
        seen: &Seen,
        resource: &GitOpsApp,
        app: App,
        publisher: Publisher,
    ) -> Publisher {
        let (halt, stop) = Stop::new();
        let mut daemon = Daemon {
            controls: self.common.inbox.of(&app.id),
            sweeps: Sweeps::new(self.common.sweep),
            wake: self.wake.clone(),
            ready: watch::Sender::new(false),
            app,
            publisher,
        };
        self.list(&daemon, resource);
        {
            let mut running = std::pin::pin!(daemon.run(&stop));
            tokio::select! {
                () = &mut running => error!("The loop of the app ended by itself"),
                () = self.superseded(seen) => {
                    halt.halt();
                    running.await;
                }
            }
        }
        daemon.publisher
    }

    /// Lets the app be found from outside.
    fn list(&self, daemon: &Daemon, resource: &GitOpsApp) {
        let listing = Listing {
            status: daemon.publisher.shown(),
            url: resource.spec.repo_url.clone(),
            revision: resource.spec.target_revision.clone(),
            wake: self.wake.clone(),
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

    fn publisher(&self, seen: &Seen) -> Publisher {
        let Common { metrics, events, .. } = &*self.common;
        let shown = AppStatus {
            name: seen.app.to_string(),
            source: Some(seen.source()),
            ..AppStatus::default()
        };
        let (app, generation) = (seen.app.clone(), seen.generation);
        let resource =
            AppResource::new(app.clone(), seen.regarding(), generation, self.status.clone());
        let shown = watch::Sender::new(shown);
        Publisher::new(app, metrics.clone(), events.clone(), shown).with_resource(resource)
    }
}

//! The watches that all apps of a cluster share: one for each kind, or for each kind and namespace. Each app
//! hears of its own objects.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use crate::cluster::Cluster;
use crate::object::AppId;
use crate::plan::observed::Sighting;
use crate::plan::routing::{Routed, Routing};
use crate::plan::{Resource, Scope};

/// What an app hears of its objects, and in which scope.
pub type Heard = (Scope, Sighting);

/// Where an app hears of its objects.
pub type Ear = UnboundedSender<Box<Heard>>;

/// What is watched: a scope, at a version of its kind.
type Watched = (Scope, String);

/// The shared watches of one cluster.
#[derive(Clone)]
pub struct Informers(Arc<Shared>);

struct Shared {
    cluster: Cluster,
    selector: String,
    namespace: String,
    feeds: Mutex<BTreeMap<Watched, Feed>>,
}

/// One watch and who hears of it.
struct Feed {
    hub: Arc<Mutex<Hub>>,
    task: JoinHandle<()>,
}

struct Hub {
    scope: Scope,
    routing: Routing,
    ears: BTreeMap<AppId, Ear>,
}

impl Hub {
    fn tell(&mut self, sighting: Sighting) {
        for routed in self.routing.route(sighting) {
            self.pass_on(routed);
        }
    }

    fn pass_on(&self, (app, sighting): Routed) {
        if let Some(ear) = self.ears.get(&app) {
            // Whoever no longer listens leaves in a moment.
            let _ = ear.send(Box::new((self.scope.clone(), sighting)));
        }
    }
}

impl Informers {
    /// Watches of the objects with labels that match the selector, for apps whose inventories are in this
    /// namespace.
    pub fn new(cluster: Cluster, selector: String, namespace: &str) -> Self {
        let (namespace, feeds) = (namespace.to_owned(), Mutex::default());
        Self(Arc::new(Shared { cluster, selector, namespace, feeds }))
    }

    /// Whether anyone else has them at hand.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Lets an app hear of its objects in a scope, first of all that are known, until what is returned is
    /// dropped.
    pub fn subscribe(
        &self,
        app: &AppId,
        scope: &Scope,
        resource: &Resource,
        ear: Ear,
    ) -> Subscription {
        let watched = (scope.clone(), resource.version.clone());
        let mut feeds = lock(&self.0.feeds);
        let feed = feeds.entry(watched.clone()).or_insert_with(|| self.feed(scope, resource));
        let mut hub = lock(&feed.hub);
        hub.ears.insert(app.clone(), ear);
        if let Some(known) = hub.routing.subscribe(app) {
            hub.pass_on((app.clone(), known));
        }
        Subscription { informers: Arc::downgrade(&self.0), watched, app: app.clone() }
    }

    fn feed(&self, scope: &Scope, resource: &Resource) -> Feed {
        let routing = Routing::new(scope.kind.clone(), &self.0.namespace);
        let hub = Hub { scope: scope.clone(), routing, ears: BTreeMap::new() };
        let hub = Arc::new(Mutex::new(hub));
        let heard = hub.clone();
        let listen = move |sighting| {
            lock(&heard).tell(sighting);
            ControlFlow::Continue(())
        };
        let (cluster, selector) = (self.0.cluster.clone(), self.0.selector.clone());
        let watch = cluster.watch(resource.clone(), scope.namespace.clone(), selector, listen);
        Feed { hub, task: tokio::spawn(watch) }
    }
}

/// An app that hears of a scope. Dropping it ends that, and the watch if nobody else listens.
pub struct Subscription {
    informers: Weak<Shared>,
    watched: Watched,
    app: AppId,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let Some(shared) = self.informers.upgrade() else { return };
        let mut feeds = lock(&shared.feeds);
        let Some(feed) = feeds.get(&self.watched) else { return };
        let mut hub = lock(&feed.hub);
        hub.ears.remove(&self.app);
        let is_unheard = hub.routing.unsubscribe(&self.app);
        drop(hub);
        if is_unheard {
            feed.task.abort();
            feeds.remove(&self.watched);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        lock(&self.feeds).values().for_each(|feed| feed.task.abort());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

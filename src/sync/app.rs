//! One app: what it is made of.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::board::{Gate, Peers};
use super::ground::{Destination, Ground};
use super::informers::Informers;
use super::references::Home;
use crate::api::resources::Resources;
use crate::api::retry::Retry;
use crate::api::spec::CreateNamespace;
use crate::api::{GitOpsAppSpec, PruneGuard, SyncPolicy};
use crate::builder::{Recipe, Tools};
use crate::cluster::discovery::CachedDiscovery;
use crate::cluster::store::Store;
use crate::cluster::{Cluster, Fence, Term};
use crate::lanes::Lanes;
use crate::object::AppId;
use crate::object::handling::Policy;
use crate::plan::dependencies::Blocked;
use crate::plan::guard::{BadKind, Guard};
use crate::plan::inventory::SourceIdentity;
use crate::plan::{CommonMetadata, Controls, Reach};
use crate::source::error::display_url;
use crate::source::{Fetcher, Limits, Verification};

/// Where an app's manifests are.
#[derive(Clone, Debug)]
pub enum Origin {
    /// Below a path of a git repository.
    Git(Fetcher),
    /// In a folder.
    Folder(PathBuf),
    /// Nowhere any more: the app is being deleted. They were there.
    Nothing(SourceIdentity),
}

impl Origin {
    /// Waits until another app has fetched a commit other than this one.
    pub async fn other_than(&self, commit: Option<&str>) {
        match self {
            Self::Git(fetcher) if commit.is_some() => fetcher.other_than(commit).await,
            _ => std::future::pending().await,
        }
    }

    /// The identity of a path of a repository.
    pub fn identity_of(url: &str, path: &str) -> SourceIdentity {
        SourceIdentity { url: display_url(url), path: path.trim_matches('/').to_owned() }
    }

    /// The origin's identity, as inventories record it.
    pub fn identity(&self) -> SourceIdentity {
        match self {
            Self::Git(fetcher) => Self::identity_of(&fetcher.repository.url, &fetcher.path),
            Self::Nothing(before) => before.clone(),
            // As it was given: pipelines check out to another absolute path each time.
            Self::Folder(folder) => SourceIdentity {
                url: "folder".to_owned(),
                path: folder.components().as_path().display().to_string(),
            },
        }
    }
}

impl App {
    /// Whether its objects are in another cluster than its inventory: that one may be gone.
    pub fn is_remote(&self) -> bool {
        !self.store.is_in(&self.cluster)
    }

    /// The cluster that its objects are in, as inventories name it.
    pub fn place(&self) -> String {
        self.store.place(&self.cluster)
    }

    /// The app, written only while the fence is open.
    #[must_use]
    pub fn fenced(self, fence: &Arc<Fence>) -> Self {
        let (cluster, store) =
            (self.cluster.fenced(fence.clone()), self.store.fenced(fence.clone()));
        Self { cluster, store, ..self }
    }

    /// The app, written only in this term of its fence.
    #[must_use]
    pub fn in_term(self, term: Term) -> Self {
        let (cluster, store) = (self.cluster.in_term(term), self.store.in_term(term));
        Self { cluster, store, ..self }
    }

    /// Why a commit may not be applied yet, if so.
    pub fn blocked(&self, commit: Option<&str>) -> Option<Blocked> {
        self.gate.clone()?.blocked(commit)
    }

    /// Whether a person wants nothing to be done, by what was last read of the inventory or by the resource as
    /// it is now.
    pub fn is_suspended(&self, known: &Controls) -> bool {
        !self.dry_run && (known.suspended || self.asked.borrow().suspended)
    }

    /// Why, if somebody said so.
    pub fn suspend_reason(&self, known: &Controls) -> Option<String> {
        self.asked.borrow().suspend_reason.clone().or_else(|| known.suspend_reason.clone())
    }

    /// An app as its spec wants it, for its manifests in a place.
    pub fn new(
        id: AppId,
        spec: &GitOpsAppSpec,
        origin: Origin,
        ground: &Ground,
    ) -> Result<Self, BadKind> {
        let Ground { destination, store, reach, parallel, checkout, tools } = ground.clone();
        let Destination { cluster, informers, discovery, lanes } = destination;
        let default_namespace = cluster.default_namespace();
        let target = spec.target_namespace.as_ref().map_or(default_namespace, |name| &name.0);
        let recipe = Arc::new(Recipe::of(spec, id.as_str(), target));
        let GitOpsAppSpec { drift, additions, conflicts, replace, .. } = *spec;
        Ok(Self {
            origin,
            target_namespace: recipe.namespace.clone(),
            create_namespace: spec.create_namespace.clone(),
            common: Arc::new(CommonMetadata::of(spec)),
            resources: Arc::new(spec.resources.clone()),
            home: Home::new(cluster.clone(), store.namespace()),
            cluster,
            informers,
            discovery,
            lanes,
            store,
            reach,
            policy: Policy { drift, additions, conflicts, replace },
            prune: spec.prune,
            guard: guard(&spec.prune_guard)?,
            approved: BTreeSet::new(),
            atomic: spec.atomic,
            verification: None,
            dry_run: false,
            manual: spec.sync_policy == SyncPolicy::Manual,
            refuse_other_source: false,
            interval: spec.interval.into(),
            timeout: spec.timeout.into(),
            retry: spec.retry.clone(),
            // Nobody asks.
            asked: watch::channel(Controls::default()).1,
            gate: None,
            peers: None,
            parallel,
            recipe,
            limits: checkout.limits,
            id,
            tools,
        })
    }
}

/// What is deleted without asking.
fn guard(guard: &PruneGuard) -> Result<Guard, BadKind> {
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    Ok(Guard {
        max_objects: count(guard.max_objects),
        max_percent: count(guard.max_percent),
        protected: guard.protect_kinds.iter().map(|kind| kind.parse()).collect::<Result<_, _>>()?,
        allow_empty: guard.allow_empty,
    })
}

/// An app and how it is synced.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "switches of their own, as on the command line")]
pub struct App {
    /// Its name.
    pub id: AppId,
    /// Where its manifests are.
    pub origin: Origin,
    /// The cluster it goes to, with the rights of whom it acts as.
    pub cluster: Cluster,
    /// Where what it refers to is.
    pub home: Home,
    /// The watches of that cluster.
    pub informers: Informers,
    /// The kinds that it serves.
    pub discovery: CachedDiscovery,
    /// Where the apps of that cluster begin what they do to objects.
    pub lanes: Lanes,
    /// Where its inventory is.
    pub store: Store,
    /// Namespace of namespaced objects that name none.
    pub target_namespace: String,
    /// How that is created where there is none, if it is to be.
    pub create_namespace: Option<CreateNamespace>,
    /// Labels and annotations that all its objects get.
    pub common: Arc<CommonMetadata>,
    /// Of which kinds its objects may be.
    pub resources: Arc<Resources>,
    /// Where it may work.
    pub reach: Reach,
    /// What is done about foreign changes and about what cannot be changed, where an object does not say.
    pub policy: Policy,
    /// Whether objects that left the source are deleted.
    pub prune: bool,
    /// Which of them not without a person's word.
    pub guard: Guard,
    /// Hashes of the held sets that the command line approved.
    pub approved: BTreeSet<String>,
    /// Whether a commit is applied only as a whole.
    pub atomic: bool,
    /// What has to be true of a commit before anything of it is applied.
    pub verification: Option<Arc<Verification>>,
    /// Whether the API server only checks and nothing is written.
    pub dry_run: bool,
    /// Whether passes only plan, but for those that a person asks for.
    pub manual: bool,
    /// Whether a source other than the inventory's is refused.
    pub refuse_other_source: bool,
    /// Time between two passes; zero if there is but one.
    pub interval: Duration,
    /// The longest time that a pass may take.
    pub timeout: Duration,
    /// How a pass that failed is tried again.
    pub retry: Retry,
    /// What people ask of the app by its resource, if it has one.
    pub asked: watch::Receiver<Controls>,
    /// What holds it back.
    pub gate: Option<Gate>,
    /// The other apps of the process, if it knows them all.
    pub peers: Option<Peers>,
    /// Objects applied side by side.
    pub parallel: usize,
    /// How its files become objects.
    pub recipe: Arc<Recipe>,
    /// How much of them is read.
    pub limits: Limits,
    /// With what they are built.
    pub tools: Tools,
}

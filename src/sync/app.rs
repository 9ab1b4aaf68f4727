//! One app: what it is made of, and what is remembered from pass to pass.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::settled::Settled;
use super::watches::Watches;
use crate::cluster::Cluster;
use crate::cluster::store::{Loaded, Store};
use crate::object::handling::Policy;
use crate::object::marks::HashKey;
use crate::object::{AppId, ObjectId};
use crate::plan::cause::Telling;
use crate::plan::desired::Settings;
use crate::plan::inventory::SourceIdentity;
use crate::plan::{Desired, Fights, Inventory, Kinds, Known, Observed, Reach};
use crate::render::{Diagnostic, Rendered};
use crate::source::error::display_url;
use crate::source::{Fetcher, Revision};

/// Where an app's manifests are.
#[derive(Debug)]
pub enum Origin {
    /// Below a path of a git repository.
    Git(Fetcher),
    /// In a folder.
    Folder(PathBuf),
}

impl Origin {
    /// The origin's identity, as inventories record it.
    pub fn identity(&self) -> SourceIdentity {
        match self {
            Self::Git(fetcher) => SourceIdentity {
                url: display_url(&fetcher.repository.url),
                path: fetcher.path.trim_matches('/').to_owned(),
            },
            // As it was given: pipelines check out to another absolute path each time.
            Self::Folder(folder) => SourceIdentity {
                url: "folder".to_owned(),
                path: folder.components().as_path().display().to_string(),
            },
        }
    }
}

/// An app and how it is synced.
pub struct App {
    /// Its name.
    pub id: AppId,
    /// Where its manifests are.
    pub origin: Origin,
    /// The cluster it goes to.
    pub cluster: Cluster,
    /// Where its inventory is.
    pub store: Store,
    /// Namespace of namespaced objects that name none.
    pub target_namespace: String,
    /// Where it may work.
    pub reach: Reach,
    /// What is done about foreign changes, where an object does not say.
    pub policy: Policy,
    /// Whether objects that left the source are deleted.
    pub prune: bool,
    /// Whether the API server only checks and nothing is written.
    pub dry_run: bool,
    /// Whether a source other than the inventory's is refused.
    pub refuse_other_source: bool,
    /// Objects applied side by side.
    pub parallel: usize,
}

/// The desired objects of a source, and what is wrong with them.
pub struct Resolved {
    /// What they were resolved from.
    pub rendered: Arc<Rendered>,
    /// Whose they are.
    pub settings: Settings,
    /// The objects.
    pub wanted: Vec<Arc<Desired>>,
    /// Manifests of kinds that the cluster does not serve, objects out of reach, and second
    /// declarations.
    pub diagnostics: Vec<Diagnostic>,
}

impl Resolved {
    /// All objects of a source, without any diagnostic.
    pub fn whole(
        rendered: &Arc<Rendered>,
        settings: &Settings,
        wanted: Vec<Arc<Desired>>,
    ) -> Arc<Self> {
        let (rendered, settings) = (rendered.clone(), settings.clone());
        Arc::new(Self { rendered, settings, wanted, diagnostics: Vec::new() })
    }

    /// Whether there are manifests of kinds that the cluster does not serve, or not yet.
    pub fn lacks_kinds(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.problem.is_unknown_kind())
    }
}

/// What is remembered from pass to pass. Losing it costs requests, never correctness.
#[derive(Default)]
pub struct Memory {
    /// The last commit rendered, and what it declared.
    pub rendered: Option<(Revision, Arc<Rendered>)>,
    /// What that resolved to, with the kinds of then.
    pub resolved: Option<Arc<Resolved>>,
    /// What the cluster has, as the watches see it.
    pub observed: Observed,
    /// The watches.
    pub watches: Watches,
    /// Objects that were seen while a pass waited for its watches.
    pub touched: BTreeSet<ObjectId>,
    /// What is fought over, since this commit.
    pub fights: Fights,
    /// The commit that was seen last.
    pub commit: Option<String>,
    /// What was told of objects that are not put back.
    pub told: BTreeMap<ObjectId, Telling>,
    /// The clock of the fights.
    pub clock: SinceStart,
    /// The kinds that the cluster serves.
    pub kinds: Option<Kinds>,
    /// In what the last pass left everything in sync, if it did.
    pub settled: Option<Settled>,
    /// The key of manifest hashes.
    pub key: Option<HashKey>,
    /// The inventory as it is stored.
    pub loaded: Option<Loaded>,
    /// The inventory as we know it: ahead of what is stored until the end of a pass.
    pub inventory: Arc<Inventory>,
}

impl Memory {
    /// What is known when something is planned.
    pub fn known(&self, app: &App) -> Known<'_> {
        Known {
            inventory: &self.inventory,
            observed: &self.observed,
            fights: &self.fights,
            told: &self.told,
            policy: app.policy,
            now: self.clock.now(),
        }
    }
}

/// A clock that starts when it is made.
#[derive(Clone, Copy, Debug)]
pub struct SinceStart(Instant);

impl Default for SinceStart {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl SinceStart {
    /// The time since its start.
    pub fn now(self) -> Duration {
        self.0.elapsed()
    }

    /// The moment that this clock shows as `at`.
    pub fn moment(self, at: Duration) -> Instant {
        self.0 + at
    }
}

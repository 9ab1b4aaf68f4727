//! One app: what it is made of, and what is remembered from pass to pass.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use super::watches::Watches;
use crate::cluster::Cluster;
use crate::cluster::store::{Loaded, Store};
use crate::object::marks::HashKey;
use crate::object::{AppId, ObjectId};
use crate::plan::desired::Settings;
use crate::plan::inventory::SourceIdentity;
use crate::plan::{Desired, Inventory, Kinds, Observed};
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
    /// Manifests of kinds that the cluster does not serve, and second declarations.
    pub diagnostics: Vec<Diagnostic>,
}

/// What a pass that had nothing to do was planned from. A plan is made of nothing else, so that of
/// the same there need not be another. Weak: to recognize them, not to keep them.
pub struct Settled {
    resolved: Weak<Resolved>,
    inventory: Weak<Inventory>,
    age: u64,
}

impl Settled {
    /// What a plan would be made from; `None` while not all of it is known.
    pub fn of(
        resolved: &Arc<Resolved>,
        inventory: &Arc<Inventory>,
        observed: &Observed,
    ) -> Option<Self> {
        let (resolved, inventory) = (Arc::downgrade(resolved), Arc::downgrade(inventory));
        observed.blind.is_empty().then_some(Self { resolved, inventory, age: observed.age })
    }

    /// Whether the objects are the very same, whatever was seen of them since.
    pub fn is_of(&self, resolved: &Arc<Resolved>, inventory: &Arc<Inventory>) -> bool {
        std::ptr::eq(self.resolved.as_ptr(), Arc::as_ptr(resolved))
            && std::ptr::eq(self.inventory.as_ptr(), Arc::as_ptr(inventory))
    }
}

impl PartialEq for Settled {
    /// Whether all is the very same.
    fn eq(&self, other: &Self) -> bool {
        self.resolved.ptr_eq(&other.resolved)
            && self.inventory.ptr_eq(&other.inventory)
            && self.age == other.age
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
    /// The kinds that the cluster serves.
    pub kinds: Option<Kinds>,
    /// From what the last pass found that nothing was to be done, if it did.
    pub settled: Option<Settled>,
    /// The key of manifest hashes.
    pub key: Option<HashKey>,
    /// The inventory as it is stored.
    pub loaded: Option<Loaded>,
    /// The inventory as we know it: ahead of what is stored until the end of a pass.
    pub inventory: Arc<Inventory>,
}

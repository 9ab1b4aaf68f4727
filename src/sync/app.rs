//! One app: what it is made of.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::api::resources::Resources;
use crate::api::spec::CreateNamespace;
use crate::cluster::Cluster;
use crate::cluster::store::Store;
use crate::object::AppId;
use crate::object::handling::Policy;
use crate::plan::guard::Guard;
use crate::plan::inventory::SourceIdentity;
use crate::plan::{CommonMetadata, Reach};
use crate::source::Fetcher;
use crate::source::error::display_url;

/// Where an app's manifests are.
#[derive(Clone, Debug)]
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
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "switches of their own, as on the command line")]
pub struct App {
    /// Its name.
    pub id: AppId,
    /// Where its manifests are.
    pub origin: Origin,
    /// The cluster it goes to, with the rights of whom it acts as.
    pub cluster: Cluster,
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
    /// Whether the API server only checks and nothing is written.
    pub dry_run: bool,
    /// Whether a source other than the inventory's is refused.
    pub refuse_other_source: bool,
    /// Time between two passes; zero if there is but one.
    pub interval: Duration,
    /// Objects applied side by side.
    pub parallel: usize,
}

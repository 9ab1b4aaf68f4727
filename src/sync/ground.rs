//! What the apps of a process stand on: a cluster, a store, clones.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::informers::Informers;
use crate::api::GitOpsAppSpec;
use crate::api::repository::{RepoAddress, RepoPattern};
use crate::builder::Tools;
use crate::cluster::Cluster;
use crate::cluster::client::Count;
use crate::cluster::discovery::CachedDiscovery;
use crate::cluster::store::Store;
use crate::lanes::Lanes;
use crate::plan::Reach;
use crate::source::{Clones, Credentials, Fetcher, Limits, Repository, Submodules, tidy};

/// A cluster, and what all who work in it share.
#[derive(Clone)]
pub struct Destination {
    /// The cluster.
    pub cluster: Cluster,
    /// Its watches.
    pub informers: Informers,
    /// The kinds that it serves.
    pub discovery: CachedDiscovery,
    /// Where apps begin what they do to objects: of many apps only so much at a time, or all would hold in memory
    /// what they wait to send.
    pub lanes: Lanes,
}

/// Objects that are dealt with side by side in one cluster.
const LANES: usize = 64;
/// What takes longer holds up no others.
const QUICK: Duration = Duration::from_secs(3);

impl Destination {
    /// A cluster in which objects with labels that match the selector are watched, for apps whose inventories
    /// are in this namespace.
    pub fn new(cluster: Cluster, selector: String, namespace: &str) -> Self {
        let informers = Informers::new(cluster.clone(), selector, namespace);
        let discovery = CachedDiscovery::new(cluster.clone());
        Self { informers, discovery, lanes: Lanes::new(LANES, QUICK), cluster }
    }
}

/// How other clusters are reached.
#[derive(Clone)]
pub struct Remote {
    /// Longest time a request may take.
    pub timeout: Duration,
    /// Counts requests.
    pub count: Count,
    /// Labels of the objects that are watched there.
    pub selector: String,
}

/// What an app is made on.
#[derive(Clone)]
pub struct Ground {
    /// Where objects go.
    pub destination: Destination,
    /// Where inventories are.
    pub store: Store,
    /// Where the process may work.
    pub reach: Reach,
    /// Objects applied side by side.
    pub parallel: usize,
    /// What fetches.
    pub checkout: Checkout,
    /// What builds objects of files.
    pub tools: Tools,
}

/// How repositories are fetched.
#[derive(Clone, Debug)]
pub struct Checkout {
    /// The clones in use.
    pub clones: Clones,
    /// Folder for clones.
    pub data_dir: PathBuf,
    /// This program, which is its own fetching child.
    pub program: PathBuf,
    /// Longest time a fetch may take.
    pub timeout: Duration,
    /// How much of a repository is read.
    pub limits: Limits,
}

impl Checkout {
    /// What fetches the repository of an app's resource.
    pub fn fetcher_of(
        &self,
        spec: &GitOpsAppSpec,
        owner: &str,
        credentials: Option<Arc<Credentials>>,
        allowed: &[RepoPattern],
    ) -> Fetcher {
        let (url, branch) = (spec.repo_url.clone(), spec.target_revision.clone());
        let submodules = spec.submodules.then(|| Submodules { allowed: allowed.to_vec() });
        let (insecure, files) = (spec.insecure, Arc::default());
        let repository = Repository { url, branch, insecure, submodules, files, credentials };
        let render = Arc::new(spec.render.clone());
        Fetcher { render, ..self.fetcher(repository, &spec.path, owner) }
    }

    /// What fetches a repository, in a clone for all who follow the same with the same credentials: whoever may
    /// not read a repository must not find it fetched by others. `owner` says whose credentials they are.
    pub fn fetcher(&self, repository: Repository, path: &str, owner: &str) -> Fetcher {
        let Repository { url, branch, submodules, insecure, .. } = &repository;
        let more = match (submodules, insecure) {
            (Some(_), _) => "\nsubmodules",
            (None, true) => "\ninsecure",
            (None, false) => "",
        };
        let name = format!("{url}\n{branch}\n{owner}{more}");
        let name = hex::encode(&Sha256::digest(name)[..tidy::NAME / 2]);
        let dir = self.data_dir.join(name);
        let shared: Arc<_> = self.clones.at(&dir, &RepoAddress::of(url).host);
        let (path, timeout, program) = (path.to_owned(), self.timeout, self.program.clone());
        let (render, limits) = (Arc::default(), self.limits);
        Fetcher { repository, dir, path, render, limits, timeout, program, shared }
    }
}

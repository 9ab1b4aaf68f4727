//! Arguments that several verbs share, and what they resolve to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use clap::builder::{BoolishValueParser, PossibleValuesParser, TypedValueParser as _};
use strum::VariantNames as _;

use super::access::AccessArguments;
use super::logging::LogFormat;
use crate::api::reference::NamespaceName;
use crate::api::{self, GitOpsAppSpec, PruneGuard, duration::BadDuration};
use crate::builder::Tools;
use crate::cluster::client::Count;
use crate::cluster::store::Store;
use crate::cluster::{Cluster, Connection};
use crate::object::AppId;
use crate::object::handling::{OnAdditions, OnConflict, OnDrift};
use crate::object::marks::LABEL_APP;
use crate::plan::Reach;
use crate::plan::controls::hashes;
use crate::plan::guard::{BadKind, ProtectedKind};
use crate::plan::prune::selector;
use crate::report::Metrics;
use crate::source::{Clones, Fetcher, Limits, Repository, Submodules};
use crate::sync::{Checkout, Destination, Ground};

/// Which cluster, as whom.
#[derive(Debug, Args)]
pub(super) struct EndpointArguments {
    /// Context of the kubeconfig [default: its current one, or the pod's own account]
    #[arg(long, env = "GITOPS_SYNC_CONTEXT", value_name = "NAME")]
    pub context: Option<String>,
    /// Kubeconfig file [default: KUBECONFIG, ~/.kube/config, or the pod's own account]
    #[arg(long, env = "GITOPS_SYNC_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Longest time a request to the API server may take, which itself gives up after 60 s
    #[arg(long, env = "GITOPS_SYNC_REQUEST_TIMEOUT", default_value = "65s", value_name = "TIME", value_parser = duration)]
    pub request_timeout: Duration,
}

impl EndpointArguments {
    /// Prepares the connection.
    pub(super) async fn connect(&self, metrics: &Arc<Metrics>) -> anyhow::Result<Cluster> {
        let (kubeconfig, context) = (self.kubeconfig.clone(), self.context.clone());
        let connection = Connection { kubeconfig, context, timeout: self.request_timeout };
        Ok(Cluster::connect(&connection, counter(metrics)).await?)
    }
}

/// Which cluster, and where gitops-sync keeps what it remembers.
#[derive(Debug, Args)]
pub(super) struct ConnectionArguments {
    #[command(flatten)]
    pub endpoint: EndpointArguments,
    /// Namespace of gitops-sync's own Secrets [default: the pod's, or the context's]
    #[arg(long, env = "GITOPS_SYNC_NAMESPACE", value_name = "NAME")]
    pub namespace: Option<String>,
}

impl ConnectionArguments {
    /// Where the Secrets are.
    pub(super) fn store(&self, cluster: &Cluster) -> Store {
        let namespace = self.namespace.as_deref().unwrap_or(cluster.default_namespace());
        Store::new(cluster.clone(), namespace)
    }
}

/// Counts requests as metrics.
pub(super) fn counter(metrics: &Arc<Metrics>) -> Count {
    let metrics = metrics.clone();
    Arc::new(move |verb: &'static str, code| metrics.api_request(verb, code))
}

/// Which cluster, and where in it objects go.
#[derive(Debug, Args)]
pub(super) struct ClusterArguments {
    #[command(flatten)]
    pub connection: ConnectionArguments,
    /// Namespace of objects that name none [default: the pod's, or the context's, or "default"]
    #[arg(long, env = "GITOPS_SYNC_TARGET_NAMESPACE", value_name = "NAME")]
    pub target_namespace: Option<String>,
    /// Namespaces to work in, with rights in these alone [default: the whole cluster]
    #[arg(long, env = "GITOPS_SYNC_NAMESPACES", value_name = "NAMES", value_delimiter = ',', value_parser = namespace)]
    pub namespaces: Vec<String>,
}

impl ClusterArguments {
    /// Where the app may work.
    pub(super) fn reach(&self) -> Reach {
        self.namespaces.iter().cloned().collect()
    }

    /// What one app is made on, or with `None` all apps.
    pub(super) async fn ground(
        &self,
        metrics: &Arc<Metrics>,
        app: Option<&AppId>,
        checkout: Checkout,
        tools: Tools,
        parallel: u16,
    ) -> anyhow::Result<Ground> {
        let cluster = self.connection.endpoint.connect(metrics).await?;
        let store = self.connection.store(&cluster);
        let selector = app.map_or_else(|| LABEL_APP.to_owned(), selector);
        let destination = Destination::new(cluster, selector, store.namespace());
        let (reach, parallel) = (self.reach(), parallel.into());
        Ok(Ground { destination, store, reach, parallel, checkout, tools })
    }

    /// An app whose objects go where these say.
    pub(super) fn applied_to(&self, spec: GitOpsAppSpec) -> GitOpsAppSpec {
        let target_namespace = self.target_namespace.clone().map(NamespaceName);
        GitOpsAppSpec { target_namespace, ..spec }
    }
}

/// What is done about foreign changes, and about what cannot be changed.
#[derive(Debug, Args)]
pub(super) struct PolicyArguments {
    /// When others change or delete what git declares: revert, warn or ignore
    #[arg(
        long,
        env = "GITOPS_SYNC_DRIFT",
        default_value = "revert",
        value_name = "POLICY",
        value_parser = PossibleValuesParser::new(OnDrift::VARIANTS).try_map(|text| text.parse::<OnDrift>()),
        hide_possible_values = true
    )]
    drift: OnDrift,
    /// When people add fields that git does not set: revert, report or ignore
    #[arg(
        long,
        env = "GITOPS_SYNC_ADDITIONS",
        default_value = "revert",
        value_name = "POLICY",
        value_parser = PossibleValuesParser::new(OnAdditions::VARIANTS).try_map(|text| text.parse::<OnAdditions>()),
        hide_possible_values = true
    )]
    additions: OnAdditions,
    /// When others own fields that git declares otherwise: force, report or yield
    #[arg(
        long,
        env = "GITOPS_SYNC_CONFLICTS",
        default_value = "force",
        value_name = "POLICY",
        value_parser = PossibleValuesParser::new(OnConflict::VARIANTS).try_map(|text| text.parse::<OnConflict>()),
        hide_possible_values = true
    )]
    conflicts: OnConflict,
    /// Delete and create again what cannot be changed as git declares it
    #[arg(long, env = "GITOPS_SYNC_REPLACE", value_parser = BoolishValueParser::new())]
    replace: bool,
}

impl PolicyArguments {
    /// An app with these policies.
    pub(super) fn applied_to(&self, spec: GitOpsAppSpec) -> GitOpsAppSpec {
        let Self { drift, additions, conflicts, replace } = *self;
        GitOpsAppSpec { drift, additions, conflicts, replace, ..spec }
    }
}

/// What is deleted, and what waits for a person's word.
#[derive(Debug, Args)]
pub(super) struct PruneArguments {
    /// Delete objects of the app that are no longer among the manifests
    #[arg(long, env = "GITOPS_SYNC_PRUNE", value_parser = BoolishValueParser::new())]
    pub prune: bool,
    /// Objects that are deleted at once without approval, whatever part of the app they are
    #[arg(long, env = "GITOPS_SYNC_PRUNE_MAX_OBJECTS", default_value_t = PruneGuard::default().max_objects, value_name = "N")]
    prune_max_objects: u32,
    /// Part of the app that is deleted at once without approval, in percent, however many they are
    #[arg(long, env = "GITOPS_SYNC_PRUNE_MAX_PERCENT", default_value_t = PruneGuard::default().max_percent, value_name = "N")]
    prune_max_percent: u32,
    /// Kinds that are deleted only with approval, as Kind or Kind.group
    #[arg(
        long,
        env = "GITOPS_SYNC_PROTECT_KINDS",
        default_value = "Namespace,CustomResourceDefinition,PersistentVolumeClaim",
        value_name = "KINDS",
        value_delimiter = ',',
        value_parser = kind
    )]
    protect_kinds: Vec<String>,
    /// Delete everything when the source declares nothing any more
    #[arg(long, env = "GITOPS_SYNC_ALLOW_EMPTY", value_parser = BoolishValueParser::new())]
    allow_empty: bool,
    /// Approve deletions that are held, by the hash that was told
    #[arg(long, env = "GITOPS_SYNC_APPROVE_PRUNE", value_name = "HASHES", value_delimiter = ',')]
    approve_prune: Vec<String>,
}

impl PruneArguments {
    /// What is deleted without asking.
    pub(super) fn guard(&self) -> PruneGuard {
        PruneGuard {
            max_objects: self.prune_max_objects,
            max_percent: self.prune_max_percent,
            protect_kinds: self.protect_kinds.clone(),
            allow_empty: self.allow_empty,
        }
    }

    /// Hashes of the sets that are approved.
    pub(super) fn approved(&self) -> BTreeSet<String> {
        hashes(&self.approve_prune.join(","))
    }
}

/// Which branch of which repository.
#[derive(Debug, Args)]
pub(super) struct GitArguments {
    /// Branch, tag, commit or range of versions to follow
    #[arg(long, env = "GITOPS_SYNC_BRANCH", default_value = "main", value_name = "NAME")]
    pub branch: String,
    /// Folder of the repository that holds the manifests
    #[arg(long, env = "GITOPS_SYNC_PATH", default_value = ".", value_name = "DIR")]
    pub path: String,
    /// Speak no TLS with the registry of artifacts, if --repo is one of oci
    #[arg(long, env = "GITOPS_SYNC_OCI_INSECURE", value_parser = BoolishValueParser::new())]
    pub oci_insecure: bool,
    /// Fetch submodules, at the commits that the repository names
    #[arg(long = "git-submodules", env = "GITOPS_SYNC_GIT_SUBMODULES", value_parser = BoolishValueParser::new())]
    pub submodules: bool,
    #[command(flatten)]
    pub access: AccessArguments,
    /// Folder for clones [default: gitops-sync in the user's cache folder]
    #[arg(long, env = "GITOPS_SYNC_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Longest time a fetch may take
    #[arg(long, env = "GITOPS_SYNC_FETCH_TIMEOUT", default_value = "60s", value_name = "TIME", value_parser = duration)]
    pub fetch_timeout: Duration,
}

impl GitArguments {
    /// An app that follows what these say.
    pub(super) fn applied_to(&self, spec: GitOpsAppSpec) -> GitOpsAppSpec {
        GitOpsAppSpec {
            target_revision: self.branch.clone(),
            path: self.path.clone(),
            submodules: self.submodules,
            insecure: self.oci_insecure,
            ..spec
        }
    }

    /// What fetches an app's repository, with the access that these give.
    pub(super) fn fetcher(
        &self,
        spec: &GitOpsAppSpec,
        checkout: &Checkout,
    ) -> anyhow::Result<Fetcher> {
        let GitOpsAppSpec { repo_url: url, path, .. } = spec;
        let repository = Repository {
            url: url.clone(),
            branch: spec.target_revision.clone(),
            insecure: spec.insecure,
            submodules: spec.submodules.then(Submodules::default),
            files: Arc::new(self.access.files(url)),
            credentials: None,
        };
        check_path(path)?;
        let render = Arc::new(spec.render.clone());
        Ok(Fetcher { render, ..checkout.fetcher(repository, path, path) })
    }

    /// How repositories are fetched.
    pub(super) fn checkout(&self, limits: Limits) -> anyhow::Result<Checkout> {
        check_path(&self.path)?;
        let program = std::env::current_exe().context("cannot tell where this program is")?;
        let (clones, data_dir) = (Clones::default(), data_dir(self.data_dir.as_deref())?);
        Ok(Checkout { clones, data_dir, program, timeout: self.fetch_timeout, limits })
    }
}

/// The folder for what is fetched and built, unless another one is given.
pub(super) fn data_dir(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(dir) = given {
        return Ok(dir.to_owned());
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = cache.or_else(home).context("there is no HOME: set --data-dir")?;
    Ok(cache.join("gitops-sync"))
}

/// A path that would leave the repository is refused before anything is connected to or fetched.
fn check_path(path: &str) -> anyhow::Result<()> {
    if path.starts_with('/') || path.split('/').any(|component| component == "..") {
        bail!("--path {path:?} leads out of the repository: give a folder within it");
    }
    Ok(())
}

/// How log lines look.
#[derive(Debug, Args)]
pub(super) struct LogArguments {
    /// How log lines look: text or json
    #[arg(
        long,
        env = "GITOPS_SYNC_LOG_FORMAT",
        default_value = "text",
        value_name = "FORMAT",
        hide_possible_values = true
    )]
    pub log_format: LogFormat,
}

/// Reads a kind, and leaves it as it is written.
fn kind(text: &str) -> Result<String, BadKind> {
    text.parse::<ProtectedKind>().map(|_| text.trim().to_owned())
}

/// Reads the name of a namespace, a DNS label: it becomes part of URLs.
pub(super) fn namespace(text: &str) -> Result<String, String> {
    let name = text.trim();
    let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let is_label = (1..=63).contains(&name.len())
        && name.bytes().all(is_plain)
        && !name.starts_with('-')
        && !name.ends_with('-');
    if is_label { Ok(name.to_owned()) } else { Err("write namespaces as a,b".to_owned()) }
}

/// Reads `90s`, `5m`, `1h30m`.
pub(super) fn duration(text: &str) -> Result<Duration, BadDuration> {
    text.parse::<api::Duration>().map(Duration::from)
}

/// A time after which something is done again, or never.
#[derive(Clone, Copy, Debug)]
pub(super) struct Every(pub Option<Duration>);

impl Every {
    /// Reads what [`duration`] reads, and `0`.
    pub(super) fn parse(text: &str) -> Result<Self, BadDuration> {
        match text.trim_end_matches(['s', 'm', 'h']) {
            "0" => Ok(Self(None)),
            _ => duration(text).map(|time| Self(Some(time))),
        }
    }
}

/// The app's name when none is given: the last part of the URL and the path.
pub(super) fn default_name(url: &str, path: &str) -> AppId {
    let url = crate::source::error::display_url(url);
    let last = url.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
    AppId::derived_from(&format!("{} {path}", last.trim_end_matches(".git")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_the_repository_are_refused() {
        let check = |path, ok| assert_eq!(check_path(path).is_ok(), ok, "{path}");
        check(".", true);
        check("apps/web", true);
        check("a..b/..c", true);
        check("../..", false);
        check("apps/../..", false);
        check("/etc", false);
    }

    #[test]
    fn only_names_of_namespaces_are_taken() {
        let check = |text, name: Option<&str>| {
            assert_eq!(namespace(text).ok().as_deref(), name, "{text}");
        };
        check("a", Some("a"));
        check(" team-1", Some("team-1"));
        check("", None);
        check("*", None);
        check("a/b", None);
        check("-a", None);
        check("A", None);
        check(&"a".repeat(64), None);
    }

    #[test]
    fn names_and_durations() {
        let name = |url, path| default_name(url, path).to_string();
        assert_eq!(
            name("https://user:pw@git.example/team/config.git", "apps/web"),
            "config-apps-web"
        );
        assert_eq!(name("git@git.example:config.git", "."), "config");
        assert_eq!(duration("15s"), Ok(Duration::from_secs(15)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_mins(90)));
        assert!(Every::parse("0").unwrap().0.is_none() && Every::parse("0s").unwrap().0.is_none());
        assert_eq!(Every::parse("1h").unwrap().0, Some(Duration::from_hours(1)));
        assert!(duration("0s").is_err() && duration("-1s").is_err() && duration("soon").is_err());
    }
}

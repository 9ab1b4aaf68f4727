//! `gitops-sync run`: the daemon.

use std::future::pending;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use clap::builder::BoolishValueParser;
use futures::future::{BoxFuture, join_all};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::Sender;
use tokio::sync::{Notify, watch};
use tracing::info;

use super::alone::{Alone, InFiles};
use super::common::{
    ClusterArguments, Every, GitArguments, LogArguments, PolicyArguments, PruneArguments, counter,
    default_name, duration,
};
use super::logging;
use super::render::{BuildArguments, RenderArguments};
use super::substitute::SubstituteArguments;
use super::verify::VerifyArguments;
use crate::api::repository::RepoPattern;
use crate::api::tenancy::Tenancy;
use crate::api::{self, GitOpsAppSpec};
use crate::cluster::events::Event;
use crate::cluster::store::inbox::Inbox;
use crate::controller::prepare::Clusters;
use crate::controller::{Common, Controller, status_lanes};
use crate::election::{Campaign, Candidacy, Mode, Ownership};
use crate::object::AppId;
use crate::object::marks::LABEL_APP;
use crate::plan::Controls;
use crate::report::{AppStatus, Metrics, Publisher, Roles};
use crate::serve::{Hooks, Server, Shared, WebhookSecret};
use crate::source::error::display_url;
use crate::source::tidy;
use crate::sync::directory::Listing;
use crate::sync::ground::Remote;
use crate::sync::references::Home;
use crate::sync::relay::Address;
use crate::sync::{
    App, Board, Daemon, Directory, Ground, Origin, Poster, Relay, Stop, Sweeps, references,
};

/// Time for open connections to end, and for what is still to be posted.
const GRACE: Duration = Duration::from_secs(2);

/// The flags that say what a file with an app says.
const OF_THE_APP: [&str; 23] = [
    "repo",
    "branch",
    "path",
    "oci_insecure",
    "submodules",
    "name",
    "interval",
    "prune",
    "prune_max_objects",
    "prune_max_percent",
    "protect_kinds",
    "allow_empty",
    "atomic",
    "substitute",
    "substitute_from",
    "verify",
    "verify_keys",
    "no_rollback",
    "target_namespace",
    "drift",
    "additions",
    "conflicts",
    "replace",
];

/// Arguments of `run`. Each flag has a twin in the environment.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// URL or local path of the git repository, for one app without a resource
    #[arg(long, env = "GITOPS_SYNC_REPO", value_name = "URL", hide_env_values = true)]
    repo: Option<String>,
    /// File with a GitOpsApp, for one app without a resource; flags about the app are not taken beside it
    #[arg(long, env = "GITOPS_SYNC_APP", value_name = "FILE", conflicts_with_all = OF_THE_APP)]
    app: Option<PathBuf>,
    /// Sync every GitOpsApp of the cluster, or of --namespaces
    #[arg(long, env = "GITOPS_SYNC_WATCH_APPS", value_parser = BoolishValueParser::new())]
    watch_apps: bool,
    /// Labels of the apps to sync, as kubectl selects them [default: all]
    #[arg(
        long,
        env = "GITOPS_SYNC_WATCH_LABEL_SELECTOR",
        value_name = "SELECTOR",
        requires = "watch_apps",
        default_value = "",
        hide_default_value = true
    )]
    watch_label_selector: String,
    #[command(flatten)]
    git: GitArguments,
    /// Name of the app [default: from the repository and the path]
    #[arg(long, env = "GITOPS_SYNC_NAME", value_name = "NAME")]
    name: Option<AppId>,
    /// Time between two syncs
    #[arg(long, env = "GITOPS_SYNC_INTERVAL", default_value = "15s", value_name = "TIME")]
    interval: api::Duration,
    #[command(flatten)]
    prune: PruneArguments,
    /// Write nothing of a commit unless a dry-run of all of it is accepted
    #[arg(long, env = "GITOPS_SYNC_ATOMIC", value_parser = BoolishValueParser::new())]
    atomic: bool,
    #[command(flatten)]
    substitute: SubstituteArguments,
    #[command(flatten)]
    verify: VerifyArguments,
    #[command(flatten)]
    build: BuildArguments,
    #[command(flatten)]
    render: RenderArguments,
    #[command(flatten)]
    cluster: ClusterArguments,
    /// Objects applied side by side
    #[arg(long, env = "GITOPS_SYNC_PARALLEL", default_value_t = 32, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    parallel: u16,
    /// Address of metrics, health and webhooks
    #[arg(
        long,
        env = "GITOPS_SYNC_LISTEN",
        default_value = "0.0.0.0:8080",
        value_name = "ADDRESS"
    )]
    listen: SocketAddr,
    /// Show /api/v1 to others than this machine: states and names of objects, never values
    #[arg(long, env = "GITOPS_SYNC_API", value_parser = BoolishValueParser::new())]
    api: bool,
    /// File with the secret that signs webhooks; without it there are none
    #[arg(long, env = "GITOPS_SYNC_WEBHOOK_SECRET_FILE", value_name = "FILE")]
    webhook_secret_file: Option<PathBuf>,
    /// Time between two sweeps, which read all objects whole to see what watches cannot; 0 for none
    #[arg(long, env = "GITOPS_SYNC_SWEEP", default_value = "1h", value_name = "TIME", value_parser = Every::parse)]
    sweep: Every,
    /// Time between two looks for clones that no app uses; one that is found twice is removed
    #[arg(long, env = "GITOPS_SYNC_TIDY", default_value = "5m", value_name = "TIME", value_parser = duration)]
    tidy: Duration,
    #[command(flatten)]
    policy: PolicyArguments,
    #[command(flatten)]
    replicas: ReplicaArguments,
    #[command(flatten)]
    tenancy: TenancyArguments,
    #[command(flatten)]
    log: LogArguments,
}

/// What apps may do, whatever they say themselves.
#[derive(Debug, Args)]
struct TenancyArguments {
    /// Service account that an app acts as if it names none, in the app's namespace [default: the daemon's rights]
    #[arg(long, env = "GITOPS_SYNC_DEFAULT_SERVICE_ACCOUNT", value_name = "NAME")]
    default_service_account: Option<String>,
    /// Let apps refer to apps of other namespaces
    #[arg(long, env = "GITOPS_SYNC_ALLOW_CROSS_NAMESPACE_REFS", value_parser = BoolishValueParser::new())]
    allow_cross_namespace_refs: bool,
    /// Repositories that apps may use, such as git.example/team/* [default: all]
    #[arg(long, env = "GITOPS_SYNC_ALLOWED_REPOS", value_name = "PATTERNS", value_delimiter = ',')]
    allowed_repos: Vec<RepoPattern>,
}

impl TenancyArguments {
    fn rules(&self) -> Tenancy {
        Tenancy {
            default_service_account: self.default_service_account.clone(),
            allow_cross_namespace_refs: self.allow_cross_namespace_refs,
            allowed_repos: self.allowed_repos.clone(),
        }
    }
}

/// What several replicas do beside each other.
#[derive(Debug, Args)]
struct ReplicaArguments {
    /// Write only as the leader among all replicas, by a Lease; the others stand by
    #[arg(long, env = "GITOPS_SYNC_LEADER_ELECT", value_parser = BoolishValueParser::new())]
    leader_elect: bool,
    /// Divide the apps among all replicas, by a Lease of each
    #[arg(long, env = "GITOPS_SYNC_SHARDS", value_parser = BoolishValueParser::new())]
    shards: bool,
}

impl ReplicaArguments {
    /// How work is divided among replicas, if there is to be more than one.
    fn mode(&self) -> anyhow::Result<Option<Mode>> {
        match (self.leader_elect, self.shards) {
            (true, true) => bail!("choose one of --leader-elect and --shards"),
            (true, false) => Ok(Some(Mode::Leader)),
            (false, true) => Ok(Some(Mode::Shards)),
            (false, false) => Ok(None),
        }
    }
}

/// What all that runs in the process shares.
struct Process {
    ground: Ground,
    metrics: Arc<Metrics>,
    events: Sender<Event>,
    apps: Directory,
    ownership: Ownership,
    stop: Stop,
}

/// What runs until the process is to end.
struct Work {
    ready: watch::Receiver<bool>,
    running: BoxFuture<'static, ()>,
}

/// Runs the daemon until SIGTERM or SIGINT.
pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    logging::init(arguments.log.log_format, "info");
    let stop = Stop::on_signals()?;
    let metrics = Arc::new(Metrics::new()?);
    let mode = arguments.replicas.mode()?;
    let alone = alone(&arguments)?;
    if alone.is_none() && !arguments.watch_apps {
        bail!("nothing to sync: give --watch-apps, --app FILE or --repo URL");
    }
    let one = alone.as_ref().map(|alone| alone.name.clone());
    let ground = ground(&arguments, &metrics, one.as_ref()).await?;
    let cluster = ground.destination.cluster.clone();
    let (poster, events) = Poster::new(cluster, instance(one.as_ref()));
    let mut campaign = mode.map(|mode| campaign(mode, &arguments, one.as_ref(), &ground, &metrics));
    let ownership = ownership(campaign.as_ref(), &metrics);
    let apps = Directory::default();
    let process = Process { ground, metrics, events, apps, ownership, stop: stop.clone() };
    let mut work = Vec::new();
    if let Some(alone) = &alone {
        work.push(one_app(&arguments, alone, &process)?);
    }
    if arguments.watch_apps {
        work.push(all_apps(&arguments, &process));
    }
    let server = bind(&arguments, &process, &work).await?;
    announce(&arguments, alone.as_ref(), server.address()?);
    let checkout = process.ground.checkout.clone();
    let tidying = tokio::spawn(tidy::run(checkout.clones, checkout.data_dir, arguments.tidy));
    // The queue of events ends with the work.
    drop(process);
    let posting = tokio::spawn(poster.run());
    let mut serving = tokio::spawn(server.run(stop));
    let mut working = std::pin::pin!(join_all(work.into_iter().map(|work| work.running)));
    let served = tokio::select! {
        _ = &mut working => None,
        ended = &mut serving => {
            ended?.context("the HTTP server failed")?;
            working.await;
            Some(())
        }
        () = failed(campaign.as_mut()) => bail!("a defect ended the election: please report the lines before this one"),
    };
    tidying.abort();
    let _ = tokio::time::timeout(GRACE, posting).await;
    // Nothing is written any more.
    if let Some(campaign) = campaign {
        campaign.resign().await;
    }
    if served.is_none() {
        // Connections that do not end by themselves are cut.
        let _ = tokio::time::timeout(GRACE, serving).await;
    }
    info!("Stopped");
    Ok(ExitCode::SUCCESS)
}

/// What apps are made on. Alone, an app watches nothing but its own objects.
async fn ground(
    arguments: &Arguments,
    metrics: &Arc<Metrics>,
    one: Option<&AppId>,
) -> anyhow::Result<Ground> {
    let (checkout, parallel) =
        (arguments.git.checkout(arguments.build.limits())?, arguments.parallel);
    let tools = arguments.build.tools(&checkout.program, &checkout.data_dir);
    let alone = one.filter(|_| !arguments.watch_apps);
    arguments.cluster.ground(metrics, alone, checkout, tools, parallel).await
}

/// The app of the command line, if it says one: by a file, or by flags.
fn alone(arguments: &Arguments) -> anyhow::Result<Option<Alone>> {
    if let Some(file) = &arguments.app {
        let given = InFiles::of(&arguments.git.access, arguments.render.has_keys());
        return Alone::read(file, given).map(Some);
    }
    let by_flags = |url: &String| Alone {
        name: name(arguments, url),
        spec: spec(arguments, url),
        namespace: None,
    };
    Ok(arguments.repo.as_ref().map(by_flags))
}

/// The app of the command line, as if a resource said it.
fn one_app(arguments: &Arguments, alone: &Alone, process: &Process) -> anyhow::Result<Work> {
    let Process { ground, metrics, events, apps, ownership, stop } = process;
    let Alone { name, spec, namespace } = alone;
    let id = name.clone().within(ground.store.namespace());
    let origin = arguments.git.fetcher(spec, &ground.checkout)?;
    let app = App::new(id, spec, Origin::Git(origin), ground)?;
    let fence = ownership.fence(&app.id);
    let approved = arguments.prune.approved();
    let verification = alone.verification()?.or_else(|| arguments.verify.rules());
    let recipe = Arc::new(arguments.render.applied_to(&app.recipe, &arguments.build));
    let namespace = namespace.as_deref().unwrap_or(ground.store.namespace());
    let home = Home::new(app.home.cluster.clone(), namespace);
    let app = App { home, approved, verification, recipe, ..app.fenced(&fence) };
    let (ready, is_ready) = watch::channel(false);
    let wake = Arc::new(Notify::new());
    let (name, source) = (app.id.to_string(), Some(app.origin.identity()));
    let (status, shown) = watch::channel(AppStatus { name, source, ..AppStatus::default() });
    let (url, revision) = (spec.repo_url.clone(), spec.target_revision.clone());
    let address = Address::Inventory(app.id.clone());
    let listing =
        Listing { status: shown, url, revision, wake: wake.clone(), fence: fence.clone(), address };
    apps.insert(app.id.clone(), listing);
    let publisher = Publisher::new(app.id.clone(), metrics.clone(), events.clone(), status);
    let sweeps = Sweeps::new(arguments.sweep.0);
    let (asked, controls) = watch::channel(Controls::default());
    let (store, stop) = (app.store.clone(), stop.clone());
    let mut daemon = Daemon { app, publisher, sweeps, wake, controls, held: fence.held(), ready };
    let running = async move {
        let following = tokio::spawn(store.follow(daemon.app.id.clone(), asked));
        let references = tokio::spawn(references::follow(daemon.app.clone()));
        Box::pin(daemon.run(&stop)).await;
        following.abort();
        references.abort();
    };
    Ok(Work { ready: is_ready, running: Box::pin(running) })
}

/// The app as a resource would say it.
fn spec(arguments: &Arguments, url: &str) -> GitOpsAppSpec {
    let spec = GitOpsAppSpec {
        interval: arguments.interval,
        prune: arguments.prune.prune,
        prune_guard: arguments.prune.guard(),
        atomic: arguments.atomic,
        ..GitOpsAppSpec::of(url)
    };
    let spec = arguments.policy.applied_to(arguments.git.applied_to(spec));
    arguments.cluster.applied_to(arguments.substitute.applied_to(spec))
}

fn name(arguments: &Arguments, url: &str) -> AppId {
    arguments.name.clone().unwrap_or_else(|| default_name(url, &arguments.git.path))
}

/// All apps that have a resource.
fn all_apps(arguments: &Arguments, process: &Process) -> Work {
    let Process { ground, metrics, events, apps, ownership, stop } = process;
    let common = Common {
        ownership: ownership.clone(),
        ground: ground.clone(),
        metrics: metrics.clone(),
        events: events.clone(),
        directory: apps.clone(),
        inbox: Inbox::default(),
        board: Board::default(),
        tenancy: arguments.tenancy.rules(),
        clusters: Clusters::default(),
        statuses: status_lanes(),
        remote: Remote {
            timeout: arguments.cluster.connection.endpoint.request_timeout,
            count: counter(metrics),
            selector: LABEL_APP.to_owned(),
        },
        sweep: arguments.sweep.0,
        selector: arguments.watch_label_selector.clone(),
    };
    let (ready, is_ready) = watch::channel(false);
    let controller = Controller { common: Arc::new(common), ready };
    Work { ready: is_ready, running: Box::pin(controller.run(stop.clone())) }
}

async fn bind(arguments: &Arguments, process: &Process, work: &[Work]) -> anyhow::Result<Server> {
    let shared = Shared {
        metrics: process.metrics.clone(),
        apps: process.apps.clone(),
        is_open: arguments.api,
        ready: work.iter().map(|work| work.ready.clone()).collect(),
    };
    let server = Server::bind(arguments.listen, shared, hooks(arguments, process)?).await;
    server.with_context(|| format!("cannot listen on {}: set --listen", arguments.listen))
}

fn announce(arguments: &Arguments, alone: Option<&Alone>, listen: SocketAddr) {
    let spec = alone.map(|alone| &alone.spec);
    info!(
        version = env!("CARGO_PKG_VERSION"),
        watch_apps = arguments.watch_apps.then_some(true),
        app = alone.map(|alone| alone.name.as_str()),
        repo = spec.map(|spec| display_url(&spec.repo_url)),
        branch = spec.map(|spec| &*spec.target_revision),
        path = spec.map(|spec| &*spec.path),
        %listen,
        "Starting"
    );
}

/// Takes part in the division of work among the replicas of an app, or of all apps.
fn campaign(
    mode: Mode,
    arguments: &Arguments,
    one: Option<&AppId>,
    ground: &Ground,
    metrics: &Arc<Metrics>,
) -> Campaign {
    let alone = one.filter(|_| !arguments.watch_apps);
    let name = alone.map_or_else(|| installation(&arguments.watch_label_selector), AppId::label);
    let (cluster, namespace) = (&ground.destination.cluster, ground.store.namespace());
    let candidacy = Candidacy::new(mode, cluster, namespace, &name, &instance(one));
    let (name, identity) = (candidacy.name.clone(), candidacy.identity.clone());
    Campaign::begin(candidacy, Roles::new(metrics.clone(), name, identity))
}

/// Tells apart the installations of a namespace: each has its own apps.
fn installation(selector: &str) -> String {
    match selector {
        "" => "apps".to_owned(),
        selector => format!("apps-{}", hex::encode(&Sha256::digest(selector)[..4])),
    }
}

/// Returns if there will be no more answer to the question who writes.
async fn failed(campaign: Option<&mut Campaign>) {
    match campaign {
        Some(campaign) => campaign.failed().await,
        None => pending().await,
    }
}

/// What this replica may write: without others, everything.
fn ownership(campaign: Option<&Campaign>, metrics: &Metrics) -> Ownership {
    if campaign.is_none() {
        metrics.leader(true);
    }
    campaign.map_or_else(Ownership::sole, Campaign::ownership)
}

/// Who reports events: the pod, or outside of one the app.
fn instance(app: Option<&AppId>) -> String {
    let pod = ["POD_NAME", "HOSTNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    let mut named = pod.filter(|name| !name.is_empty());
    let default = || app.map_or("gitops-sync", AppId::as_str).to_owned();
    named.next().unwrap_or_else(default)
}

/// What wakes apps by webhooks, if there is a secret.
fn hooks(arguments: &Arguments, process: &Process) -> anyhow::Result<Option<Hooks>> {
    let Some(file) = &arguments.webhook_secret_file else { return Ok(None) };
    let secret = webhook_secret(file)?;
    let relay = Relay::default();
    tokio::spawn(relay.clone().run(process.ground.store.clone()));
    Ok(Some(Hooks::new(secret, process.apps.clone(), relay)))
}

fn webhook_secret(file: &PathBuf) -> anyhow::Result<WebhookSecret> {
    let shown = file.display();
    let content = std::fs::read(file)
        .with_context(|| format!("cannot read --webhook-secret-file {shown}"))?;
    WebhookSecret::from_file_content(&content)
        .with_context(|| format!("--webhook-secret-file {shown} is empty: anybody could sign"))
}

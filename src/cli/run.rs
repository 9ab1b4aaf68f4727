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
use tokio::sync::{Notify, watch};
use tracing::info;

use super::common::{
    ClusterArguments, Every, GitArguments, LogArguments, PolicyArguments, PruneArguments,
    default_name, duration,
};
use super::logging;
use crate::election::{Campaign, Candidacy, Mode, Ownership};
use crate::object::AppId;
use crate::plan::Controls;
use crate::report::{AppStatus, Metrics, Publisher, Roles};
use crate::serve::{Hooks, Server, Shared, Target, WebhookSecret};
use crate::source::error::display_url;
use crate::sync::{App, Daemon, Origin, Poster, Stop, Sweeps};

/// Time for open connections to end, and for what is still to be posted.
const GRACE: Duration = Duration::from_secs(2);

/// Arguments of `run`. Each flag has a twin in the environment.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// URL or local path of the git repository
    #[arg(long, env = "GITOPS_SYNC_REPO", value_name = "URL", hide_env_values = true)]
    repo: String,
    #[command(flatten)]
    git: GitArguments,
    /// Name of the app [default: from the repository and the path]
    #[arg(long, env = "GITOPS_SYNC_NAME", value_name = "NAME")]
    name: Option<AppId>,
    /// Time between two syncs
    #[arg(long, env = "GITOPS_SYNC_INTERVAL", default_value = "15s", value_name = "TIME", value_parser = duration)]
    interval: Duration,
    #[command(flatten)]
    prune: PruneArguments,
    /// Write nothing of a commit unless a dry-run of all of it is accepted
    #[arg(long, env = "GITOPS_SYNC_ATOMIC", value_parser = BoolishValueParser::new())]
    atomic: bool,
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
    #[command(flatten)]
    policy: PolicyArguments,
    #[command(flatten)]
    replicas: ReplicaArguments,
    #[command(flatten)]
    log: LogArguments,
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

/// Runs the daemon until SIGTERM or SIGINT.
pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    logging::init(arguments.log.log_format, "info");
    let stop = Stop::on_signals()?;
    let metrics = Arc::new(Metrics::new()?);
    let mode = arguments.replicas.mode()?;
    let mut app = app(&arguments, &metrics).await?;
    let (ready, is_ready) = watch::channel(false);
    let wake = Arc::new(Notify::new());
    let origin = app.origin.identity();
    let status =
        AppStatus { name: app.id.to_string(), source: Some(origin), ..AppStatus::default() };
    let (status, shown) = watch::channel(status);
    let shared = Shared {
        metrics: metrics.clone(),
        apps: vec![shown],
        is_open: arguments.api,
        ready: is_ready,
    };
    let server = Server::bind(arguments.listen, shared, hooks(&arguments, &wake)?)
        .await
        .with_context(|| format!("cannot listen on {}: set --listen", arguments.listen))?;
    info!(
        version = env!("CARGO_PKG_VERSION"), app = %app.id, repo = display_url(&arguments.repo),
        branch = arguments.git.branch, path = arguments.git.path, listen = %server.address()?,
        "Starting"
    );
    let mut campaign = mode.map(|mode| campaign(mode, &app, &metrics));
    let held = fence(&mut app, campaign.as_ref(), &metrics);
    let (poster, events) = Poster::new(app.cluster.clone(), instance(&app.id));
    let publisher = Publisher::new(app.id.clone(), metrics, events, status);
    let sweeps = Sweeps::new(arguments.sweep.0);
    let (asked, controls) = watch::channel(Controls::default());
    let following = tokio::spawn(app.store.clone().follow(app.id.clone(), asked));
    let daemon = Daemon { app, publisher, sweeps, wake, controls, held, ready };
    let posting = tokio::spawn(poster.run());
    let mut serving = tokio::spawn(server.run(stop.clone()));
    let mut syncing = std::pin::pin!(daemon.run(stop.clone()));
    let served = tokio::select! {
        () = &mut syncing => None,
        ended = &mut serving => {
            ended?.context("the HTTP server failed")?;
            syncing.await;
            Some(())
        }
        () = failed(campaign.as_mut()) => bail!("a defect ended the election: please report the lines before this one"),
    };
    following.abort();
    // The queue ended with the daemon.
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

async fn app(arguments: &Arguments, metrics: &Arc<Metrics>) -> anyhow::Result<App> {
    let fetcher = arguments.git.fetcher(&arguments.repo)?;
    let cluster = arguments.cluster.connection.connect(metrics).await?;
    let store = arguments.cluster.connection.store(&cluster);
    let name = || default_name(&arguments.repo, &arguments.git.path);
    Ok(App {
        id: arguments.name.clone().unwrap_or_else(name).within(store.namespace()),
        store,
        target_namespace: arguments.cluster.target(&cluster),
        reach: arguments.cluster.reach(),
        cluster,
        policy: arguments.policy.policy(),
        prune: arguments.prune.prune,
        guard: arguments.prune.guard(),
        approved: arguments.prune.approved(),
        atomic: arguments.atomic,
        dry_run: false,
        refuse_other_source: false,
        interval: arguments.interval,
        parallel: arguments.parallel.into(),
        origin: Origin::Git(fetcher),
    })
}

/// Takes part in the division of work among the replicas of an app.
fn campaign(mode: Mode, app: &App, metrics: &Arc<Metrics>) -> Campaign {
    let (namespace, name) = (app.store.namespace(), app.id.label());
    let candidacy = Candidacy::new(mode, &app.cluster, namespace, &name, &instance(&app.id));
    let (name, identity) = (candidacy.name.clone(), candidacy.identity.clone());
    Campaign::begin(candidacy, Roles::new(metrics.clone(), name, identity))
}

/// Returns if there will be no more answer to the question who writes.
async fn failed(campaign: Option<&mut Campaign>) {
    match campaign {
        Some(campaign) => campaign.failed().await,
        None => pending().await,
    }
}

/// Has the app written only while it is this replica's, and tells when it is.
fn fence(
    app: &mut App,
    campaign: Option<&Campaign>,
    metrics: &Arc<Metrics>,
) -> watch::Receiver<bool> {
    if campaign.is_none() {
        metrics.leader(true);
    }
    let ownership = campaign.map_or_else(Ownership::sole, Campaign::ownership);
    let fence = ownership.fence(&app.id);
    app.cluster = app.cluster.fenced(fence.clone());
    app.store = app.store.fenced(fence.clone());
    fence.held()
}

/// Who reports events: the pod, or outside of one the app.
fn instance(app: &AppId) -> String {
    let pod = ["POD_NAME", "HOSTNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    let mut named = pod.filter(|name| !name.is_empty());
    named.next().unwrap_or_else(|| app.to_string())
}

/// What wakes the app by webhooks, if there is a secret.
fn hooks(arguments: &Arguments, wake: &Arc<Notify>) -> anyhow::Result<Option<Hooks>> {
    let Some(file) = &arguments.webhook_secret_file else { return Ok(None) };
    let (url, branch) = (arguments.repo.clone(), arguments.git.branch.clone());
    let app = Target { url, branch, wake: wake.clone() };
    Ok(Some(Hooks::new(webhook_secret(file)?, vec![app])))
}

fn webhook_secret(file: &PathBuf) -> anyhow::Result<WebhookSecret> {
    let shown = file.display();
    let content = std::fs::read(file)
        .with_context(|| format!("cannot read --webhook-secret-file {shown}"))?;
    WebhookSecret::from_file_content(&content)
        .with_context(|| format!("--webhook-secret-file {shown} is empty: anybody could sign"))
}

//! `gitops-sync run`: the daemon.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use clap::builder::BoolishValueParser;
use tokio::sync::{Notify, watch};
use tracing::info;

use super::common::{
    ClusterArguments, Every, GitArguments, LogArguments, PolicyArguments, PruneArguments,
    default_name,
};
use super::logging;
use crate::api::{self, GitOpsAppSpec};
use crate::object::AppId;
use crate::plan::Controls;
use crate::report::{AppStatus, Metrics, Publisher};
use crate::serve::{Hooks, Server, Shared, WebhookSecret};
use crate::source::error::display_url;
use crate::sync::directory::Listing;
use crate::sync::{App, Daemon, Directory, Origin, Poster, Stop, Sweeps};

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
    #[arg(long, env = "GITOPS_SYNC_INTERVAL", default_value = "15s", value_name = "TIME")]
    interval: api::Duration,
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
    log: LogArguments,
}

/// Runs the daemon until SIGTERM or SIGINT.
pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    logging::init(arguments.log.log_format, "info");
    let stop = Stop::on_signals()?;
    let metrics = Arc::new(Metrics::new()?);
    let app = app(&arguments, &metrics).await?;
    let (ready, is_ready) = watch::channel(false);
    let wake = Arc::new(Notify::new());
    let origin = app.origin.identity();
    let status =
        AppStatus { name: app.id.to_string(), source: Some(origin), ..AppStatus::default() };
    let (status, shown) = watch::channel(status);
    let apps = Directory::default();
    let (url, revision) = (arguments.repo.clone(), arguments.git.branch.clone());
    apps.insert(app.id.clone(), Listing { status: shown, url, revision, wake: wake.clone() });
    let hooks = hooks(&arguments, &apps)?;
    let shared = Shared { metrics: metrics.clone(), apps, is_open: arguments.api, ready: is_ready };
    let server = Server::bind(arguments.listen, shared, hooks)
        .await
        .with_context(|| format!("cannot listen on {}: set --listen", arguments.listen))?;
    info!(
        version = env!("CARGO_PKG_VERSION"), app = %app.id, repo = display_url(&arguments.repo),
        branch = arguments.git.branch, path = arguments.git.path, listen = %server.address()?,
        "Starting"
    );
    let (poster, events) = Poster::new(app.cluster.clone(), instance(&app.id));
    let publisher = Publisher::new(app.id.clone(), metrics, events, status);
    let sweeps = Sweeps::new(arguments.sweep.0);
    let (asked, controls) = watch::channel(Controls::default());
    let following = tokio::spawn(app.store.clone().follow(app.id.clone(), asked));
    let mut daemon = Daemon { app, publisher, sweeps, wake, controls, ready };
    let posting = tokio::spawn(poster.run());
    let mut serving = tokio::spawn(server.run(stop.clone()));
    // The queue of events ends with the daemon.
    let mut syncing = std::pin::pin!(async move { daemon.run(&stop).await });
    tokio::select! {
        () = &mut syncing => {
            // Connections that do not end by themselves are cut.
            let _ = tokio::time::timeout(GRACE, serving).await;
        }
        ended = &mut serving => {
            ended?.context("the HTTP server failed")?;
            syncing.await;
        }
    }
    following.abort();
    let _ = tokio::time::timeout(GRACE, posting).await;
    info!("Stopped");
    Ok(ExitCode::SUCCESS)
}

async fn app(arguments: &Arguments, metrics: &Arc<Metrics>) -> anyhow::Result<App> {
    let fetcher = arguments.git.fetcher(&arguments.repo)?;
    let name = arguments.name.clone();
    let id = name.unwrap_or_else(|| default_name(&arguments.repo, &arguments.git.path));
    let (checkout, parallel) = (arguments.git.checkout()?, arguments.parallel);
    let ground = arguments.cluster.ground(metrics, Some(&id), checkout, parallel).await?;
    let id = id.within(ground.store.namespace());
    let app = App::new(id, &spec(arguments), Origin::Git(fetcher), &ground)?;
    Ok(App { approved: arguments.prune.approved(), ..app })
}

/// The app as a resource would say it.
fn spec(arguments: &Arguments) -> GitOpsAppSpec {
    let spec = GitOpsAppSpec {
        target_revision: arguments.git.branch.clone(),
        path: arguments.git.path.clone(),
        interval: arguments.interval,
        prune: arguments.prune.prune,
        prune_guard: arguments.prune.guard(),
        atomic: arguments.atomic,
        ..GitOpsAppSpec::of(&arguments.repo)
    };
    arguments.cluster.applied_to(arguments.policy.applied_to(spec))
}

/// Who reports events: the pod, or outside of one the app.
fn instance(app: &AppId) -> String {
    let pod = ["POD_NAME", "HOSTNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    let mut named = pod.filter(|name| !name.is_empty());
    named.next().unwrap_or_else(|| app.to_string())
}

/// What wakes apps by webhooks, if there is a secret.
fn hooks(arguments: &Arguments, apps: &Directory) -> anyhow::Result<Option<Hooks>> {
    let Some(file) = &arguments.webhook_secret_file else { return Ok(None) };
    Ok(Some(Hooks::new(webhook_secret(file)?, apps.clone())))
}

fn webhook_secret(file: &PathBuf) -> anyhow::Result<WebhookSecret> {
    let shown = file.display();
    let content = std::fs::read(file)
        .with_context(|| format!("cannot read --webhook-secret-file {shown}"))?;
    WebhookSecret::from_file_content(&content)
        .with_context(|| format!("--webhook-secret-file {shown} is empty: anybody could sign"))
}

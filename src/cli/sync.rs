//! `gitops-sync sync`: one pass, for a laptop, a pipeline or a `CronJob`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use clap::builder::BoolishValueParser;

use super::common::{
    ClusterArguments, GitArguments, LogArguments, PolicyArguments, PruneArguments, default_name,
};
use super::logging;
use super::render::{BuildArguments, RenderArguments};
use super::substitute::SubstituteArguments;
use super::verify::VerifyArguments;
use crate::api::GitOpsAppSpec;
use crate::object::{AppId, ObjectId};
use crate::plan::diff::FieldDrift;
use crate::report::problems::{self, Named};
use crate::report::{Action, Done, Fate, Metrics, Outcome, Trigger};
use crate::sync::{App, Memory, Origin, Stop, pass::pass};

/// Arguments of `sync`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder with the manifests
    #[arg(long, env = "GITOPS_SYNC_MANIFESTS", value_name = "DIR", conflicts_with = "repo")]
    manifests: Option<PathBuf>,
    /// URL or local path of the git repository
    #[arg(long, env = "GITOPS_SYNC_REPO", value_name = "URL", hide_env_values = true)]
    repo: Option<String>,
    #[command(flatten)]
    git: GitArguments,
    /// Write to the cluster; without it the API server only checks
    #[arg(long, env = "GITOPS_SYNC_APPLY", value_parser = BoolishValueParser::new())]
    apply: bool,
    /// Objects applied side by side
    #[arg(long, env = "GITOPS_SYNC_PARALLEL", default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    parallel: u16,
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
    /// Name of the app [default: from the repository and the path, or the folder]
    #[arg(long, env = "GITOPS_SYNC_NAME", value_name = "NAME")]
    name: Option<AppId>,
    #[command(flatten)]
    cluster: ClusterArguments,
    #[command(flatten)]
    policy: PolicyArguments,
    #[command(flatten)]
    log: LogArguments,
}

/// Syncs once. The exit code is 0 only when nothing failed.
pub(super) async fn sync(arguments: Arguments) -> anyhow::Result<ExitCode> {
    logging::init(arguments.log.log_format, "warn");
    if arguments.prune.prune && arguments.name.is_none() {
        bail!("--prune needs --name: it says whose objects may be deleted");
    }
    let stop = Stop::on_signals()?;
    let metrics = Arc::new(Metrics::new()?);
    let app = app(&arguments, &metrics).await?;
    let outcome = pass(&app, &mut Memory::default(), Trigger::Command, &stop).await;
    print(&app, &outcome)?;
    Ok(if outcome.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn app(arguments: &Arguments, metrics: &Arc<Metrics>) -> anyhow::Result<App> {
    let spec = spec(arguments);
    let (origin, default) = origin(arguments, &spec)?;
    let id = arguments.name.clone().unwrap_or(default);
    let (checkout, parallel) =
        (arguments.git.checkout(arguments.build.limits())?, arguments.parallel);
    let tools = arguments.build.tools(&checkout.program, &checkout.data_dir);
    let ground = arguments.cluster.ground(metrics, Some(&id), checkout, tools, parallel).await?;
    let id = id.within(ground.store.namespace());
    let app = App::new(id, &spec, origin, &ground)?;
    Ok(App {
        recipe: Arc::new(arguments.render.applied_to(&app.recipe, &arguments.build)),
        approved: arguments.prune.approved(),
        verification: arguments.verify.rules(),
        dry_run: !arguments.apply,
        refuse_other_source: true,
        interval: Duration::ZERO,
        ..app
    })
}

/// The app as a resource would say it.
fn spec(arguments: &Arguments) -> GitOpsAppSpec {
    let spec = GitOpsAppSpec {
        prune: arguments.prune.prune,
        prune_guard: arguments.prune.guard(),
        atomic: arguments.atomic,
        ..GitOpsAppSpec::of(arguments.repo.as_deref().unwrap_or_default())
    };
    let spec = arguments.policy.applied_to(arguments.git.applied_to(spec));
    arguments.cluster.applied_to(arguments.substitute.applied_to(spec))
}

fn origin(arguments: &Arguments, spec: &GitOpsAppSpec) -> anyhow::Result<(Origin, AppId)> {
    match (&arguments.manifests, &arguments.repo) {
        (Some(folder), _) => {
            let name = AppId::derived_from(&folder.to_string_lossy());
            Ok((Origin::Folder(folder.clone()), name))
        }
        (None, Some(url)) => {
            let name = default_name(url, &spec.path);
            let checkout = arguments.git.checkout(arguments.build.limits())?;
            Ok((Origin::Git(arguments.git.fetcher(spec, &checkout)?), name))
        }
        (None, None) => bail!("nothing to sync: give --manifests DIR or --repo URL"),
    }
}

/// Says what happened, object by object; what went wrong goes to standard error.
fn print(app: &App, outcome: &Outcome) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let dry_run = app.dry_run;
    if !outcome.manifests_hash.is_empty() {
        writeln!(out, "Found {} manifest(s). dry_run={dry_run}", outcome.manifests)?;
        writeln!(out, "Manifests hash: {}", outcome.manifests_hash)?;
        if outcome.skipped > 0 {
            writeln!(out, "Skipped {} document(s) that are no manifests.", outcome.skipped)?;
        }
    }
    for diagnostic in &outcome.diagnostics {
        eprintln!("error: {diagnostic}");
    }
    for (scope, why) in &outcome.unlisted {
        eprintln!("warning: cannot list {scope}: {why}; nothing is pruned");
    }
    for Done { desired, action, .. } in &outcome.unchecked {
        if let Action::NotChecked(why) = action {
            let (id, place) = (&desired.id, place(&desired.id));
            writeln!(out, "{id} not checked by the server beforehand{place}: {why}")?;
        }
    }
    for done in &outcome.done {
        writeln!(out, "{}", object_line(done))?;
        let drifts = done.action.drifts().iter();
        drifts.map(drift_line).try_for_each(|line| writeln!(out, "  {line}"))?;
    }
    for (id, fate) in &outcome.leftovers {
        writeln!(out, "{}", leftover_line(id, fate))?;
    }
    let named = Named { app: &app.id, has_resource: false };
    for line in problems::held(named, outcome).chain(problems::orphans(outcome)) {
        eprintln!("warning: {line}");
    }
    if let Some(failure) = &outcome.failure {
        eprintln!("error: {failure}");
    }
    let succeeded = outcome.count(Action::is_in_sync) + outcome.pruned();
    let failed = outcome.failed().max(usize::from(outcome.failure.is_some()));
    writeln!(out, "Sync complete: {succeeded} succeeded, {failed} failed.")
}

/// A field that someone else had changed: `spec.replicas: 5 -> 2 (5 was set by kubectl)`.
fn drift_line(drift: &FieldDrift) -> String {
    let FieldDrift { path, wanted, found, by } = drift;
    let by = by.as_ref().map(|tool| format!(" ({found} was set by {})", tool.manager));
    format!("{path}: {found} -> {wanted}{}", by.unwrap_or_default())
}

fn object_line(done: &Done) -> String {
    let (id, place) = (&done.desired.id, place(&done.desired.id));
    match &done.action {
        Action::NotChecked(why) => format!("{id} created{place} not checked by the server: {why}"),
        Action::Failed(why) => {
            format!("{id} failed{place}: {why} ({})", done.desired.manifest.origin)
        }
        Action::Waiting(why) => format!("{id} failed{place}: {why}; try again later"),
        Action::Skipped | Action::Fought => format!("{id} skipped{place}"),
        Action::Created | Action::Recreated => format!("{id} created{place}"),
        Action::Unchanged => format!("{id} unchanged{place}"),
        Action::Configured
        | Action::Adopted(_)
        | Action::Reverted(_)
        | Action::Reowned
        | Action::Yielded(_) => {
            format!("{id} configured{place}")
        }
        Action::Replaced(fields) => format!("{id} replaced{place}: {fields}"),
        Action::Claimed(owner) => format!("{id} left to the app {owner}{place}"),
        Action::Conflicted(_) => {
            format!("{id} conflicts{place}, and is left so (--conflicts)")
        }
        Action::Drifted(_) => format!("{id} differs{place}, and is left so (--drift)"),
        Action::Extended(..) => format!("{id} unchanged{place}, with fields that git does not set"),
        Action::Left(why) => format!("{id} left alone{place}: {why}"),
    }
}

fn leftover_line(id: &ObjectId, fate: &Fate) -> String {
    let place = place(id);
    match fate {
        Fate::Pruned { .. } => format!("{id} pruned{place}"),
        Fate::Gone => format!("{id} already gone{place}"),
        Fate::Pending => format!("{id} not pruned yet{place}"),
        Fate::Held => format!("{id} not pruned{place}: held until approved"),
        Fate::Abandoned(why) => format!("{id} abandoned{place}: {why}"),
        Fate::Forgotten(why) | Fate::Spared(why) | Fate::Failed(why) => {
            format!("{id} not pruned{place}: {why}")
        }
    }
}

fn place(id: &ObjectId) -> String {
    match id.namespace.as_str() {
        "" => String::new(),
        namespace => format!(" (namespace {namespace})"),
    }
}

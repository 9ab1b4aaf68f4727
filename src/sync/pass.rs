//! One pass over one app: the story of the data flow, from source to report.

use std::sync::Arc;
use tokio::time::Instant;

use super::clock::Clock;
use super::observe::observe;
use super::record::{orphans, reach, recall, record, remember, store};
use super::resolve::resolve;
use super::settled::{Resolved, Settled, add_unchanged};
use super::{App, Memory, Stop, apply, atomic, claims, prune, read, twins, verify};
use crate::plan::steps::Circumstances;
use crate::plan::{Cause, Desired, Plan, steps};
use crate::report::{Failure, Outcome, Trigger};

/// Brings an app's objects to what its source declares.
pub async fn pass(app: &App, memory: &mut Memory, trigger: Trigger, stop: &Stop) -> Outcome {
    let start = Instant::now();
    let mut outcome = Outcome::new(trigger);
    let result = tokio::select! {
        result = run(app, memory, &mut outcome, start, stop) => result,
        () = stop.overdue() => Err(Failure::Stopped),
    };
    outcome.failure = result.err();
    outcome.duration = start.elapsed();
    outcome
}

async fn run(
    app: &App,
    memory: &mut Memory,
    outcome: &mut Outcome,
    start: Instant,
    stop: &Stop,
) -> Result<(), Failure> {
    let mut clock = Clock::start();
    let key = recall(app, memory).await?;
    claims::exchange(app, memory, outcome).await?;
    clock.stage("recall", outcome);
    let source = read::source(app, memory, start, stop, outcome, &mut clock).await?;
    memory.is_stale = source.is_stale;
    end_fights(memory, outcome);
    let commit = match &source.trouble {
        // What stays in place was let through before.
        Some(trouble) if trouble.is_refusal() => memory.rendered.as_ref().map(|(known, _)| known),
        _ => outcome.revision.as_ref(),
    };
    if let Some(blocked) = app.blocked(commit.map(|revision| revision.commit.as_str())) {
        return Err(Failure::DependencyNotReady(blocked));
    }
    outcome.found(&source.rendered);
    let resolved = resolve(app, memory, key, &source.rendered).await?;
    outcome.diagnostics.extend_from_slice(&resolved.diagnostics);
    outcome.diagnostics.sort_by(|a, b| a.origin.cmp(&b.origin));
    clock.stage("resolve", outcome);
    let mut news = memory.settled.as_ref().and_then(|settled| settled.news(&resolved));
    tokio::select! {
        observed = observe(app, memory, &resolved.wanted, news.as_deref(), outcome) => observed?,
        () = stop.wait() => return Err(Failure::Stopped),
    }
    clock.stage("observe", outcome);
    let settled = memory.settled.take();
    let holds = settled.is_some_and(|s| s.holds(&memory.inventory, &memory.observed));
    news = news.filter(|_| holds);
    let mut plan = plan(app, memory, &resolved, news.as_deref(), outcome);
    if memory.is_stale {
        twins::confirm(app, memory, &plan).await?;
    }
    clock.stage("plan", outcome);
    if app.atomic && !app.dry_run {
        let admitted = atomic::admit(app, memory, &resolved, &plan, stop, outcome).await;
        if let Err(failure) = admitted {
            // The commit may long be mended where it cannot be read.
            return Err(source.trouble.map_or(failure, Failure::from));
        }
        clock.stage("check", outcome);
    }
    if !source.is_stale {
        verify::note(app, &mut plan.superset, outcome);
    }
    store(app, memory, std::mem::take(&mut plan.superset)).await?;
    clock.stage("record", outcome);
    let applied = apply::apply(app, &memory.observed, &plan.steps, stop, outcome).await;
    remember(app, memory, outcome);
    if news.is_some() {
        add_unchanged(&resolved.wanted, &plan.steps, outcome);
    }
    clock.stage("apply", outcome);
    applied?;
    claims::tell(app, memory).await?;
    let pruned = prune::prune(app, memory, &mut plan, stop, outcome).await;
    if !app.dry_run {
        forget_new_kinds(memory, outcome);
    }
    pruned?;
    outcome.abandoned.clone_from(&memory.inventory.abandoned);
    if news.is_none() {
        outcome.orphans = orphans(memory, &resolved.wanted);
    }
    reach(memory, stop, outcome);
    record(app, memory).await?;
    clock.stage("prune", outcome);
    twins::note(memory, &resolved, source.is_stale, outcome);
    if source.trouble.is_none() {
        memory.settled = settle(app, memory, resolved, outcome);
    }
    match source.trouble {
        Some(error) => Err(error.into()),
        None if stop.is_set() => Err(Failure::Stopped),
        None => Ok(()),
    }
}

/// Ends all fights with a new commit: it may have settled them.
fn end_fights(memory: &mut Memory, outcome: &Outcome) {
    let commit = outcome.revision.as_ref().map(|revision| revision.commit.clone());
    if !memory.is_stale && commit.is_some() && commit != memory.commit {
        memory.fights.end();
        memory.commit = commit;
    }
}

/// Plans all, or only what is new while all else is known to be in sync.
fn plan(
    app: &App,
    memory: &Memory,
    resolved: &Arc<Resolved>,
    news: Option<&[Arc<Desired>]>,
    outcome: &Outcome,
) -> Plan {
    let source = app.origin.identity();
    if let Some(news) = news {
        return steps::plan_news(news, &memory.known(app), &source);
    }
    let has_diagnostics = memory.is_stale || !outcome.diagnostics.is_empty();
    let circumstances = Circumstances { source, prune: app.prune, has_diagnostics };
    let mut plan = steps::plan(&resolved.wanted, &memory.known(app), &circumstances);
    if memory.is_stale {
        twins::give_way(memory, resolved, &mut plan);
    }
    plan
}

/// What a pass left in sync, if that is everything there is.
fn settle(
    app: &App,
    memory: &Memory,
    resolved: Arc<Resolved>,
    outcome: &Outcome,
) -> Option<Settled> {
    // Whom an orphan belongs to is looked at with all others.
    let has_orphans = !outcome.orphans.is_empty() || !memory.handed.is_empty();
    if app.dry_run || has_orphans || !outcome.leaves_all_in_sync() {
        return None;
    }
    let touched = outcome.done.iter().filter(|done| done.cause != Cause::InSync);
    let touched: Vec<_> = touched.map(|done| done.desired.clone()).collect();
    let steps = steps::steps(&touched, &memory.known(app));
    let settled = || Settled::new(resolved, &memory.inventory, &memory.observed);
    steps.iter().all(|step| step.cause == Cause::InSync).then(settled)
}

/// After a CRD was applied, its kind is known only to a new discovery.
fn forget_new_kinds(memory: &mut Memory, outcome: &Outcome) {
    if outcome.has_new_kinds() {
        memory.kinds = None;
        memory.new_kinds = Some(Instant::now());
    }
}

//! Executes the steps of a plan, stage by stage.

use std::sync::Arc;

use futures::stream::{self, StreamExt};

use super::execute::{New, execute, in_sync};
use super::{App, Stop, namespace};
use crate::object::ObjectId;
use crate::plan::inventory::{Entry, Inventory};
use crate::plan::{Cause, Desired, Lookup, Observed, Stage, Step};
use crate::report::{Action, Done, Failure, Outcome};

/// Applies each stage, objects side by side, and waits for CRDs before what needs them. Fills in
/// `outcome.done`, also when it fails. Before all that, sees to the namespace that they go to.
pub async fn apply(
    app: &App,
    observed: &Observed,
    steps: &[Step],
    stop: &Stop,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let mut new = new_objects(steps);
    new.no_namespace = namespace::provide(app, observed, steps).await?;
    if app.create_namespace.is_some() && new.no_namespace.is_none() {
        new.add("namespaces", &app.target_namespace);
    }
    for stage in steps.chunk_by(|a, b| a.desired.stage == b.desired.stage) {
        let (lacking, able): (Vec<_>, Vec<_>) =
            stage.iter().partition(|step| lacks_crd(&step.desired, &outcome.done));
        let failed = || Action::Failed("its CRD failed".to_owned());
        outcome.done.extend(lacking.iter().map(|step| Done::of(step, failed())));
        // Mostly these are nearly all, and not worth a task each.
        let (idle, able): (Vec<&Step>, Vec<_>) =
            able.into_iter().partition(|step| step.cause == Cause::InSync);
        outcome.done.extend(idle.into_iter().map(in_sync));
        let run = |step: &'_ Step| {
            let (step, new) = (step.clone(), &new);
            app.lanes.run(async move || {
                if stop.is_set() {
                    return Ok(Done::of(&step, Action::Skipped));
                }
                execute(app, &step, new).await
            })
        };
        let mut running = stream::iter(able).map(run).buffer_unordered(app.parallel);
        while let Some(done) = running.next().await {
            outcome.done.push(done?);
        }
        drop(running);
        if !app.dry_run {
            establish(app, stage, stop, outcome).await?;
        }
    }
    outcome.done.sort_by(|a, b| order(a).cmp(&order(b)));
    Ok(())
}

fn order(done: &Done) -> (Stage, &ObjectId) {
    (done.desired.stage, &done.desired.id)
}

/// Records what we own now on each object that was found or made in sync. Says whether anything changed
/// by it.
pub fn record(inventory: &mut Arc<Inventory>, done: &[Done]) -> bool {
    let mut is_changed = note_refused(inventory, done);
    let known = inventory.clone();
    let mut known = Lookup::new(&known.entries);
    let is_news = |done: &&Done| {
        done.cause != Cause::InSync && (done.action.is_recorded() || done.deleted.is_some())
    };
    for done in done.iter().filter(is_news) {
        let Some(entry) = known.get(&done.desired.id) else { continue };
        let is_there = done.deleted.is_none();
        let now = Entry {
            version: done.desired.resource.version.clone(),
            // What we deleted ourselves is no drift: it is created as if it had never been.
            refused: false,
            set_hash: done.owned.clone().or(entry.set_hash.clone()).filter(|_| is_there),
            source: entry.source.clone(),
            one_shot: done.desired.one_shot.then(|| done.desired.hash.clone()),
            keep: done.desired.handling.keep,
            leaving: false,
            overridden: done.overridden.clone(),
        };
        if *entry != now {
            is_changed = true;
            Arc::make_mut(inventory).entries.insert(done.desired.id.clone(), now);
        }
    }
    is_changed
}

/// Notes what was never applied and is not for want of rights. Says whether that is news.
fn note_refused(inventory: &mut Arc<Inventory>, done: &[Done]) -> bool {
    let mut is_changed = false;
    let failed = |done: &&Done| matches!(done.action, Action::Failed(_) | Action::Claimed(_));
    for Done { desired, refused, .. } in done.iter().filter(failed) {
        let entry = inventory.entries.get(&desired.id);
        if entry.is_some_and(|entry| entry.set_hash.is_none() && entry.refused != *refused)
            && let Some(entry) = Arc::make_mut(inventory).entries.get_mut(&desired.id)
        {
            (entry.refused, is_changed) = (*refused, true);
        }
    }
    is_changed
}

/// What others may refer to, and is not there yet.
fn new_objects(steps: &[Step]) -> New {
    let early = steps.iter().filter(|step| step.desired.stage < Stage::Objects);
    let mut new = New::default();
    for Step { desired, .. } in early.filter(|step| step.live.is_none()) {
        new.add(&desired.resource.plural, &desired.id.name);
    }
    new
}

/// Waits until the CRDs of a stage serve their kinds.
async fn establish(
    app: &App,
    stage: &[Step],
    stop: &Stop,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let sent =
        |step: &&Step| step.desired.stage == Stage::Definitions && step.cause != Cause::InSync;
    for step in stage.iter().filter(sent) {
        let applied =
            |done: &&mut Done| done.desired.id == step.desired.id && done.action.is_in_sync();
        let Some(done) = outcome.done.iter_mut().find(applied) else { continue };
        if stop.is_set() {
            return Ok(());
        }
        let why = match app.cluster.wait_established(&step.desired).await {
            Ok(true) => continue,
            Ok(false) => "the CRD was applied but is not established".to_owned(),
            Err(error) => Failure::unless_refused("waiting for a CRD", error)?.to_string(),
        };
        done.action = Action::Failed(why);
    }
    Ok(())
}

/// Whether the CRD that an object waits for failed in this pass.
fn lacks_crd(desired: &Desired, done: &[Done]) -> bool {
    if !desired.kind_is_new {
        return false;
    }
    let name = desired.crd_name();
    let is_it =
        |done: &&Done| done.desired.stage == Stage::Definitions && done.desired.id.name == name;
    done.iter().find(is_it).is_some_and(|done| done.action.is_failure())
}

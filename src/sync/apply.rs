//! Executes the steps of a plan, stage by stage.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use serde_json::Value;

use super::{App, Stop};
use crate::cluster::ApiError;
use crate::cluster::apply::Response;
use crate::object::{Live, ObjectId};
use crate::plan::diff::drift;
use crate::plan::inventory::{Entry, Inventory};
use crate::plan::{Cause, Desired, Lookup, Stage, Step};
use crate::report::{Action, Done, Failure, Outcome};

/// Tries to apply an object whose kind was established a moment ago.
const NEW_KIND_TRIES: u32 = 50;
/// Pause between them.
const NEW_KIND_PAUSE: Duration = Duration::from_millis(100);

/// Why an object waits.
const ENDING: &str = "it or its namespace is being deleted";
const UNSEEN: &str = "its kind cannot be listed for the moment";

/// Applies each stage, objects side by side, and waits for CRDs before what needs them. Fills in
/// `outcome.done`, also when it fails.
pub async fn apply(
    app: &App,
    steps: &[Step],
    stop: &Stop,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let new_namespaces = new_namespaces(steps);
    for stage in steps.chunk_by(|a, b| a.desired.stage() == b.desired.stage()) {
        let (lacking, able): (Vec<_>, Vec<_>) =
            stage.iter().partition(|step| lacks_crd(&step.desired, &outcome.done));
        let failed = || Action::Failed("its CRD failed".to_owned());
        outcome.done.extend(lacking.iter().map(|s| done(&s.desired, failed(), &Value::Null)));
        // Mostly these are nearly all, and not worth a task each.
        let (idle, able): (Vec<&Step>, Vec<_>) =
            able.into_iter().partition(|step| step.cause == Cause::InSync);
        outcome.done.extend(idle.into_iter().map(in_sync));
        let run = |step: &'_ Step| {
            let (step, new) = (step.clone(), &new_namespaces);
            async move {
                if stop.is_set() {
                    return Ok(done(&step.desired, Action::Skipped, &Value::Null));
                }
                execute(app, &step, new).await
            }
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
    (done.desired.stage(), &done.desired.id)
}

/// Records what we own now on each object that is in sync. Says whether anything changed by it.
pub fn record(inventory: &mut Arc<Inventory>, done: &[Done]) -> bool {
    let mut is_changed = false;
    let known = inventory.clone();
    let mut known = Lookup::new(&known.entries);
    for done in done.iter().filter(|done| done.action.is_in_sync()) {
        let Some(entry) = known.get(&done.desired.id) else { continue };
        let live = done.live.as_ref().and_then(|live| live.set_hash.clone());
        let now = Entry {
            version: done.desired.resource.version.clone(),
            set_hash: live.or(entry.set_hash.clone()),
            source: entry.source.clone(),
            one_shot: done.desired.one_shot.then(|| done.desired.hash.clone()),
            keep: done.desired.keep,
        };
        if *entry != now {
            is_changed = true;
            Arc::make_mut(inventory).entries.insert(done.desired.id.clone(), now);
        }
    }
    is_changed
}

/// Namespaces among the steps that are not there yet.
fn new_namespaces(steps: &[Step]) -> BTreeSet<String> {
    let namespaces = steps.iter().filter(|s| s.desired.stage() == Stage::Namespaces);
    namespaces.filter(|s| s.live.is_none()).map(|s| s.desired.id.name.clone()).collect()
}

fn done(desired: &Arc<Desired>, action: Action, object: &Value) -> Done {
    let live = object.is_object().then(|| Arc::new(Live::from(object)));
    Done { desired: desired.clone(), action, live }
}

/// Does what one step says. Only an outage is an error.
async fn execute(
    app: &App,
    step: &Step,
    new_namespaces: &BTreeSet<String>,
) -> Result<Done, Failure> {
    let desired = &step.desired;
    let result = match step.cause {
        Cause::InSync => return Ok(in_sync(step)),
        Cause::Terminating => return Ok(done(desired, Action::Waiting(ENDING), &Value::Null)),
        Cause::Unseen => return Ok(done(desired, Action::Waiting(UNSEEN), &Value::Null)),
        Cause::New | Cause::Changed => fresh(app, desired).await,
        Cause::Missing | Cause::ChangedAndDrifted | Cause::Drifted | Cause::Unknown => {
            restore(app, desired, step.cause).await
        }
    };
    match result {
        Ok(done) => Ok(done),
        Err(error) => {
            let error = Failure::unless_refused("applying objects", error)?;
            let unchecked = app.dry_run.then(|| unchecked(step, &error, new_namespaces)).flatten();
            let action = unchecked.unwrap_or_else(|| Action::Failed(error.shown(&desired.id.kind)));
            Ok(done(desired, action, &Value::Null))
        }
    }
}

/// Nothing is sent. A one-shot Job may be gone by now.
fn in_sync(step: &Step) -> Done {
    Done { desired: step.desired.clone(), action: Action::Unchanged, live: step.live.clone() }
}

/// Applies what is new or changed.
async fn fresh(app: &App, desired: &Arc<Desired>) -> Result<Done, ApiError> {
    let response = send(app, desired).await?;
    let action = if response.created { Action::Created } else { Action::Configured };
    Ok(done(desired, action, &response.object))
}

/// Puts back what others changed: reads it first, to tell what it was.
async fn restore(app: &App, desired: &Arc<Desired>, cause: Cause) -> Result<Done, ApiError> {
    let found = app.cluster.get(&desired.resource, &desired.id).await?;
    if found.as_ref().is_some_and(|object| object["metadata"]["deletionTimestamp"].is_string()) {
        return Ok(done(desired, Action::Waiting(ENDING), &Value::Null));
    }
    let response = send(app, desired).await?;
    let mut drifts = found.as_ref().map(|found| drift(found, &response.object));
    if let (Cause::ChangedAndDrifted, Some(drifts)) = (cause, &mut drifts) {
        // The manifest's own changes are no drift: what nobody else owns, we changed.
        drifts.retain(|drift| drift.by.is_some());
    }
    let action = match (cause, drifts) {
        (Cause::Unknown, None) => Action::Created,
        (Cause::Unknown, Some(drifts)) if drifts.is_empty() => Action::Unchanged,
        (Cause::Unknown, Some(_)) => Action::Configured,
        (Cause::ChangedAndDrifted, Some(drifts)) if drifts.is_empty() => Action::Configured,
        (_, None) => Action::Recreated,
        (_, Some(drifts)) if drifts.is_empty() => Action::Reowned,
        (_, Some(drifts)) => Action::Reverted(drifts),
    };
    Ok(done(desired, action, &response.object))
}

/// Sends an apply. A kind whose CRD was just established may take a moment to be served.
async fn send(app: &App, desired: &Desired) -> Result<Response, ApiError> {
    let (mut tries, body) = (1, desired.body(&app.id));
    loop {
        match app.cluster.apply(&desired.resource, &desired.id, &body, app.dry_run).await {
            Err(error)
                if error.code() == 404
                    && desired.kind_is_new
                    && !app.dry_run
                    && tries < NEW_KIND_TRIES =>
            {
                tries += 1;
                tokio::time::sleep(NEW_KIND_PAUSE).await;
            }
            result => return result,
        }
    }
}

/// Why a dry-run could not be checked by the server, if it is for want of something that the same
/// plan brings.
fn unchecked(step: &Step, error: &ApiError, new_namespaces: &BTreeSet<String>) -> Option<Action> {
    if step.desired.kind_is_new {
        return Some(Action::NotChecked("its CRD is new"));
    }
    let missing = error.missing_namespace()?;
    new_namespaces.contains(missing).then_some(Action::NotChecked("namespace is new"))
}

/// Waits until the CRDs of a stage serve their kinds.
async fn establish(
    app: &App,
    stage: &[Step],
    stop: &Stop,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let sent =
        |step: &&Step| step.desired.stage() == Stage::Definitions && step.cause != Cause::InSync;
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
        |done: &&Done| done.desired.stage() == Stage::Definitions && done.desired.id.name == name;
    done.iter().find(is_it).is_some_and(|done| !done.action.is_in_sync())
}

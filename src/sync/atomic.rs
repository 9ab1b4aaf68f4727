//! All or nothing (`--atomic`): before the first write of a commit the API server checks all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

use super::settled::Resolved;
use super::{App, Memory, Stop, apply};
use crate::object::ObjectId;
use crate::plan::{Cause, Desired, Observed, Plan, Settings, Stage, Step, schema};
use crate::render::{Diagnostic, Rendered};
use crate::report::{Action, Done, Failure, Outcome};

/// What is said of a custom resource that only its CRD could be asked about.
const BY_SCHEMA: &str =
    "its CRD comes with the same commit; names, types and required fields fit its schema";

/// Why an object of a refused commit is not tried again.
const LATER: &str = "others of its commit are refused";

/// The commit that was refused last.
pub struct Refused {
    rendered: Arc<Rendered>,
    settings: Settings,
    diagnostics: Vec<Diagnostic>,
    objects: BTreeSet<ObjectId>,
}

/// Lets a commit through if everything that it writes would be taken; what the server cannot check yet is
/// noted. If anything is refused, all refusals are in `outcome.done`, and what was accepted before stays
/// in force. What was accepted once is not checked again, and of what was refused only what the server refused,
/// until it no longer does.
pub async fn admit(
    app: &App,
    memory: &mut Memory,
    resolved: &Arc<Resolved>,
    plan: &Plan,
    stop: &Stop,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let is_same = |accepted: &Arc<Resolved>| {
        Arc::ptr_eq(&accepted.rendered, &resolved.rendered)
            && accepted.settings == resolved.settings
    };
    let is_sound = outcome.diagnostics.is_empty();
    if !is_sound || !memory.accepted.as_ref().is_some_and(is_same) {
        let again = memory.refused.as_ref().filter(|refused| {
            Arc::ptr_eq(&refused.rendered, &resolved.rendered)
                && refused.settings == resolved.settings
                && refused.diagnostics == outcome.diagnostics
        });
        let is_taken = |done: &[Done]| !done.iter().any(|done| done.action.is_failure());
        let only = again.map(|refused| &refused.objects);
        let mut done = rehearse(app, &memory.observed, plan, only, stop, outcome).await?;
        if only.is_some() && is_sound && is_taken(&done) {
            done = rehearse(app, &memory.observed, plan, None, stop, outcome).await?;
        }
        if !is_sound || !is_taken(&done) {
            return Err(refuse(memory, resolved, plan, done, outcome));
        }
        outcome.unchecked = done.into_iter().filter(is_unchecked).collect();
    }
    memory.refused = None;
    memory.accepted = Some(resolved.clone());
    Ok(())
}

fn is_unchecked(done: &Done) -> bool {
    matches!(done.action, Action::NotChecked(_))
}

/// Does by dry-run what the plan says, or what it says of some objects only.
async fn rehearse(
    app: &App,
    observed: &Observed,
    plan: &Plan,
    only: Option<&BTreeSet<ObjectId>>,
    stop: &Stop,
    outcome: &Outcome,
) -> Result<Vec<Done>, Failure> {
    let definitions = definitions(plan);
    let definition = |step: &Step| definitions.get(&step.desired.crd_name()).copied();
    let (early, mut ready): (Vec<_>, Vec<_>) =
        plan.steps.iter().cloned().partition(|step| definition(step).is_some());
    let is_later = |step: &&mut Step| {
        step.cause != Cause::InSync && only.is_some_and(|ids| !ids.contains(&step.desired.id))
    };
    ready.iter_mut().filter(is_later).for_each(|step| step.cause = Cause::Left(LATER));
    let mut trial = Outcome::new(outcome.trigger);
    let rehearsal = App { dry_run: true, ..app.clone() };
    apply::apply(&rehearsal, observed, &ready, stop, &mut trial).await?;
    if stop.is_set() {
        return Err(Failure::Stopped);
    }
    let held = early.iter().filter_map(|step| Some(hold_against(app, definition(step)?, step)));
    trial.done.extend(held);
    Ok(trial.done)
}

/// The CRDs that the plan writes, by name: of their objects the server would judge by what is there now.
fn definitions(plan: &Plan) -> BTreeMap<String, &Desired> {
    let is_written = |step: &&Step| {
        step.desired.stage == Stage::Definitions
            && (step.cause == Cause::New || step.cause.is_drift())
    };
    let written = plan.steps.iter().filter(is_written);
    written.map(|step| (step.desired.id.name.clone(), &*step.desired)).collect()
}

fn hold_against(app: &App, crd: &Desired, step: &Step) -> Done {
    if step.cause == Cause::InSync {
        return Done::of(step, Action::Unchanged);
    }
    let problems = schema::problems(&crd.body(&app.id), &step.desired.body(&app.id));
    let action = match problems.as_slice() {
        [] => Action::NotChecked(BY_SCHEMA),
        problems => Action::Failed(format!("by its CRD: {}", problems.join("; "))),
    };
    Done::of(step, action)
}

/// Notes what was refused; all else was not even tried.
fn refuse(
    memory: &mut Memory,
    resolved: &Arc<Resolved>,
    plan: &Plan,
    mut done: Vec<Done>,
    outcome: &mut Outcome,
) -> Failure {
    let refused = done.iter().filter(|done| done.action.is_failure()).count();
    let failed = done.iter().filter(|done| done.action.is_failure());
    memory.refused = Some(Refused {
        rendered: resolved.rendered.clone(),
        settings: resolved.settings.clone(),
        diagnostics: outcome.diagnostics.clone(),
        objects: failed.map(|done| done.desired.id.clone()).collect(),
    });
    // No pass puts back what stays in force: that is done without waiting for one.
    memory.complete = Weak::new();
    for done in &mut done {
        if !done.action.is_failure() && done.action != Action::Unchanged {
            done.action = Action::Skipped;
        }
    }
    outcome.done = done;
    let is_commit = |accepted: &Arc<Resolved>| !accepted.rendered.hash.is_empty();
    if !memory.accepted.as_ref().is_some_and(is_commit) {
        let known = memory.accepted.iter().flat_map(|accepted| &accepted.wanted);
        memory.accepted = Some(Arc::new(untouched(resolved, plan, known)));
    }
    Failure::CommitRefused { refused, diagnostics: outcome.diagnostics.len() }
}

/// After a restart nothing tells what was accepted last, but for what a commit does not change. It may not
/// all be seen at once.
fn untouched<'a>(
    resolved: &Resolved,
    plan: &'a Plan,
    known: impl Iterator<Item = &'a Arc<Desired>>,
) -> Resolved {
    let is_as_applied = |step: &&Step| {
        step.live.as_ref().is_some_and(|live| live.hash.as_ref() == Some(&step.desired.hash))
    };
    let seen = plan.steps.iter().filter(is_as_applied).map(|step| &step.desired);
    let wanted: BTreeMap<_, _> = seen.chain(known).map(|object| (&object.id, object)).collect();
    let wanted = wanted.into_values().cloned().collect();
    let (settings, diagnostics) = (resolved.settings.clone(), Vec::new());
    // It is the state of no commit, and is never taken for one.
    Resolved { rendered: Arc::default(), settings, wanted, diagnostics }
}

//! Applies an object that is read first: what is decided is decided on what was found, and written only
//! to that.

use std::ops::ControlFlow;

use serde_json::Value;

use super::App;
use super::adopt::adopt;
use super::write::{Target, Written, write};
use crate::cluster::ApiError;
use crate::object::fields::FieldPath;
use crate::plan::diff::{FieldDrift, drift};
use crate::plan::takeover::removed;
use crate::plan::yields::Yield;
use crate::plan::{Cause, Step};
use crate::report::{Action, Done};

/// Looks at an object that changes between reading and writing.
const TRIES: u32 = 5;

/// Why an object waits.
pub const ENDING: &str = "it or its namespace is being deleted";

/// Creates an object that is not there. If it is, it is decided on what was found.
pub async fn create(app: &App, step: &Step) -> Result<Done, ApiError> {
    let target = Target { desired: &step.desired, found: None, theirs: &[] };
    match write(app, target).await {
        Err(error) if error.is_stale() => restore(app, step, &[]).await,
        written => written.map(|written| written.done(step, Action::Created)),
    }
}

/// Reads an object and brings it to what git declares, but for fields that others keep.
pub async fn restore(app: &App, step: &Step, theirs: &[FieldPath]) -> Result<Done, ApiError> {
    let mut tries = 1;
    loop {
        let found = app.cluster.get(&step.desired.resource, &step.desired.id).await?;
        match put_back(app, step, found.as_ref(), theirs).await {
            Err(error) if error.is_stale() && tries < TRIES => tries += 1,
            // It changes all the time: later.
            Err(error) if error.is_stale() => return Ok(Done::of(step, Action::Skipped)),
            result => return result,
        }
    }
}

/// Brings an object to what git declares, as it was found.
pub async fn put_back(
    app: &App,
    step: &Step,
    found: Option<&Value>,
    theirs: &[FieldPath],
) -> Result<Done, ApiError> {
    let desired = &step.desired;
    let Some(found) = found else {
        let written = write(app, Target { desired, found: None, theirs }).await?;
        return Ok(restored(step, None, written, theirs));
    };
    if found["metadata"]["deletionTimestamp"].is_string() {
        return Ok(Done::of(step, Action::Waiting(ENDING)));
    }
    let taken = if is_expected(step, found) {
        None
    } else {
        match adopt(app, step, found).await? {
            ControlFlow::Break(done) => return Ok(done),
            ControlFlow::Continue(taken) => taken,
        }
    };
    let written = write(app, Target { desired, found: taken.as_ref().or(Some(found)), theirs });
    let written = written.await?;
    if taken.is_some() {
        let gone = removed(found, &written.response.object, &desired.handling.ignored);
        if !gone.is_empty() {
            return Ok(written.done(step, Action::Adopted(gone)));
        }
    }
    Ok(restored(step, Some(found), written, theirs))
}

/// Whether an object is the one that the view shows as ours.
fn is_expected(step: &Step, found: &Value) -> bool {
    step.live.as_ref().is_some_and(|live| found["metadata"]["uid"] == live.uid.as_str())
}

/// What an apply came to.
fn restored(step: &Step, found: Option<&Value>, written: Written, theirs: &[FieldPath]) -> Done {
    let mut drifts = found.map(|found| drift(found, &written.response.object));
    if let (Cause::ChangedAndDrifted | Cause::Changed, Some(drifts)) = (step.cause, &mut drifts) {
        // The manifest's own changes are no drift: what nobody else owns, we changed.
        drifts.retain(|drift| step.cause == Cause::ChangedAndDrifted && drift.by.is_some());
    }
    let was_overridden = drifts.as_mut().is_some_and(|drifts| take_overridden(drifts, step));
    let action = match action(step, drifts, &written.given) {
        Action::Reowned if was_overridden => Action::Configured,
        // What is given up for a conflict is news, whatever else the apply did.
        Action::Configured | Action::Unchanged | Action::Reowned if !theirs.is_empty() => {
            Action::Yielded(written.given.clone())
        }
        action => action,
    };
    written.done(step, action)
}

/// Takes out what admission had overridden and no longer does: nobody's drift. Says whether there was any.
fn take_overridden(drifts: &mut Vec<FieldDrift>, step: &Step) -> bool {
    let all = drifts.len();
    let names = |text: &String, path: &str| text.split(": ").next() == Some(path);
    drifts.retain(|drift| !step.overridden.iter().any(|text| names(text, &drift.path)));
    drifts.len() < all
}

/// What an apply came to; `drifts` is what it put back, `None` if there was no object.
fn action(step: &Step, drifts: Option<Vec<FieldDrift>>, given: &[Yield]) -> Action {
    let is_changed = matches!(step.cause, Cause::Changed | Cause::ChangedAndDrifted);
    match (step.cause, drifts) {
        (Cause::Unknown | Cause::New, None) => Action::Created,
        (Cause::Unknown, Some(drifts)) if drifts.is_empty() => Action::Unchanged,
        (Cause::Unknown | Cause::New, Some(_)) => Action::Configured,
        (_, None) => Action::Recreated,
        (_, Some(drifts)) if !drifts.is_empty() => Action::Reverted(drifts),
        _ if is_changed => Action::Configured,
        _ if !given.is_empty() => Action::Yielded(given.to_vec()),
        _ => Action::Reowned,
    }
}

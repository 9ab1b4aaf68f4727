//! Finds out what differs on an object and leaves it.

use std::sync::Arc;

use serde_json::Value;

use super::App;
use super::restore::put_back;
use super::write::{Written, preview, remembered};
use crate::cluster::ApiError;
use crate::object::Live;
use crate::plan::cause::Telling;
use crate::plan::diff::{FieldDrift, drift};
use crate::plan::overrides::overridden;
use crate::plan::strip::added;
use crate::plan::yields::give_up;
use crate::plan::{Cause, Desired, Masks, Step};
use crate::report::{Action, Done};

/// An object that was looked at and is as it shall be.
fn seen(step: &Step, found: &Value) -> Done {
    let live = Some(Arc::new(Live::from(found)));
    Done { live, overridden: step.overridden.clone(), ..Done::of(step, Action::Unchanged) }
}

/// Reads an object to see whether someone wrote under our name, which neither marks nor ownership show.
pub async fn verify(app: &App, step: &Step) -> Result<Done, ApiError> {
    let Desired { resource, id, .. } = &*step.desired;
    let Some(found) = app.cluster.get(resource, id).await? else {
        return put_back(app, step, None, &[]).await;
    };
    let sent = give_up(step.desired.body(&app.id), &step.desired.yields(), &found).body;
    if overridden(&sent, &found, &Masks::default()).is_empty() {
        return Ok(Done { overridden: Vec::new(), ..seen(step, &found) });
    }
    // Admission may have made it so: the server tells what an apply would make of it.
    let Some(tried) = tried(app, step, &found).await? else { return Ok(seen(step, &found)) };
    if drift(&found, &tried.response.object, &Masks::default()).is_empty() {
        return Ok(Done { overridden: tried.overridden, ..seen(step, &found) });
    }
    put_back(app, step, Some(&found), &[]).await
}

/// What an apply would make of an object, by a dry-run. `None` for a suspect that cannot be applied again, and
/// is as admission left it when it was applied.
async fn tried(app: &App, step: &Step, found: &Value) -> Result<Option<Written>, ApiError> {
    let is_as_left = || {
        let sent = give_up(step.desired.body(&app.id), &step.desired.yields(), found).body;
        step.cause == Cause::Suspect && remembered(&sent, found, &step.desired) == step.overridden
    };
    match preview(app, &step.desired, found).await {
        Err(error) if !error.immutable().is_empty() && is_as_left() => Ok(None),
        tried => tried.map(Some),
    }
}

/// Finds out what differs, by a dry-run, and leaves it.
pub async fn tell(app: &App, step: &Step, state: &str) -> Result<Done, ApiError> {
    let found = app.cluster.get(&step.desired.resource, &step.desired.id).await?;
    let Some(found) = found else { return Ok(telling(step, state, Vec::new(), None)) };
    if step.cause == Cause::Extended {
        let yielded = step.desired.yielded(step.desired.handling.policy(app.policy));
        let free = step.desired.free(yielded.as_ref());
        return Ok(telling(
            step,
            state,
            added(&found, free, None, &Masks::of(&step.desired)),
            None,
        ));
    }
    let Some(tried) = tried(app, step, &found).await? else { return Ok(seen(step, &found)) };
    let drifts = drift(&found, &tried.response.object, &Masks::of(&step.desired));
    if drifts.is_empty() && step.cause == Cause::Suspect {
        return Ok(Done { overridden: tried.overridden, ..seen(step, &found) });
    }
    if drifts.is_empty() {
        // Only our ownership was lost: nothing is to be told, and taking it back changes no value.
        return put_back(app, step, Some(&found), &[]).await;
    }
    Ok(telling(step, state, drifts, None))
}

/// An object of which this is told for the first time.
pub fn telling(step: &Step, state: &str, drifts: Vec<FieldDrift>, why: Option<&str>) -> Done {
    let state = state.to_owned();
    let version = step.live.as_ref().map(|live| live.resource_version.clone()).unwrap_or_default();
    let telling = Telling { state, version, drifts: drifts.into(), why: why.map(Into::into) };
    let overridden = step.overridden.clone();
    let done = Done::of(step, told(step.cause, &telling));
    Done { overridden, telling: Some(telling), ..done }
}

/// What was told of an object, as an action.
pub fn told(cause: Cause, telling: &Telling) -> Action {
    let Telling { drifts, why, .. } = telling;
    if cause == Cause::Extended {
        Action::Extended(drifts.clone(), why.clone())
    } else if telling.is_conflict() {
        Action::Conflicted(drifts.clone())
    } else {
        Action::Drifted(drifts.clone())
    }
}

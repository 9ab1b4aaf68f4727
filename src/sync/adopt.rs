//! Something is there where nothing of ours was expected: whether it becomes ours, and how.

use serde_json::Value;

use super::write::{Target, Written, is_forced, write};
use super::{App, claims};
use crate::cluster::ApiError;
use crate::object::Live;
use crate::object::fields::FieldPath;
use crate::object::handling::{OnAdditions, Touch, hands_off};
use crate::plan::takeover::{self, removed};
use crate::plan::{Desired, Masks, Step};
use crate::report::{Action, Done};

/// Looks at an object that changes while it is taken over.
const TRIES: u32 = 5;

/// Why an object that was found where nothing of ours was expected is left as it is, if so.
pub async fn left(app: &App, desired: &Desired, found: &Value) -> Result<Option<Action>, ApiError> {
    let owner = claims::owner(app, &desired.id, &Live::from(found)).await?;
    Ok(owner.map(Action::Claimed).or_else(|| left_alone(desired, found)))
}

fn left_alone(desired: &Desired, found: &Value) -> Option<Action> {
    if desired.handling.touch == Touch::OnlyCreate {
        return Some(Action::Left("it exists"));
    }
    hands_off(found).map(Action::Left)
}

/// Takes over an object that was found where nothing of ours was expected, and is not to be left: it is ours
/// from now on, with what `kubectl apply` had set client-side.
pub async fn adopt(
    app: &App,
    step: &Step,
    found: &Value,
    theirs: &[FieldPath],
) -> Result<Done, ApiError> {
    let desired = &step.desired;
    let masks = Masks::of(desired);
    let gone = |before: &Value, written: &Written| {
        removed(before, &written.response.object, &desired.handling.ignored, &masks)
    };
    let (mut written, mut drifts) = match take_over(app, desired, found).await? {
        None => (write(app, Target { desired, found: Some(found), theirs }).await?, Vec::new()),
        Some(taken) => {
            let written = apply_taken(app, desired, taken, theirs).await?;
            let gone = gone(found, &written);
            (written, gone)
        }
    };
    // Where no ownership was kept, it began with this apply.
    if let Some(taken) = take_over(app, desired, &written.response.object).await? {
        let before = written.response.object;
        written = apply_taken(app, desired, taken, theirs).await?;
        drifts.extend(gone(&before, &written));
    }
    if drifts.is_empty() {
        return Ok(written.restored(step, Some(found), theirs));
    }
    Ok(written.done(step, Action::Adopted(drifts)))
}

/// Makes ours what client-side applies own, if there is such and what git does not set is to go.
async fn take_over(app: &App, desired: &Desired, found: &Value) -> Result<Option<Value>, ApiError> {
    let removes = desired.handling.policy(app.policy).additions == OnAdditions::Revert;
    if app.dry_run || !is_forced(app, desired) || !removes {
        return Ok(None);
    }
    let api_version = desired.manifest.api_version();
    match takeover::patch(found, &api_version, &desired.handling.ignored) {
        None => Ok(None),
        Some(patch) => {
            app.cluster.patch(&desired.resource, &desired.id, patch, false).await.map(Some)
        }
    }
}

/// Applies an object of which we took over fields. Controllers may change its status meanwhile; what it was
/// before is known only here.
async fn apply_taken(
    app: &App,
    desired: &Desired,
    mut taken: Value,
    theirs: &[FieldPath],
) -> Result<Written, ApiError> {
    let mut tries = 1;
    loop {
        match write(app, Target { desired, found: Some(&taken), theirs }).await {
            Err(error) if error.is_stale() && tries < TRIES => {
                let now = app.cluster.get(&desired.resource, &desired.id).await?;
                let is_same = |now: &Value| {
                    now["metadata"]["uid"] == taken["metadata"]["uid"]
                        && left_alone(desired, now).is_none()
                };
                let Some(now) = now.filter(is_same) else { return Err(error) };
                taken = now;
                tries += 1;
            }
            result => return result,
        }
    }
}

//! Takes out what people added to an object.

use std::sync::Arc;

use serde_json::Value;

use super::App;

use super::restore::put_back;
use super::tell::telling;
use crate::cluster::ApiError;
use crate::object::Live;
use crate::object::additions::Free;
use crate::plan::strip::{self, added};
use crate::plan::{Desired, Masks, Step};
use crate::report::{Action, Done};

/// Looks at an object that changes between reading and patching.
const TRIES: u32 = 5;

/// Takes out what people added. If that is refused, it stays, and is told.
pub async fn remove_additions(app: &App, step: &Step, state: &str) -> Result<Done, ApiError> {
    let Desired { resource, id, .. } = &*step.desired;
    let yielded = step.desired.yielded(step.desired.handling.policy(app.policy));
    let free = step.desired.free(yielded.as_ref());
    let masks = Masks::of(&step.desired);
    let shown = |error: &ApiError| error.shown_of(&id.kind, step.desired.holds_secrets());
    let mut refusal: Option<(Value, ApiError)> = None;
    for _ in 0..TRIES {
        let Some(found) = app.cluster.get(resource, id).await? else {
            return put_back(app, step, None, &[]).await;
        };
        let Some(patch) = strip::patch(&found, free) else {
            return Ok(telling(step, state, Vec::new(), None));
        };
        let version = found["metadata"]["resourceVersion"].clone();
        // The patch is for exactly one version: refused for what is still there, it is no use.
        if let Some((_, error)) = refusal.as_ref().filter(|(tried, _)| *tried == version) {
            let (drifts, why) = (added(&found, free, None, &masks), shown(error));
            return Ok(telling(step, state, drifts, Some(&why)));
        }
        match app.cluster.patch(resource, id, patch, app.dry_run).await {
            Ok(after) => return Ok(stripped(app, step, free, &found, &after)),
            // What is told stays told: only a refusal that will stay is.
            Err(error) if error.ends_pass() || error.is_passing() => return Err(error),
            Err(error) => refusal = Some((version, error)),
        }
    }
    // It changes all the time: later.
    refusal.map_or(Ok(Done::of(step, Action::Skipped)), |(_, error)| Err(error))
}

fn stripped(app: &App, step: &Step, free: Free<'_>, found: &Value, after: &Value) -> Done {
    let drifts = added(found, free, Some(after), &Masks::of(&step.desired));
    // Nothing but defaults: only their owner changed.
    let action = if drifts.is_empty() { Action::Unchanged } else { Action::Reverted(drifts) };
    let live = if app.dry_run { step.live.clone() } else { Some(Arc::new(Live::from(after))) };
    Done { live, overridden: step.overridden.clone(), ..Done::of(step, action) }
}

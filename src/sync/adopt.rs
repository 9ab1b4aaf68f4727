//! Something is there where nothing of ours was expected: whether it becomes ours, and how.

use std::ops::ControlFlow;

use serde_json::Value;

use super::App;
use crate::cluster::ApiError;
use crate::object::handling::{OnAdditions, Touch, hands_off};
use crate::plan::{Step, takeover};
use crate::report::{Action, Done};

/// Decides about an object that was found where nothing of ours was expected. Either it is left, or it is
/// to be applied: as it was found, or as it is once what `kubectl apply` had set client-side is ours.
pub async fn adopt(
    app: &App,
    step: &Step,
    found: &Value,
) -> Result<ControlFlow<Done, Option<Value>>, ApiError> {
    let left = |why| Ok(ControlFlow::Break(Done::of(step, Action::Left(why))));
    if step.desired.handling.touch == Touch::OnlyCreate {
        return left("it exists");
    }
    if let Some(mark) = hands_off(found) {
        return left(mark);
    }
    take_over(app, step, found).await.map(ControlFlow::Continue)
}

/// Makes ours what client-side applies own, if there is such.
async fn take_over(app: &App, step: &Step, found: &Value) -> Result<Option<Value>, ApiError> {
    let desired = &step.desired;
    if app.dry_run || !super::write::is_forced(app, desired) || !removes(app, step) {
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

/// Whether what others set and git does not is removed.
fn removes(app: &App, step: &Step) -> bool {
    step.desired.handling.policy(app.policy).additions == OnAdditions::Revert
}

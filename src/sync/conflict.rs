//! Others own fields that git declares otherwise, and they are not taken by force.

use super::App;
use super::restore::{left, put_back};
use crate::cluster::ApiError;
use crate::object::fields::FieldPath;
use crate::object::handling::OnConflict;
use crate::plan::cause::{self, Telling};
use crate::plan::{Masks, Step, conflict};
use crate::report::{Action, Done};

/// Looks at an object whose owners change.
const TRIES: u32 = 5;

/// Tells of the fields for which an apply was refused, or leaves them to their owners and applies the rest.
pub async fn resolve(app: &App, step: &Step, mut refusal: ApiError) -> Result<Done, ApiError> {
    let desired = &step.desired;
    let mut theirs: Vec<FieldPath> = Vec::new();
    for _ in 0..TRIES {
        let found = app.cluster.get(&desired.resource, &desired.id).await?;
        if let Some(found) = &found {
            if let Some(action) = left(app, step, found).await? {
                return Ok(Done::of(step, action));
            }
            let fields = conflict::named(&refusal.conflicts(), found);
            let is_told = desired.handling.policy(app.policy).conflicts == OnConflict::Report;
            if is_told && !fields.is_empty() {
                let drifts =
                    conflict::told(&fields, &desired.body(&app.id), found, &Masks::of(desired));
                let version = &found["metadata"]["resourceVersion"];
                let version = version.as_str().unwrap_or_default().to_owned();
                let state = cause::conflict(desired);
                let telling = Telling { state, version, drifts: drifts.into(), why: None };
                let action = Action::Conflicted(telling.drifts.clone());
                let (overridden, telling) = (step.overridden.clone(), Some(telling));
                return Ok(Done { overridden, telling, ..Done::of(step, action) });
            }
            theirs.extend(fields);
        }
        match put_back(app, step, found.as_ref(), &theirs).await {
            Err(error) if error.is_stale() => {}
            Err(error) if !error.conflicts().is_empty() => refusal = error,
            result => return result,
        }
    }
    Err(refusal)
}

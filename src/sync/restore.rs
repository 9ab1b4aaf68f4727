//! Applies an object that is read first: what is decided is decided on what was found, and written only
//! to that.

use serde_json::Value;

use super::App;
use super::adopt::{self, adopt};
use super::write::{Target, succeed, successor, write};
use crate::cluster::ApiError;
use crate::object::fields::FieldPath;
use crate::plan::Step;
use crate::report::{Action, Done};

/// Looks at an object that changes between reading and writing.
const TRIES: u32 = 5;

/// Why an object waits.
pub const ENDING: &str = "it or its namespace is being deleted";

/// Creates an object that is not there. If it is, it is decided on what was found.
pub async fn create(app: &App, step: &Step) -> Result<Done, ApiError> {
    let desired = &step.desired;
    let written = match &step.predecessor {
        None => write(app, Target { desired, found: None, theirs: &[] }).await,
        Some(before) => succeed(app, desired, &successor(app, desired, before)).await,
    };
    match written {
        Err(error) if error.is_stale() => restore(app, step, &[]).await,
        written => written.map(|written| written.done(step, Action::Created)),
    }
}

/// Reads an object and brings it to what git declares, but for fields that others keep.
pub async fn restore(app: &App, step: &Step, theirs: &[FieldPath]) -> Result<Done, ApiError> {
    let read_and_write = || async {
        let found = app.cluster.get(&step.desired.resource, &step.desired.id).await?;
        put_back(app, step, found.as_ref(), theirs).await
    };
    repeated(step, read_and_write).await
}

/// Does again what was refused because the object had changed since it was read.
pub async fn repeated<F>(step: &Step, attempt: impl Fn() -> F) -> Result<Done, ApiError>
where
    F: Future<Output = Result<Done, ApiError>>,
{
    let mut tries = 1;
    loop {
        match attempt().await {
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
        return Ok(written.restored(step, None, theirs));
    };
    if let Some(action) = left(app, step, found).await? {
        return Ok(Done::of(step, action));
    }
    if !is_expected(step, found) {
        return adopt(app, step, found, theirs).await;
    }
    let written = write(app, Target { desired, found: Some(found), theirs }).await?;
    Ok(written.restored(step, Some(found), theirs))
}

/// Why an object stays as it was found, if so.
pub async fn left(app: &App, step: &Step, found: &Value) -> Result<Option<Action>, ApiError> {
    if found["metadata"]["deletionTimestamp"].is_string() {
        return Ok(Some(Action::Waiting(ENDING)));
    }
    if is_expected(step, found) { Ok(None) } else { adopt::left(app, &step.desired, found).await }
}

/// Whether an object is the one that the view shows as ours.
fn is_expected(step: &Step, found: &Value) -> bool {
    step.live.as_ref().is_some_and(|live| found["metadata"]["uid"] == live.uid.as_str())
}

//! One apply of one object, as it was found or where nothing was found.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::App;
use crate::cluster::ApiError;
use crate::cluster::apply::{Expected, Response, Sending};
use crate::object::Live;
use crate::object::fields::FieldPath;
use crate::object::handling::OnConflict;
use crate::plan::diff::{FieldDrift, drift};
use crate::plan::overrides::overridden;
use crate::plan::yields::{Yield, Yielded, give_up, give_up_also};
use crate::plan::{Cause, Desired, Masks, Step};
use crate::report::{Action, Done};

/// Tries to apply an object whose kind was established a moment ago.
const NEW_KIND_TRIES: u32 = 50;
/// Pause between them.
const NEW_KIND_PAUSE: Duration = Duration::from_millis(100);
/// Overridden fields of one object that are remembered.
const OVERRIDDEN_MAX: usize = 10;

/// What an apply led to.
pub struct Written {
    pub response: Response,
    pub given: Vec<Yield>,
    pub overridden: Vec<String>,
}

impl Written {
    pub fn done(self, step: &Step, action: Action) -> Done {
        let live = Live::from(&self.response.object);
        let (owned, overridden) = (live.set_hash.clone(), self.overridden);
        Done { live: Some(Arc::new(live)), owned, overridden, ..Done::of(step, action) }
    }

    /// What an apply came to.
    pub fn restored(self, step: &Step, found: Option<&Value>, theirs: &[FieldPath]) -> Done {
        let mut drifts =
            found.map(|found| drift(found, &self.response.object, &Masks::of(&step.desired)));
        if let (Cause::ChangedAndDrifted | Cause::Changed, Some(drifts)) = (step.cause, &mut drifts)
        {
            // The manifest's own changes are no drift: what nobody else owns, we changed.
            drifts.retain(|drift| step.cause == Cause::ChangedAndDrifted && drift.by.is_some());
        }
        let was_overridden = drifts.as_mut().is_some_and(|drifts| take_overridden(drifts, step));
        let action = match action(step, drifts, &self.given) {
            Action::Reowned if was_overridden => Action::Configured,
            // What is given up for a conflict is news, whatever else the apply did.
            Action::Configured | Action::Unchanged | Action::Reowned if !theirs.is_empty() => {
                Action::Yielded(self.given.clone())
            }
            action => action,
        };
        self.done(step, action)
    }
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

/// What is applied, and over what.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub desired: &'a Desired,
    /// The object as it was found.
    pub found: Option<&'a Value>,
    /// Fields of it that others keep.
    pub theirs: &'a [FieldPath],
}

/// Whether fields of others are taken over.
pub fn is_forced(app: &App, desired: &Desired) -> bool {
    desired.handling.policy(app.policy).conflicts == OnConflict::Force
}

/// Applies an object, without the fields that others may have of it as it was found. If it is another by
/// now, or there is one where none was found, that is a refusal.
pub async fn write(app: &App, target: Target<'_>) -> Result<Written, ApiError> {
    let force = is_forced(app, target.desired);
    let body = target.desired.body(&app.id);
    let Some(found) = target.found else {
        let sending = Sending { expected: Expected::Nothing, dry_run: app.dry_run, force };
        return sent(app, target.desired, &body, Vec::new(), sending).await;
    };
    let patterns = target.desired.yields();
    let yielded = give_up_also(body, &patterns, target.theirs, found);
    let left = leave(app, target.desired, yielded, found, app.dry_run).await?;
    let expected = left.version.as_deref().map_or(Expected::Any, Expected::Version);
    let sending = Sending { expected, dry_run: app.dry_run, force };
    sent(app, target.desired, &left.body, left.given, sending).await
}

/// What succeeds an object that was deleted, with what others had of it.
pub fn successor(app: &App, desired: &Desired, before: &Value) -> Value {
    give_up(desired.body(&app.id), &desired.yields(), before).succeeding(before)
}

/// Creates the successor of an object, with what others had of it at its last values.
pub async fn succeed(app: &App, desired: &Desired, body: &Value) -> Result<Written, ApiError> {
    let force = is_forced(app, desired);
    let sending = Sending { expected: Expected::Nothing, dry_run: app.dry_run, force };
    sent(app, desired, body, Vec::new(), sending).await
}

/// Applies an object of ours that the view shows, unseen.
pub async fn rewrite(app: &App, desired: &Desired) -> Result<Written, ApiError> {
    let (dry_run, force) = (app.dry_run, is_forced(app, desired));
    let sending = Sending { expected: Expected::Any, dry_run, force };
    sent(app, desired, &desired.body(&app.id), Vec::new(), sending).await
}

/// What an apply by force would make of an object, by a dry-run.
pub async fn preview(app: &App, desired: &Desired, found: &Value) -> Result<Written, ApiError> {
    let yielded = give_up_also(desired.body(&app.id), &desired.yields(), &[], found);
    let left = leave(app, desired, yielded, found, true).await?;
    let sending = Sending { expected: Expected::Any, dry_run: true, force: true };
    sent(app, desired, &left.body, left.given, sending).await
}

async fn sent(
    app: &App,
    desired: &Desired,
    body: &Value,
    given: Vec<Yield>,
    sending: Sending<'_>,
) -> Result<Written, ApiError> {
    let response = send(app, desired, body, sending).await?;
    let overridden = remembered(body, &response.object, desired);
    Ok(Written { response, given, overridden })
}

/// What is remembered of what the cluster has otherwise than it was sent.
pub fn remembered(sent: &Value, live: &Value, desired: &Desired) -> Vec<String> {
    overridden(sent, live, &Masks::of(desired))
        .iter()
        .take(OVERRIDDEN_MAX)
        .map(ToString::to_string)
        .collect()
}

/// What is left to be applied once others have what is given up.
struct Left {
    body: Value,
    given: Vec<Yield>,
    /// The version of the object by then.
    version: Option<String>,
}

/// Sees to it that what is given up has an owner.
async fn leave(
    app: &App,
    desired: &Desired,
    yielded: Yielded,
    found: &Value,
    dry_run: bool,
) -> Result<Left, ApiError> {
    let version =
        |object: &Value| object["metadata"]["resourceVersion"].as_str().map(str::to_owned);
    let given = yielded.given.clone();
    if dry_run {
        return Ok(Left { body: yielded.preview(found), given, version: version(found) });
    }
    let mut version_now = version(found);
    if let Some(bequest) = yielded.bequest(found) {
        let inherited = app.cluster.bequeath(&desired.resource, &desired.id, &bequest).await?;
        version_now = version(&inherited);
    }
    Ok(Left { body: yielded.body, given, version: version_now })
}

/// Sends an apply. A kind whose CRD was just established may take a moment to be served.
async fn send(
    app: &App,
    desired: &Desired,
    body: &Value,
    sending: Sending<'_>,
) -> Result<Response, ApiError> {
    let mut tries = 1;
    loop {
        match app.cluster.apply(&desired.resource, &desired.id, body, sending).await {
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

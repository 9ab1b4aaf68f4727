//! Does what one step says to one object.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::App;
use crate::cluster::ApiError;
use crate::cluster::apply::{Response, Sending};
use crate::object::Live;
use crate::object::handling::Touch;
use crate::plan::cause::Telling;
use crate::plan::diff::{FieldDrift, drift};
use crate::plan::overrides::overridden;
use crate::plan::strip::{self, added};
use crate::plan::yields::{Yield, Yielded, give_up};
use crate::plan::{Cause, Desired, Reaction, Step};
use crate::report::{Action, Done, Failure};

/// Tries to apply an object whose kind was established a moment ago.
const NEW_KIND_TRIES: u32 = 50;
/// Pause between them.
const NEW_KIND_PAUSE: Duration = Duration::from_millis(100);
/// Looks at an object that changes between reading and patching.
const STRIP_TRIES: u32 = 5;
/// Overridden fields of one object that are remembered.
const OVERRIDDEN_MAX: usize = 10;

/// Why an object waits.
const ENDING: &str = "it or its namespace is being deleted";
const UNSEEN: &str = "its kind cannot be listed for the moment";

/// Plural and name of what a plan brings.
pub type New = BTreeSet<(String, String)>;

/// Does what one step says. Only an outage is an error.
pub async fn execute(app: &App, step: &Step, new: &New) -> Result<Done, Failure> {
    let result = match (step.cause, &step.reaction) {
        (Cause::InSync, _) => return Ok(in_sync(step)),
        (Cause::Left(why), _) => return Ok(Done::of(step, Action::Left(why))),
        (Cause::Fought, _) => return Ok(Done::of(step, Action::Fought)),
        (Cause::Terminating, _) => return Ok(Done::of(step, Action::Waiting(ENDING))),
        (Cause::Unseen, _) => return Ok(Done::of(step, Action::Waiting(UNSEEN))),
        (cause, Reaction::Told(telling)) => {
            let overridden = step.overridden.clone();
            return Ok(Done { overridden, ..Done::of(step, told(cause, telling)) });
        }
        (_, Reaction::Tell(state)) => tell(app, step, state).await,
        (_, Reaction::Act(state)) => act(app, step, state).await,
    };
    match result {
        Ok(done) => Ok(done),
        Err(error) => {
            let error = Failure::unless_refused("applying objects", error)?;
            let unchecked = app.dry_run.then(|| unchecked(step, &error, new)).flatten();
            let failed = || Action::Failed(error.shown(&step.desired.id.kind));
            Ok(Done::of(step, unchecked.unwrap_or_else(failed)))
        }
    }
}

async fn act(app: &App, step: &Step, state: &str) -> Result<Done, ApiError> {
    let depends = step.live.as_ref().is_some_and(|live| step.desired.depends_on(live));
    let is_only_created = step.desired.handling.touch == Touch::OnlyCreate;
    match step.cause {
        Cause::New | Cause::Missing if is_only_created => create(app, step).await,
        Cause::New | Cause::Changed if !depends => fresh(app, step).await,
        Cause::Extended => remove_additions(app, step, state).await,
        Cause::Suspect => verify(app, step).await,
        _ => restore(app, step).await,
    }
}

/// Nothing is sent. What admission overrides stays known.
pub fn in_sync(step: &Step) -> Done {
    Done { overridden: step.overridden.clone(), ..Done::of(step, Action::Unchanged) }
}

/// Applies what is new or changed. What is new to us may have been scaled by others: then it is read
/// first.
async fn fresh(app: &App, step: &Step) -> Result<Done, ApiError> {
    let force = step.cause != Cause::New || !step.desired.may_give_up();
    let sending = Sending { dry_run: app.dry_run, force };
    let written = match write(app, &step.desired, None, sending).await {
        Err(error) if !force && error.code() == 409 => return restore(app, step).await,
        written => written?,
    };
    let action = if written.response.created { Action::Created } else { Action::Configured };
    Ok(written.done(step, action))
}

/// Creates what others may have created meanwhile, and then leaves it alone.
async fn create(app: &App, step: &Step) -> Result<Done, ApiError> {
    match app.cluster.get(&step.desired.resource, &step.desired.id).await? {
        None => fresh(app, step).await,
        Some(_) => Ok(Done::of(step, Action::Left("it exists"))),
    }
}

/// Puts back what others changed: reads it first, to tell what it was.
async fn restore(app: &App, step: &Step) -> Result<Done, ApiError> {
    let found = app.cluster.get(&step.desired.resource, &step.desired.id).await?;
    put_back(app, step, found.as_ref()).await
}

async fn put_back(app: &App, step: &Step, found: Option<&Value>) -> Result<Done, ApiError> {
    if found.is_some_and(is_ending) {
        return Ok(Done::of(step, Action::Waiting(ENDING)));
    }
    let written = write(app, &step.desired, found, forced(app.dry_run)).await?;
    let mut drifts = found.map(|found| drift(found, &written.response.object));
    if let (Cause::ChangedAndDrifted | Cause::Changed, Some(drifts)) = (step.cause, &mut drifts) {
        // The manifest's own changes are no drift: what nobody else owns, we changed.
        drifts.retain(|drift| step.cause == Cause::ChangedAndDrifted && drift.by.is_some());
    }
    let was_overridden = drifts.as_mut().is_some_and(|drifts| take_overridden(drifts, step));
    let action = match action(step, drifts, &written.given) {
        Action::Reowned if was_overridden => Action::Configured,
        action => action,
    };
    Ok(written.done(step, action))
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

/// Takes out what people added. If that is refused, it stays, and is told.
async fn remove_additions(app: &App, step: &Step, state: &str) -> Result<Done, ApiError> {
    let Desired { resource, id, handling, .. } = &*step.desired;
    let mut refusal: Option<(Value, ApiError)> = None;
    for _ in 0..STRIP_TRIES {
        let Some(found) = app.cluster.get(resource, id).await? else {
            return put_back(app, step, None).await;
        };
        let Some(patch) = strip::patch(&found, &handling.ignored) else {
            return Ok(telling(step, state, Vec::new(), None));
        };
        let version = found["metadata"]["resourceVersion"].clone();
        // The patch is for exactly one version: refused for what is still there, it is no use.
        if let Some((_, error)) = refusal.as_ref().filter(|(tried, _)| *tried == version) {
            let (drifts, why) = (added(&found, &handling.ignored, None), error.shown(&id.kind));
            return Ok(telling(step, state, drifts, Some(&why)));
        }
        match app.cluster.patch(resource, id, patch, app.dry_run).await {
            Ok(after) => return Ok(stripped(app, step, &found, &after)),
            Err(error) if error.is_outage() => return Err(error),
            Err(error) => refusal = Some((version, error)),
        }
    }
    // It changes all the time: later.
    refusal.map_or(Ok(Done::of(step, Action::Skipped)), |(_, error)| Err(error))
}

fn stripped(app: &App, step: &Step, found: &Value, after: &Value) -> Done {
    let drifts = added(found, &step.desired.handling.ignored, Some(after));
    // Nothing but defaults: only their owner changed.
    let action = if drifts.is_empty() { Action::Unchanged } else { Action::Reverted(drifts) };
    let live = if app.dry_run { step.live.clone() } else { Some(Arc::new(Live::from(after))) };
    Done { live, overridden: step.overridden.clone(), ..Done::of(step, action) }
}

/// An object that was looked at and is as it shall be.
fn seen(step: &Step, found: &Value) -> Done {
    let live = Some(Arc::new(Live::from(found)));
    Done { live, overridden: step.overridden.clone(), ..Done::of(step, Action::Unchanged) }
}

/// Reads an object to see whether someone wrote under our name, which neither marks nor ownership show.
async fn verify(app: &App, step: &Step) -> Result<Done, ApiError> {
    let Desired { resource, id, .. } = &*step.desired;
    let Some(found) = app.cluster.get(resource, id).await? else {
        return put_back(app, step, None).await;
    };
    let sent = give_up(step.desired.body(&app.id), &step.desired.yields(), &found).body;
    if overridden(&sent, &found).is_empty() {
        return Ok(Done { overridden: Vec::new(), ..seen(step, &found) });
    }
    // Admission may have made it so: the server tells what an apply would make of it.
    let tried = write(app, &step.desired, Some(&found), forced(true)).await?;
    if drift(&found, &tried.response.object).is_empty() {
        return Ok(Done { overridden: tried.overridden, ..seen(step, &found) });
    }
    put_back(app, step, Some(&found)).await
}

/// Finds out what differs, by a dry-run, and leaves it.
async fn tell(app: &App, step: &Step, state: &str) -> Result<Done, ApiError> {
    let found = app.cluster.get(&step.desired.resource, &step.desired.id).await?;
    let Some(found) = found else { return Ok(telling(step, state, Vec::new(), None)) };
    if step.cause == Cause::Extended {
        let ignored = &step.desired.handling.ignored;
        return Ok(telling(step, state, added(&found, ignored, None), None));
    }
    let tried = write(app, &step.desired, Some(&found), forced(true)).await?;
    let drifts = drift(&found, &tried.response.object);
    if drifts.is_empty() && step.cause == Cause::Suspect {
        return Ok(Done { overridden: tried.overridden, ..seen(step, &found) });
    }
    if drifts.is_empty() {
        // Only our ownership was lost: nothing is to be told, and taking it back changes no value.
        return put_back(app, step, Some(&found)).await;
    }
    Ok(telling(step, state, drifts, None))
}

fn telling(step: &Step, state: &str, drifts: Vec<FieldDrift>, why: Option<&str>) -> Done {
    let state = state.to_owned();
    let version = step.live.as_ref().map(|live| live.resource_version.clone()).unwrap_or_default();
    let telling = Telling { state, version, drifts: drifts.into(), why: why.map(Into::into) };
    let overridden = step.overridden.clone();
    let done = Done::of(step, told(step.cause, &telling));
    Done { overridden, telling: Some(telling), ..done }
}

fn told(cause: Cause, Telling { drifts, why, .. }: &Telling) -> Action {
    if cause == Cause::Extended {
        Action::Extended(drifts.clone(), why.clone())
    } else {
        Action::Drifted(drifts.clone())
    }
}

/// What an apply led to.
struct Written {
    response: Response,
    given: Vec<Yield>,
    overridden: Vec<String>,
}

impl Written {
    fn done(self, step: &Step, action: Action) -> Done {
        let live = Live::from(&self.response.object);
        let (owned, overridden) = (live.set_hash.clone(), self.overridden);
        Done { live: Some(Arc::new(live)), owned, overridden, ..Done::of(step, action) }
    }
}

fn forced(dry_run: bool) -> Sending {
    Sending { dry_run, force: true }
}

/// Applies an object, without the fields that others may have of it as it was found.
async fn write(
    app: &App,
    desired: &Desired,
    found: Option<&Value>,
    sending: Sending,
) -> Result<Written, ApiError> {
    let dry_run = sending.dry_run;
    let body = desired.body(&app.id);
    let (body, given) = match found {
        None => (body, Vec::new()),
        Some(found) => {
            leave(app, desired, give_up(body, &desired.yields(), found), found, dry_run).await?
        }
    };
    let response = send(app, desired, &body, sending).await?;
    let overridden = overridden(&body, &response.object);
    let overridden = overridden.iter().take(OVERRIDDEN_MAX).map(ToString::to_string).collect();
    Ok(Written { response, given, overridden })
}

/// Sees to it that what is given up has an owner; returns what is sent then, and what was given up.
async fn leave(
    app: &App,
    desired: &Desired,
    yielded: Yielded,
    found: &Value,
    dry_run: bool,
) -> Result<(Value, Vec<Yield>), ApiError> {
    let given = yielded.given.clone();
    if dry_run {
        return Ok((yielded.preview(found), given));
    }
    if let Some(bequest) = yielded.bequest(found) {
        app.cluster.bequeath(&desired.resource, &desired.id, &bequest).await?;
    }
    Ok((yielded.body, given))
}

/// Sends an apply. A kind whose CRD was just established may take a moment to be served.
async fn send(
    app: &App,
    desired: &Desired,
    body: &Value,
    sending: Sending,
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

fn is_ending(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// Why a dry-run could not be checked by the server, if it is for want of something that the same
/// plan brings.
fn unchecked(step: &Step, error: &ApiError, new: &New) -> Option<Action> {
    if step.desired.kind_is_new {
        return Some(Action::NotChecked("its CRD is new"));
    }
    let (kind, name) = error.missing()?;
    if kind == "namespaces" && new.contains(&(kind.to_owned(), name.to_owned())) {
        return Some(Action::NotChecked("namespace is new"));
    }
    // Of a role that a binding refers to, the server says that the binding does not exist.
    let body = step.desired.manifest.body();
    let text = |key: &str| body["roleRef"][key].as_str().unwrap_or_default();
    let role = (format!("{}s", text("kind").to_lowercase()), text("name").to_owned());
    new.contains(&role).then_some(Action::NotChecked("its role is new"))
}

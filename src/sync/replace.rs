//! Deletes and creates again what cannot be changed as git declares it, where that is allowed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::App;
use super::restore::{ENDING, create};
use super::write::{succeed, successor};
use crate::cluster::ApiError;
use crate::object::handling::REPLACE;
use crate::object::{GroupKind, Live};
use crate::plan::Step;
use crate::report::{Action, Done};

/// Looks at an object that changes between judgement and deletion.
const TRIES: u32 = 5;
/// Longest wait for a deleted object to be gone; after that it waits for another pass.
const GONE: Duration = Duration::from_secs(10);
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// Why a deleted object waits.
const DELETED: &str = "it was deleted to be created again, and is not gone yet";

/// Kinds that only an object's own annotation may have replaced: data or other objects go with them.
const PRECIOUS: &[(&str, &str)] = &[
    ("", "Namespace"),
    ("", "PersistentVolume"),
    ("", "PersistentVolumeClaim"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
];

/// Replaces an object whose change was refused for immutable fields, or says why not.
pub async fn replace(app: &App, step: &Step, refusal: &ApiError) -> Result<Done, ApiError> {
    let (id, resource) = (&step.desired.id, &step.desired.resource);
    let fields = refusal.immutable().join(", ");
    let failed = |why: String| {
        let what = refusal.shown_of(&id.kind, step.desired.holds_secrets());
        Ok(Done::of(step, Action::Failed(format!("{what}; {fields} cannot be changed: {why}"))))
    };
    let mut tries = 1;
    loop {
        let Some(found) = app.cluster.get(resource, id).await? else {
            return create(app, step).await;
        };
        let found = Arc::new(found);
        let live = Live::from(&*found);
        if live.terminating {
            return Ok(Done::of(step, Action::Waiting(ENDING)));
        }
        if let Some(why) = forbidden(app, step, &live) {
            return failed(why);
        }
        let body = successor(app, &step.desired, &found);
        match app.cluster.could_create(resource, id, &body).await {
            Err(error) if error.ends_pass() => return Err(error),
            Err(error) => {
                let why = error.shown_of(&id.kind, step.desired.holds_secrets());
                return failed(format!("not replaced, since it could not be created again: {why}"));
            }
            Ok(()) => {}
        }
        match delete(app, step, &found, &live).await {
            Err(error) if error.code() == 409 && tries < TRIES => tries += 1,
            Err(error) => return Err(error),
            Ok(()) if app.dry_run => return Ok(Done::of(step, Action::Replaced(fields))),
            Ok(()) => return Ok(follow(app, step, &found, &body, fields).await),
        }
    }
}

/// Why an object may not be replaced, if so.
fn forbidden(app: &App, step: &Step, live: &Live) -> Option<String> {
    let (handling, kind) = (&step.desired.handling, &step.desired.id.kind);
    if handling.keep || live.keep.is_some() {
        return Some("not replaced, since it is marked as never to be deleted".to_owned());
    }
    if let Some(owner) = &live.owner {
        return Some(format!("not replaced, since it is owned by {owner}"));
    }
    if live.hash.as_ref() == Some(&step.desired.hash) && !step.overridden.is_empty() {
        let fields = step.overridden.join("; ");
        return Some(format!("not replaced, since admission would make it so again: {fields}"));
    }
    if live.identity.as_ref() != Some(&app.id.identity(&step.desired.id)) {
        return Some("not replaced, since this app never applied it: delete it by hand".to_owned());
    }
    let is_allowed = handling.replace || (app.policy.replace && !is_precious(kind));
    (!is_allowed).then(|| format!("set the annotation {REPLACE}: \"true\", or delete it"))
}

fn is_precious(kind: &GroupKind) -> bool {
    PRECIOUS.iter().any(|(group, name)| kind.is(group, name))
}

/// Deletes exactly the object that was judged.
async fn delete(app: &App, step: &Step, found: &Value, live: &Live) -> Result<(), ApiError> {
    let (id, resource) = (&step.desired.id, &step.desired.resource);
    if is_alone(found, &id.kind) {
        app.cluster.delete(resource, id, live, app.dry_run).await
    } else {
        app.cluster.delete_first(resource, id, live, app.dry_run).await
    }
}

/// Whether the pods of an object have to be gone before those of its successor come: they have the same names,
/// do a job once, or are declared not to run beside each other. Of others the new ones come while the old
/// ones go.
fn is_alone(found: &Value, kind: &GroupKind) -> bool {
    kind.is("apps", "StatefulSet")
        || kind.is("batch", "Job")
        || found["spec"]["strategy"]["type"] == "Recreate"
}

/// Waits until a deleted object is gone, and creates its successor. From here on it has to be known that we
/// deleted it, whatever comes.
async fn follow(app: &App, step: &Step, found: &Arc<Value>, body: &Value, fields: String) -> Done {
    let gone = is_gone(app, step, found).await;
    let deleted = Some(found.clone());
    if matches!(gone, Ok(false)) {
        return Done { deleted, ..Done::of(step, Action::Waiting(DELETED)) };
    }
    let created = match gone {
        Ok(_) => succeed(app, &step.desired, body).await,
        Err(error) => Err(error),
    };
    match created {
        Ok(written) => written.done(step, Action::Replaced(fields)),
        Err(error) => {
            let why = error.shown_of(&step.desired.id.kind, step.desired.holds_secrets());
            let why = format!("it was deleted to be created again, and that failed: {why}");
            Done { deleted, ..Done::of(step, Action::Failed(why)) }
        }
    }
}

/// Waits until an object is gone. `false` if it is not in time.
async fn is_gone(app: &App, step: &Step, deleted: &Value) -> Result<bool, ApiError> {
    let start = Instant::now();
    loop {
        let found = app.cluster.get(&step.desired.resource, &step.desired.id).await?;
        if found.is_none_or(|found| found["metadata"]["uid"] != deleted["metadata"]["uid"]) {
            return Ok(true);
        }
        if start.elapsed() > GONE {
            return Ok(false);
        }
        tokio::time::sleep(LOOK).await;
    }
}

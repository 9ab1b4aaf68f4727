//! Does what one step says to one object.

use std::collections::BTreeSet;

use super::App;
use super::extend::remove_additions;
use super::restore::{ENDING, create, repeated, restore};
use super::tell::{tell, told, verify};
use super::write::rewrite;
use super::{conflict, replace};
use crate::cluster::ApiError;
use crate::plan::{Cause, Reaction, Step};
use crate::report::{Action, Done, Failure};

/// Why an object waits.
const UNSEEN: &str = "its kind cannot be listed for the moment";

/// What a plan brings.
#[derive(Default)]
pub struct New {
    /// Plural and name of each object.
    objects: BTreeSet<(String, String)>,
    /// Why the namespace that the app's objects go to is not among them, if it should be.
    pub no_namespace: Option<String>,
}

impl New {
    /// Adds an object.
    pub fn add(&mut self, plural: &str, name: &str) {
        self.objects.insert((plural.to_owned(), name.to_owned()));
    }

    fn has(&self, plural: &str, name: &str) -> bool {
        self.objects.contains(&(plural.to_owned(), name.to_owned()))
    }

    /// Why an object was refused, with why its namespace is not there.
    fn explain(&self, app: &App, step: &Step, error: &ApiError) -> String {
        let shown = error.shown_of(&step.desired.id.kind, step.desired.holds_secrets());
        let missing = ("namespaces", app.target_namespace.as_str());
        match &self.no_namespace {
            Some(why) if error.missing() == Some(missing) => {
                format!("{shown}; it could not be created: {why}")
            }
            _ => shown,
        }
    }
}

/// Does what one step says. Only an outage is an error.
pub async fn execute(app: &App, step: &Step, new: &New) -> Result<Done, Failure> {
    let result = match (step.cause, &step.reaction) {
        (Cause::InSync, _) => return Ok(in_sync(step)),
        (Cause::Left(why), _) => return Ok(Done::of(step, Action::Left(why))),
        (Cause::Fought, _) => return Ok(Done::of(step, Action::Fought)),
        (Cause::Terminating, _) => return Ok(Done::of(step, Action::Waiting(ENDING))),
        (Cause::Unseen, _) => return Ok(Done::of(step, Action::Waiting(UNSEEN))),
        (_, Reaction::LeftTo(owner)) => return Ok(Done::of(step, Action::Claimed(owner.clone()))),
        (cause, Reaction::Told(telling)) => {
            let overridden = step.overridden.clone();
            return Ok(Done { overridden, ..Done::of(step, told(cause, telling)) });
        }
        (_, Reaction::Tell(state)) => repeated(step, || tell(app, step, state)).await,
        (_, Reaction::Act(state)) => act(app, step, state).await,
    };
    match result {
        Ok(done) => Ok(done),
        Err(error) => {
            let error = Failure::unless_refused("applying objects", error)?;
            let unchecked = app.dry_run.then(|| unchecked(step, &error, new)).flatten();
            let failed = || Action::Failed(new.explain(app, step, &error));
            let refused = error.lacks_rights();
            Ok(Done { refused, ..Done::of(step, unchecked.unwrap_or_else(failed)) })
        }
    }
}

/// Sends what a cause asks for, and decides what follows from a refusal.
async fn act(app: &App, step: &Step, state: &str) -> Result<Done, ApiError> {
    let result = match attempt(app, step, state).await {
        Err(error) if !error.conflicts().is_empty() => conflict::resolve(app, step, error).await,
        result => result,
    };
    match result {
        Err(error) if step.cause != Cause::Extended && !error.immutable().is_empty() => {
            replace::replace(app, step, &error).await
        }
        result => result,
    }
}

async fn attempt(app: &App, step: &Step, state: &str) -> Result<Done, ApiError> {
    let depends = step.live.as_ref().is_some_and(|live| step.desired.depends_on(live));
    match step.cause {
        Cause::New => create(app, step).await,
        Cause::Changed if !depends => {
            let written = rewrite(app, &step.desired).await?;
            // It may have gone since the view was taken.
            let is_new = written.response.created;
            Ok(written.done(step, if is_new { Action::Created } else { Action::Configured }))
        }
        Cause::Extended => remove_additions(app, step, state).await,
        Cause::Suspect => repeated(step, || verify(app, step)).await,
        _ => restore(app, step, &[]).await,
    }
}

/// Nothing is sent. What admission overrides stays known.
pub fn in_sync(step: &Step) -> Done {
    Done { overridden: step.overridden.clone(), ..Done::of(step, Action::Unchanged) }
}

/// Why a dry-run could not be checked by the server, if it is for want of something that the same
/// plan brings.
fn unchecked(step: &Step, error: &ApiError, new: &New) -> Option<Action> {
    if step.desired.kind_is_new {
        return Some(Action::NotChecked("its CRD is new"));
    }
    let (kind, name) = error.missing()?;
    if kind == "namespaces" && new.has(kind, name) {
        return Some(Action::NotChecked("namespace is new"));
    }
    // Of a role that a binding refers to, the server says that the binding does not exist.
    let body = step.desired.manifest.body();
    let text = |key: &str| body["roleRef"][key].as_str().unwrap_or_default();
    let roles = format!("{}s", text("kind").to_lowercase());
    new.has(&roles, text("name")).then_some(Action::NotChecked("its role is new"))
}

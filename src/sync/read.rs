//! Fetches and renders an app's source.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::clock::Clock;
use super::{App, Memory, Origin, Stop, inputs, verify};
use crate::builder::{Inputs, blocking, build};
use crate::render::Rendered;
use crate::report::{Failure, Outcome, Trigger};
use crate::source::{Fetcher, Revision, Snapshot, SourceError, folder};

/// Part of an interval for which a fetch is new enough. Intervals vary by less.
const SHARED: f64 = 0.9;
/// Time for which a fetch that failed is not tried again.
const RETRY: Duration = Duration::from_millis(500);

/// What a source declares, and what is wrong with it as a whole.
pub struct Source {
    /// What it declares.
    pub rendered: Arc<Rendered>,
    /// Why it could not be read, if so.
    pub trouble: Option<SourceError>,
    /// Whether it is what was declared before: nothing is pruned by it.
    pub is_stale: bool,
}

/// Fetches and renders the source as it is after `start`, or takes what it declared before while that fails.
pub async fn source(
    app: &App,
    memory: &mut Memory,
    start: Instant,
    stop: &Stop,
    outcome: &mut Outcome,
    clock: &mut Clock,
) -> Result<Source, Failure> {
    let read = tokio::select! {
        read = read(app, memory, start, outcome, clock) => read,
        () = stop.wait() => return Err(Failure::Stopped),
    };
    or_last_good(read, memory)
}

/// While the source cannot be read, or its commit is refused, what it last declared is kept in place. A path that is
/// gone from a commit declares nothing, which the guard takes as an accident.
fn or_last_good(
    read: Result<Arc<Rendered>, SourceError>,
    memory: &Memory,
) -> Result<Source, Failure> {
    match (read, &memory.rendered) {
        (Ok(rendered), _) => Ok(Source { rendered, trouble: None, is_stale: false }),
        (Err(error @ SourceError::PathNotFound { .. }), _) => {
            let rendered = Arc::new(Rendered::default());
            Ok(Source { rendered, trouble: Some(error), is_stale: false })
        }
        (Err(error), Some((_, rendered))) => {
            let rendered = rendered.clone();
            Ok(Source { rendered, trouble: Some(error), is_stale: true })
        }
        (Err(error), None) => Err(error.into()),
    }
}

/// Fetches and renders the source; what did not change is not read again.
async fn read(
    app: &App,
    memory: &mut Memory,
    start: Instant,
    outcome: &mut Outcome,
    clock: &mut Clock,
) -> Result<Arc<Rendered>, SourceError> {
    let mut known = memory.inputs.clone();
    let (snapshot, revision) = match &app.origin {
        Origin::Folder(path) => {
            known = inputs::again(app, memory, outcome.trigger).await?;
            let (path, recipe) = (path.clone(), app.recipe.clone());
            let limits = app.limits;
            (blocking(move || folder::read(&path, &recipe.render, limits)).await??, None)
        }
        Origin::Nothing(_) => (Snapshot::default(), None),
        Origin::Git(fetcher) => {
            let fetched = fetcher.fetch(since(app, outcome.trigger, start)).await;
            clock.stage("fetch", outcome);
            let revision = fetched?;
            outcome.revision = Some(revision.clone());
            verify::verify(app, memory, fetcher, &revision, outcome).await?;
            let unchanged = unchanged(fetcher, memory, &revision, outcome).await;
            known = inputs::again(app, memory, outcome.trigger).await?;
            if let Some(rendered) = unchanged.filter(|_| known == memory.inputs) {
                return Ok(rendered);
            }
            let before = memory.rendered.as_ref().map(|(_, rendered)| of_inputs(rendered, &known));
            (fetcher.read(&revision, before).await?, Some(revision))
        }
    };
    clock.stage("read", outcome);
    let scope = snapshot.scope.clone();
    let before = memory.rendered.as_ref().map(|(_, rendered)| rendered);
    let inputs = inputs::of(app, memory, &snapshot, known).await?;
    let rendered = build(&app.tools, &app.recipe, &inputs, snapshot, before).await?;
    memory.inputs = inputs;
    memory.rendered = revision.map(|revision| (revision, rendered.clone()));
    memory.scope = scope;
    clock.stage("render", outcome);
    Ok(rendered)
}

/// What was rendered before, so far as it would be the same with these inputs.
fn of_inputs(rendered: &Arc<Rendered>, inputs: &Inputs) -> Arc<Rendered> {
    let is_same = rendered.substitution == inputs.referred.substitution;
    if is_same { rendered.clone() } else { rendered.unsubstituted().into() }
}

/// What was rendered before, if nothing that it hangs on is another in this commit.
async fn unchanged(
    fetcher: &Fetcher,
    memory: &mut Memory,
    revision: &Revision,
    outcome: &mut Outcome,
) -> Option<Arc<Rendered>> {
    let (known, rendered) = memory.rendered.clone()?;
    if known == *revision {
        return Some(rendered);
    }
    // Of artifacts none builds on another.
    let is_news = revision.digest.is_none() && memory.commit.as_ref() != Some(&revision.commit);
    if is_news && fetcher.is_rewritten(&known, revision).await {
        outcome.rewritten = Some(known);
    }
    let scope = memory.scope.as_ref()?;
    if fetcher.scope(revision).await.as_ref() != Some(scope) {
        return None;
    }
    memory.rendered = Some((revision.clone(), rendered.clone()));
    Some(rendered)
}

/// How old a fetch by another app may be in a pass that began at `start`. Whoever asks for a sync has a reason to
/// think that there is something new by then.
fn since(app: &App, trigger: Trigger, start: Instant) -> Instant {
    let age = match trigger {
        Trigger::Interval | Trigger::Commit | Trigger::Dependency | Trigger::Reference => {
            app.interval.mul_f64(SHARED)
        }
        Trigger::Retry => RETRY,
        // Who declares an app may have pushed what it is to be a moment ago.
        Trigger::Start
        | Trigger::Election
        | Trigger::Deletion
        | Trigger::Webhook
        | Trigger::Annotation
        | Trigger::Drift
        | Trigger::Command => Duration::ZERO,
    };
    start.checked_sub(age).unwrap_or(start)
}

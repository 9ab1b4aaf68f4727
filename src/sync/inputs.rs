//! What an app's objects are made of beside the files of its source.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::resolve::since;
use super::{App, Memory, references};
use crate::builder::{Inputs, KeySource, chart};
use crate::cluster::ApiError;
use crate::plan::Capabilities;
use crate::report::Trigger;
use crate::source::{Layout, Snapshot, SourceError};

/// The inputs as they are now, as far as what was made last was made of such.
pub async fn again(app: &App, memory: &Memory, trigger: Trigger) -> Result<Inputs, SourceError> {
    let capabilities = match &memory.inputs.capabilities {
        Some(_) => Some(capabilities(app, memory).await?),
        None => None,
    };
    let chart = chart(&app.tools, &app.recipe, chart_since(app, trigger)).await?;
    let keys = app.recipe.keys.as_ref().map(KeySource::read).transpose()?;
    let referred = references::referred(app).await?;
    Ok(Inputs { capabilities, chart, keys, referred })
}

/// The inputs that a snapshot is built with.
pub async fn of(
    app: &App,
    memory: &Memory,
    snapshot: &Snapshot,
    known: Inputs,
) -> Result<Inputs, SourceError> {
    let capabilities = match (&snapshot.layout, known.capabilities.clone()) {
        (Layout::Helm { .. }, None) => Some(capabilities(app, memory).await?),
        (Layout::Helm { .. }, known) => known,
        (Layout::Plain | Layout::Kustomize { .. }, _) => None,
    };
    Ok(Inputs { capabilities, ..known })
}

/// How old what is known of the versions of a chart may be. Of passes there may be many in an interval.
fn chart_since(app: &App, trigger: Trigger) -> Instant {
    let is_asked = matches!(trigger, Trigger::Annotation | Trigger::Command);
    let age = if is_asked { Duration::ZERO } else { app.interval };
    let now = Instant::now();
    now.checked_sub(age).unwrap_or(now)
}

/// What the cluster can do that the app's objects go to.
async fn capabilities(app: &App, memory: &Memory) -> Result<Arc<Capabilities>, SourceError> {
    let since = memory.kinds.is_none().then(|| since(memory));
    let unknown = |why: ApiError| SourceError::ClusterUnknown { why: why.to_string() };
    app.discovery.capabilities(since).await.map_err(unknown)
}

//! What a source holds to the objects it declares: manifests are read, kustomize and helm are run.
//!
//! The programs are the real ones. They run without a shell, in a private folder that holds what they may read and
//! nothing else, with a deadline and bounds (design.md, rules 8 to 10).

mod charts;
pub mod confine;
mod helm;
mod inputs;
mod keys;
mod kms;
mod kustomize;
mod program;
mod pull;
mod recipe;
mod sops;
mod stage;
mod tools;

use std::io;
use std::sync::Arc;

use crate::render::{self, Rendered};
use crate::source::{Layout, Snapshot, SourceError};

pub use charts::{Archive, chart};
pub use inputs::Inputs;
pub use keys::{BadKeys, KeySource, Keys};
pub use recipe::Recipe;
pub use tools::Tools;

use stage::Stage;

/// The objects that a snapshot declares, and all that is wrong with it. What is made of the same as before is not
/// made again.
pub async fn build(
    tools: &Tools,
    recipe: &Recipe,
    inputs: &Inputs,
    snapshot: Snapshot,
    before: Option<&Arc<Rendered>>,
) -> Result<Arc<Rendered>, SourceError> {
    if snapshot.layout == Layout::Plain {
        let snapshot = sops::decrypt(tools, inputs.keys.as_ref(), snapshot).await?;
        return blocking(move || Arc::new(plain(snapshot))).await;
    }
    let made_of = recipe.fingerprint(inputs, &snapshot);
    if let Some(before) = before.filter(|before| before.hash == made_of) {
        return Ok(before.clone());
    }
    let mut built = run(tools, recipe, inputs, snapshot).await?;
    built.hash = made_of;
    keep(&mut built, before);
    Ok(Arc::new(built))
}

/// The objects that a program makes of a snapshot.
async fn run(
    tools: &Tools,
    recipe: &Recipe,
    inputs: &Inputs,
    snapshot: Snapshot,
) -> Result<Rendered, SourceError> {
    let snapshot = sops::decrypt(tools, inputs.keys.as_ref(), snapshot).await?;
    if !snapshot.diagnostics.is_empty() {
        // Half of what it is made of would be another state than anyone declared.
        return Ok(Rendered::nothing(snapshot.diagnostics));
    }
    match &snapshot.layout {
        Layout::Plain => Ok(plain(snapshot)),
        Layout::Kustomize { top, says_origins } => {
            kustomize::build(tools, &snapshot, top, *says_origins).await
        }
        Layout::Helm { chart, values } => {
            let chart = helm::Chart { folder: chart.as_deref(), values };
            helm::build(tools, recipe, inputs, &snapshot, chart).await
        }
    }
}

/// The objects of files that are manifests.
fn plain(snapshot: Snapshot) -> Rendered {
    let mut rendered = render::plain(snapshot.files);
    rendered.diagnostics.extend(snapshot.diagnostics);
    rendered.diagnostics.sort_by(|a, b| a.origin.cmp(&b.origin));
    rendered
}

/// Where nothing could be made of the files, what was made of them before stays, until they are mended.
fn keep(built: &mut Rendered, before: Option<&Arc<Rendered>>) {
    let is_nothing = built.manifests.is_empty() && !built.diagnostics.is_empty();
    if let Some(before) = before.filter(|_| is_nothing) {
        built.manifests.clone_from(&before.manifests);
    }
}

/// A folder with the files of the snapshot.
async fn staged(tools: &Tools, snapshot: &Snapshot) -> Result<Stage, SourceError> {
    let (tools, snapshot) = (tools.clone(), snapshot.clone());
    let filled = move || -> io::Result<Stage> {
        let stage = Stage::new(tools.folder()?)?;
        stage.fill(&snapshot)?;
        Ok(stage)
    };
    blocking(filled).await?.map_err(|error| SourceError::StageFailed { why: error.to_string() })
}

/// Runs what takes long without a pause beside the HTTP server and the signals.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, SourceError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| SourceError::Defect { why: error.to_string() })
}

//! What a source holds to the objects it declares: manifests are read, kustomize is run.
//!
//! The programs are the real ones. They run without a shell, in a private folder that holds what they may read and
//! nothing else, with a deadline and bounds (design.md, rules 8 to 10).

pub mod confine;
mod kustomize;
pub mod program;
mod recipe;
mod stage;
mod tools;

use std::sync::Arc;

use crate::render::{self, Rendered};
use crate::source::{Layout, Snapshot, SourceError};

pub use recipe::Recipe;
pub use tools::Tools;

/// The objects that a snapshot declares, and all that is wrong with it. What is made of the same as before is not
/// made again.
pub async fn build(
    tools: &Tools,
    recipe: &Recipe,
    snapshot: Snapshot,
    before: Option<&Arc<Rendered>>,
) -> Result<Arc<Rendered>, SourceError> {
    if snapshot.layout == Layout::Plain {
        return blocking(move || Arc::new(plain(snapshot))).await;
    }
    let made_of = recipe.fingerprint(&snapshot);
    if let Some(before) = before.filter(|before| before.hash == made_of) {
        return Ok(before.clone());
    }
    let mut built = run(tools, snapshot).await?;
    built.hash = made_of;
    keep(&mut built, before);
    Ok(Arc::new(built))
}

/// The objects that a program makes of a snapshot.
async fn run(tools: &Tools, snapshot: Snapshot) -> Result<Rendered, SourceError> {
    if !snapshot.diagnostics.is_empty() {
        // Half of what it is made of would be another state than anyone declared.
        return Ok(Rendered::nothing(snapshot.diagnostics));
    }
    match &snapshot.layout {
        Layout::Plain => Ok(plain(snapshot)),
        Layout::Kustomize { top, says_origins } => {
            kustomize::build(tools, &snapshot, top, *says_origins).await
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

/// Runs what takes long without a pause beside the HTTP server and the signals.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, SourceError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| SourceError::Defect { why: error.to_string() })
}

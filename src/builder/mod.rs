//! What a source holds to the objects it declares: manifests are read, kustomize and helm are run.
//!
//! The programs are the real ones. They run without a shell, in a private folder that holds what they may read and
//! nothing else, with a deadline and bounds (design.md, rules 8 to 10).

mod charts;
pub mod confine;
mod flaws;
mod helm;
mod inputs;
mod keys;
mod kms;
mod kustomize;
mod memory;
mod program;
mod pull;
mod recipe;
mod references;
mod secrets;
mod sops;
mod stage;
mod syscalls;
mod tools;
mod values;
mod variables;
mod vault;

use std::collections::HashMap;
use std::sync::Arc;

use crate::render::encrypted::Opened;
use crate::render::{self, Diagnostic, Edits, Problem, Rendered};
use crate::source::{Layout, Snapshot, SourceError};

pub use charts::{Archive, chart};
pub use inputs::Inputs;
pub use keys::{BadKeys, KeySource, Keys};
pub use memory::default_memory;
pub use recipe::Recipe;
pub use references::{Entries, Reference, Referred, VALUES_FROM};
pub use secrets::{BadSecret, NeededSecret, needed_secrets};
pub use tools::{OBJECTS, Tools};
pub use values::BadValues;

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
    // Of manifests, each file is known by itself.
    let is_whole = snapshot.layout != Layout::Plain;
    let made_of = is_whole.then(|| recipe.fingerprint(inputs, &snapshot));
    let is_same = |before: &&Arc<Rendered>| {
        made_of.as_ref() == Some(&before.hash)
            && before.substitution == inputs.referred.substitution
            && before.values == inputs.referred.values
    };
    if let Some(before) = before.filter(is_same) {
        return Ok(before.clone());
    }
    let mut built = made(tools, recipe, inputs, snapshot, before).await?;
    sort(&mut built.diagnostics);
    let mut built = bounded(built, tools.objects, before.map(AsRef::as_ref));
    if let Some(made_of) = made_of {
        built.hash = made_of;
        built.substitution.clone_from(&inputs.referred.substitution);
        built.values.clone_from(&inputs.referred.values);
        keep(&mut built, before);
    }
    Ok(Arc::new(built))
}

/// The objects that a snapshot is made into.
async fn made(
    tools: &Tools,
    recipe: &Recipe,
    inputs: &Inputs,
    snapshot: Snapshot,
    before: Option<&Arc<Rendered>>,
) -> Result<Rendered, SourceError> {
    let before_opened = before.map(|before| before.opened.clone()).unwrap_or_default();
    let snapshot = sops::decrypt(tools, inputs.keys.as_ref(), &before_opened, snapshot).await?;
    let edits = recipe.edits(inputs);
    let mut made = match &snapshot.layout {
        Layout::Plain => {
            let before = before.cloned();
            return blocking(move || plain(snapshot, &edits, before.as_deref())).await;
        }
        // Half of what it is made of would be another state than anyone declared.
        _ if !snapshot.diagnostics.is_empty() => {
            let flaws = flaws::of(&snapshot);
            Rendered::nothing(snapshot.diagnostics.iter().cloned().chain(flaws).collect())
        }
        Layout::Kustomize { top, says_origins, parts } => {
            let edits = hiding(&edits, &snapshot, inputs);
            let wanted = kustomize::Wanted { top, says_origins: *says_origins, parts };
            kustomize::build(tools, &snapshot, wanted, edits).await?
        }
        Layout::Helm { chart, values } => {
            let edits = hiding(&edits, &snapshot, inputs);
            let chart = helm::Chart { folder: chart.as_deref(), values };
            helm::build(tools, recipe, inputs, &snapshot, chart, edits).await?
        }
    };
    flaws::locate(&mut made.diagnostics, &snapshot);
    let keys = inputs.keys.as_deref().map(Keys::fingerprint);
    made.opened = keys.map(|keys| Opened::of(keys, &snapshot.files)).unwrap_or_default();
    Ok(made)
}

/// The same changes, and whatever a program was given that is secret must not be shown of any object.
fn hiding(edits: &Edits, snapshot: &Snapshot, inputs: &Inputs) -> Edits {
    let decrypted = snapshot.files.iter().filter_map(|file| file.content.decrypted());
    let decrypted = decrypted.flat_map(|decrypted| &decrypted.secrets);
    let given: Vec<_> =
        inputs.referred.values.iter().flat_map(render::helm::Given::secrets).collect();
    edits.hiding(decrypted.chain(&given))
}

/// The objects of files that are manifests.
fn plain(snapshot: Snapshot, edits: &Edits, before: Option<&Rendered>) -> Rendered {
    let mut rendered = render::edited(snapshot.files, edits, before);
    rendered.diagnostics.extend(snapshot.diagnostics);
    rendered
}

/// In the order of their places, each once.
fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| a.origin.cmp(&b.origin));
    diagnostics.dedup();
}

/// What was made; if that is more than anyone means, what was made before.
fn bounded(made: Rendered, most: usize, before: Option<&Rendered>) -> Rendered {
    if made.manifests.len() <= most {
        return made;
    }
    let origin = made.manifests[most].origin.clone();
    let problem = Problem::TooMuch(format!("{most} objects (--max-objects)"));
    let mut bounded = Rendered::nothing(vec![Diagnostic::at(origin, problem)]);
    bounded.hash = made.hash;
    bounded.manifests = before.map(|before| before.manifests.clone()).unwrap_or_default();
    bounded
}

/// Where nothing could be made of the files, what was made of them before stays, until they are mended. What is the
/// same as before stays the very same.
fn keep(built: &mut Rendered, before: Option<&Arc<Rendered>>) {
    let Some(before) = before else { return };
    if built.manifests.is_empty() && !built.diagnostics.is_empty() {
        built.manifests.clone_from(&before.manifests);
        return;
    }
    let known = before.manifests.iter().map(|manifest| (&manifest.id, manifest));
    let known: HashMap<_, _> = known.collect();
    for manifest in &mut built.manifests {
        if let Some(before) = known.get(&manifest.id).filter(|before| **before == manifest) {
            *manifest = Arc::clone(before);
        }
    }
}

/// A folder with the files of the snapshot.
async fn staged(tools: &Tools, snapshot: &Snapshot) -> Result<Stage, SourceError> {
    let snapshot = snapshot.clone();
    tools.stage(move |stage| stage.fill(&snapshot)).await
}

/// Runs what takes long without a pause beside the HTTP server and the signals.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, SourceError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| SourceError::Defect { why: error.to_string() })
}

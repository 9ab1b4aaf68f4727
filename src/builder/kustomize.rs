//! Builds a kustomization.

use std::collections::BTreeMap;

use futures::{StreamExt as _, future, stream};
use tokio::time::sleep;

use super::program::{Ended, Run};
use super::stage::Stage;
use super::{Tools, blocking, flaws, staged};
use crate::render::kustomize::{self, Kustomization, NAMES, Parts};
use crate::render::{Diagnostic, Edits, Origin, Problem, Rendered, SourceFile, built};
use crate::source::{Snapshot, SourceError};

/// Name of the program.
const KUSTOMIZE: &str = "kustomize";
/// Has it read files wherever they are.
const ANYWHERE: &str = "LoadRestrictionsNone";
/// Has it read files in and below the folder of their kustomization.
const INSIDE: &str = "LoadRestrictionsRootOnly";
/// Kustomizations that are tried alone at most, to find what is wrong with a whole,
const TRIED: usize = 100;
/// and of these so many side by side.
const PARALLEL: usize = 2;

/// What is to be built.
pub(super) struct Wanted<'a> {
    /// The folder of the kustomization.
    pub top: &'a str,
    /// Whether it says of each object which file it is from although nobody asked for that.
    pub says_origins: bool,
    /// What it is made of.
    pub parts: &'a Parts,
}

/// What kustomize makes of a kustomization.
pub(super) async fn build(
    tools: &Tools,
    snapshot: &Snapshot,
    wanted: Wanted<'_>,
    edits: Edits,
) -> Result<Rendered, SourceError> {
    let stage = staged(tools, snapshot).await?;
    let (top, says_origins) = (wanted.top.to_owned(), wanted.says_origins);
    match attempt(tools, snapshot, &stage, &top).await? {
        Ended::Well(output) => {
            blocking(move || built::kustomize(&output, &top, says_origins, &edits)).await
        }
        Ended::Badly(complaints) => {
            let mut diagnostics = flaws::of(snapshot);
            let failed = failed(tools, snapshot, &stage, &wanted, &complaints, &diagnostics).await;
            let secrets = kustomize::secrets(&snapshot.files);
            let is_explained = flaws::explain(&diagnostics, &complaints);
            for (folder, complaints) in failed {
                if folder != wanted.top || !is_explained {
                    // It quotes what it cannot make use of.
                    let complaints = edits.secrets.redact(&complaints);
                    let complaints = secrets.redact(&complaints);
                    let (origin, words) = kustomize::blame(
                        &complaints,
                        folder,
                        wanted.parts.at(folder),
                        &snapshot.files,
                    );
                    diagnostics.push(refused(origin, &words));
                }
            }
            Ok(Rendered::nothing(diagnostics))
        }
        Ended::NotConfined => {
            Ok(Rendered::nothing(vec![refused(Origin::file(top), "it could not be started")]))
        }
    }
}

/// Those that it is made of and that cannot be built, by their own fault, and what kustomize says of each: of the whole
/// it says only what it came upon first.
async fn failed<'a>(
    tools: &Tools,
    snapshot: &Snapshot,
    stage: &Stage,
    wanted: &Wanted<'a>,
    complaints: &str,
    flaws: &[Diagnostic],
) -> Vec<(&'a str, String)> {
    let flawed = flaws.iter().map(|flaw| &*flaw.origin.path).collect();
    let others = wanted.parts.without(&flawed).into_iter().filter(|folder| *folder != wanted.top);
    let tries = others.take(TRIED).map(|folder| async move {
        match attempt(tools, snapshot, stage, folder).await {
            Ok(Ended::Badly(complaints)) => Some((folder, complaints)),
            // It is not what was asked for.
            _ => None,
        }
    });
    let tries = stream::iter(tries.collect::<Vec<_>>()).buffer_unordered(PARALLEL);
    let found: Vec<_> =
        tries.take_until(sleep(flaws::MORE)).filter_map(future::ready).collect().await;
    let mut failed: BTreeMap<_, _> = found.into_iter().collect();
    failed.insert(wanted.top, complaints.to_owned());
    let all = failed.keys().copied().collect();
    let mut at_fault = wanted.parts.at_fault(&all);
    if at_fault.is_empty() {
        // In a circle, each is made of another that failed.
        at_fault.push(wanted.top);
    }
    at_fault.into_iter().filter_map(|folder| failed.remove_entry(folder)).collect()
}

/// Has kustomize build the kustomization in a folder.
async fn attempt(
    tools: &Tools,
    snapshot: &Snapshot,
    stage: &Stage,
    folder: &str,
) -> Result<Ended, SourceError> {
    let ended = run(tools, stage, folder, ANYWHERE, false).await?;
    if !matches!(ended, Ended::NotConfined) {
        return Ok(ended);
    }
    // All that it is known to refer to is in the repository. Where it may come to refer to more, and the kernel does
    // not keep it from that, it keeps to the folder of the kustomization by itself.
    let restrictor = if is_dynamic(snapshot) { INSIDE } else { ANYWHERE };
    run(tools, stage, folder, restrictor, true).await
}

/// Whether what kustomize reads is known only once it runs.
fn is_dynamic(snapshot: &Snapshot) -> bool {
    let is_named =
        |file: &&SourceFile| file.path.rsplit('/').next().is_some_and(|name| NAMES.contains(&name));
    let kustomizations = snapshot.files.iter().filter(is_named);
    let mut parsed =
        kustomizations.filter_map(|file| file.content.bytes()).map(Kustomization::parse);
    parsed.any(|parsed| parsed.is_ok_and(|kustomization| kustomization.is_dynamic()))
}

async fn run(
    tools: &Tools,
    stage: &Stage,
    top: &str,
    restrictor: &str,
    or_not: bool,
) -> Result<Ended, SourceError> {
    let folder = stage.tree().join(top);
    let arguments = ["build".into(), folder.into(), "--load-restrictor".into(), restrictor.into()];
    let (arguments, environment) = (arguments.into(), Vec::new());
    Run { program: KUSTOMIZE, arguments, environment, stage, network: false, writes: false, or_not }
        .run(tools)
        .await
}

fn refused(origin: Origin, complaints: &str) -> Diagnostic {
    let why = built::failure(complaints);
    Diagnostic::at(origin, Problem::BuildFailed { program: KUSTOMIZE, why })
}

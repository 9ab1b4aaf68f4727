//! Builds a kustomization.

use super::program::{Ended, Run};
use super::stage::Stage;
use super::{Tools, blocking, staged};
use crate::render::kustomize::{self, Kustomization, NAMES};
use crate::render::{Diagnostic, Edits, Origin, Problem, Rendered, SourceFile, built};
use crate::source::{Snapshot, SourceError};

/// Name of the program.
const KUSTOMIZE: &str = "kustomize";
/// Has it read files wherever they are.
const ANYWHERE: &str = "LoadRestrictionsNone";
/// Has it read files in and below the folder of their kustomization.
const INSIDE: &str = "LoadRestrictionsRootOnly";

/// What kustomize makes of the kustomization in the folder `top`; if it `says_origins`, nobody else asked it to.
pub(super) async fn build(
    tools: &Tools,
    snapshot: &Snapshot,
    top: &str,
    says_origins: bool,
    edits: Edits,
) -> Result<Rendered, SourceError> {
    let stage = staged(tools, snapshot).await?;
    let mut ended = run(tools, &stage, top, ANYWHERE, false).await?;
    if matches!(ended, Ended::NotConfined) {
        // All that it is known to refer to is in the repository. Where it may come to refer to more, and the kernel does
        // not keep it from that, it keeps to the folder of the kustomization by itself.
        let restrictor = if is_dynamic(snapshot) { INSIDE } else { ANYWHERE };
        ended = run(tools, &stage, top, restrictor, true).await?;
    }
    let (top, secrets) = (top.to_owned(), edits.secrets.clone());
    match ended {
        Ended::Well(output) => {
            blocking(move || built::kustomize(&output, &top, says_origins, &edits)).await
        }
        Ended::Badly(complaints) => {
            // It quotes what it cannot make use of.
            let complaints = secrets.redact(&complaints);
            Ok(refused(&top, &kustomize::secrets(&snapshot.files).redact(&complaints)))
        }
        Ended::NotConfined => Ok(refused(&top, "it could not be started")),
    }
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
    Run { program: KUSTOMIZE, arguments, environment, stage, network: false, or_not }
        .run(tools)
        .await
}

fn refused(top: &str, complaints: &str) -> Rendered {
    let why = built::complaint(complaints);
    let problem = Problem::BuildFailed { program: KUSTOMIZE, why };
    Rendered::nothing(vec![Diagnostic::at(Origin::file(top), problem)])
}

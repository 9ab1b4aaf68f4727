//! Builds a kustomization.

use super::program::{Ended, Run};
use super::stage::Stage;
use super::{Tools, blocking, staged};
use crate::render::{Diagnostic, Edits, Origin, Problem, Rendered, built};
use crate::source::{Snapshot, SourceError};

/// Name of the program.
const KUSTOMIZE: &str = "kustomize";

/// What kustomize makes of the kustomization in the folder `top`; if it `says_origins`, nobody else asked it to.
pub(super) async fn build(
    tools: &Tools,
    snapshot: &Snapshot,
    top: &str,
    says_origins: bool,
    edits: Edits,
) -> Result<Rendered, SourceError> {
    let stage = staged(tools, snapshot).await?;
    // All that it is known to refer to is in the repository. Where the kernel does not keep it from the rest, it keeps
    // to the folder of the kustomization by itself.
    let mut ended = run(tools, &stage, top, "LoadRestrictionsNone", false).await?;
    if matches!(ended, Ended::NotConfined) {
        ended = run(tools, &stage, top, "LoadRestrictionsRootOnly", true).await?;
    }
    let (top, secrets) = (top.to_owned(), edits.secrets.clone());
    match ended {
        Ended::Well(output) => {
            blocking(move || built::kustomize(&output, &top, says_origins, &edits)).await
        }
        Ended::Badly(complaints) => Ok(refused(&top, &secrets.redact(&complaints))),
        Ended::NotConfined => Ok(refused(&top, "it could not be started")),
    }
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

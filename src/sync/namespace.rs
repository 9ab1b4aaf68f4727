//! Creates the namespace that an app's objects go to where there is none. It is not the app's: nothing keeps
//! it as it was made, and it is never deleted.

use super::App;
use crate::object::ObjectId;
use crate::plan::{Cause, Observed, Reaction, Step};
use crate::report::Failure;

/// Creates the namespace if something is to be created in it and nothing is seen in it. Says why that was
/// refused, if so: it may be there all the same.
pub async fn provide(
    app: &App,
    observed: &Observed,
    steps: &[Step],
) -> Result<Option<String>, Failure> {
    let name = &app.target_namespace;
    let Some(wanted) = &app.create_namespace else { return Ok(None) };
    if !may_be_missing(name, observed, steps) {
        return Ok(None);
    }
    match app.cluster.create_namespace(name, wanted, app.dry_run).await {
        Ok(()) => Ok(None),
        Err(error) => {
            let error = Failure::unless_refused("creating the namespace", error)?;
            Ok(Some(error.to_string()))
        }
    }
}

fn may_be_missing(name: &str, observed: &Observed, steps: &[Step]) -> bool {
    let is_it = |id: &ObjectId| id.kind.is("", "Namespace") && id.name == name;
    let is_of_git = steps.iter().any(|step| is_it(&step.desired.id));
    let is_needed = |step: &Step| step.desired.id.namespace == name && is_creating(step);
    !is_of_git
        && steps.iter().any(is_needed)
        && !observed.live.keys().any(|id| id.namespace == name || is_it(id))
}

fn is_creating(step: &Step) -> bool {
    let is_sent = matches!(step.cause, Cause::New | Cause::Missing | Cause::Unknown);
    is_sent && step.live.is_none() && matches!(step.reaction, Reaction::Act(_))
}

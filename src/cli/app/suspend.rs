//! `suspend` and `resume`: an app is left alone, for as long as a person wants.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};

use super::page::reference;
use super::{AppArguments, Subject, request, say};
use crate::api::ConditionType;
use crate::cli::app::shown::Shown;
use crate::object::fields;
use crate::plan::controls::{SUSPEND, SUSPEND_REASON};
use crate::report::Failure;

/// Field manager: when its entry changed last, an app was suspended or resumed.
const MANAGER: &str = "gitops-sync-suspend";

/// Arguments of `suspend`.
#[derive(Debug, Args)]
pub struct Suspend {
    /// Why, for others to read in the app's status
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    app: AppArguments,
}

/// Stops the syncing of an app.
pub async fn suspend(arguments: Suspend) -> anyhow::Result<ExitCode> {
    let reason = arguments.reason.filter(|reason| !reason.trim().is_empty());
    match arguments.app.subject().await? {
        Subject::Resource(cluster, id) => {
            let app = reference(&id);
            warn_of_git(&request::get(&cluster, &id).await?, &app);
            let fields = suspension(true, reason.as_deref());
            request::merge(&cluster, &id, MANAGER, &fields).await?;
            say(&format!("{app} suspended: nothing is synced until gitops-sync resume {app}"))
        }
        Subject::Flags(store, app) => {
            let edit = |annotations: &mut Map<String, Value>| {
                annotations.insert(SUSPEND.to_owned(), json!("true"));
                match &reason {
                    Some(reason) => annotations.insert(SUSPEND_REASON.to_owned(), json!(reason)),
                    None => annotations.remove(SUSPEND_REASON),
                };
            };
            store.edit_annotations(&app, edit).await?;
            say(&format!(
                "{app} suspended: nothing is synced until gitops-sync resume --name {app}"
            ))
        }
    }
}

/// Has an app synced again.
pub async fn resume(arguments: AppArguments) -> anyhow::Result<ExitCode> {
    match arguments.subject().await? {
        Subject::Resource(cluster, id) => {
            let resource = request::get(&cluster, &id).await?;
            let before = Shown::of(&resource);
            if before.suspension.is_none() {
                return say(&not_suspended(&before));
            }
            warn_of_git(&resource, &reference(&id));
            request::merge(&cluster, &id, MANAGER, &suspension(false, None)).await?;
            say(&format!("{} resumed", reference(&id)))
        }
        Subject::Flags(store, app) => {
            let edit = |annotations: &mut Map<String, Value>| {
                annotations.retain(|key, _| key != SUSPEND && key != SUSPEND_REASON);
            };
            store.edit_annotations(&app, edit).await?;
            say(&format!("{app} resumed"))
        }
    }
}

/// The fields that suspend an app or end it: the default is that it is not.
fn suspension(is_on: bool, reason: Option<&str>) -> Value {
    let suspend = is_on.then_some(true);
    let annotations = if is_on {
        json!({SUSPEND_REASON: reason})
    } else {
        json!({SUSPEND_REASON: null, SUSPEND: null})
    };
    json!({"metadata": {"annotations": annotations}, "spec": {"suspend": suspend}})
}

/// Says that an app of apps will put it back, if so.
fn warn_of_git(resource: &Value, name: &str) {
    if is_in_git(resource) {
        eprintln!(
            "note: git declares spec.suspend of {name}, so that the app it is part of puts this back: change it in git, or suspend that app first"
        );
    }
}

/// Whether a manifest that we applied says whether the app is suspended.
fn is_in_git(resource: &Value) -> bool {
    fields::ours(resource).is_some_and(|entry| entry.fields()["f:spec"]["f:suspend"].is_object())
}

fn not_suspended(app: &Shown) -> String {
    let name = reference(&app.id);
    let suspended = Failure::Suspended(None).reason();
    let ready = app.status.conditions.get(ConditionType::Ready);
    match ready {
        Some(ready) if ready.reason == suspended => format!(
            "{name} is not suspended by its resource, but by the annotation {SUSPEND} of its inventory, or its daemon has not seen the last change yet"
        ),
        _ => format!("{name} is not suspended"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_declares_is_put_back() {
        let check = |manager: &str, set: Value, expect: bool| {
            let entry =
                json!({"manager": manager, "operation": "Apply", "fieldsV1": {"f:spec": set}});
            let resource = json!({"metadata": {"managedFields": [entry]}});
            assert_eq!(is_in_git(&resource), expect, "{resource}");
        };
        check("gitops-sync", json!({"f:suspend": {}}), true);
        check("gitops-sync", json!({"f:path": {}}), false);
        check("kubectl", json!({"f:suspend": {}}), false);
    }
}

//! `suspend` and `resume`: an app is left alone, for as long as a person wants.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};

use super::page::reference;
use super::{AppArguments, Subject, request, say};
use crate::api::ConditionType;
use crate::cli::app::shown::Shown;
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
            let fields = suspension(true, reason.as_deref());
            request::merge(&cluster, &id, MANAGER, &fields).await?;
            let app = reference(&id);
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
            let before = Shown::of(&request::get(&cluster, &id).await?);
            if before.suspension.is_none() {
                return say(&not_suspended(&before));
            }
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

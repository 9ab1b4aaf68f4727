//! `trigger`: an app is synced now.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use jiff::Timestamp;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::page::reference;
use super::shown::Shown;
use super::{AppArguments, Subject, request, say};
use crate::api::{ConditionType, Truth};
use crate::cli::common::duration;
use crate::cluster::Cluster;
use crate::object::ObjectId;
use crate::plan::controls::REQUESTED;
use crate::report::AppReason;

/// Field manager of requests.
const MANAGER: &str = "gitops-sync-trigger";
/// Time between two looks at the status.
const LOOK: Duration = Duration::from_millis(300);

/// Arguments of `trigger`.
#[derive(Debug, Args)]
pub struct Trigger {
    /// Wait until the sync has ended: the exit code is 0 if the app is ready then, else 1
    #[arg(long)]
    wait: bool,
    /// Longest time to wait
    #[arg(long, default_value = "5m", value_name = "TIME", value_parser = duration, requires = "wait")]
    timeout: Duration,
    #[command(flatten)]
    app: AppArguments,
}

/// Asks for a sync.
pub async fn trigger(arguments: Trigger) -> anyhow::Result<ExitCode> {
    let request = Timestamp::now().to_string();
    match arguments.app.subject().await? {
        Subject::Resource(cluster, id) => {
            let app = reference(&id);
            let shown = Shown::of(&request::get(&cluster, &id).await?);
            if shown.suspension.is_some() {
                bail!("{app} is suspended: nothing is synced until gitops-sync resume {app}");
            }
            let fields = json!({"metadata": {"annotations": {REQUESTED[0]: request}}});
            request::merge(&cluster, &id, MANAGER, &fields).await?;
            if arguments.wait {
                return wait(&cluster, &id, arguments.timeout).await;
            }
            say(&format!("{app} triggered: gitops-sync status {app} tells what becomes of it"))
        }
        Subject::Flags(..) if arguments.wait => {
            bail!("--wait needs an app with a GitOpsApp, whose status says what became of the sync")
        }
        Subject::Flags(store, app) => {
            store.annotate(&app, REQUESTED[0], |_| Some(request.clone())).await?;
            say(&format!("{app} triggered"))
        }
    }
}

/// Waits until the last request is handled, and says what the sync came to.
async fn wait(cluster: &Cluster, id: &ObjectId, timeout: Duration) -> anyhow::Result<ExitCode> {
    let deadline = Instant::now() + timeout;
    loop {
        let app = Shown::of(&request::get(cluster, id).await?);
        match progress(&app) {
            Progress::Ended { is_ready, line } => {
                say(&line)?;
                return Ok(if is_ready { ExitCode::SUCCESS } else { ExitCode::FAILURE });
            }
            Progress::Hindered(why) => bail!(why),
            Progress::Waits(why) if Instant::now() >= deadline => {
                bail!("{} was not synced within {}: {why}", reference(id), shown(timeout))
            }
            Progress::Waits(_) => sleep(LOOK).await,
        }
    }
}

fn shown(timeout: Duration) -> String {
    format!("{timeout:?}")
}

/// How far a sync that was asked for is.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    /// It has taken place.
    Ended { is_ready: bool, line: String },
    /// It does not take place until a person changes something.
    Hindered(String),
    /// It is to take place, and what is known meanwhile.
    Waits(String),
}

/// What a resource tells of the request that it carries.
fn progress(app: &Shown) -> Progress {
    let (status, name) = (&app.status, reference(&app.id));
    let ready = status.conditions.get(ConditionType::Ready);
    let said = ready.map(|ready| format!("{}: {}", ready.reason, ready.message));
    let said = said.unwrap_or_else(|| app.unseen());
    let is_handled = status.last_handled_reconcile_at.is_some()
        && status.last_handled_reconcile_at == app.controls.requested;
    if is_handled {
        let is_ready = ready.is_some_and(|ready| ready.status == Truth::True);
        let last = status.history.as_slice().first().map(|last| format!(" ({})", last.duration));
        return Progress::Ended {
            is_ready,
            line: format!("{name}: {said}{}", last.unwrap_or_default()),
        };
    }
    let reasons = [AppReason::InvalidSpec, AppReason::DependencyCycle].map(<&str>::from);
    let is_stuck = app.ready().is_some_and(|ready| reasons.contains(&ready.reason.as_str()));
    if is_stuck || app.suspension.is_some() || app.is_deleting {
        return Progress::Hindered(format!("{name} is not synced: {said}"));
    }
    Progress::Waits(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn it_is_waited_for_what_was_asked_last() {
        let check = |reason: &str, handled: Option<&str>, spec: Value, expect: Progress| {
            let app = json!({
                "metadata": {
                    "name": "web", "namespace": "team", "generation": 1,
                    "annotations": {"gitops-sync.dev/requested-at": "2"},
                },
                "spec": spec,
                "status": {
                    "observedGeneration": 1, "lastHandledReconcileAt": handled,
                    "conditions": [{
                        "type": "Ready", "status": if reason == "Synced" { "True" } else { "False" },
                        "reason": reason, "message": "Why", "lastTransitionTime": "2026-01-02T00:00:00Z",
                    }],
                    "history": [{"trigger": "x", "duration": "12ms", "result": "x", "time": "2026-01-02T00:00:00Z"}],
                },
            });
            assert_eq!(progress(&Shown::of(&app)), expect, "{app}");
        };
        let ended = |is_ready, line: &str| Progress::Ended { is_ready, line: line.to_owned() };
        let (none, waits) = (|| json!({}), |why: &str| Progress::Waits(why.to_owned()));
        let hindered = |why: &str| Progress::Hindered(format!("team/web is not synced: {why}"));
        check("Synced", Some("2"), none(), ended(true, "team/web: Synced: Why (12ms)"));
        check("ApplyFailed", Some("2"), none(), ended(false, "team/web: ApplyFailed: Why (12ms)"));
        check("Synced", Some("1"), none(), waits("Synced: Why"));
        check("Synced", None, none(), waits("Synced: Why"));
        check("DependencyNotReady", Some("1"), none(), waits("DependencyNotReady: Why"));
        check("InvalidSpec", Some("1"), none(), hindered("InvalidSpec: Why"));
        check("DependencyCycle", Some("1"), none(), hindered("DependencyCycle: Why"));
        check("Synced", Some("1"), json!({"suspend": true}), hindered("Synced: Why"));
    }
}

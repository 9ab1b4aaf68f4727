//! The one writer of what a pass came to: log lines and metrics.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::{error, info, warn};

use super::outcome::{Action, Done, Fate, Outcome, Trigger};
use super::{Failure, Metrics};
use crate::object::{AppId, ObjectId};
use crate::plan::diff::FieldDrift;

/// Publishes the passes of one app.
pub struct Publisher {
    app: AppId,
    metrics: Arc<Metrics>,
    /// What was said of the last pass: a lasting problem is said once.
    said: BTreeSet<String>,
    last_commit: Option<String>,
}

impl Publisher {
    /// A publisher that has said nothing yet.
    pub fn new(app: AppId, metrics: Arc<Metrics>) -> Self {
        Self { app, metrics, said: BTreeSet::new(), last_commit: None }
    }

    /// Tells what a pass came to, or what was put back between two passes.
    pub fn publish(&mut self, outcome: &Outcome) {
        outcome.done.iter().for_each(log_done);
        if outcome.trigger == Trigger::Drift {
            self.metrics.record_part(self.app.as_str(), outcome);
            for problem in problems(outcome) {
                warn!("{problem}");
            }
            return log_failure(outcome);
        }
        let commit = outcome.revision.as_ref().map(|revision| revision.commit.clone());
        let is_new = commit.is_some() && commit != self.last_commit;
        self.metrics.record(self.app.as_str(), outcome, now(), is_new);
        if outcome.is_success() {
            self.last_commit = commit;
        }
        outcome.leftovers.iter().for_each(log_pruned);
        let problems = problems(outcome);
        for problem in &problems {
            if !self.said.contains(problem) {
                warn!("{problem}");
            }
        }
        self.said = problems.into_iter().collect();
        log_pass(outcome);
    }

    /// Tells which fights began, and how many there are.
    pub fn fights(&self, begun: &[&Done], all: usize) {
        self.metrics.fights(self.app.as_str(), all);
        for done in begun {
            let id = &done.desired.id;
            let drifts = match &done.action {
                Action::Reverted(drifts) => drifts.as_slice(),
                _ => &[],
            };
            let fields: Vec<_> = drifts.iter().map(|drift| drift.path.as_str()).collect();
            let manager = drifts.iter().find_map(|drift| drift.by.as_ref());
            warn!(
                object = %id, namespace = some(&id.namespace), fields = some(&fields.join(",")),
                manager = manager.map(|tool| tool.manager.as_str()),
                "Fight: changed again each time it is put back; it is put back more slowly from now on"
            );
        }
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// A field that is left out of the line when it is empty.
fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn log_done(done: &Done) {
    let id = &done.desired.id;
    match &done.action {
        Action::Reverted(drifts) => drifts.iter().for_each(|drift| log_drift(id, drift)),
        Action::Recreated => {
            warn!(object = %id, namespace = some(&id.namespace), "Drift reverted: the object had been deleted");
        }
        action @ (Action::Created | Action::Configured | Action::Reowned) => {
            let action: &str = action.into();
            info!(object = %id, namespace = some(&id.namespace), action, "Applied");
        }
        _ => {}
    }
}

/// One line per field: which, from what to what, and by which tool.
fn log_drift(id: &ObjectId, drift: &FieldDrift) {
    let FieldDrift { path: field, wanted, found, by } = drift;
    let namespace = some(&id.namespace);
    if let Some(tool) = by {
        warn!(
            object = %id, namespace, field, %wanted, %found, manager = tool.manager,
            operation = tool.operation, subresource = some(&tool.subresource),
            time = some(&tool.time), "Drift reverted"
        );
    } else {
        warn!(
            object = %id, namespace, field, %wanted, %found, manager = "unknown",
            "Drift reverted: a removed field has no owner to name"
        );
    }
}

fn log_pruned((id, fate): &(ObjectId, Fate)) {
    if *fate == Fate::Pruned {
        info!(object = %id, namespace = some(&id.namespace), "Pruned: no longer in git");
    }
}

/// Everything that keeps the app from being in sync, one sentence each.
fn problems(outcome: &Outcome) -> Vec<String> {
    let mut problems: Vec<_> =
        outcome.diagnostics.iter().map(|d| format!("Bad manifest: {d}")).collect();
    problems.extend(outcome.unlisted.iter().map(|(kind, why)| {
        format!("Cannot list {kind}: {why}; its objects are applied unseen and nothing is pruned")
    }));
    for done in &outcome.done {
        let id = &done.desired.id;
        match &done.action {
            Action::Failed(why) => {
                let (place, origin) = (place(id), &done.desired.manifest.origin);
                problems.push(format!("Cannot apply {id}{place} ({origin}): {why}"));
            }
            Action::Waiting(why) => {
                problems.push(format!("Waiting with {id}{}: {why}", place(id)));
            }
            _ => {}
        }
    }
    for (id, fate) in &outcome.leftovers {
        let place = place(id);
        match fate {
            Fate::Spared(why) => problems.push(format!("Not pruned: {id}{place} {why}")),
            Fate::Failed(why) => problems.push(format!("Cannot prune {id}{place}: {why}")),
            Fate::Pruned | Fate::Gone => {}
        }
    }
    problems
}

fn place(id: &ObjectId) -> String {
    match id.namespace.as_str() {
        "" => String::new(),
        namespace => format!(" in namespace {namespace}"),
    }
}

/// What stopped a pass, if anything.
fn log_failure(outcome: &Outcome) {
    let Some(failure) = &outcome.failure else { return };
    let trigger: &str = outcome.trigger.into();
    let (revision, seconds) =
        (outcome.revision.as_ref().map(ToString::to_string), seconds(outcome));
    if matches!(failure, Failure::Stopped) {
        return info!(revision, trigger, seconds, "Sync stopped");
    }
    error!(reason = failure.reason(), revision, trigger, seconds, "Sync failed: {failure}");
}

fn seconds(outcome: &Outcome) -> f64 {
    (outcome.duration.as_secs_f64() * 1000.0).round() / 1000.0
}

/// The closing line of a pass.
fn log_pass(outcome: &Outcome) {
    if outcome.failure.is_some() {
        return log_failure(outcome);
    }
    let trigger: &str = outcome.trigger.into();
    let (revision, seconds) =
        (outcome.revision.as_ref().map(ToString::to_string), seconds(outcome));
    let count = |what: fn(&Action) -> bool| outcome.count(what);
    let reverted = count(|a| matches!(a, Action::Reverted(_) | Action::Recreated));
    let (created, configured) = (
        count(|a| *a == Action::Created),
        count(|a| matches!(a, Action::Configured | Action::Reowned)),
    );
    let (unchanged, pruned, failed) =
        (count(|a| *a == Action::Unchanged), outcome.pruned(), outcome.failed());
    let objects = outcome.done.len();
    let skipped = (outcome.skipped > 0).then_some(outcome.skipped);
    // Level and message are fixed in each log statement, the fields are the same.
    macro_rules! close {
        ($log:ident, $message:literal) => {
            $log!(
                revision, trigger, objects, created, configured, unchanged, reverted, pruned,
                failed, skipped, seconds, $message
            )
        };
    }
    if failed == 0 { close!(info, "Synced") } else { close!(warn, "Synced in part") }
}

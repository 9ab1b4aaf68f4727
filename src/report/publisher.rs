//! The one writer of what a pass came to: log lines, metrics and events.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;
use tracing::{debug, error, info, warn};

use super::done::{Action, Done};
use super::outcome::{Fate, Outcome, Trigger};
use super::plan::Plan;
use super::problems::{Named, problems, rewritten};
use super::{AppResource, AppStatus, Failure, Metrics, Notice, events};
use crate::cluster::events::Event;
use crate::object::{AppId, ObjectId};
use crate::plan::Fares;
use crate::plan::diff::FieldDrift;
use crate::plan::yields::Yield;

/// Publishes the passes of one app.
pub struct Publisher {
    app: AppId,
    metrics: Arc<Metrics>,
    /// Takes events to where they are posted.
    events: Sender<Event>,
    /// What was said of the last pass: a lasting problem is said once.
    said: BTreeSet<String>,
    last_commit: Option<String>,
    /// The refusal of a commit that was said last.
    refusal: Option<String>,
    /// The app's state, for the HTTP server.
    status: watch::Sender<AppStatus>,
    /// The app's resource, if it has one.
    resource: Option<AppResource>,
    /// Whether its objects are in another cluster than its resource.
    is_remote: bool,
}

impl Publisher {
    /// A publisher that has said nothing yet.
    pub fn new(
        app: AppId,
        metrics: Arc<Metrics>,
        events: Sender<Event>,
        status: watch::Sender<AppStatus>,
    ) -> Self {
        let (said, last_commit, refusal) = (BTreeSet::new(), None, None);
        let (resource, is_remote) = (None, false);
        Self { app, metrics, events, said, last_commit, refusal, status, resource, is_remote }
    }

    /// Publishes to the app's resource as well.
    #[must_use]
    pub fn with_resource(self, resource: AppResource) -> Self {
        Self { resource: Some(resource), ..self }
    }

    /// From now on what is published is of objects in this cluster, or in another one.
    pub fn goes_to(&mut self, is_remote: bool) {
        self.is_remote = is_remote;
    }

    /// From now on what is published is of this generation of the app's resource.
    pub fn observe(&mut self, generation: i64) {
        if let Some(resource) = &mut self.resource {
            resource.observe(generation);
        }
    }

    /// Tells what a pass came to, or what was put back between two passes.
    pub fn publish(&mut self, outcome: &Outcome) {
        if let Some(Failure::Suspended(why)) = &outcome.failure {
            return self.notice(&Notice::Suspended(why.clone()));
        }
        if outcome.is_plan {
            return self.plan(outcome);
        }
        if let Some(Failure::DependencyNotReady(blocked)) = &outcome.failure {
            return self.notice(&Notice::of(blocked));
        }
        if let Some(sentence) = rewritten(outcome) {
            warn!(reason = <&str>::from(super::AppReason::BranchRewritten), "{sentence}");
        }
        outcome.unchecked.iter().for_each(log_unchecked);
        outcome.done.iter().for_each(log_done);
        // The app's own first: of those of many objects the last may be too many.
        if let Some(resource) = &mut self.resource {
            let told = resource.take(outcome, Timestamp::now());
            self.hand_over(told);
        }
        self.hand_over(self.on_objects(events::events(outcome, &self.said, Timestamp::now())));
        if outcome.trigger == Trigger::Drift {
            self.metrics.record_part(self.app.as_str(), outcome);
            let problems = self.log_problems(outcome);
            self.said.extend(problems);
            return self.log_failure(outcome);
        }
        self.suspended(false, None);
        self.status.send_modify(|status| status.record(outcome, Timestamp::now().to_string()));
        let commit = outcome.revision.as_ref().map(|revision| revision.commit.clone());
        let is_new = commit.is_some() && commit != self.last_commit;
        self.metrics.record(self.app.as_str(), outcome, now(), is_new);
        if outcome.is_success() {
            self.last_commit = commit;
        }
        outcome.leftovers.iter().for_each(log_pruned);
        self.said = self.log_problems(outcome);
        if outcome.failure.is_some() { self.log_failure(outcome) } else { self.log_pass(outcome) }
    }

    /// Whether drift was put back of which the app's resource is yet to be told.
    pub fn has_untold_drift(&self) -> bool {
        self.resource.as_ref().is_some_and(AppResource::has_untold_drift)
    }

    /// Tells it.
    pub fn tell_drift(&mut self) {
        if let Some(resource) = &mut self.resource {
            let told = resource.tell_drift(Timestamp::now());
            self.hand_over(told);
        }
    }

    /// Tells what a pass would come to.
    fn plan(&mut self, outcome: &Outcome) {
        self.suspended(false, None);
        self.said = self.log_problems(outcome);
        if let Some(plan) = Plan::of(outcome).filter(|_| outcome.is_success()) {
            return self.notice(&Notice::OutOfSync(plan));
        }
        if let Some(resource) = &mut self.resource {
            let told = resource.take(outcome, Timestamp::now());
            self.hand_over(told);
        }
        self.log_failure(outcome);
    }

    /// From now on another replica knows how the app fares.
    pub fn stands_by(&mut self) {
        self.metrics.forget_state(self.app.as_str());
        self.status.send_modify(|status| {
            let (name, source) = (std::mem::take(&mut status.name), status.source.take());
            *status = AppStatus { name, source, ..AppStatus::default() };
        });
        (self.said, self.last_commit) = (BTreeSet::new(), None);
        self.resource.iter_mut().for_each(AppResource::stands_by);
    }

    /// Whether a request for a sync has yet to be heeded.
    pub fn is_new(&self, request: Option<&str>) -> bool {
        let resource = self.resource.as_ref();
        request.is_some_and(|request| resource.is_some_and(|resource| resource.is_new(request)))
    }

    /// What is shown of the app.
    pub fn shown(&self) -> watch::Receiver<AppStatus> {
        self.status.subscribe()
    }

    /// Whether anybody wants to know how the objects fare.
    pub fn tells_health(&self) -> bool {
        self.resource.is_some()
    }

    /// Tells how the objects fare.
    pub fn fares(&mut self, fares: &Fares) {
        if let Some(resource) = &mut self.resource {
            resource.fares(fares, Timestamp::now());
        }
    }

    /// Notes that a person's request for a sync was heeded.
    pub fn handled(&mut self, request: Option<&str>) {
        if let (Some(resource), Some(request)) = (&mut self.resource, request) {
            resource.handled(request);
        }
    }

    /// Tells what keeps the app from being synced at all.
    pub fn notice(&mut self, notice: &Notice) {
        if let Some(resource) = &mut self.resource {
            let told = resource.notice(notice, Timestamp::now());
            told.iter().filter(|_| !notice.is_suspension()).for_each(log_notice);
            self.hand_over(told);
        }
        if let Notice::Suspended(why) = notice {
            self.suspended(true, why.as_deref());
        }
    }

    /// Tells what is left of an app that was to be deleted with its objects.
    pub fn parted(
        &self,
        abandoned: &[ObjectId],
        undeleted: &[(ObjectId, String)],
        unreached: &[(ObjectId, String)],
    ) {
        if let Some(resource) = &self.resource {
            self.hand_over(resource.parted(abandoned, undeleted, unreached, Timestamp::now()));
        }
    }

    /// Notes that an app is suspended, perhaps for a reason, or is not.
    fn suspended(&self, is_suspended: bool, reason: Option<&str>) {
        self.metrics.suspended(self.app.as_str(), is_suspended);
        let is_news = self.status.send_if_modified(|status| {
            std::mem::replace(&mut status.suspended, is_suspended) != is_suspended
        });
        match is_suspended {
            true if is_news => {
                info!(reason, "Suspended: nothing is synced until gitops-sync resume");
            }
            false if is_news => info!("Resumed"),
            _ => {}
        }
    }

    /// Says the problems that were not said before, and returns all.
    fn log_problems(&self, outcome: &Outcome) -> BTreeSet<String> {
        let all = outcome.done.iter().filter_map(|done| Some((done.problem()?, done)));
        let (drifts, others): (Vec<_>, Vec<_>) =
            all.partition(|(_, done)| done.action.is_told() && !done.action.drifts().is_empty());
        let named = Named { app: &self.app, has_resource: self.resource.is_some() };
        let mut said = problems(named, outcome);
        said.extend(others.into_iter().map(|(problem, _)| problem));
        for problem in said.iter().filter(|problem| !self.said.contains(*problem)) {
            warn!("{problem}");
        }
        for (problem, done) in drifts {
            if !self.said.contains(&problem) {
                log_left(done);
            }
            said.push(problem);
        }
        said.into_iter().collect()
    }

    /// What stopped a pass, if anything. That a commit is refused is said once.
    fn log_failure(&mut self, outcome: &Outcome) {
        let refusal = match &outcome.failure {
            Some(Failure::Source(why)) if why.is_refusal() => Some(why.to_string()),
            _ => None,
        };
        let is_said = refusal.is_some() && refusal == self.refusal;
        if outcome.trigger != Trigger::Drift {
            self.refusal = refusal;
        }
        if !is_said {
            log_failure(outcome);
        }
    }

    /// The closing line of a pass.
    fn log_pass(&mut self, outcome: &Outcome) {
        self.refusal = None;
        log_pass(outcome);
    }

    /// Tells which fights began, and how many there are.
    pub fn fights(&self, begun: &[&Done], all: usize) {
        self.metrics.fights(self.app.as_str(), all);
        for done in begun {
            log_fight(done);
        }
        let now = Timestamp::now();
        self.hand_over(self.on_objects(begun.iter().map(|done| events::fight(done, now))));
        if let Some(resource) = &self.resource {
            self.hand_over(resource.fights(begun, now));
        }
    }

    /// Events on objects that may be told there. Of what is not known to be the app's, only its resource tells:
    /// whoever declares an object of others has no say in their namespace.
    fn on_objects(&self, events: impl IntoIterator<Item = Event>) -> Vec<Event> {
        let may_be_told = |event: &Event| match self.resource {
            Some(_) => !self.is_remote && event.regarding.uid.is_some(),
            None => true,
        };
        events.into_iter().filter(may_be_told).collect()
    }

    /// Queues events without waiting: log lines have told all.
    fn hand_over(&self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            if let Err(error) = self.events.try_send(event) {
                debug!("Event dropped: {error}");
            }
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

fn log_unchecked(done: &Done) {
    let id = &done.desired.id;
    if let Action::NotChecked(why) = done.action {
        info!(object = %id, namespace = some(&id.namespace), "Not checked by the server before the first write: {why}");
    }
}

fn log_done(done: &Done) {
    let id = &done.desired.id;
    match &done.action {
        Action::Reverted(drifts) => drifts.iter().for_each(|drift| log_reverted(id, drift)),
        Action::Adopted(drifts) => drifts.iter().for_each(|drift| log_taken_over(id, drift)),
        Action::Replaced(fields) => warn!(
            object = %id, namespace = some(&id.namespace), action = "replaced", fields,
            "Replaced: it cannot be changed, and was deleted and created again"
        ),
        Action::Recreated => {
            warn!(object = %id, namespace = some(&id.namespace), "Drift reverted: the object had been deleted");
        }
        Action::Yielded(given) => given.iter().for_each(|given| log_yield(id, given)),
        action @ (Action::Created | Action::Configured | Action::Reowned) => {
            let action: &str = action.into();
            info!(object = %id, namespace = some(&id.namespace), action, "Applied");
        }
        _ => {}
    }
}

fn log_fight(done: &Done) {
    let id = &done.desired.id;
    let fields: Vec<_> = done.action.drifts().iter().map(|drift| drift.path.as_str()).collect();
    warn!(
        object = %id, namespace = some(&id.namespace), fields = some(&fields.join(",")),
        manager = done.action.tool().map(|tool| tool.manager.as_str()),
        "Fight: changed again each time it is put back; it is put back more slowly from now on"
    );
}

/// Logs one field that others changed: which, what is wanted and what was found, and by which tool.
macro_rules! log_drift {
    ($id:expr, $drift:expr, $message:literal) => {{
        let (id, FieldDrift { path: field, wanted, found, by }) = ($id, $drift);
        let (by, namespace) = (by.as_ref(), some(&id.namespace));
        warn!(
            object = %id, namespace, field, %wanted, %found,
            manager = by.map_or("unknown", |tool| tool.manager.as_str()),
            operation = by.map(|tool| tool.operation.as_str()),
            subresource = by.and_then(|tool| some(&tool.subresource)),
            time = by.and_then(|tool| some(&tool.time)), $message
        );
    }};
}

fn log_reverted(id: &ObjectId, drift: &FieldDrift) {
    // A removed field has no owner to name.
    log_drift!(id, drift, "Drift reverted");
}

fn log_taken_over(id: &ObjectId, drift: &FieldDrift) {
    log_drift!(id, drift, "Taken over: removed what git does not set");
}

/// What was found and stays as it is.
fn log_left(done: &Done) {
    let id = &done.desired.id;
    for drift in done.action.drifts() {
        match done.action {
            Action::Extended(..) => log_drift!(id, drift, "Addition left as it is"),
            Action::Conflicted(_) => log_drift!(id, drift, "Conflict left as it is"),
            _ => log_drift!(id, drift, "Drift left as it is"),
        }
    }
    if let Action::Extended(_, Some(why)) = &done.action {
        warn!(object = %id, namespace = some(&id.namespace), "Its removal was refused: {why}");
    }
}

fn log_yield(id: &ObjectId, Yield { path: field, to: manager }: &Yield) {
    info!(
        object = %id, namespace = some(&id.namespace), field, manager,
        "Given up: another manager has this field now"
    );
}

fn log_pruned((id, fate): &(ObjectId, Fate)) {
    if matches!(fate, Fate::Pruned { .. }) {
        info!(object = %id, namespace = some(&id.namespace), "Pruned: no longer in git");
    }
}

/// Why nothing is synced.
fn log_notice(event: &Event) {
    let Event { reason, note, .. } = event;
    if event.is_warning {
        warn!(reason, "Not synced: {note}");
    } else {
        info!(reason, "Not synced: {note}");
    }
}

/// What stopped a pass, if anything.
fn log_failure(outcome: &Outcome) {
    let Some(failure) = &outcome.failure else { return };
    let trigger: &str = outcome.trigger.into();
    let (revision, seconds) =
        (outcome.revision.as_ref().map(ToString::to_string), seconds(outcome));
    if matches!(failure, Failure::Stopped | Failure::NotLeader) {
        return info!(revision, trigger, seconds, "Sync stopped: {failure}");
    }
    error!(reason = failure.reason(), revision, trigger, seconds, "Sync failed: {failure}");
}

fn seconds(outcome: &Outcome) -> f64 {
    (outcome.duration.as_secs_f64() * 1000.0).round() / 1000.0
}

/// The closing line of a pass that nothing stopped.
fn log_pass(outcome: &Outcome) {
    let trigger: &str = outcome.trigger.into();
    let (revision, seconds) =
        (outcome.revision.as_ref().map(ToString::to_string), seconds(outcome));
    let count = |what: fn(&Action) -> bool| outcome.count(what);
    let reverted = count(|a| matches!(a, Action::Reverted(_) | Action::Recreated));
    let (created, configured) = (count(|a| *a == Action::Created), count(Action::is_configured));
    let (unchanged, pruned, failed) =
        (count(Action::is_unchanged), outcome.pruned(), outcome.failed());
    let objects = outcome.done.len();
    let if_any = |number: usize| (number > 0).then_some(number);
    let skipped = if_any(outcome.skipped);
    let drifted = if_any(count(|a| matches!(a, Action::Drifted(_))));
    let (overridden, fought) = (if_any(outcome.overridden()), if_any(outcome.fought()));
    let (held, conflicted) = (if_any(outcome.held()), if_any(outcome.conflicted()));
    let claimed = if_any(outcome.claims());
    let replaced = if_any(count(|a| matches!(a, Action::Replaced(_))));
    // Level and message are fixed in each log statement, the fields are the same.
    macro_rules! close {
        ($log:ident, $message:literal) => {
            $log!(
                revision, trigger, objects, created, configured, unchanged, reverted, pruned,
                failed, held, replaced, drifted, conflicted, claimed, fought, overridden, skipped,
                seconds, $message
            )
        };
    }
    if outcome.is_success() { close!(info, "Synced") } else { close!(warn, "Synced in part") }
}

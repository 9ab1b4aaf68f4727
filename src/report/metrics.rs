//! The `gitops_sync_*` metrics.

use prometheus::{
    Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use super::done::{Action, Done, Reason};
use super::outcome::{Fate, Outcome};
use super::status::states;

/// Managers of drift that get a series of their own; any further one counts as `other`.
const MANAGERS: usize = 20;

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    runs: IntCounterVec,
    failures: IntCounterVec,
    last_duration: GaugeVec,
    last_success: GaugeVec,
    revision: IntGaugeVec,
    objects: IntGaugeVec,
    applied: IntCounterVec,
    pruned: IntCounterVec,
    drift_reverts: IntCounterVec,
    fights: IntGaugeVec,
    suspended: IntGaugeVec,
    leader: IntGaugeVec,
    stage_duration: HistogramVec,
    git_fetch: HistogramVec,
    api_requests: IntCounterVec,
    commit_to_live: GaugeVec,
    managers: std::sync::Mutex<std::collections::BTreeSet<String>>,
}

impl Metrics {
    /// Registers all metrics.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let metric =
                IntCounterVec::new(Opts::new(format!("gitops_sync_{name}"), help), labels)?;
            registry.register(Box::new(metric.clone())).map(|()| metric)
        };
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            let metric = GaugeVec::new(Opts::new(format!("gitops_sync_{name}"), help), labels)?;
            registry.register(Box::new(metric.clone())).map(|()| metric)
        };
        let int_gauge = |name: &str, help: &str, labels: &[&str]| {
            let metric = IntGaugeVec::new(Opts::new(format!("gitops_sync_{name}"), help), labels)?;
            registry.register(Box::new(metric.clone())).map(|()| metric)
        };
        let histogram = |name: &str, help: &str, labels: &[&str]| {
            let options = HistogramOpts::new(format!("gitops_sync_{name}"), help)
                .buckets(prometheus::exponential_buckets(0.005, 2.0, 14)?);
            let metric = HistogramVec::new(options, labels)?;
            registry.register(Box::new(metric.clone())).map(|()| metric)
        };
        Ok(Self {
            runs: counter("runs_total", "Passes by result.", &["app", "result"])?,
            failures: counter("failures_total", "Failures by reason.", &["app", "reason"])?,
            last_duration: gauge("last_duration_seconds", "Duration of the last pass.", &["app"])?,
            last_success: gauge(
                "last_success_timestamp_seconds",
                "When a pass last left everything in sync.",
                &["app"],
            )?,
            revision: int_gauge(
                "revision_info",
                "The commit last seen; always 1.",
                &["app", "revision"],
            )?,
            objects: int_gauge("objects", "Desired objects by state.", &["app", "state"])?,
            applied: counter(
                "applied_total",
                "Objects applied, by what it did.",
                &["app", "action"],
            )?,
            pruned: counter(
                "pruned_total",
                "Objects deleted because git no longer has them.",
                &["app"],
            )?,
            drift_reverts: counter(
                "drift_reverts_total",
                "Objects put back after a foreign change, by the tool that made it.",
                &["app", "kind", "manager"],
            )?,
            fights: int_gauge(
                "fights",
                "Objects that others change again each time they are put back.",
                &["app"],
            )?,
            suspended: int_gauge(
                "suspended",
                "Whether a person suspended the app: 1 while nothing is synced.",
                &["app"],
            )?,
            leader: int_gauge("leader", "Whether this replica writes: 1 or 0.", &[])?,
            stage_duration: histogram(
                "stage_duration_seconds",
                "Duration by stage of a pass.",
                &["app", "stage"],
            )?,
            git_fetch: histogram("git_fetch_seconds", "Duration of git fetches.", &[])?,
            api_requests: counter(
                "api_requests_total",
                "Requests to the API server; code 0 is no answer.",
                &["verb", "code"],
            )?,
            commit_to_live: gauge(
                "commit_to_live_seconds",
                "From the commit's own time to all its objects applied, for the last new commit.",
                &["app"],
            )?,
            managers: std::sync::Mutex::default(),
            registry,
        })
    }

    /// The text that Prometheus scrapes.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        let mut buffer = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer).into_owned())
    }

    /// Counts one request to the API server.
    pub fn api_request(&self, verb: &str, code: u16) {
        self.api_requests.with_label_values(&[verb, &code.to_string()]).inc();
    }

    /// Takes over what a pass came to. `now` is in seconds since 1970.
    pub fn record(&self, app: &str, outcome: &Outcome, now: f64, is_new_commit: bool) {
        let result = if outcome.is_success() { "success" } else { "failure" };
        self.runs.with_label_values(&[app, result]).inc();
        self.last_duration.with_label_values(&[app]).set(outcome.duration.as_secs_f64());
        for (stage, duration) in &outcome.stages {
            self.stage_duration.with_label_values(&[app, stage]).observe(duration.as_secs_f64());
            if *stage == "fetch" {
                self.git_fetch.with_label_values::<&str>(&[]).observe(duration.as_secs_f64());
            }
        }
        self.record_part(app, outcome);
        self.record_objects(app, outcome);
        if let Some(revision) = &outcome.revision {
            self.revision.reset();
            self.revision.with_label_values(&[app, &revision.commit]).set(1);
        }
        if outcome.is_success() {
            self.last_success.with_label_values(&[app]).set(now);
            let changed = outcome.count(|a| matches!(a, Action::Created | Action::Configured));
            let is_news = is_new_commit && changed + outcome.pruned() > 0;
            if let Some(revision) = outcome.revision.as_ref().filter(|_| is_news) {
                #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
                let seconds = (now - revision.time as f64).max(0.0);
                self.commit_to_live.with_label_values(&[app]).set(seconds);
            }
        }
    }

    /// Takes over what was put back between two passes.
    pub fn record_part(&self, app: &str, outcome: &Outcome) {
        self.record_failures(app, outcome);
        for done in &outcome.done {
            let is_written = done.action.is_in_sync() && !done.action.is_unchanged();
            if is_written || matches!(done.action, Action::Failed(_)) {
                self.applied.with_label_values(&[app, (&done.action).into()]).inc();
            }
            self.record_drift(app, done);
        }
    }

    /// Sets whether an app is suspended.
    pub fn suspended(&self, app: &str, is_suspended: bool) {
        self.suspended.with_label_values(&[app]).set(is_suspended.into());
    }

    /// Sets whether this replica writes.
    pub fn leader(&self, is_leader: bool) {
        self.leader.with_label_values::<&str>(&[]).set(is_leader.into());
    }

    /// Sets the number of objects that are fought over.
    pub fn fights(&self, app: &str, number: usize) {
        self.fights.with_label_values(&[app]).set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    fn record_failures(&self, app: &str, outcome: &Outcome) {
        let count = |reason: &str| self.failures.with_label_values(&[app, reason]).inc();
        if let Some(failure) = &outcome.failure {
            count(failure.reason());
        }
        outcome.diagnostics.iter().for_each(|d| count((&d.problem).into()));
        let refused = outcome.count(|action| matches!(action, Action::Failed(_)));
        (0..refused).for_each(|_| count(Reason::ApplyFailed.into()));
        let undeleted = outcome.leftovers.iter().filter(|(_, f)| matches!(f, Fate::Failed(_)));
        undeleted.for_each(|_| count(Reason::PruneFailed.into()));
    }

    fn record_objects(&self, app: &str, outcome: &Outcome) {
        if !outcome.done.is_empty() || outcome.failure.is_none() {
            for (state, number) in states(outcome) {
                let number = i64::try_from(number).unwrap_or(i64::MAX);
                self.objects.with_label_values(&[app, state]).set(number);
            }
        }
        self.pruned.with_label_values(&[app]).inc_by(outcome.pruned() as u64);
    }

    fn record_drift(&self, app: &str, done: &Done) {
        if !matches!(done.action, Action::Reverted(_) | Action::Recreated) {
            return;
        }
        let manager = done.action.tool().map_or("unknown", |tool| tool.manager.as_str());
        let kind = done.desired.id.kind.to_string();
        self.drift_reverts.with_label_values(&[app, &kind, &self.bounded(manager)]).inc();
    }

    /// A manager's name as a label: names beyond the first few share one series.
    fn bounded(&self, manager: &str) -> String {
        let Ok(mut known) = self.managers.lock() else { return "other".to_owned() };
        if known.len() < MANAGERS || known.contains(manager) {
            known.insert(manager.to_owned());
            return manager.to_owned();
        }
        "other".to_owned()
    }
}

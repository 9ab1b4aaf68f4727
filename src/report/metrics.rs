//! The `gitops_sync_*` metrics.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::{
    Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use super::done::{Action, Done, Reason};
use super::outcome::{Fate, Outcome};
use super::state::states;

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
    apps: IntGaugeVec,
    stage_duration: HistogramVec,
    git_fetch: HistogramVec,
    api_requests: IntCounterVec,
    commit_to_live: GaugeVec,
    managers: Mutex<BTreeSet<String>>,
    /// The commit that each app's series shows.
    commits: Mutex<BTreeMap<String, String>>,
}

impl Metrics {
    /// Registers all metrics.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            registered(&registry, IntCounterVec::new(options(name, help), labels)?)
        };
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            registered(&registry, GaugeVec::new(options(name, help), labels)?)
        };
        let int_gauge = |name: &str, help: &str, labels: &[&str]| {
            registered(&registry, IntGaugeVec::new(options(name, help), labels)?)
        };
        let histogram = |name: &str, help: &str, labels: &[&str]| {
            let buckets = prometheus::exponential_buckets(0.005, 2.0, 14)?;
            let options = HistogramOpts::from(options(name, help)).buckets(buckets);
            registered(&registry, HistogramVec::new(options, labels)?)
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
            apps: int_gauge("apps", "GitOpsApps for which this replica writes.", &[])?,
            stage_duration: histogram(
                "stage_duration_seconds",
                "Duration by stage of a pass, of all apps: for each app it would be too many series.",
                &["stage"],
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
            managers: Mutex::default(),
            commits: Mutex::default(),
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
            self.stage_duration.with_label_values(&[*stage]).observe(duration.as_secs_f64());
            if *stage == "fetch" {
                self.git_fetch.with_label_values::<&str>(&[]).observe(duration.as_secs_f64());
            }
        }
        self.record_part(app, outcome);
        self.record_objects(app, outcome);
        if let Some(revision) = outcome.accepted() {
            self.record_revision(app, &revision.commit);
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

    /// Removes all series of an app that is no more.
    pub fn forget(&self, app: &str) {
        self.forget_state(app);
        for counters in
            [&self.runs, &self.failures, &self.applied, &self.pruned, &self.drift_reverts]
        {
            forget(counters, app);
        }
    }

    /// Removes what tells how an app fares, since another replica knows that by now. Counters stay: they tell what
    /// this one did.
    pub fn forget_state(&self, app: &str) {
        if let Ok(mut commits) = self.commits.lock() {
            commits.remove(app);
        }
        for gauges in [&self.revision, &self.objects, &self.fights, &self.suspended] {
            forget(gauges, app);
        }
        for gauges in [&self.last_duration, &self.last_success, &self.commit_to_live] {
            forget(gauges, app);
        }
    }

    /// Shows the commit as the app's one revision.
    fn record_revision(&self, app: &str, commit: &str) {
        let Ok(mut commits) = self.commits.lock() else { return };
        let before = commits.insert(app.to_owned(), commit.to_owned());
        if let Some(before) = before.filter(|before| before != commit) {
            // It is gone already if the app was forgotten.
            let _ = self.revision.remove_label_values(&[app, &before]);
        }
        self.revision.with_label_values(&[app, commit]).set(1);
    }

    /// Sets whether an app is suspended.
    pub fn suspended(&self, app: &str, is_suspended: bool) {
        self.suspended.with_label_values(&[app]).set(is_suspended.into());
    }

    /// Sets whether this replica writes.
    pub fn leader(&self, is_leader: bool) {
        self.leader.with_label_values::<&str>(&[]).set(is_leader.into());
    }

    /// Sets the number of apps for which this replica writes.
    pub fn apps(&self, number: usize) {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        self.apps.with_label_values::<&str>(&[]).set(number);
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

/// Removes the series of an app from a metric.
fn forget<T: MetricVecBuilder>(metric: &MetricVec<T>, app: &str) {
    let families = metric.collect();
    let all = families.iter().flat_map(prometheus::proto::MetricFamily::get_metric);
    for series in all {
        let labels = series.get_label().iter().map(|label| (label.name(), label.value()));
        let labels: HashMap<_, _> = labels.collect();
        if labels.get("app") == Some(&app) {
            // Gone is gone.
            let _ = metric.remove(&labels);
        }
    }
}

fn options(name: &str, help: &str) -> Opts {
    Opts::new(format!("gitops_sync_{name}"), help)
}

fn registered<M: Collector + Clone + 'static>(
    registry: &Registry,
    metric: M,
) -> Result<M, prometheus::Error> {
    registry.register(Box::new(metric.clone())).map(|()| metric)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Failure;
    use crate::source::Revision;

    fn outcome(commit: &str) -> Outcome {
        let (name, commit) = (Some("main".to_owned()), commit.into());
        let revision = Revision { name, commit, ..Revision::default() };
        let stages = vec![("fetch", std::time::Duration::from_secs(1))];
        Outcome { revision: Some(revision), stages, ..Outcome::new(crate::report::Trigger::Start) }
    }

    /// The series with this beginning, by what they count.
    fn series(metrics: &Metrics, prefix: &str) -> Vec<String> {
        let text = metrics.text().unwrap();
        text.lines().filter(|line| line.starts_with(prefix)).map(str::to_owned).collect()
    }

    #[test]
    fn each_app_has_one_revision() {
        let metrics = Metrics::new().unwrap();
        let check = |app: &str, commit: &str, expect: &[&str]| {
            metrics.record(app, &outcome(commit), 0.0, true);
            let expect: Vec<_> = expect
                .iter()
                .map(|labels| format!("gitops_sync_revision_info{{{labels}}} 1"))
                .collect();
            assert_eq!(series(&metrics, "gitops_sync_revision_info"), expect, "{app} {commit}");
        };
        let (a1, a2, b1) =
            (r#"app="a",revision="1""#, r#"app="a",revision="2""#, r#"app="b",revision="1""#);
        check("a", "1", &[a1]);
        check("b", "1", &[a1, b1]);
        check("a", "1", &[a1, b1]);
        check("a", "2", &[a2, b1]);
    }

    #[test]
    fn nothing_is_left_of_an_app_that_is_forgotten() {
        let metrics = Metrics::new().unwrap();
        let failed = |commit| Outcome { failure: Some(Failure::Panicked), ..outcome(commit) };
        for app in ["a", "ab"] {
            metrics.record(app, &outcome("1"), 0.0, true);
            metrics.record(app, &failed("1"), 0.0, false);
            metrics.suspended(app, true);
            metrics.fights(app, 1);
            metrics.applied.with_label_values(&[app, "created"]).inc();
            metrics.drift_reverts.with_label_values(&[app, "service", "kubectl"]).inc();
            metrics.commit_to_live.with_label_values(&[app]).set(1.0);
        }
        let of = |app: &str| {
            let label = format!("app=\"{app}\"");
            series(&metrics, "gitops_sync_").iter().filter(|line| line.contains(&label)).count()
        };
        let (before, other) = (of("a"), of("ab"));
        assert!(before > 20 && before == other, "{before} {other}");
        metrics.forget("a");
        assert_eq!((of("a"), of("ab")), (0, other));
        metrics.record("a", &outcome("2"), 0.0, true);
        assert_eq!(series(&metrics, "gitops_sync_revision_info{app=\"a\"").len(), 1);
    }
}

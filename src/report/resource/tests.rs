//! What the status of an app and its events say after each outcome.

use super::super::samples::{
    app, at, diagnostic, done, field, held, id, part, pass, regarding, resource, told, unlisted,
    unreachable,
};
use super::super::{Action, Fate, Trigger};
use super::*;
use crate::api::{ConditionType, Invalid, Truth, validate::Fault};
use crate::object::marks::AppId;

/// What kstatus says of an object of this generation, by its rules for conditions.
fn kstatus(status: &GitOpsAppStatus, generation: i64) -> &'static str {
    let is = |kind| status.conditions.is_true(kind);
    let ready = status.conditions.get(ConditionType::Ready).map(|ready| ready.status);
    match ready {
        _ if status.observed_generation.is_some_and(|seen| seen != generation) => "InProgress",
        _ if is(ConditionType::Reconciling) => "InProgress",
        _ if is(ConditionType::Stalled) => "Failed",
        None | Some(Truth::True) => "Current",
        Some(_) => "InProgress",
    }
}

/// Whether and why it is ready, what kstatus says, and whether anything drifted.
fn summary(status: &GitOpsAppStatus) -> [String; 3] {
    let ready = status.conditions.get(ConditionType::Ready).unwrap();
    let drifted = status.conditions.get(ConditionType::Drifted);
    let drifted = drifted.map(|drifted| format!("{:?} {}", drifted.status, drifted.reason));
    [
        format!("{:?} {}", ready.status, ready.reason),
        kstatus(status, 1).to_owned(),
        drifted.unwrap_or_default(),
    ]
}

fn conflicted() -> Action {
    Action::Conflicted(vec![field("data.key")].into())
}

fn drifted() -> Action {
    Action::Drifted(vec![field("data.key")].into())
}

fn other() -> AppId {
    "other".parse().unwrap()
}

/// What passes come to, and how it reads.
fn cases() -> Vec<(Outcome, [&'static str; 3])> {
    let with = |action| pass("c1", vec![done("a", action), done("b", Action::Unchanged)]);
    let failing = |failure| Outcome { failure: Some(failure), ..Outcome::new(Trigger::Retry) };
    let leftover = |fate| vec![(id("z"), fate)];
    let synced = || with(Action::Unchanged);
    let overridden = {
        let mut done = done("a", Action::Unchanged);
        done.overridden = vec!["data.key: wanted 1, found 2".into()];
        pass("c1", vec![done])
    };
    let ok = "False NoDrift";
    vec![
        (synced(), ["True Synced", "Current", ok]),
        (with(Action::Configured), ["True Synced", "Current", ok]),
        (pass("c1", Vec::new()), ["True Synced", "Current", ok]),
        (with(Action::Failed("no".into())), ["False ApplyFailed", "InProgress", ok]),
        (with(Action::Waiting("later")), ["False Progressing", "InProgress", ok]),
        (with(Action::Fought), ["False Fight", "InProgress", "True Fight"]),
        (with(conflicted()), ["False FieldConflict", "Failed", "True FieldConflict"]),
        (with(Action::Claimed(other())), ["False OwnershipConflict", "Failed", ok]),
        (with(drifted()), ["True Synced", "Current", "True DriftFound"]),
        (overridden, ["True Synced", "Current", "True Overridden"]),
        (Outcome { diagnostics: vec![diagnostic()], ..synced() }, ["False BareList", "Failed", ok]),
        (
            Outcome { diagnostics: vec![diagnostic()], ..with(Action::Failed("no".into())) },
            ["False BareList", "Failed", ok],
        ),
        (
            Outcome { unlisted: vec![unlisted()], ..synced() },
            ["Unknown CannotList", "InProgress", "Unknown CannotList"],
        ),
        (
            Outcome { held: vec![held("h", &["z"])], leftovers: leftover(Fate::Held), ..synced() },
            ["True PruneHeld", "Current", ok],
        ),
        (
            Outcome { leftovers: leftover(Fate::Failed("no".into())), ..synced() },
            ["False PruneFailed", "InProgress", ok],
        ),
        (
            Outcome { claimed: vec![(other(), vec![id("a")])], ..synced() },
            ["True OwnershipConflict", "Current", ok],
        ),
        (
            failing(unreachable("no route")),
            ["False RepositoryUnreachable", "InProgress", "Unknown RepositoryUnreachable"],
        ),
        (
            Outcome { failure: Some(unreachable("no route")), ..synced() },
            ["False RepositoryUnreachable", "InProgress", ok],
        ),
        (failing(Failure::Panicked), ["False Panicked", "InProgress", "Unknown Panicked"]),
    ]
}

#[test]
fn each_outcome_reads_right_and_is_no_news_when_it_comes_again() {
    for (outcome, expect) in cases() {
        let (mut resource, mut shown) = resource();
        resource.take(&outcome, at(1));
        let status = shown.borrow_and_update().clone();
        assert_eq!(summary(&status), expect, "{outcome:#?}");
        assert_eq!(kstatus(&status, 2), "InProgress", "of another generation");
        // What was written once is not written again, nor is it the next time.
        let again = Outcome {
            done: outcome
                .done
                .into_iter()
                .map(|done| match done.action {
                    Action::Configured => Done { action: Action::Unchanged, ..done },
                    _ => done,
                })
                .collect(),
            trigger: Trigger::Interval,
            duration: std::time::Duration::from_secs(7),
            ..outcome
        };
        for second in 2..4 {
            let told = resource.take(&again, at(second));
            assert_eq!(*shown.borrow(), status, "{again:#?}");
            assert!(!shown.has_changed().unwrap() && told.is_empty(), "{told:#?}");
        }
        // The next process begins with what is stored of it.
        let stored = serde_json::to_value(&status).unwrap();
        let (sender, shown) = watch::channel(serde_json::from_value(stored).unwrap());
        let mut next = AppResource::new(app(), regarding(), 1, sender);
        let told = next.take(&Outcome { trigger: Trigger::Start, ..again }, at(9));
        assert!(*shown.borrow() == status && told.is_empty(), "{told:#?}");
    }
}

#[test]
fn values_are_in_no_status() {
    let (mut resource, shown) = resource();
    let reverted = Action::Reverted(vec![field("data.pin")]);
    let extended = Action::Extended(vec![field("data.more")].into(), None);
    for action in [conflicted(), drifted(), reverted, extended] {
        resource.take(&pass("c1", vec![told("a", action)]), at(1));
        let text = serde_json::to_string(&*shown.borrow()).unwrap();
        assert!(text.contains("kubectl") && !text.contains("hunter"), "{text}");
    }
}

#[test]
fn what_happens_between_passes_is_taken_over() {
    let (mut resource, shown) = resource();
    let names = ["a", "b", "c"];
    let all = names.map(|name| done(name, Action::Unchanged)).to_vec();
    resource.take(&pass("c1", all), at(1));
    let mut check = |outcome: Outcome, ready: &str, counts: &[(&str, u32)], failed: &[&str]| {
        resource.take(&outcome, at(2));
        let status = shown.borrow();
        assert_eq!(summary(&status)[0], ready, "{outcome:#?}");
        let counts = counts.iter().map(|(state, number)| ((*state).to_owned(), *number));
        assert_eq!(status.objects, counts.collect(), "{outcome:#?}");
        let failures = status.failures.as_slice().iter();
        let failures: Vec<_> = failures.map(|failure| failure.object.name.as_str()).collect();
        assert_eq!(failures, failed);
        assert_eq!(status.history.as_slice().len(), 1, "no sync");
    };
    let failed = || Action::Failed("no".into());
    let reverted = || Action::Reverted(vec![field("data.key")]);
    let (synced, one) = ([("synced", 3)], [("failed", 1), ("synced", 2)]);
    check(part(vec![done("a", reverted())]), "True Synced", &synced, &[]);
    check(part(vec![done("a", failed())]), "False ApplyFailed", &one, &["a"]);
    let both = part(vec![done("a", reverted()), done("b", failed())]);
    check(both, "False ApplyFailed", &one, &["b"]);
    check(part(vec![done("b", Action::Recreated)]), "True Synced", &synced, &[]);
    let outage = Outcome { failure: Some(Failure::Panicked), ..part(Vec::new()) };
    check(outage, "True Synced", &synced, &[]);
    let status = shown.borrow();
    let drifts = status.last_drifts.as_slice().iter();
    let drifts: Vec<_> =
        drifts.map(|drift| (drift.object.name.as_str(), drift.field.as_deref())).collect();
    let key = Some("data.key");
    assert_eq!(drifts, [("b", None), ("a", key), ("a", key)]);
    assert_eq!(status.last_drifts.as_slice()[1].manager.as_deref(), Some("kubectl"));
}

#[test]
fn what_is_kept_in_place_does_not_mend_a_commit_that_is_refused() {
    let (mut resource, shown) = resource();
    let refused = || Failure::CommitRefused { refused: 1, diagnostics: 0 };
    let objects = vec![done("a", Action::Failed("no".into())), done("b", Action::Skipped)];
    resource.take(&Outcome { failure: Some(refused()), ..pass("c1", objects) }, at(1));
    let before = shown.borrow().clone();
    assert_eq!(summary(&before)[..2], ["False CommitRefused", "InProgress"]);
    let failures: Vec<_> =
        before.failures.as_slice().iter().map(|failure| failure.object.name.as_str()).collect();
    assert_eq!(failures, ["a"]);
    resource.take(&part(vec![done("a", Action::Unchanged)]), at(2));
    assert_eq!(*shown.borrow(), before);
}

#[test]
fn what_is_left_as_it_is_is_listed_once() {
    let (mut resource, shown) = resource();
    for (second, action) in [(1, drifted()), (2, drifted()), (3, Action::Drifted([].into()))] {
        resource.take(&pass("c1", vec![told("a", action)]), at(second));
    }
    let mut overridden = done("b", Action::Unchanged);
    overridden.overridden = vec!["data.key: wanted 1, found 2".into()];
    resource.take(&part(vec![overridden]), at(4));
    assert_eq!(shown.borrow().drifted.as_slice(), [id("a"), id("b")]);
    resource.take(&part(vec![done("a", Action::Recreated)]), at(5));
    assert_eq!(shown.borrow().drifted.as_slice(), [id("b")]);
    let status = shown.borrow();
    let drifts = status.last_drifts.as_slice();
    let drifts: Vec<_> =
        drifts.iter().map(|drift| (drift.field.as_deref(), drift.time.as_second())).collect();
    assert_eq!(drifts, [(None, 5), (None, 3), (Some("data.key"), 1)]);
}

#[test]
fn history_has_what_changed_or_went_wrong_anew() {
    let (mut resource, shown) = resource();
    let mut check = |outcome: Outcome, expect: &[&str]| {
        resource.take(&outcome, at(1));
        let status = shown.borrow();
        let history = status.history.as_slice().iter();
        let history: Vec<_> = history
            .map(|sync| format!("{} {}", sync.revision.as_deref().unwrap_or("-"), sync.result))
            .collect();
        assert_eq!(history, expect);
    };
    let of = |commit: &str, action| pass(commit, vec![done("a", action)]);
    let away = |why| Outcome { failure: Some(unreachable(why)), ..Outcome::new(Trigger::Retry) };
    let failed = || Action::Failed("no".into());
    check(of("c1", Action::Created), &["c1 Synced"]);
    check(of("c1", Action::Unchanged), &["c1 Synced"]);
    check(of("c1", Action::Recreated), &["c1 Synced", "c1 Synced"]);
    check(of("c2", failed()), &["c2 ApplyFailed", "c1 Synced", "c1 Synced"]);
    check(of("c2", failed()), &["c2 ApplyFailed", "c1 Synced", "c1 Synced"]);
    let newest = ["- RepositoryUnreachable", "c2 ApplyFailed", "c1 Synced", "c1 Synced"];
    check(away("no route"), &newest);
    check(away("timeout"), &newest);
    let newest = [&["c2 Synced"], &newest[..]].concat();
    check(of("c2", Action::Unchanged), &newest);
    let asked = Outcome { trigger: Trigger::Annotation, ..of("c2", Action::Unchanged) };
    check(asked, &[&["c2 Synced"], &newest[..]].concat());
}

#[test]
fn only_a_commit_that_is_applied_as_a_whole_counts_as_applied() {
    let (mut resource, shown) = resource();
    let mut check = |outcome: Outcome, attempted: &str, applied: Option<&str>| {
        resource.take(&outcome, at(1));
        let status = shown.borrow();
        let short = |revision: &crate::api::status::Revision| revision.short.clone();
        assert_eq!(status.last_attempted_revision.as_ref().map(short).as_deref(), Some(attempted));
        assert_eq!(status.last_applied_revision.as_ref().map(short).as_deref(), applied);
    };
    let of = |commit: &str, action| pass(commit, vec![done("a", action)]);
    check(of("c1", Action::Failed("no".into())), "c1", None);
    check(of("c1", Action::Created), "c1", Some("c1"));
    let stale =
        Outcome { revision: None, failure: Some(unreachable("x")), ..of("", Action::Unchanged) };
    check(stale, "c1", Some("c1"));
    check(of("c2", Action::Fought), "c2", Some("c1"));
    let held = Outcome { held: vec![held("h", &["z"])], ..of("c3", Action::Unchanged) };
    check(held, "c3", Some("c3"));
    check(of("c4", Action::Created), "c4", Some("c4"));
}

#[test]
fn notices_read_right_and_hold_until_the_next_pass() {
    let fault = Invalid::from(Fault::new("spec.path", "must not begin with /"));
    let apps = || vec!["team/base".to_owned()];
    let check = |notice: Notice, is_first: bool, ready: &str, says: &str| {
        let (mut resource, mut shown) = resource();
        if !is_first {
            resource.take(&pass("c1", vec![done("a", Action::Created)]), at(1));
        }
        resource.observe(2);
        resource.notice(&notice, at(2));
        let status = shown.borrow_and_update().clone();
        assert_eq!(summary(&status)[0], ready);
        assert_eq!(kstatus(&status, 2), says, "{notice:?}");
        let told = resource.notice(&notice, at(3));
        assert!(!shown.has_changed().unwrap() && told.is_empty(), "{told:?}");
        resource.take(&part(vec![done("a", Action::Recreated)]), at(4));
        assert_eq!(summary(&shown.borrow())[0], ready, "drift is no pass");
        resource.take(&pass("c1", vec![done("a", Action::Unchanged)]), at(5));
        assert_eq!(summary(&shown.borrow())[0], "True Synced");
        assert_eq!(kstatus(&shown.borrow(), 2), "Current");
    };
    for is_first in [true, false] {
        check(Notice::InvalidSpec(fault.clone()), is_first, "False InvalidSpec", "Failed");
        let waits = Notice::DependencyNotReady(apps());
        check(waits, is_first, "False DependencyNotReady", "InProgress");
        check(Notice::DependencyCycle(apps()), is_first, "False DependencyCycle", "Failed");
        let why = Some("incident 42".to_owned());
        for why in [None, why] {
            check(Notice::Suspended(why), is_first, "Unknown Suspended", "InProgress");
        }
        let stuck = Notice::DeletionFailed("no".to_owned());
        check(stuck, is_first, "False DeletionFailed", "InProgress");
    }
    check(Notice::Accepted, true, "Unknown Progressing", "InProgress");
}

#[test]
fn an_app_that_is_known_is_not_accepted_again() {
    let (mut resource, shown) = resource();
    resource.take(&pass("c1", vec![done("a", Action::Created)]), at(1));
    let before = shown.borrow().clone();
    resource.observe(2);
    resource.notice(&Notice::Accepted, at(2));
    assert_eq!(*shown.borrow(), before);
}

#[test]
fn who_stops_touches_nothing() {
    let (mut resource, mut shown) = resource();
    resource.take(&pass("c1", vec![done("a", Action::Created)]), at(1));
    shown.mark_unchanged();
    let stopped = |outcome| Outcome { failure: Some(Failure::Stopped), ..outcome };
    resource.take(&stopped(pass("c2", vec![done("a", Action::Skipped)])), at(2));
    resource.take(&stopped(part(vec![done("a", Action::Skipped)])), at(3));
    assert!(!shown.has_changed().unwrap());
}

#[test]
fn drift_is_of_the_generation_that_was_synced() {
    let (mut resource, shown) = resource();
    resource.take(&pass("c1", vec![done("a", Action::Created)]), at(1));
    resource.observe(2);
    resource.take(&part(vec![done("a", Action::Recreated)]), at(2));
    assert_eq!(kstatus(&shown.borrow(), 2), "InProgress");
    resource.take(&pass("c1", vec![done("a", Action::Unchanged)]), at(3));
    assert_eq!(kstatus(&shown.borrow(), 2), "Current");
}

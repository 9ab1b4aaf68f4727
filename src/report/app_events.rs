//! What is told as events on the resource of an app: that its status changed, and how many objects something
//! happened to. What lasts is in the status before as well, so that it is told once, also by the next process.
//! Pure.

use std::collections::BTreeSet;

use super::done::{Action, Done, Reason};
use super::outcome::{Failure, Fate, Outcome};
use super::problems::{self, Named, claimed, held_sets, named};
use super::told::{Told, by, normal, warning};
use super::{AppReason, Notice};
use crate::api::conditions::Condition;
use crate::api::status::HeldSet;
use crate::api::{ConditionType, GitOpsAppStatus, Truth};
use crate::object::{AppId, ObjectId};

/// What an outcome is worth, but for the drift that it put back.
pub fn of_outcome(
    app: &AppId,
    before: &GitOpsAppStatus,
    after: &GitOpsAppStatus,
    outcome: &Outcome,
) -> Vec<Told> {
    let told = [
        resumed(before, after),
        rewritten(outcome),
        synced(before, after, outcome),
        failed(before, after),
        conflict(app, before, after, outcome),
        drift_found(before, after),
        pruned(outcome),
        held(app, before, after, outcome),
    ];
    told.into_iter().flatten().collect()
}

/// What is told without a pass, if it is news.
pub fn of_notice(
    before: &GitOpsAppStatus,
    after: &GitOpsAppStatus,
    notice: &Notice,
) -> Option<Told> {
    let (was, is) = (ready(before), ready(after)?);
    let is_same = was.is_some_and(|was| was.reason == is.reason);
    let note = is.message.clone();
    match notice {
        Notice::Accepted => None,
        Notice::InvalidSpec(_) if was.is_some_and(|was| is_same && was.message == note) => None,
        Notice::InvalidSpec(_) => Some(warning(AppReason::InvalidSpec.into(), "Validate", note)),
        _ if is_same => None,
        Notice::OutOfSync(_) => Some(normal(AppReason::OutOfSync.into(), "Compare", note)),
        Notice::SecretUnavailable(_) => {
            Some(warning(AppReason::SecretUnavailable.into(), "Read", note))
        }
        Notice::DependencyNotReady(_) => {
            Some(normal(AppReason::DependencyNotReady.into(), "Wait", note))
        }
        Notice::DependencyCycle(_) => {
            Some(warning(AppReason::DependencyCycle.into(), "Wait", note))
        }
        Notice::Suspended(_) => Some(normal(Failure::Suspended(None).reason(), "Suspend", note)),
        Notice::DeletionFailed(_) => {
            Some(warning(AppReason::DeletionFailed.into(), "Delete", note))
        }
    }
}

/// What is left of an app that was to be deleted with its objects: those that stay without our marks, those among
/// them that could not be deleted, and those that could not be reached.
pub fn parted(
    abandoned: &[ObjectId],
    undeleted: &[(ObjectId, String)],
    unreached: &[(ObjectId, String)],
) -> Option<Told> {
    let mut sentences = Vec::new();
    if !abandoned.is_empty() {
        sentences.push(format!("{} left to others: {}", abandoned.len(), named(abandoned)));
    }
    if !unreached.is_empty() {
        let ids: Vec<_> = unreached.iter().map(|(id, _)| id.clone()).collect();
        sentences.push(format!("{} not reached, with our marks: {}", ids.len(), named(&ids)));
    }
    if let Some((_, why)) = undeleted.first().or(unreached.first()) {
        sentences.push(format!("the first because {why}"));
    }
    let note = sentences.join("; ");
    let reason = AppReason::Abandoned.into();
    match (note.is_empty(), undeleted.is_empty() && unreached.is_empty()) {
        (true, _) => None,
        (false, true) => Some(normal(reason, "Delete", note)),
        (false, false) => Some(warning(reason, "Delete", note)),
    }
}

/// That the branch was rewritten: whoever pulled from it before has something else.
fn rewritten(outcome: &Outcome) -> Option<Told> {
    problems::rewritten(outcome)
        .map(|note| warning(AppReason::BranchRewritten.into(), "Fetch", note))
}

/// The fights that begin, if any do.
pub fn fights(begun: &[&Done]) -> Option<Told> {
    let ids: Vec<_> = begun.iter().map(|done| done.desired.id.clone()).collect();
    let tools = begun.iter().filter_map(|done| done.action.tool());
    let by = by(&tools.map(|tool| tool.manager.clone()).collect());
    let (number, named) = (ids.len(), named(&ids));
    let note = format!("{number} changed{by} again each time, and put back more slowly: {named}");
    (number > 0).then(|| warning(Reason::Fight.into(), "Revert", note))
}

fn ready(status: &GitOpsAppStatus) -> Option<&Condition> {
    status.conditions.get(ConditionType::Ready)
}

fn has_reason(condition: Option<&Condition>, reason: &str) -> bool {
    condition.is_some_and(|condition| condition.reason == reason)
}

fn resumed(before: &GitOpsAppStatus, after: &GitOpsAppStatus) -> Option<Told> {
    let suspended = Failure::Suspended(None).reason();
    let is_over = has_reason(ready(before), suspended) && !has_reason(ready(after), suspended);
    is_over.then(|| normal(AppReason::Resumed.into(), "Resume", "Synced again".to_owned()))
}

/// A commit is applied, and brought changes.
fn synced(before: &GitOpsAppStatus, after: &GitOpsAppStatus, outcome: &Outcome) -> Option<Told> {
    let (was, revision) = (&before.last_applied_revision, outcome.revision.as_ref()?);
    let is_applied = after.last_applied_revision.as_ref()?.sha == revision.commit;
    let is_new = was.as_ref().is_none_or(|was| was.sha != revision.commit);
    let had_failed = ready(before).is_some_and(|ready| ready.status == Truth::False);
    if !is_applied || !is_new || !(had_failed || outcome.has_changed()) {
        return None;
    }
    let count = |what: fn(&Action) -> bool| outcome.count(what);
    let counts = [
        (count(|action| *action == Action::Created), "created"),
        (count(Action::is_configured), "configured"),
        (count(|action| matches!(action, Action::Replaced(_))), "replaced"),
        (outcome.pruned(), "pruned"),
    ];
    let counts = counts.iter().filter(|(number, _)| *number > 0);
    let counts: Vec<_> = counts.map(|(number, what)| format!("{number} {what}")).collect();
    let counts = if counts.is_empty() { "all in place".to_owned() } else { counts.join(", ") };
    let note = format!("{} ({}): {counts}", revision.short(), revision.subject);
    Some(normal(AppReason::Synced.into(), "Sync", note))
}

/// The app is not ready, for another reason or with another commit than before. Of objects that wait, and of
/// fights, something else tells.
fn failed(before: &GitOpsAppStatus, after: &GitOpsAppStatus) -> Option<Told> {
    let is = ready(after).filter(|ready| ready.status == Truth::False)?;
    let commit = |status: &GitOpsAppStatus| {
        status.last_attempted_revision.as_ref().map(|revision| revision.sha.clone())
    };
    let is_same = ready(before)
        .is_some_and(|was| was.status == is.status && was.reason == is.reason)
        && commit(before) == commit(after);
    let quiet: [&str; 4] = [
        AppReason::Progressing.into(),
        Reason::Fight.into(),
        Reason::OwnershipConflict.into(),
        AppReason::DependencyNotReady.into(),
    ];
    if is_same || quiet.contains(&is.reason.as_str()) {
        return None;
    }
    let note = format!("{}: {}", is.reason, is.message);
    Some(warning(AppReason::SyncFailed.into(), "Sync", note))
}

/// Another app declares objects of this one, or has some that this one declares.
fn conflict(
    app: &AppId,
    before: &GitOpsAppStatus,
    after: &GitOpsAppStatus,
    outcome: &Outcome,
) -> Option<Told> {
    let reason: &str = Reason::OwnershipConflict.into();
    let ids = |status: &GitOpsAppStatus| {
        let all = status.failures.as_slice().iter().filter(|failure| failure.reason == reason);
        all.map(|failure| (failure.object.clone(), failure.message.clone())).collect::<Vec<_>>()
    };
    let before_ids: BTreeSet<ObjectId> = ids(before).into_iter().map(|(id, _)| id).collect();
    let new = ids(after).into_iter().filter(|(id, _)| !before_ids.contains(id));
    let mut sentences: Vec<_> = new.map(|(_, sentence)| sentence).collect();
    if has_reason(ready(after), reason) && !has_reason(ready(before), reason) {
        sentences.extend(claimed(app, outcome));
    }
    (!sentences.is_empty()).then(|| warning(reason, "Apply", sentences.join("; ")))
}

/// Something differs from git and stays so. Fights and conflicts are told of otherwise.
fn drift_found(before: &GitOpsAppStatus, after: &GitOpsAppStatus) -> Option<Told> {
    let kind = ConditionType::Drifted;
    let is = after.conditions.get(kind).filter(|_| after.conditions.is_true(kind))?;
    let words = [Reason::DriftFound, Reason::Overridden].map(<&str>::from);
    let reason = words.into_iter().find(|word| is.reason == *word)?;
    let is_same =
        before.conditions.is_true(kind) && has_reason(before.conditions.get(kind), reason);
    (!is_same).then(|| warning(reason, "Compare", is.message.clone()))
}

fn pruned(outcome: &Outcome) -> Option<Told> {
    let pruned = outcome.leftovers.iter().filter(|(_, fate)| matches!(fate, Fate::Pruned { .. }));
    let ids: Vec<_> = pruned.map(|(id, _)| id.clone()).collect();
    let (number, named) = (ids.len(), named(&ids));
    let note = format!("{number} no longer in git: {named}");
    (number > 0).then(|| normal(Reason::Pruned.into(), "Prune", note))
}

fn held(
    app: &AppId,
    before: &GitOpsAppStatus,
    after: &GitOpsAppStatus,
    outcome: &Outcome,
) -> Option<Told> {
    let hashes = |status: &GitOpsAppStatus| {
        let sets = status.held.as_slice().iter();
        sets.map(|HeldSet { hash, .. }| hash.clone()).collect::<BTreeSet<_>>()
    };
    let new: BTreeSet<_> = hashes(after).difference(&hashes(before)).cloned().collect();
    let new = outcome.held.iter().filter(|held| new.contains(&held.hash));
    let sentences: Vec<_> = held_sets(Named { app, has_resource: true }, new).collect();
    let reason = AppReason::PruneHeld.into();
    (!sentences.is_empty()).then(|| warning(reason, "Prune", sentences.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{
        at, diagnostic, done, field, held, id, part, pass, resource, told, unreachable,
    };
    use super::super::{Trigger, resource::AppResource};
    use super::*;
    use crate::api::{Invalid, validate::Fault};
    use crate::cluster::events::Event;

    /// Takes outcomes one after the other and holds what is told against what is expected: each event's
    /// reason, whether it is a warning, and words of its note.
    struct Story(AppResource);

    impl Story {
        fn begin() -> Self {
            Self(resource().0)
        }

        #[track_caller]
        fn check(&mut self, outcome: &Outcome, expect: &[(&str, bool, &str)]) {
            let events = self.0.take(outcome, at(1));
            Self::compare(&events, expect);
            Self::compare(&self.0.take(&quiet(outcome), at(2)), &[]);
        }

        #[track_caller]
        fn compare(events: &[Event], expect: &[(&str, bool, &str)]) {
            let found: Vec<_> =
                events.iter().map(|event| (event.reason, event.is_warning)).collect();
            let wanted: Vec<_> =
                expect.iter().map(|(reason, is_warning, _)| (*reason, *is_warning)).collect();
            assert_eq!(found, wanted, "{events:#?}");
            for (event, (_, _, words)) in events.iter().zip(expect) {
                assert!(event.note.contains(words), "{words:?} in {:?}", event.note);
                assert_eq!(event.regarding.id.to_string(), "gitopsapp.gitops-sync.dev/web");
            }
        }
    }

    /// The same as it comes out by the next interval: what was written is in place.
    fn quiet(outcome: &Outcome) -> Outcome {
        let done = outcome.done.iter().cloned().map(|done| {
            let is_written = done.action.is_in_sync() && !done.action.is_told();
            let action = if is_written { Action::Unchanged } else { done.action.clone() };
            Done { action, telling: None, ..done }
        });
        let stays = |(_, fate): &&(ObjectId, Fate)| !matches!(fate, Fate::Pruned { .. });
        let failure = outcome.failure.as_ref().map(|_| unreachable("another word for it"));
        Outcome {
            revision: outcome.revision.clone(),
            done: done.collect(),
            leftovers: outcome.leftovers.iter().filter(stays).cloned().collect(),
            held: outcome.held.clone(),
            claimed: outcome.claimed.clone(),
            diagnostics: outcome.diagnostics.clone(),
            failure,
            ..Outcome::new(outcome.trigger)
        }
    }

    fn of(commit: &str, action: Action) -> Outcome {
        pass(commit, vec![done("a", action), done("b", Action::Unchanged)])
    }

    fn failed() -> Action {
        Action::Failed("no".into())
    }

    #[test]
    fn a_commit_is_told_if_it_brought_changes() {
        let mut story = Story::begin();
        let check = &mut |outcome: &Outcome, expect: &[_]| story.check(outcome, expect);
        check(&of("c1", Action::Created), &[("Synced", false, "main@c1 (Scale): 1 created")]);
        check(&of("c2", Action::Unchanged), &[]);
        check(
            &of("c3", failed()),
            &[("SyncFailed", true, "ApplyFailed: Cannot apply configmap/a")],
        );
        check(&of("c3", Action::Unchanged), &[("Synced", false, "main@c3")]);
        let bad = Outcome { diagnostics: vec![diagnostic()], ..of("c4", Action::Unchanged) };
        check(&bad, &[("SyncFailed", true, "BareList: Bad manifest: bad.yaml")]);
        let bad = Outcome { diagnostics: vec![diagnostic()], ..of("c5", Action::Unchanged) };
        check(&bad, &[("SyncFailed", true, "BareList")]);
        let away =
            Outcome { failure: Some(unreachable("no route")), ..Outcome::new(Trigger::Retry) };
        check(&away, &[("SyncFailed", true, "RepositoryUnreachable: cannot fetch")]);
        check(&of("c6", Action::Waiting("later")), &[]);
        check(&of("c6", Action::Created), &[("Synced", false, "1 created")]);
    }

    #[test]
    fn drift_is_told_by_the_burst() {
        let mut story = Story::begin();
        story.check(&of("c1", Action::Unchanged), &[]);
        let reverted = || Action::Reverted(vec![field("data.key"), field("data.more")]);
        let burst = part(vec![done("a", reverted()), done("b", Action::Recreated)]);
        let note = "2 put back after being changed by kubectl or deleted: configmap/a in namespace demo, configmap/b";
        // It may go on: what follows is told with it.
        story.check(&burst, &[]);
        Story::compare(&story.0.tell_drift(at(3)), &[("DriftReverted", true, note)]);
        Story::compare(&story.0.tell_drift(at(3)), &[]);
        story.check(&of("c1", reverted()), &[("DriftReverted", true, "1 put back")]);
        let refused = part(vec![done("a", failed())]);
        story.check(&refused, &[("SyncFailed", true, "ApplyFailed")]);
        let left = Action::Drifted(vec![field("data.key")].into());
        let left = pass("c1", vec![told("a", left)]);
        story.check(&left, &[("DriftFound", true, "1 not as git declares: configmap/a")]);
        story.check(&of("c1", Action::Unchanged), &[]);
        story.check(&left, &[("DriftFound", true, "configmap/a")]);
        let mut overridden = done("a", Action::Unchanged);
        overridden.overridden = vec!["data.key: wanted 1, found 2".into()];
        story.check(&pass("c1", vec![overridden]), &[("Overridden", true, "configmap/a")]);
    }

    #[test]
    fn deletions_are_told_and_those_that_wait() {
        let mut story = Story::begin();
        let pruned = Fate::Pruned { version: "v1".into(), uid: "u".into() };
        let leftovers = ["x", "y"].map(|name| (id(name), pruned.clone())).to_vec();
        let pruned = Outcome { leftovers, ..of("c1", Action::Unchanged) };
        let synced = ("Synced", false, "2 pruned");
        story.check(&pruned, &[synced, ("Pruned", false, "2 no longer in git: configmap/x")]);
        let waiting = |sets: &[(&str, &str)]| {
            let leftovers = sets.iter().map(|(_, name)| (id(name), Fate::Held)).collect();
            let held = sets.iter().map(|(hash, name)| held(hash, &[name])).collect();
            Outcome { leftovers, held, ..of("c1", Action::Unchanged) }
        };
        story.check(&waiting(&[("h1", "x")]), &[("PruneHeld", true, "prune-approve app h1")]);
        // Where something else keeps them the guard is not asked.
        let mut spared = of("c1", failed());
        spared.leftovers = vec![(id("x"), Fate::Spared("because not all is in sync".into()))];
        story.check(&spared, &[("SyncFailed", true, "ApplyFailed")]);
        story.check(&waiting(&[("h1", "x")]), &[]);
        story
            .check(&waiting(&[("h1", "x"), ("h2", "y")]), &[("PruneHeld", true, "approve app h2")]);
        story.check(&of("c1", Action::Unchanged), &[]);
        story.check(&waiting(&[("h1", "x")]), &[("PruneHeld", true, "h1")]);
    }

    #[test]
    fn both_apps_tell_what_both_declare() {
        let other = || "other".parse::<AppId>().unwrap();
        let reason = "OwnershipConflict";
        let mut story = Story::begin();
        let theirs = of("c1", Action::Claimed(other()));
        story.check(&theirs, &[(reason, true, "Left to the app other, which had it first")]);
        let more = vec![done("a", Action::Claimed(other())), done("b", Action::Claimed(other()))];
        story.check(&pass("c1", more), &[(reason, true, "configmap/b")]);
        story.check(&of("c1", Action::Unchanged), &[("Synced", false, "all in place")]);
        let claimed = vec![(other(), vec![id("a")])];
        let ours = Outcome { claimed, ..of("c1", Action::Unchanged) };
        story.check(&ours, &[(reason, true, "Declared by the app other as well: configmap/a")]);
    }

    #[test]
    fn a_fight_is_told_on_the_app() {
        let begun = ["a", "b"].map(|name| done(name, Action::Reverted(vec![field("data.key")])));
        let begun: Vec<_> = begun.iter().collect();
        let story = Story::begin();
        let note = "2 changed by kubectl again each time, and put back more slowly: configmap/a";
        Story::compare(&story.0.fights(&begun, at(1)), &[("Fight", true, note)]);
        Story::compare(&story.0.fights(&[], at(1)), &[]);
        let mut story = story;
        story.check(&of("c1", Action::Fought), &[]);
    }

    #[test]
    fn what_is_left_of_an_app_that_is_gone_is_told() {
        let obstacle = |name: &str| vec![(id(name), "forbidden".to_owned())];
        let check = |told: Option<Told>, expect: Option<(bool, &str)>| {
            let found = told.as_ref().map(|told| (told.is_warning, told.note.as_str()));
            assert_eq!(found, expect);
        };
        check(parted(&[], &[], &[]), None);
        check(
            parted(&[id("a")], &[], &[]),
            Some((false, "1 left to others: configmap/a in namespace demo")),
        );
        let note = "1 left to others: configmap/a in namespace demo; the first because forbidden";
        check(parted(&[id("a")], &obstacle("a"), &[]), Some((true, note)));
        let note = "1 not reached, with our marks: configmap/a in namespace demo; the first because forbidden";
        check(parted(&[], &[], &obstacle("a")), Some((true, note)));
    }

    #[test]
    fn notices_are_told_once() {
        let mut story = Story::begin();
        let invalid = |reason| Notice::InvalidSpec(Invalid::from(Fault::new("spec.path", reason)));
        let mut check = |notice: Notice, expect: &[(&str, bool, &str)]| {
            Story::compare(&story.0.notice(&notice, at(1)), expect);
            Story::compare(&story.0.notice(&notice, at(2)), &[]);
        };
        check(Notice::Accepted, &[]);
        check(invalid("must not"), &[("InvalidSpec", true, "spec.path: must not")]);
        check(invalid("either"), &[("InvalidSpec", true, "spec.path: either")]);
        let apps = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let waits = Notice::DependencyNotReady(apps(&["team/a", "team/b"]));
        check(waits, &[("DependencyNotReady", false, "team/a, team/b")]);
        check(Notice::DependencyNotReady(apps(&["team/b"])), &[]);
        let cycle = Notice::DependencyCycle(apps(&["team/a", "team/b", "team/a"]));
        check(cycle, &[("DependencyCycle", true, "team/a -> team/b -> team/a")]);
        let stuck = |why: &str| Notice::undeleted(&[(id("a"), why.to_owned())]);
        check(stuck("forbidden"), &[("DeletionFailed", true, "Cannot delete configmap/a in")]);
        check(stuck("still forbidden"), &[]);
        check(Notice::Suspended(Some("incident 7".into())), &[("Suspended", false, "incident 7")]);
        check(Notice::Suspended(None), &[]);
        story.check(&of("c1", Action::Unchanged), &[("Resumed", false, "")]);
    }
}

//! An outcome as the status of the app's resource. Pure.

use jiff::Timestamp;

use super::conditions::{self, Moment, drifted, ready};
use super::done::{Action, Done, Reason};
use super::outcome::{Fate, Outcome, Trigger};
use super::reason::AppReason;
use super::standing::Standing;
use super::state::State;
use crate::api::bounded::{First, Last};
use crate::api::status::{Abandoned, Drift, Failure, HeldSet, Revision, SyncRecord};
use crate::api::{ConditionType, Finding, GitOpsAppStatus, Truth};
use crate::object::ObjectId;
use crate::plan::guard;

/// The status after an outcome, which the standing has taken already. Equal to the one before if nothing
/// changed but the time: it is written only if it differs.
pub fn recorded(
    before: &GitOpsAppStatus,
    standing: &Standing,
    outcome: &Outcome,
    moment: Moment,
) -> GitOpsAppStatus {
    let Moment { generation, time } = moment;
    let mut status = before.clone();
    status.observed_generation = Some(generation);
    let (ready, outlook) = ready(standing);
    if outcome.trigger != Trigger::Drift {
        add_sync(&mut status, outcome, &ready, time);
    }
    if !standing.is_unseen {
        status.objects = standing.counts();
        status.failures = failures(standing);
        status.drifted = drifted_objects(standing);
    }
    if outcome.trigger != Trigger::Drift && !standing.is_unseen {
        status.held = held(&before.held, outcome);
        status.abandoned = Abandoned::new(outcome.abandoned.iter().map(|abandoned| &abandoned.id));
    }
    for done in &outcome.done {
        add_drifts(&mut status.last_drifts, done, time);
    }
    if !standing.is_overruled {
        let drifted = drifted(standing);
        status.conditions.set(ConditionType::Drifted, drifted, generation, time);
        conditions::set(&mut status.conditions, ready, outlook, moment);
    }
    status
}

/// Takes over the commit of a whole pass, and adds the pass to the history unless it is one more of the same.
fn add_sync(status: &mut GitOpsAppStatus, outcome: &Outcome, ready: &Finding, time: Timestamp) {
    if let Some(revision) = &outcome.revision {
        let at = Timestamp::from_second(revision.time).unwrap_or_default();
        let digest = revision.digest.clone();
        let found = Revision::new(&revision.commit, &revision.author, &revision.subject, at)
            .found(&revision.tree, revision.name.as_deref());
        let revision = Revision { verified_by: outcome.verified_by.clone(), digest, ..found };
        if outcome.is_success() {
            status.last_applied_revision = Some(revision.clone());
        }
        status.last_attempted_revision = Some(revision);
    }
    let result = match ready.status {
        Truth::True => AppReason::Synced.into(),
        Truth::False | Truth::Unknown => ready.reason,
    };
    let commit = outcome.revision.as_ref().map(|revision| revision.commit.as_str());
    let verified_by = outcome.verified_by.clone();
    let record = SyncRecord::new(commit, outcome.trigger.into(), outcome.duration, result, time);
    let record = SyncRecord { verified_by, ..record };
    let newest = status.history.as_slice().first();
    let is_same = newest
        .is_some_and(|newest| newest.revision == record.revision && newest.result == record.result);
    // Who asked for a sync wants to see that there was one.
    let is_wished = outcome.trigger == Trigger::Annotation && outcome.is_success();
    if !is_same || is_wished || outcome.has_changed() {
        status.history.push(record);
    }
}

/// The first objects that keep the app from being ready, the gravest first.
fn failures(standing: &Standing) -> First<Failure> {
    let of = |state, reason| {
        let told = standing.objects(state).filter(|(_, sentence)| !sentence.is_empty());
        told.map(move |(id, sentence)| Failure::new(id.clone(), reason, sentence))
    };
    let undeleted = standing
        .undeleted
        .iter()
        .map(|(id, sentence)| Failure::new(id.clone(), Reason::PruneFailed.into(), sentence));
    of(State::Failed, Reason::ApplyFailed.into())
        .chain(undeleted)
        .chain(of(State::Claimed, Reason::OwnershipConflict.into()))
        .chain(of(State::Conflicted, Reason::FieldConflict.into()))
        .chain(of(State::Fought, Reason::Fight.into()))
        .chain(of(State::Waiting, AppReason::Progressing.into()))
        .collect()
}

/// The first objects that are ready and yet not as git declares them.
fn drifted_objects(standing: &Standing) -> First<ObjectId> {
    let of = |state| standing.objects(state).map(|(id, _)| id.clone());
    of(State::Drifted).chain(of(State::Overridden)).collect()
}

/// The sets that wait for a person. Those of which all stays for another reason wait still: the guard was not
/// asked about them.
fn held(before: &First<HeldSet>, outcome: &Outcome) -> First<HeldSet> {
    if !outcome.held.is_empty() {
        let held = outcome.held.iter();
        return held
            .map(|guard::Held { reason, hash, objects }| {
                HeldSet::new(&reason.to_string(), hash, objects)
            })
            .collect();
    }
    let is_spared = |set: &&HeldSet| {
        set.objects.as_slice().iter().all(|id| {
            outcome
                .leftovers
                .iter()
                .any(|(left, fate)| left == id && matches!(fate, Fate::Spared(_)))
        })
    };
    before.as_slice().iter().filter(is_spared).cloned().collect()
}

/// Adds what others changed of an object. What is left as it is, is added once.
fn add_drifts(last: &mut Last<Drift>, done: &Done, time: Timestamp) {
    let is_put_back = matches!(done.action, Action::Reverted(_) | Action::Recreated);
    let is_found = done.action.is_told() && done.telling.is_some();
    if !is_put_back && !is_found {
        return;
    }
    let id = &done.desired.id;
    let fields = done.action.drifts().iter().map(|drift| {
        let manager = drift.by.as_ref().map(|tool| tool.manager.as_str());
        Drift::new(id.clone(), Some(&drift.path), manager, time)
    });
    let is_deleted = match &done.action {
        Action::Drifted(fields) => fields.is_empty(),
        action => *action == Action::Recreated,
    };
    let deleted = is_deleted.then(|| Drift::new(id.clone(), None, None, time));
    for drift in fields.chain(deleted) {
        let is_same = |other: &Drift| Drift { time: drift.time, ..other.clone() } == drift;
        if is_put_back || !last.as_slice().iter().any(is_same) {
            last.push(drift);
        }
    }
}

//! An app's standing as conditions. Pure.
//!
//! Ready is true when the last commit is applied and nothing keeps an object from being as git declares it;
//! kstatus then says Current. Else it is false with the word for what went wrong, and Reconciling or Stalled
//! says what comes of it: kstatus reads `InProgress` where it is tried again, and Failed where nothing helps but
//! a person. Deletions that wait for a person keep nothing that git declares from being there, so that Ready
//! stays true and says that they wait. What cannot be seen is unknown. Healthy is apart from it: whether what was
//! applied works is another question than whether it was applied.

use jiff::Timestamp;

use super::done::{Reason, place};
use super::problems::named;
use super::reason::AppReason;
use super::standing::Standing;
use super::state::State;
use crate::api::{ConditionType, Conditions, Finding, Truth};
use crate::object::ObjectId;
use crate::plan::Fares;
use crate::plan::fares::Ailing;

/// Sentences that a message holds.
const SENTENCES: usize = 3;

/// What comes next by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// Nothing has to.
    Done,
    /// It is done or tried again, for this reason.
    Goes(AppReason),
    /// Nothing, until a person changes something.
    Stuck,
}

/// The generation of the resource that is spoken of, and the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// `metadata.generation` of what was synced.
    pub generation: i64,
    /// The time now.
    pub time: Timestamp,
}

/// Sets Ready, and Reconciling or Stalled as kstatus expects it.
pub fn set(conditions: &mut Conditions, ready: Finding, outlook: Outlook, moment: Moment) {
    let Moment { generation, time } = moment;
    let also = |reason| {
        let (status, message) = (Truth::True, ready.message.clone());
        Finding { status, reason, message }
    };
    let of = match outlook {
        Outlook::Done => None,
        Outlook::Goes(reason) => Some((ConditionType::Reconciling, also(reason.into()))),
        Outlook::Stuck => Some((ConditionType::Stalled, also(ready.reason))),
    };
    for kind in [ConditionType::Reconciling, ConditionType::Stalled] {
        match &of {
            Some((set, finding)) if *set == kind => {
                conditions.set(kind, finding.clone(), generation, time);
            }
            _ => conditions.clear(kind),
        }
    }
    conditions.set(ConditionType::Ready, ready, generation, time);
}

/// Whether the app is ready, and what comes next.
pub fn ready(standing: &Standing) -> (Finding, Outlook) {
    let obstacles = obstacles(standing);
    let Some(first) = obstacles.first() else { return applied(standing) };
    let all = obstacles.iter().map(|obstacle| obstacle.number).sum();
    let sentences = obstacles.iter().flat_map(|obstacle| &obstacle.sentences);
    let message = match joined(sentences, all) {
        none if none.is_empty() => format!("{all} not reached yet"),
        message => message,
    };
    let outlook = if obstacles.iter().any(|obstacle| obstacle.outlook == Outlook::Stuck) {
        Outlook::Stuck
    } else {
        first.outlook
    };
    (Finding { status: first.status, reason: first.reason, message }, outlook)
}

/// How the objects fare: true once all of them work.
pub fn healthy(fares: &Fares) -> Finding {
    let told = |what: &str, ailing: &[Ailing]| {
        let sentences = ailing.iter().take(SENTENCES);
        let sentences = sentences.map(|(id, why)| format!("{id}{}: {why}", place(id)));
        let sentences: Vec<_> = sentences.collect();
        format!("{} of {} {what}: {}", ailing.len(), fares.objects, sentences.join("; "))
    };
    let (status, reason, message): (_, AppReason, _) = if !fares.failed.is_empty() {
        (Truth::False, AppReason::Degraded, told("failed", &fares.failed))
    } else if fares.unseen > 0 {
        let message = format!("{} of {} cannot be seen", fares.unseen, fares.objects);
        (Truth::Unknown, AppReason::CannotList, message)
    } else if !fares.progressing.is_empty() {
        (Truth::False, AppReason::Progressing, told("not working yet", &fares.progressing))
    } else {
        (Truth::True, AppReason::Healthy, format!("{} objects", fares.objects))
    };
    Finding { status, reason: reason.into(), message }
}

/// Something that keeps the app from being ready.
struct Obstacle {
    status: Truth,
    reason: &'static str,
    outlook: Outlook,
    number: usize,
    /// The first sentences about it.
    sentences: Vec<String>,
}

/// What keeps the app from being ready, the gravest first.
fn obstacles(standing: &Standing) -> Vec<Obstacle> {
    let status = Truth::False;
    let again = Outlook::Goes(AppReason::ProgressingWithRetry);
    if let Some((reason, sentence)) = &standing.failure {
        // What it left undone is tried again with it, and its commit may not be the last one.
        let sentences = vec![sentence.clone()];
        return vec![Obstacle { status, reason, outlook: again, number: 1, sentences }];
    }
    let mut obstacles = Vec::new();
    let diagnostics = &standing.diagnostics;
    if let Some((reason, _)) = diagnostics.first() {
        let sentences = diagnostics.iter().map(|(_, sentence)| sentence.clone()).collect();
        let (outlook, number) = (Outlook::Stuck, standing.wrong);
        obstacles.push(Obstacle { status, reason, outlook, number, sentences });
    }
    let mut add = |status, reason, outlook, sentences: Vec<&str>| {
        let number = sentences.len();
        let sentences = sentences.into_iter().filter(|sentence| !sentence.is_empty());
        let sentences = sentences.take(SENTENCES).map(str::to_owned).collect();
        if number > 0 {
            obstacles.push(Obstacle { status, reason, outlook, number, sentences });
        }
    };
    let of = |state| standing.objects(state).map(|(_, sentence)| sentence).collect();
    add(status, Reason::ApplyFailed.into(), again, of(State::Failed));
    let undeleted = standing.undeleted.iter().map(|(_, sentence)| sentence.as_str()).collect();
    add(status, Reason::PruneFailed.into(), again, undeleted);
    add(status, Reason::OwnershipConflict.into(), Outlook::Stuck, of(State::Claimed));
    add(status, Reason::FieldConflict.into(), Outlook::Stuck, of(State::Conflicted));
    add(status, Reason::Fight.into(), again, of(State::Fought));
    let later = Outlook::Goes(AppReason::Progressing);
    add(status, AppReason::Progressing.into(), later, of(State::Waiting));
    let unlisted = standing.unlisted.iter().map(String::as_str).collect();
    add(Truth::Unknown, AppReason::CannotList.into(), again, unlisted);
    obstacles
}

/// All is in place. It is said as well what waits for a person.
fn applied(standing: &Standing) -> (Finding, Outlook) {
    let of = standing.revision.as_ref().map(|revision| format!(" {revision}"));
    let applied = format!("Applied{}", of.unwrap_or_default());
    let others = || standing.claimed.iter().chain(&standing.held);
    let reason: &str = match (standing.claimed.is_empty(), standing.held.is_empty()) {
        (false, _) => Reason::OwnershipConflict.into(),
        (true, false) => AppReason::PruneHeld.into(),
        (true, true) => AppReason::Synced.into(),
    };
    let message = match others().count() {
        0 => applied,
        number => format!("{applied}; {}", joined(others(), number)),
    };
    (Finding { status: Truth::True, reason, message }, Outlook::Done)
}

/// The first sentences, and how many more there are.
fn joined<'a>(sentences: impl Iterator<Item = &'a String>, number: usize) -> String {
    let first: Vec<_> = sentences.take(SENTENCES).map(String::as_str).collect();
    let text = first.join("; ");
    match number.saturating_sub(first.len()) {
        more if more > 0 && !text.is_empty() => format!("{text}; and {more} more"),
        _ => text,
    }
}

/// Whether objects are not as git declares them because of what others did.
pub fn drifted(standing: &Standing) -> Finding {
    if let Some((reason, sentence)) = standing.failure.as_ref().filter(|_| standing.is_unseen) {
        let (status, message) = (Truth::Unknown, format!("Not looked at: {sentence}"));
        return Finding { status, reason, message };
    }
    let sorts = [
        (State::Drifted, Reason::DriftFound),
        (State::Conflicted, Reason::FieldConflict),
        (State::Fought, Reason::Fight),
        (State::Overridden, Reason::Overridden),
    ];
    let of = |state| standing.objects(state).map(|(id, _)| id.clone());
    let objects: Vec<ObjectId> = sorts.iter().flat_map(|(state, _)| of(*state)).collect();
    let reason = sorts.into_iter().find(|(state, _)| of(*state).next().is_some());
    if let Some((_, reason)) = reason {
        let (number, named) = (objects.len(), named(&objects));
        let message = format!("{number} not as git declares: {named}");
        return Finding { status: Truth::True, reason: reason.into(), message };
    }
    if !standing.unlisted.is_empty() {
        let message = joined(standing.unlisted.iter(), standing.unlisted.len());
        return Finding { status: Truth::Unknown, reason: AppReason::CannotList.into(), message };
    }
    let message = "Nothing is known to differ from git".to_owned();
    Finding { status: Truth::False, reason: AppReason::NoDrift.into(), message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::GroupKind;

    #[test]
    fn what_has_failed_weighs_more_than_what_is_on_its_way() {
        let ailing = |names: &str| -> Vec<Ailing> {
            let one = |name: char| {
                let kind = GroupKind::new("apps", "Deployment");
                (ObjectId::new(kind, "demo", &name.to_string()), "0 of 1 ready".to_owned())
            };
            names.chars().map(one).collect()
        };
        let check = |progressing: &str, failed: &str, unseen, expect: (Truth, &str), says: &str| {
            let (progressing, failed) = (ailing(progressing), ailing(failed));
            let found = healthy(&Fares { objects: 9, progressing, failed, unseen });
            assert_eq!((found.status, found.reason), expect);
            assert_eq!(found.message, says);
        };
        check("", "", 0, (Truth::True, "Healthy"), "9 objects");
        check("", "", 2, (Truth::Unknown, "CannotList"), "2 of 9 cannot be seen");
        let says = "1 of 9 not working yet: deployment.apps/a in namespace demo: 0 of 1 ready";
        check("a", "", 0, (Truth::False, "Progressing"), says);
        check("a", "", 1, (Truth::Unknown, "CannotList"), "1 of 9 cannot be seen");
        let says = "1 of 9 failed: deployment.apps/b in namespace demo: 0 of 1 ready";
        check("a", "b", 1, (Truth::False, "Degraded"), says);
    }
}

//! An outcome as Kubernetes Events: what happened to each object, and why.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::done::{Action, Done, Reason};
use super::outcome::{Fate, Outcome};
use crate::cluster::events::{Event, NOTE_MAX, Regarding, cut};
use crate::object::ObjectId;
use crate::plan::diff::{FieldDrift, Tool};

/// Bytes of a note that a list may take; the rest is for the words around it.
const LIST_MAX: usize = NOTE_MAX - 200;

/// What a pass came to, as events. What is in `said` is a lasting problem that was told before.
pub fn events(outcome: &Outcome, said: &BTreeSet<String>, time: Timestamp) -> Vec<Event> {
    let done = outcome.done.iter().filter_map(|done| {
        let (reason, note) = told(done)?;
        (!said.contains(&note)).then(|| event(reason, regarding(done), note, time))
    });
    let pruned = outcome.leftovers.iter().filter_map(|(id, fate)| pruned(id, fate, time));
    done.chain(pruned).collect()
}

/// A fight that begins with this revert, as an event.
pub fn fight(done: &Done, time: Timestamp) -> Event {
    let drifts = done.action.drifts();
    let what = match drifts {
        [] => "The object is deleted".to_owned(),
        drifts => {
            let fields = drifts.iter().map(|drift| drift.path.clone());
            format!("Changed by {}: {}", manager(done.action.tool()), list(fields, ", "))
        }
    };
    let note = format!("{what}, again each time it is put back; from now on more slowly");
    event(Reason::Fight, regarding(done), note, time)
}

/// The event that an action is worth, if it is.
fn told(done: &Done) -> Option<(Reason, String)> {
    match &done.action {
        Action::Reverted(drifts) => {
            Some((Reason::DriftReverted, list(drifts.iter().map(drift), "; ")))
        }
        Action::Recreated => Some((Reason::DriftReverted, "The object had been deleted".into())),
        Action::Failed(_) => Some((Reason::ApplyFailed, done.problem()?)),
        Action::Drifted(_) => Some((Reason::DriftFound, done.problem()?)),
        Action::Extended(..) => Some((Reason::AdditionFound, done.problem()?)),
        Action::Conflicted(_) => Some((Reason::FieldConflict, done.problem()?)),
        Action::Claimed(_) => Some((Reason::OwnershipConflict, done.problem()?)),
        Action::Adopted(drifts) => Some((Reason::TakenOver, list(drifts.iter().map(drift), "; "))),
        Action::Replaced(fields) => Some((
            Reason::Replaced,
            format!("Deleted and created again, since it cannot change: {fields}"),
        )),
        Action::Waiting(_) if done.deleted.is_some() => {
            Some((Reason::ApplyFailed, done.problem()?))
        }
        Action::Yielded(given) => {
            let all = given.iter().map(|given| format!("{} to {}", given.path, given.to));
            Some((Reason::Yielded, list(all, "; ")))
        }
        _ if !done.overridden.is_empty() => Some((Reason::Overridden, done.problem()?)),
        _ => None,
    }
}

fn pruned(id: &ObjectId, fate: &Fate, time: Timestamp) -> Option<Event> {
    let Fate::Pruned { version, uid } = fate else { return None };
    let regarding = Regarding { id: id.clone(), version: version.clone(), uid: Some(uid.clone()) };
    Some(event(Reason::Pruned, regarding, "No longer in git".to_owned(), time))
}

fn event(reason: Reason, regarding: Regarding, note: String, time: Timestamp) -> Event {
    let (action, is_warning) = match reason {
        Reason::DriftReverted | Reason::Fight => ("Revert", true),
        Reason::DriftFound | Reason::AdditionFound => ("Compare", true),
        Reason::Overridden
        | Reason::ApplyFailed
        | Reason::FieldConflict
        | Reason::OwnershipConflict => ("Apply", true),
        Reason::Yielded => ("HandOver", false),
        Reason::TakenOver => ("TakeOver", false),
        Reason::Replaced => ("Replace", true),
        Reason::Pruned => ("Prune", false),
        Reason::PruneFailed => ("Prune", true),
    };
    Event { regarding, reason: reason.into(), action, is_warning, note, time }
}

fn regarding(done: &Done) -> Regarding {
    Regarding {
        id: done.desired.id.clone(),
        version: done.desired.resource.version.clone(),
        uid: done.live.as_ref().map(|live| live.uid.clone()),
    }
}

/// `spec.replicas: wanted 2, found 5, by kubectl (Update of scale, 2026-01-01T00:00:00Z)`.
fn drift(drift: &FieldDrift) -> String {
    if drift.by.is_some() { drift.to_string() } else { format!("{drift}, by unknown") }
}

fn manager(by: Option<&Tool>) -> &str {
    by.map_or("unknown", |tool| tool.manager.as_str())
}

/// As many items as a note can hold, and how many more there are.
fn list(items: impl ExactSizeIterator<Item = String>, separator: &str) -> String {
    let (mut text, mut rest) = (String::new(), items.len());
    for item in items {
        if text.is_empty() {
            text = cut(&item, LIST_MAX);
        } else if text.len() + separator.len() + item.len() <= LIST_MAX {
            text.push_str(separator);
            text.push_str(&item);
        } else {
            break;
        }
        rest -= 1;
    }
    match rest {
        0 => text,
        rest => format!("{text}{separator}and {rest} more"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::object::marks::HashKey;
    use crate::object::{GroupKind, Live};
    use crate::plan::diff::Shown;
    use crate::plan::{Cause, Kinds, Reach, Reaction, Resource, Step};
    use crate::plan::{Settings, desired::resolve};
    use crate::render::{Content, SourceFile, plain};
    use crate::report::Trigger;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn done(action: Action) -> Done {
        let mut served = Kinds::default();
        served.insert(Resource {
            kind: GroupKind::new("apps", "Deployment"),
            version: "v1".into(),
            plural: "deployments".into(),
            namespaced: true,
            listable: true,
        });
        let content = b"{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}".to_vec();
        let content = Content::Read(content, None);
        let rendered = plain(vec![SourceFile { path: "web.yaml".into(), content }]);
        let (app, key) = ("app".parse().unwrap(), HashKey(vec![1]));
        let (namespace, reach) = ("demo".into(), Reach::default());
        let (common, resources) = (Arc::default(), Arc::default());
        let settings = Settings { app, key, namespace, reach, common, resources };
        let desired = resolve(&rendered.manifests, &served, &settings, &[]).0.remove(0);
        let live = Some(Arc::new(Live { uid: "u".into(), ..Live::default() }));
        let (cause, reaction, overridden) =
            (Cause::Drifted, Reaction::Act(String::new()), Vec::new());
        let predecessor = None;
        Done::of(&Step { desired, cause, reaction, live, overridden, predecessor }, action)
    }

    fn field(path: &str, subresource: &str) -> FieldDrift {
        let by = Tool {
            manager: "kubectl".into(),
            operation: "Update".into(),
            subresource: subresource.into(),
            time: "2026-01-01T00:00:00Z".into(),
        };
        let shown = |text: &str| Shown::Value(text.to_owned());
        FieldDrift { path: path.into(), wanted: shown("2"), found: shown("5"), by: Some(by) }
    }

    /// The events of one action, told for the first time.
    fn of(action: Action) -> Vec<Event> {
        let outcome = Outcome { done: vec![done(action)], ..Outcome::new(Trigger::Drift) };
        events(&outcome, &BTreeSet::new(), NOW)
    }

    #[test]
    fn each_action_has_its_event_or_none() {
        let check = |action: Action, expect: Option<(&str, &str)>| {
            let events = of(action);
            let found = events.first().map(|event| (event.reason, event.note.as_str()));
            assert_eq!((found, events.len()), (expect, expect.iter().len()));
        };
        let lost = FieldDrift { found: Shown::Absent, by: None, ..field("data[a/b]", "") };
        let secret =
            FieldDrift { wanted: Shown::Hidden, found: Shown::Hidden, ..field("data.pin", "") };
        check(
            Action::Reverted(vec![field("spec.replicas", "scale"), lost]),
            Some((
                "DriftReverted",
                "spec.replicas: wanted 2, found 5, by kubectl (Update of scale, 2026-01-01T00:00:00Z); \
                 data[a/b]: wanted 2, found (absent), by unknown",
            )),
        );
        check(
            Action::Reverted(vec![secret]),
            Some((
                "DriftReverted",
                "data.pin: wanted (hidden), found (hidden), by kubectl (Update, 2026-01-01T00:00:00Z)",
            )),
        );
        check(Action::Recreated, Some(("DriftReverted", "The object had been deleted")));
        check(
            Action::Failed("no".into()),
            Some((
                "ApplyFailed",
                "Cannot apply deployment.apps/web in namespace demo (web.yaml:1): no",
            )),
        );
        check(
            Action::Conflicted(vec![field("spec.replicas", "scale")].into()),
            Some((
                "FieldConflict",
                "Conflict left as it is: deployment.apps/web in namespace demo: spec.replicas: wanted 2, \
                 found 5, by kubectl (Update of scale, 2026-01-01T00:00:00Z)",
            )),
        );
        check(
            Action::Adopted(vec![field("spec.paused", "")]),
            Some((
                "TakenOver",
                "spec.paused: wanted 2, found 5, by kubectl (Update, 2026-01-01T00:00:00Z)",
            )),
        );
        check(
            Action::Replaced("spec.selector".into()),
            Some(("Replaced", "Deleted and created again, since it cannot change: spec.selector")),
        );
        for quiet in [
            Action::Created,
            Action::Configured,
            Action::Unchanged,
            Action::Reowned,
            Action::Waiting("later"),
            Action::Skipped,
        ] {
            check(quiet, None);
        }
    }

    #[test]
    fn an_event_names_its_object() {
        let event = of(Action::Recreated).remove(0);
        let Regarding { id, version, uid } = event.regarding;
        assert_eq!(
            (id.to_string().as_str(), id.namespace.as_str()),
            ("deployment.apps/web", "demo")
        );
        assert_eq!((version.as_str(), uid.as_deref()), ("v1", Some("u")));
        assert!(event.is_warning);
    }

    #[test]
    fn a_failure_that_was_said_is_not_told_again() {
        let again = |said: &str| {
            let failed = done(Action::Failed("no".into()));
            let said = BTreeSet::from([failed.problem().unwrap().replace(": no", said)]);
            let outcome = Outcome { done: vec![failed], ..Outcome::new(Trigger::Interval) };
            events(&outcome, &said, NOW).len()
        };
        assert_eq!(again(": no"), 0);
        assert_eq!(again(": other"), 1);
    }

    #[test]
    fn only_what_was_deleted_is_told_of_the_leftovers() {
        let id = ObjectId::new(GroupKind::new("", "ConfigMap"), "demo", "a");
        let pruned = Fate::Pruned { version: "v1".into(), uid: "u".into() };
        let leftovers = [pruned, Fate::Gone, Fate::Spared("x".into()), Fate::Failed("x".into())];
        let leftovers = leftovers.map(|fate| (id.clone(), fate)).to_vec();
        let outcome = Outcome { leftovers, ..Outcome::new(Trigger::Interval) };
        let events = events(&outcome, &BTreeSet::new(), NOW);
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].reason, events[0].is_warning), ("Pruned", false));
    }

    #[test]
    fn long_lists_are_cut_and_counted() {
        let many = (0..100).map(|n| field(&format!("data.key{n}"), "")).collect();
        let note = &of(Action::Reverted(many))[0].note;
        let told = note.matches("wanted").count();
        assert!(told > 5 && note.len() <= NOTE_MAX, "{note}");
        assert!(note.ends_with(&format!("; and {} more", 100 - told)), "{note}");
        let long = vec![field(&"ü".repeat(NOTE_MAX), ""), field("b", "")];
        let note = &of(Action::Reverted(long))[0].note;
        assert!(note.ends_with("…; and 1 more") && note.len() <= NOTE_MAX, "{note}");
    }

    #[test]
    fn a_fight_names_its_manager_and_fields() {
        let note = |action| fight(&done(action), NOW).note;
        assert_eq!(
            note(Action::Reverted(vec![field("a", ""), field("b", "")])),
            "Changed by kubectl: a, b, again each time it is put back; from now on more slowly"
        );
        assert!(note(Action::Recreated).starts_with("The object is deleted, again each time"));
        let many = (0..200).map(|n| field(&format!("data.key{n}"), "")).collect();
        let note = note(Action::Reverted(many));
        assert!(note.contains(" more, again each time") && note.len() <= NOTE_MAX, "{note}");
    }
}

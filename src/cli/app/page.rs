//! One app on a page, for a person to read. Pure.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::age::age;
use super::shown::{Shown, Suspension};
use super::table::{Table, printable};
use crate::api::bounded::text;
use crate::api::conditions::Condition;
use crate::api::status::{Abandoned, Drift, Failure, HeldSet, Revision, SyncRecord};
use crate::api::{ConditionType, Conditions};
use crate::object::ObjectId;

/// Objects that a line names.
const NAMED: usize = 3;
/// Characters of a condition's message.
const MESSAGE: usize = 100;

/// How a person names an app: `namespace/name`.
pub fn reference(id: &ObjectId) -> String {
    format!("{}/{}", id.namespace, id.name)
}

/// All there is to say of an app.
pub fn page(app: &Shown, now: Timestamp) -> String {
    let status = &app.status;
    let mut text = head(app, now);
    let sections = [
        ("Conditions", conditions(&status.conditions, now)),
        ("Failures", failures(status.failures.as_slice())),
        ("Drifted, and left so", objects(status.drifted.as_slice())),
        ("Held until a person approves", held(app)),
        ("Abandoned", status.abandoned.as_ref().map(abandoned).unwrap_or_default()),
        ("Last drifts", drifts(status.last_drifts.as_slice(), now)),
        ("Last syncs that brought news", history(status.history.as_slice(), now)),
    ];
    for (name, section) in sections.iter().filter(|(_, section)| !section.is_empty()) {
        let lines = section.lines().map(|line| format!("  {line}\n"));
        let _ = write!(text, "\n{name}:\n{}", lines.collect::<String>());
    }
    text
}

fn head(app: &Shown, now: Timestamp) -> String {
    let status = &app.status;
    let mut lines = vec![
        ("App", reference(&app.id)),
        ("Source", format!("{}, {}, path {}", app.repo, app.revision, app.path)),
        ("Ready", ready(app)),
    ];
    if app.is_deleting {
        lines.push(("Deleting", "it is let go once its objects are dealt with".to_owned()));
    }
    lines.extend(app.suspension.as_ref().map(|by| ("Suspended", suspended(by))));
    let (attempted, applied) = (&status.last_attempted_revision, &status.last_applied_revision);
    lines.extend(applied.as_ref().map(|commit| ("Applied", revision(commit, now))));
    let is_new = attempted != applied;
    let attempted = attempted.as_ref().filter(|_| is_new);
    lines.extend(attempted.map(|commit| ("Attempted", revision(commit, now))));
    lines.push(("Objects", counts(app)));
    let line = |(name, text): (&str, String)| {
        let name = format!("{name}:");
        format!("{name:11} {}\n", printable(&text))
    };
    lines.into_iter().filter(|(_, text)| !text.is_empty()).map(line).collect()
}

fn ready(app: &Shown) -> String {
    match app.ready() {
        Some(Condition { status, reason, message, .. }) => {
            format!("{status:?}, {reason}: {message}")
        }
        None => format!("Unknown: {}", app.unseen()),
    }
}

fn suspended(by: &Suspension) -> String {
    let Suspension { reason, tool, time } = by;
    let since = time.as_ref().map(|time| format!("since {time}"));
    let tool = tool.as_ref().map(|tool| format!("by {tool}"));
    let reason = reason.as_ref().map(|reason| format!("for {reason:?}"));
    let known: Vec<_> = [since, tool, reason].into_iter().flatten().collect();
    if known.is_empty() { "yes".to_owned() } else { known.join(", ") }
}

fn revision(commit: &Revision, now: Timestamp) -> String {
    let Revision { short, subject, author, time, verified_by, .. } = commit;
    let by = verified_by.as_ref().map(|by| format!(", signed by {by}")).unwrap_or_default();
    format!("{short} {subject} ({author}, {time}, {} ago{by})", age(*time, now))
}

fn counts(app: &Shown) -> String {
    let counts = app.status.objects.iter().map(|(state, number)| format!("{number} {state}"));
    counts.collect::<Vec<_>>().join(", ")
}

fn table(table: Table) -> String {
    if table.is_empty() { String::new() } else { table.to_string() }
}

fn conditions(all: &Conditions, now: Timestamp) -> String {
    use ConditionType::{Drifted, Healthy, Ready, Reconciling, Stalled};
    let mut lines = Table::new(&["TYPE", "STATUS", "SINCE", "REASON", "MESSAGE"]);
    for kind in [Ready, Reconciling, Stalled, Healthy, Drifted] {
        let Some(condition) = all.get(kind).cloned() else { continue };
        let Condition { kind, status, last_transition_time: since, reason, message, .. } =
            condition;
        // That of Ready stands above in full, and what others name has its own section.
        let message = text(&message, MESSAGE);
        lines.add([kind, format!("{status:?}"), age(since, now), reason, message]);
    }
    table(lines)
}

fn failures(all: &[Failure]) -> String {
    let mut lines = Table::new(&["NAMESPACE", "OBJECT", "REASON", "MESSAGE"]);
    for Failure { object, reason, message } in all.iter().cloned() {
        lines.add([object.namespace.clone(), object.to_string(), reason, message]);
    }
    table(lines)
}

fn objects(all: &[ObjectId]) -> String {
    let mut lines = Table::new(&["NAMESPACE", "OBJECT"]);
    for object in all {
        lines.add([object.namespace.clone(), object.to_string()]);
    }
    table(lines)
}

/// The held sets, one line each.
pub fn held_lines(all: &[HeldSet]) -> String {
    let line = |set: &HeldSet| {
        let HeldSet { hash, reason, count, objects } = set;
        printable(&format!("{hash} {reason}: {}", named(objects.as_slice(), *count))) + "\n"
    };
    all.iter().map(line).collect()
}

fn held(app: &Shown) -> String {
    let (sets, name) = (app.status.held.as_slice(), reference(&app.id));
    let set = |set: &HeldSet| {
        let (line, hash) = (held_lines(std::slice::from_ref(set)), &set.hash);
        let command = format!("gitops-sync prune-approve {name} {hash}");
        printable_lines(&[
            line,
            format!("  to delete them:          {command}"),
            format!("  to leave them to others: {command} --abandon"),
        ])
    };
    sets.iter().map(set).collect()
}

fn printable_lines(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line.trim_end(), "\n"]).collect()
}

fn abandoned(all: &Abandoned) -> String {
    printable(&named(all.objects.as_slice(), all.count))
}

/// The first of some objects, and how many more there are.
fn named(objects: &[ObjectId], count: u32) -> String {
    let name = |id: &ObjectId| match id.namespace.as_str() {
        "" => id.to_string(),
        namespace => format!("{id} in {namespace}"),
    };
    let first: Vec<_> = objects.iter().take(NAMED).map(name).collect();
    let first = first.join(", ");
    match count.saturating_sub(u32::try_from(objects.len().min(NAMED)).unwrap_or(u32::MAX)) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

fn drifts(all: &[Drift], now: Timestamp) -> String {
    let mut lines = Table::new(&["AGE", "NAMESPACE", "OBJECT", "FIELD", "BY"]);
    for Drift { object, field, manager, time } in all.iter().cloned() {
        let field = field.unwrap_or_else(|| "(deleted)".to_owned());
        let by = manager.unwrap_or_default();
        lines.add([age(time, now), object.namespace.clone(), object.to_string(), field, by]);
    }
    table(lines)
}

fn history(all: &[SyncRecord], now: Timestamp) -> String {
    let mut lines = Table::new(&["AGE", "RESULT", "REVISION", "TRIGGER", "DURATION"]);
    for SyncRecord { revision, trigger, duration, result, time, .. } in all.iter().cloned() {
        let revision = revision.unwrap_or_default().chars().take(8).collect();
        lines.add([age(time, now), result, revision, trigger, duration]);
    }
    table(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PAGE: &str = "\
App:        team/web
Source:     https://git.example/c.git, main, path apps/web
Ready:      True, PruneHeld: Applied main@01234567
Suspended:  since 2026-01-02T03:04:00Z, by gitops-sync-suspend, for \"incident 42\"
Applied:    01234567 Scale\u{fffd}[2J (Ada, 2026-01-02T03:00:00Z, 4m5s ago)
Objects:    12 held, 7 synced

Conditions:
  TYPE    STATUS   SINCE   REASON      MESSAGE
  Ready   True     65s     PruneHeld   Applied main@01234567

Held until a person approves:
  0fbb1b8c2d1c too many at once: configmap/a in demo and 11 more
    to delete them:          gitops-sync prune-approve team/web 0fbb1b8c2d1c
    to leave them to others: gitops-sync prune-approve team/web 0fbb1b8c2d1c --abandon

Last drifts:
  AGE   NAMESPACE   OBJECT        FIELD       BY
  5s    demo        configmap/a   data.key    kubectl-edit
  5s    demo        configmap/a   (deleted)   -

Last syncs that brought news:
  AGE   RESULT   REVISION   TRIGGER    DURATION
  65s   Synced   01234567   interval   1s250ms
";

    #[test]
    fn a_page_says_it_all_and_what_to_do() {
        let object = json!({"group": "", "kind": "ConfigMap", "namespace": "demo", "name": "a"});
        let commit = json!({
            "sha": "0123456789abcdef", "short": "01234567", "author": "Ada",
            "subject": "Scale\u{1b}[2J", "time": "2026-01-02T03:00:00Z",
        });
        let app = json!({
            "metadata": {
                "name": "web", "namespace": "team", "generation": 2,
                "annotations": {"gitops-sync.dev/suspend-reason": "incident 42"},
                "managedFields": [{
                    "manager": "gitops-sync-suspend", "operation": "Update", "time": "2026-01-02T03:04:00Z",
                    "fieldsV1": {"f:spec": {"f:suspend": {}}},
                }],
            },
            "spec": {
                "repoURL": "https://ada:secret@git.example/c.git", "targetRevision": "main", "path": "apps/web",
                "suspend": true,
            },
            "status": {
                "observedGeneration": 2,
                "conditions": [{
                    "type": "Ready", "status": "True", "reason": "PruneHeld", "observedGeneration": 2,
                    "message": "Applied main@01234567", "lastTransitionTime": "2026-01-02T03:03:00Z",
                }],
                "lastAppliedRevision": commit, "lastAttemptedRevision": commit,
                "objects": {"synced": 7, "held": 12},
                "held": [{
                    "reason": "too many at once", "hash": "0fbb1b8c2d1c", "count": 12, "objects": [object],
                }],
                "lastDrifts": [
                    {"object": object, "field": "data.key", "manager": "kubectl-edit", "time": "2026-01-02T03:04:00Z"},
                    {"object": object, "time": "2026-01-02T03:04:00Z"},
                ],
                "history": [{
                    "revision": "0123456789abcdef", "trigger": "interval", "duration": "1s250ms",
                    "result": "Synced", "time": "2026-01-02T03:03:00Z",
                }],
            },
        });
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        let found = page(&Shown::of(&app), now);
        assert!(found == PAGE, "{found}");
    }

    #[test]
    fn of_an_app_that_nobody_looked_at_it_says_so() {
        let app = json!({
            "metadata": {"name": "web", "namespace": "team", "generation": 1},
            "spec": {"repoURL": "https://git.example/c.git"},
        });
        let found = page(&Shown::of(&app), Timestamp::UNIX_EPOCH);
        let expect = "App:        team/web\n\
            Source:     https://git.example/c.git, HEAD, path .\n\
            Ready:      Unknown: No daemon has looked at it yet: gitops-sync run --watch-apps does, if it runs\n";
        assert_eq!(found, expect);
    }
}

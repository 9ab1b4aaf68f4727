//! The objects of an app in the order in which they are applied, as lines. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::gather::{Found, Gathered};
use super::standing::Standing;
use super::table::Table;
use crate::api::bounded::text;
use crate::object::{GroupKind, ObjectId};
use crate::plan::Stage;

/// Characters of a cell.
const CELL: usize = 60;
/// An object that is to be there and is not.
const MISSING: &str = "Missing";

/// The objects, stage by stage.
pub fn lines(gathered: &Gathered, standing: &Standing<'_>) -> Table {
    let head = ["OBJECT", "NAMESPACE", "SYNC", "HEALTH", "OWNER", "ALSO SET BY"];
    let mut table = Table::new(&head);
    let absent = standing.absent().filter(|id| !gathered.found.contains_key(*id));
    let absent = absent.map(|id| (id, None));
    let found = gathered.found.iter().map(|(id, found)| (id, Some(found)));
    let mut stages: BTreeMap<Stage, BTreeMap<&ObjectId, Option<&Found>>> = BTreeMap::new();
    for (id, found) in absent.chain(found) {
        stages.entry(Stage::of(&id.kind)).or_default().insert(id, found);
    }
    for (stage, objects) in stages {
        table.add_heading(stage.into());
        for (id, found) in objects {
            table.add(line(id, found, standing.sync(id), gathered.has_seen(&id.kind)));
        }
    }
    table
}

fn line(id: &ObjectId, found: Option<&Found>, sync: &str, is_seen: bool) -> [String; 6] {
    let health = match found {
        Some(found) => found.health.as_ref().map(ToString::to_string),
        // What another app has is there.
        None => (is_seen && sync != "OwnershipConflict").then(|| MISSING.to_owned()),
    };
    let owner = found.and_then(|found| found.owner.clone());
    let managers = found.map(|found| joined(&found.managers)).unwrap_or_default();
    let cell = |content: Option<String>| text(&content.unwrap_or_default(), CELL);
    // Its stage stands above it.
    let object = format!("\u{2514} {id}");
    [object, id.namespace.clone(), sync.to_owned(), cell(health), cell(owner), managers]
}

fn joined(all: &BTreeSet<String>) -> String {
    all.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// What the lines do not show, one sentence each.
pub fn notes(gathered: &Gathered, standing: &Standing<'_>, namespaces: &[String]) -> Vec<String> {
    let why = standing
        .why()
        .map(|why| format!("Not of all objects is known how they stand to git: {why}"));
    let forbidden = (!gathered.forbidden.is_empty()).then(|| {
        format!("You may not list, so that none of them are shown: {}", kinds(&gathered.forbidden))
    });
    let narrow = (!gathered.narrow.is_empty()).then(|| {
        let (kinds, places) = (kinds(&gathered.narrow), namespaces.join(", "));
        format!("You may list only by namespace, so that only those in {places} are shown: {kinds}")
    });
    let failed = gathered.failed.iter().map(|(kind, why)| format!("Cannot list {kind}: {why}"));
    let daemons: BTreeSet<_> = gathered.found.values().map(|found| &*found.daemon).collect();
    let daemons = (daemons.len() > 1).then(|| {
        let daemons: Vec<_> = daemons.into_iter().collect();
        format!(
            "The objects name daemons of several namespaces ({}), of which one has the app: choose it by --daemon-namespace",
            daemons.join(", ")
        )
    });
    why.into_iter().chain(forbidden).chain(narrow).chain(failed).chain(daemons).collect()
}

fn kinds(all: &BTreeSet<GroupKind>) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::GitOpsAppStatus;
    use crate::health::Health;
    use serde::Deserialize as _;
    use serde_json::json;

    fn found(group: &str, kind: &str, name: &str) -> Found {
        let namespace = if kind == "Namespace" { "" } else { "demo" };
        Found {
            id: ObjectId::new(GroupKind::new(group, kind), namespace, name),
            daemon: "ops".into(),
            owner: None,
            managers: BTreeSet::new(),
            is_left: false,
            health: Some(Health::Healthy),
        }
    }

    fn gathered() -> Gathered {
        let adopted = Found {
            owner: Some("Kafka/k".into()),
            managers: ["kubectl-edit".into(), "hpa (scale)".into()].into(),
            health: Some(Health::Progressing("1 of 2 ready".into())),
            ..found("apps", "Deployment", "web")
        };
        let all = [adopted, found("", "ConfigMap", "a"), found("", "Namespace", "demo")];
        let found = all.into_iter().map(|found| (found.id.clone(), found)).collect();
        Gathered { found, forbidden: [GroupKind::new("", "Secret")].into(), ..Gathered::default() }
    }

    fn status() -> GitOpsAppStatus {
        let failure = |kind: &str, name: &str, reason: &str| {
            let object = json!({"group": "", "kind": kind, "namespace": "demo", "name": name});
            json!({"object": object, "reason": reason, "message": ""})
        };
        let status = json!({
            "objects": {"failed": 2, "claimed": 1, "synced": 3},
            "failures": [
                failure("ConfigMap", "new", "ApplyFailed"),
                failure("Secret", "pin", "ApplyFailed"),
                failure("Service", "theirs", "OwnershipConflict"),
            ],
            "conditions": [{
                "type": "Drifted", "status": "False", "reason": "NoDrift", "message": "",
                "lastTransitionTime": "2026-01-02T00:00:00Z",
            }],
        });
        GitOpsAppStatus::deserialize(&status).unwrap()
    }

    #[test]
    fn objects_stand_below_their_stages() {
        let (gathered, status) = (gathered(), status());
        let standing = Standing::of(&status, 0);
        let expect = "\
OBJECT                  NAMESPACE   SYNC                HEALTH                      OWNER     ALSO SET BY
Namespaces
└ namespace/demo        -           Synced              Healthy                     -         -
Objects
└ configmap/a           demo        Synced              Healthy                     -         -
└ configmap/new         demo        ApplyFailed         Missing                     -         -
└ secret/pin            demo        ApplyFailed         -                           -         -
└ service/theirs        demo        OwnershipConflict   -                           -         -
└ deployment.apps/web   demo        Synced              Progressing: 1 of 2 ready   Kafka/k   hpa (scale), kubectl-edit
";
        let found = lines(&gathered, &standing).to_string();
        assert!(found == expect, "{found}");
    }

    #[test]
    fn what_is_not_shown_is_said() {
        let status = status();
        let check = |gathered: &Gathered, expect: &[&str]| {
            let notes = notes(gathered, &Standing::of(&status, 0), &["team".into()]);
            assert_eq!(notes, expect);
        };
        let forbidden = "You may not list, so that none of them are shown: secret";
        let mut all = gathered();
        check(&all, &[forbidden]);
        all.narrow.insert(GroupKind::new("", "ConfigMap"));
        all.failed.insert(GroupKind::new("x", "Y"), "no".into());
        let other = Found { daemon: "elsewhere".into(), ..found("", "ConfigMap", "b") };
        all.found.insert(other.id.clone(), other);
        check(
            &all,
            &[
                forbidden,
                "You may list only by namespace, so that only those in team are shown: configmap",
                "Cannot list y.x: no",
                "The objects name daemons of several namespaces (elsewhere, ops), of which one has the app: choose it by --daemon-namespace",
            ],
        );
    }
}

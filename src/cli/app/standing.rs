//! How the objects of an app stand, by what its status lists: it names the first ten of each sort and counts all, so
//! that not of every object is known how it stands. Unknown is never shown as synced. Pure.

use std::collections::BTreeMap;

use crate::api::{ConditionType, GitOpsAppStatus, Truth};
use crate::object::ObjectId;
use crate::report::AppReason;

/// States of objects and the reasons by which the status names them.
const LISTED: &[(&str, &[&str])] = &[
    ("failed", &["ApplyFailed"]),
    ("leftover", &["PruneFailed"]),
    ("conflicted", &["FieldConflict"]),
    ("fought", &["Fight"]),
    ("waiting", &["Progressing"]),
    ("drifted", &["Drifted"]),
    ("overridden", &["Drifted"]),
    ("held", &["PruneHeld"]),
    ("left", &["Left"]),
];
/// In sync, as far as is known.
const SYNCED: &str = "Synced";
/// It cannot be told.
const UNKNOWN: &str = "Unknown";

/// How the objects of an app stand.
pub struct Standing<'a> {
    named: BTreeMap<&'a ObjectId, &'a str>,
    /// How all others do.
    others: &'static str,
    /// Why that is not known.
    why: Option<String>,
}

impl<'a> Standing<'a> {
    /// Reads a status. So many of the objects that are there say themselves that they are to be left alone.
    pub fn of(status: &'a GitOpsAppStatus, left: u32) -> Self {
        let failures = status.failures.as_slice().iter();
        let failures = failures.map(|failure| (&failure.object, failure.reason.as_str()));
        let drifted = status.drifted.as_slice().iter().map(|id| (id, "Drifted"));
        let held = status.held.as_slice().iter().flat_map(|set| set.objects.as_slice());
        let held = held.map(|id| (id, "PruneHeld"));
        let named: BTreeMap<_, _> = held.chain(drifted).chain(failures).collect();
        let why = blind(status).or_else(|| unnamed(status, &named, left));
        let others = if why.is_some() { UNKNOWN } else { SYNCED };
        Self { named, others, why }
    }

    /// How an object stands, in one word.
    pub fn sync(&self, id: &ObjectId) -> &str {
        self.named.get(id).copied().unwrap_or(self.others)
    }

    /// The objects that could not be applied, or are applied later: they need not be there.
    pub fn absent(&self) -> impl Iterator<Item = &'a ObjectId> {
        let is_desired = |reason: &str| !matches!(reason, "PruneFailed" | "PruneHeld");
        self.named.iter().filter(move |(_, reason)| is_desired(reason)).map(|(id, _)| *id)
    }

    /// Why of some objects it is not known how they stand.
    pub fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }
}

/// Why nobody has looked at the objects, or what is known of them is not which, if so.
fn blind(status: &GitOpsAppStatus) -> Option<String> {
    let reason: &str = AppReason::OutOfSync.into();
    let ready = status.conditions.get(ConditionType::Ready);
    if let Some(ready) = ready.filter(|ready| ready.reason == reason) {
        return Some(format!("{reason}: {}", ready.message));
    }
    match status.conditions.get(ConditionType::Drifted) {
        None => Some("no sync has looked at the objects yet".to_owned()),
        Some(drifted) if drifted.status == Truth::Unknown => {
            Some(format!("{}: {}", drifted.reason, drifted.message))
        }
        Some(_) => None,
    }
}

/// Objects that the status counts and does not name.
fn unnamed(
    status: &GitOpsAppStatus,
    named: &BTreeMap<&ObjectId, &str>,
    left: u32,
) -> Option<String> {
    let counted = |state: &str| status.objects.get(state).copied().unwrap_or_default();
    let mut reasons: BTreeMap<&[&str], (u32, Vec<&str>)> = BTreeMap::new();
    for (state, of) in LISTED {
        let (number, states) = reasons.entry(*of).or_default();
        *number += counted(state);
        states.push(state);
    }
    let known = |of: &[&str]| match of {
        ["Left"] => left as usize,
        of => named.values().filter(|reason| of.contains(reason)).count(),
    };
    let missing = reasons.into_iter().filter_map(|(of, (number, states))| {
        let more = (number as usize).saturating_sub(known(of));
        (more > 0).then(|| format!("{more} {}", states.join(" or ")))
    });
    let unseen = Some(counted("unknown")).filter(|number| *number > 0);
    let missing: Vec<_> =
        missing.chain(unseen.map(|number| format!("{number} that cannot be seen"))).collect();
    (!missing.is_empty())
        .then(|| format!("{} are among them, which the status does not name", missing.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize as _;
    use serde_json::{Value, json};

    fn object(name: &str) -> Value {
        json!({"group": "", "kind": "ConfigMap", "namespace": "demo", "name": name})
    }

    #[test]
    fn what_is_not_known_is_not_shown_as_synced() {
        let check = |mut status: Value, left: u32, expect: [&str; 3], why: Option<&str>| {
            if status["conditions"].is_null() {
                status["conditions"] = json!([{
                    "type": "Drifted", "status": "False", "reason": "NoDrift", "message": "",
                    "lastTransitionTime": "2026-01-02T00:00:00Z",
                }]);
            }
            let status = GitOpsAppStatus::deserialize(&status).unwrap();
            let standing = Standing::of(&status, left);
            let ids = ["a", "b", "c"].map(|name| serde_json::from_value(object(name)).unwrap());
            assert_eq!(ids.each_ref().map(|id| standing.sync(id)), expect, "{status:?}");
            assert_eq!(standing.why().is_some(), why.is_some(), "{:?}", standing.why());
            assert!(standing.why().unwrap_or_default().contains(why.unwrap_or_default()));
        };
        let failure = |name: &str, reason: &str| json!({"object": object(name), "reason": reason, "message": ""});
        let synced = ["Synced"; 3];
        check(json!({"objects": {"synced": 3}}), 0, synced, None);
        let failed = json!([failure("a", "ApplyFailed"), failure("b", "Fight")]);
        let counts = |failed: u32| json!({"failed": failed, "fought": 1, "synced": 1});
        let expect = ["ApplyFailed", "Fight", "Synced"];
        check(json!({"failures": failed, "objects": counts(1)}), 0, expect, None);
        let expect = ["ApplyFailed", "Fight", "Unknown"];
        check(json!({"failures": failed, "objects": counts(3)}), 0, expect, Some("2 failed"));
        let drifted = json!({"drifted": [object("a"), object("b")], "objects": {"drifted": 1, "overridden": 1}});
        check(drifted, 0, ["Drifted", "Drifted", "Synced"], None);
        let held = json!([{"reason": "", "hash": "", "count": 1, "objects": [object("c")]}]);
        check(
            json!({"held": held, "objects": {"held": 1}}),
            0,
            ["Synced", "Synced", "PruneHeld"],
            None,
        );
        check(json!({"objects": {"left": 1}}), 1, synced, None);
        check(json!({"objects": {"left": 1}}), 0, ["Unknown"; 3], Some("1 left"));
        check(json!({"objects": {"unknown": 1}}), 0, ["Unknown"; 3], Some("cannot be seen"));
        check(json!({"objects": {"leftover": 1}}), 0, ["Unknown"; 3], Some("1 leftover"));
        check(json!({"objects": {"abandoned": 1}}), 0, synced, None);
        check(json!({"conditions": []}), 0, ["Unknown"; 3], Some("no sync"));
        let blind = json!([{
            "type": "Drifted", "status": "Unknown", "reason": "Suspended", "message": "",
            "lastTransitionTime": "2026-01-02T00:00:00Z",
        }]);
        check(json!({"conditions": blind}), 0, ["Unknown"; 3], Some("Suspended"));
        let condition = |kind: &str, reason: &str| {
            json!({
                "type": kind, "status": "False", "reason": reason, "message": "",
                "lastTransitionTime": "2026-01-02T00:00:00Z",
            })
        };
        let planned = json!([condition("Drifted", "NoDrift"), condition("Ready", "OutOfSync")]);
        check(json!({"conditions": planned}), 0, ["Unknown"; 3], Some("OutOfSync"));
    }
}

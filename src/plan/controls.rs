//! What people ask of an app, by annotations on its inventory.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Annotation that stops all syncing of an app, with the value `true`.
pub const SUSPEND: &str = "gitops-sync.dev/suspend";
/// Annotation that says why an app is suspended.
pub const SUSPEND_REASON: &str = "gitops-sync.dev/suspend-reason";
/// Annotation that approves deletions: hashes of held sets, separated by commas.
pub const APPROVE_PRUNE: &str = "gitops-sync.dev/approve-prune";
/// Annotation that has held objects abandoned instead: hashes of held sets, separated by commas.
pub const APPROVE_ABANDON: &str = "gitops-sync.dev/approve-abandon";
/// Annotation by which other apps say that they declare objects of this one: JSON, text by app.
pub const CLAIMS: &str = "gitops-sync.dev/claims";

/// Annotation by which a replica tells the one that writes the app of a push: a time. It asks for a look at the
/// repository, as a webhook does, and for no more.
pub const PUSHED: &str = "gitops-sync.dev/pushed-at";

/// Annotations that ask for a sync whenever their value changes: ours, and the one that Flux users know.
pub const REQUESTED: [&str; 2] =
    ["gitops-sync.dev/requested-at", "reconcile.fluxcd.io/requestedAt"];

/// What people ask of an app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Controls {
    /// Whether nothing is to be synced.
    pub suspended: bool,
    /// Why not, if somebody said so.
    pub suspend_reason: Option<String>,
    /// Hashes of the held sets that may be deleted.
    pub prune: BTreeSet<String>,
    /// Hashes of the held sets that are to be abandoned.
    pub abandon: BTreeSet<String>,
    /// Other apps that declare objects of this one, and which.
    pub claims: BTreeMap<String, String>,
    /// By which a person asks for a sync: any text that was not there before, mostly a time.
    pub requested: Option<String>,
    /// When another replica heard of a push last.
    pub pushed: Option<String>,
}

impl Controls {
    /// What is asked here or there.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        let union = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.union(b).cloned().collect();
        Self {
            suspended: self.suspended || other.suspended,
            suspend_reason: other.suspend_reason.clone().or_else(|| self.suspend_reason.clone()),
            prune: union(&self.prune, &other.prune),
            abandon: union(&self.abandon, &other.abandon),
            claims: self.claims.clone(),
            requested: other.requested.clone().or_else(|| self.requested.clone()),
            pushed: other.pushed.clone().or_else(|| self.pushed.clone()),
        }
    }

    /// Whether this differs from what was known before in nothing but a push.
    pub fn tells_of_a_push(&self, before: &Self) -> bool {
        let known = Self { pushed: self.pushed.clone(), ..before.clone() };
        self.pushed != before.pushed && *self == known
    }

    /// Reads them from the metadata of the inventory or the resource.
    pub fn of(object: &Value) -> Self {
        let annotations = &object["metadata"]["annotations"];
        let text = |key: &str| annotations[key].as_str().unwrap_or_default().trim();
        let some = |key: &str| Some(text(key).to_owned()).filter(|text| !text.is_empty());
        Self {
            suspended: text(SUSPEND).eq_ignore_ascii_case("true"),
            suspend_reason: some(SUSPEND_REASON),
            prune: hashes(text(APPROVE_PRUNE)),
            abandon: hashes(text(APPROVE_ABANDON)),
            claims: claims(text(CLAIMS)),
            requested: REQUESTED.into_iter().find_map(some),
            pushed: some(PUSHED),
        }
    }
}

/// Claims as they are annotated.
pub fn claims(text: &str) -> BTreeMap<String, String> {
    serde_json::from_str(text).unwrap_or_default()
}

/// Hashes, separated by commas.
pub fn hashes(text: &str) -> BTreeSet<String> {
    let hashes = text.split(',').map(str::trim).filter(|hash| !hash.is_empty());
    hashes.map(str::to_ascii_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn annotations_say_what_people_ask() {
        let check = |annotations: Value, expect: Controls| {
            let found = Controls::of(&json!({"metadata": {"annotations": annotations}}));
            assert_eq!(found, expect);
        };
        let none = Controls::default;
        let set = |hashes: &[&str]| hashes.iter().map(ToString::to_string).collect();
        check(json!(null), none());
        check(json!({"note": "true"}), none());
        check(json!({SUSPEND: "True"}), Controls { suspended: true, ..none() });
        check(json!({SUSPEND: "false"}), none());
        let suspend_reason = Some("incident 42".to_owned());
        check(json!({SUSPEND_REASON: " incident 42 "}), Controls { suspend_reason, ..none() });
        check(json!({SUSPEND_REASON: " "}), none());
        check(json!({PUSHED: "9"}), Controls { pushed: Some("9".to_owned()), ..none() });
        check(
            json!({APPROVE_PRUNE: " a1, B2,,"}),
            Controls { prune: set(&["a1", "b2"]), ..none() },
        );
        check(json!({APPROVE_ABANDON: "c3"}), Controls { abandon: set(&["c3"]), ..none() });
        let claims = [("web".to_owned(), "configmap/a".to_owned())].into();
        check(json!({CLAIMS: r#"{"web": "configmap/a"}"#}), Controls { claims, ..none() });
        check(json!({CLAIMS: "nonsense"}), none());
    }
    #[test]
    fn a_push_is_no_request_of_a_person() {
        let check = |before: Value, now: Value, expect: bool| {
            let of = |annotations| Controls::of(&json!({"metadata": {"annotations": annotations}}));
            assert_eq!(of(now).tells_of_a_push(&of(before)), expect);
        };
        check(json!({}), json!({PUSHED: "1"}), true);
        check(json!({PUSHED: "1"}), json!({PUSHED: "2"}), true);
        check(json!({PUSHED: "1"}), json!({PUSHED: "1"}), false);
        check(json!({}), json!({PUSHED: "1", REQUESTED[0]: "1"}), false);
        check(json!({PUSHED: "1"}), json!({PUSHED: "1", SUSPEND: "true"}), false);
    }
}

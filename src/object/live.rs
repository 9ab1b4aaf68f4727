//! What is remembered of an object in the cluster: metadata reduced to what decisions need.

use serde_json::Value;

use super::fields;
use super::marks::{ANNOTATION_HASH, ANNOTATION_ID, LABEL_APP};

/// An object as the cluster last showed it, reduced; never the object itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// Value of our label.
    pub label: Option<String>,
    /// Value of our identity annotation.
    pub identity: Option<String>,
    /// Value of our hash annotation.
    pub hash: Option<String>,
    /// Hash of the fields that we own, see [`fields::set_hash`].
    pub set_hash: Option<String>,
    /// Whether the object is being deleted.
    pub terminating: bool,
    /// The first owner that is not of our making, as `Kind/name`.
    pub owner: Option<String>,
    /// The annotation or label that forbids deletion, if any.
    pub keep: Option<&'static str>,
}

impl From<&Value> for Live {
    fn from(object: &Value) -> Self {
        let meta = &object["metadata"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Self {
            uid: text(&meta["uid"]).unwrap_or_default(),
            resource_version: text(&meta["resourceVersion"]).unwrap_or_default(),
            label: text(&meta["labels"][LABEL_APP]),
            identity: text(&meta["annotations"][ANNOTATION_ID]),
            hash: text(&meta["annotations"][ANNOTATION_HASH]),
            set_hash: fields::set_hash(object),
            terminating: meta["deletionTimestamp"].is_string(),
            owner: foreign_owner(object),
            keep: keep(object),
        }
    }
}

/// The first entry of `ownerReferences` that our own apply did not set.
fn foreign_owner(object: &Value) -> Option<String> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    let ours = fields::ours(object);
    let is_ours = |owner: &Value| {
        let key = serde_json::json!({"uid": owner["uid"]});
        let path = fields::FieldPath::default()
            .then(fields::Segment::Field("metadata".into()))
            .then(fields::Segment::Field("ownerReferences".into()))
            .then(fields::Segment::Key(key.as_object().cloned().unwrap_or_default()));
        ours.is_some_and(|entry| path.within(entry.fields()))
    };
    let owner = owners.iter().find(|owner| !is_ours(owner))?;
    let text = |key: &str| owner[key].as_str().unwrap_or_default();
    Some(format!("{}/{}", text("kind"), text("name")))
}

/// Marks by which this tool and its peers say "do not delete" (research: peers' annotations).
/// A value of `*` stands for any; comma-separated lists match by item; case does not matter.
const KEEP: &[(&str, &[&str])] = &[
    ("gitops-sync.dev/prune", &["keep", "disabled", "false"]),
    (
        "argocd.argoproj.io/sync-options",
        &["Prune=false", "Delete=false", "Prune=confirm", "Delete=confirm"],
    ),
    ("kustomize.toolkit.fluxcd.io/prune", &["disabled"]),
    ("kustomize.toolkit.fluxcd.io/reconcile", &["disabled"]),
    ("client.lifecycle.config.k8s.io/deletion", &["detach"]),
    ("cli-utils.sigs.k8s.io/on-remove", &["keep"]),
    ("helm.sh/resource-policy", &["keep"]),
    ("kapp.k14s.io/delete-strategy", &["orphan"]),
    ("kapp.k14s.io/noop", &["*"]),
    ("kluctl.io/skip-delete", &["true"]),
    ("fluxcd.io/ignore", &["true", "sync_only"]),
    ("configmanagement.gke.io/managed", &["disabled"]),
];

/// The mark on an object, or on a manifest, that forbids its deletion.
pub fn keep(object: &Value) -> Option<&'static str> {
    let meta = &object["metadata"];
    let says = |map: &Value, (key, values): &(&'static str, &[&str])| {
        let text = map[*key].as_str()?;
        let hit = text
            .split(',')
            .any(|item| values.iter().any(|v| *v == "*" || v.eq_ignore_ascii_case(item.trim())));
        hit.then_some(*key)
    };
    KEEP.iter()
        .find_map(|mark| says(&meta["annotations"], mark).or_else(|| says(&meta["labels"], mark)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keeps_what_any_tool_says_to_keep() {
        let check = |key: &str, value: &str, kept: bool| {
            let object = json!({"metadata": {"annotations": {key: value}}});
            assert_eq!(keep(&object).is_some(), kept, "{key}: {value}");
            let object = json!({"metadata": {"labels": {key: value}}});
            assert_eq!(keep(&object).is_some(), kept, "label {key}: {value}");
        };
        check("argocd.argoproj.io/sync-options", "ServerSideApply=true, Prune=false", true);
        check("argocd.argoproj.io/sync-options", "ServerSideApply=true", false);
        check("kustomize.toolkit.fluxcd.io/prune", "Disabled", true);
        check("helm.sh/resource-policy", "keep", true);
        check("kapp.k14s.io/noop", "", true);
        check("gitops-sync.dev/prune", "allow", false);
        check("example.com/keep", "true", false);
    }

    #[test]
    fn an_owner_that_git_did_not_set_is_foreign() {
        let object = |fields: Value| {
            json!({"metadata": {
                "ownerReferences": [{"kind": "Kafka", "name": "k", "uid": "u1"}],
                "managedFields": [{"manager": "gitops-sync", "operation": "Apply", "fieldsV1": fields}],
            }})
        };
        let ours = json!({"f:metadata": {"f:ownerReferences": {"k:{\"uid\":\"u1\"}": {}}}});
        assert_eq!(Live::from(&object(ours)).owner, None);
        let theirs = json!({"f:metadata": {"f:labels": {}}});
        assert_eq!(Live::from(&object(theirs)).owner.as_deref(), Some("Kafka/k"));
    }
}

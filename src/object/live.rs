//! What is remembered of an object in the cluster: metadata reduced to what decisions need.

use std::sync::Arc;

use serde_json::Value;

use super::marks::{ANNOTATION_HASH, ANNOTATION_ID, LABEL_APP};
use super::{Health, additions, fields, handling};

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
    /// `metadata.generation`; 0 for a kind without.
    pub generation: i64,
    /// When our entry in `managedFields` last changed, empty without one.
    pub applied_at: String,
    /// The set of what people added by hand, see [`additions`].
    pub additions: Option<Arc<Value>>,
    /// Whose `spec.replicas` is.
    pub replicas: Replicas,
    /// The mark that says not to touch the object at all, if any.
    pub hands_off: Option<&'static str>,
    /// Whether the object is being deleted.
    pub terminating: bool,
    /// The first owner that is not of our making, as `Kind/name`.
    pub owner: Option<String>,
    /// The annotation or label that forbids deletion, if any.
    pub keep: Option<&'static str>,
    /// Whether it says that it may be deleted without asking.
    pub may_go: bool,
    /// How it fares, of the kinds of which that is watched.
    pub health: Option<Health>,
}

impl Live {
    /// Whether an object that was like this is judged in the same way as one like the other. Most events
    /// change nothing but a version and a status.
    pub fn is_judged_as(&self, other: &Self) -> bool {
        self.hash == other.hash
            && self.set_hash == other.set_hash
            && self.additions == other.additions
            && self.replicas == other.replicas
            && self.hands_off == other.hands_off
            && self.terminating == other.terminating
    }
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
            generation: meta["generation"].as_i64().unwrap_or_default(),
            applied_at: fields::ours(object).map(|e| e.time().to_owned()).unwrap_or_default(),
            additions: additions::set(object).map(Arc::new),
            replicas: Replicas::of(object),
            hands_off: handling::hands_off(object),
            terminating: meta["deletionTimestamp"].is_string(),
            owner: foreign_owner(object),
            keep: handling::keep(object),
            may_go: handling::may_go(object),
            health: None,
        }
    }
}

/// Whose field `spec.replicas` is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replicas {
    /// Nobody's, or somebody's who does not matter.
    #[default]
    Free,
    /// Ours, and no autoscaler's.
    Ours,
    /// An autoscaler's: something that is no tool for people owns it through `scale`.
    Autoscaler,
}

impl Replicas {
    /// Reads it from an object's `managedFields`.
    pub fn of(object: &Value) -> Self {
        let owns = |entry: &fields::Entry<'_>| !entry.fields()["f:spec"]["f:replicas"].is_null();
        let mut owners = fields::entries(object).filter(owns);
        let is_autoscaler = |entry: fields::Entry<'_>| {
            entry.subresource() == "scale" && !additions::is_human(entry.manager())
        };
        match (
            fields::entries(object).filter(owns).any(is_autoscaler),
            owners.any(fields::Entry::is_ours),
        ) {
            (true, _) => Self::Autoscaler,
            (false, true) => Self::Ours,
            (false, false) => Self::Free,
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn replicas_are_an_autoscalers_when_it_scales_them() {
        let check = |managers: &[(&str, &str, &str)], expect: Replicas| {
            let entries = managers.iter().map(|(manager, operation, subresource)| {
                json!({"manager": manager, "operation": operation, "subresource": subresource,
                       "fieldsV1": {"f:spec": {"f:replicas": {}}}})
            });
            let entries: Vec<_> = entries.collect();
            assert_eq!(Replicas::of(&json!({"metadata": {"managedFields": entries}})), expect);
        };
        check(&[], Replicas::Free);
        check(&[("gitops-sync", "Apply", "")], Replicas::Ours);
        check(&[("kubectl", "Update", "scale")], Replicas::Free);
        check(&[("kube-controller-manager", "Update", "scale")], Replicas::Autoscaler);
        check(&[("gitops-sync", "Apply", ""), ("keda", "Update", "scale")], Replicas::Autoscaler);
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

//! A resource as the API server shows it.

use std::sync::Arc;

use serde::Deserialize as _;
use serde_json::Value;

use crate::api::{self, GitOpsApp, GitOpsAppStatus, Invalid};
use crate::cluster::apps::{self, FINALIZER};
use crate::cluster::events::Regarding;
use crate::object::{AppId, ObjectId};
use crate::plan::Controls;
use crate::plan::inventory::SourceIdentity;
use crate::sync::Origin;

/// A `GitOpsApp`, whether it makes sense or not.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The app.
    pub app: AppId,
    /// The resource.
    pub id: ObjectId,
    /// Its uid.
    pub uid: String,
    /// Its version.
    pub version: String,
    /// Its generation: what is wanted, by a number.
    pub generation: i64,
    /// Its finalizers.
    finalizers: Vec<String>,
    /// Whether it is being deleted.
    pub is_deleting: bool,
    /// What people ask by its annotations.
    pub controls: Controls,
    /// The status that it has, as far as it can be read.
    pub status: GitOpsAppStatus,
    /// What it says.
    pub resource: Result<Arc<GitOpsApp>, Invalid>,
}

impl Seen {
    /// A resource of an installation whose inventories are in this namespace.
    pub fn of(object: &Value, namespace: &str) -> Self {
        let meta = &object["metadata"];
        let text = |key: &str| meta[key].as_str().unwrap_or_default().to_owned();
        let id = ObjectId::new(apps::kind(), &text("namespace"), &text("name"));
        let resource = api::decode(object).map(Arc::new);
        let mut controls = Controls { claims: [].into(), ..Controls::of(object) };
        controls.suspended |= resource.as_ref().is_ok_and(|app| app.spec.suspend);
        let finalizers = meta["finalizers"].as_array().into_iter().flatten();
        Self {
            app: AppId::of_resource(&id.namespace, &id.name).within(namespace),
            uid: text("uid"),
            version: text("resourceVersion"),
            generation: meta["generation"].as_i64().unwrap_or_default(),
            finalizers: finalizers.filter_map(|f| f.as_str().map(str::to_owned)).collect(),
            is_deleting: meta["deletionTimestamp"].is_string(),
            controls,
            status: GitOpsAppStatus::deserialize(&object["status"]).unwrap_or_default(),
            resource,
            id,
        }
    }

    /// Whether what runs for this has to end for what it is now.
    pub fn is_superseded_by(&self, now: &Self) -> bool {
        self.generation != now.generation
            || self.uid != now.uid
            || self.is_deleting != now.is_deleting
    }

    /// Whether it stays until its objects are dealt with.
    pub fn is_held(&self) -> bool {
        self.finalizers.iter().any(|finalizer| finalizer == FINALIZER)
    }

    /// Its finalizers with ours.
    pub fn held(&self) -> Vec<&str> {
        self.finalizers.iter().map(String::as_str).chain([FINALIZER]).collect()
    }

    /// Its finalizers without ours.
    pub fn released(&self) -> Vec<&str> {
        self.finalizers.iter().map(String::as_str).filter(|f| *f != FINALIZER).collect()
    }

    /// What events on it are about.
    pub fn regarding(&self) -> Regarding {
        let (id, version) = (self.id.clone(), "v1alpha1".to_owned());
        Regarding { id, version, uid: Some(self.uid.clone()) }
    }

    /// Where its manifests are.
    pub fn source(&self) -> SourceIdentity {
        let spec = self.resource.as_ref().map(|app| &app.spec);
        spec.map_or_else(
            |_| Origin::identity_of("", ""),
            |spec| Origin::identity_of(&spec.repo_url, &spec.path),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seen(meta: Value, spec: Value) -> Seen {
        let mut object = json!({
            "apiVersion": "gitops-sync.dev/v1alpha1", "kind": "GitOpsApp",
            "metadata": {"name": "web", "namespace": "team", "uid": "u", "generation": 1},
            "spec": {"repoURL": "https://git.example/c"},
        });
        let merge = |into: &mut Value, from: Value| {
            let fields = from.as_object().cloned().unwrap_or_default();
            into.as_object_mut().unwrap().extend(fields);
        };
        merge(&mut object["metadata"], meta);
        merge(&mut object["spec"], spec);
        Seen::of(&object, "ops")
    }

    #[test]
    fn what_people_ask_stands_in_the_spec_and_in_annotations() {
        let check = |meta: Value, spec: Value, expect: Controls| {
            assert_eq!(seen(meta, spec).controls, expect);
        };
        let none = Controls::default;
        check(json!({}), json!({}), none());
        check(json!({}), json!({"suspend": true}), Controls { suspended: true, ..none() });
        let requested = Some("now".to_owned());
        for key in ["gitops-sync.dev/requested-at", "reconcile.fluxcd.io/requestedAt"] {
            let expect = Controls { requested: requested.clone(), ..none() };
            check(json!({"annotations": {key: "now"}}), json!({}), expect);
        }
        // What other apps claim is told by inventories alone, where no tenant can write.
        check(
            json!({"annotations": {"gitops-sync.dev/claims": "{\"a\":\"b\"}"}}),
            json!({}),
            none(),
        );
    }

    #[test]
    fn only_what_is_wanted_otherwise_ends_what_runs() {
        let before = seen(json!({}), json!({}));
        let check = |meta: Value, expect: bool| {
            let now = seen(meta.clone(), json!({}));
            assert_eq!(before.is_superseded_by(&now), expect, "{meta}");
        };
        check(json!({"resourceVersion": "2", "annotations": {"a": "b"}}), false);
        check(json!({"generation": 2}), true);
        check(json!({"uid": "v"}), true);
        check(json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}), true);
    }

    #[test]
    fn one_that_makes_no_sense_is_seen_as_well() {
        let seen = seen(json!({"finalizers": ["a", FINALIZER]}), json!({"interval": "soon"}));
        assert_eq!(seen.app.as_str(), "team.web");
        assert!(seen.resource.is_err() && seen.is_held());
        assert_eq!(seen.released(), ["a"]);
    }
}

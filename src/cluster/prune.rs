//! Deletes or abandons one object, exactly the one that was judged.

use kube::api::{DeleteParams, Preconditions};
use serde_json::{Value, json};

use super::{ApiError, Cluster, client};
use crate::object::fields;
use crate::object::marks::{ANNOTATION_HASH, ANNOTATION_ID, LABEL_APP};
use crate::object::{GroupKind, Live, ObjectId};
use crate::plan::Resource;

impl Cluster {
    /// Deletes an object if it is still the one that was judged. Of what runs pods, the pods go first.
    pub async fn delete(
        &self,
        resource: &Resource,
        id: &ObjectId,
        live: &Live,
        dry_run: bool,
    ) -> Result<(), ApiError> {
        self.delete_with(propagation(&id.kind), resource, id, live, dry_run).await
    }

    /// The same; its pods go after it.
    pub async fn delete_first(
        &self,
        resource: &Resource,
        id: &ObjectId,
        live: &Live,
        dry_run: bool,
    ) -> Result<(), ApiError> {
        self.delete_with(DeleteParams::background(), resource, id, live, dry_run).await
    }

    async fn delete_with(
        &self,
        params: DeleteParams,
        resource: &Resource,
        id: &ObjectId,
        live: &Live,
        dry_run: bool,
    ) -> Result<(), ApiError> {
        let preconditions = Preconditions {
            uid: Some(live.uid.clone()),
            resource_version: Some(live.resource_version.clone()),
        };
        let mut params = params.preconditions(preconditions);
        if dry_run {
            params = params.dry_run();
        }
        let request = client::requests(resource, id)
            .delete(&id.name, &params)
            .map_err(ApiError::BadRequest)?;
        self.send("delete", request).await.map(drop)
    }

    /// Takes our marks and our ownership off an object and leaves the rest as it is: one JSON patch
    /// that fails if the object is another by now.
    pub async fn abandon(
        &self,
        resource: &Resource,
        id: &ObjectId,
        object: &Value,
    ) -> Result<(), ApiError> {
        self.patch(resource, id, abandoning(object), false).await.map(drop)
    }
}

/// How an object of a kind is deleted. In the foreground only where its pods are worth waiting for:
/// the garbage collector has to let such an object go, and of a custom resource it never does once
/// the version in which it first saw the object is no longer served (Kubernetes 1.36).
fn propagation(kind: &GroupKind) -> DeleteParams {
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("apps" | "batch", _) | ("", "ReplicationController") => DeleteParams::foreground(),
        _ => DeleteParams::background(),
    }
}

/// The patch that abandons an object.
fn abandoning(object: &Value) -> Value {
    let meta = &object["metadata"];
    let mut patch = vec![
        json!({"op": "test", "path": "/metadata/uid", "value": meta["uid"]}),
        json!({"op": "test", "path": "/metadata/resourceVersion", "value": meta["resourceVersion"]}),
    ];
    for (map, key) in
        [("labels", LABEL_APP), ("annotations", ANNOTATION_ID), ("annotations", ANNOTATION_HASH)]
    {
        if meta[map].get(key).is_some() {
            let pointer = format!("/metadata/{map}/{}", key.replace('/', "~1"));
            patch.push(json!({"op": "remove", "path": pointer}));
        }
    }
    if let Some(at) = fields::entries(object).position(fields::Entry::is_ours) {
        patch.push(json!({"op": "remove", "path": format!("/metadata/managedFields/{at}")}));
    }
    Value::Array(patch)
}

#[cfg(test)]
mod tests {
    use kube::api::PropagationPolicy;

    use super::*;

    #[test]
    fn only_what_runs_pods_waits_for_its_dependents() {
        let check = |group: &str, kind: &str, expect| {
            let found = propagation(&GroupKind::new(group, kind));
            assert_eq!(found.propagation_policy, Some(expect), "{kind}.{group}");
        };
        check("apps", "Deployment", PropagationPolicy::Foreground);
        check("batch", "CronJob", PropagationPolicy::Foreground);
        check("", "ReplicationController", PropagationPolicy::Foreground);
        check("", "ConfigMap", PropagationPolicy::Background);
        check("apiextensions.k8s.io", "CustomResourceDefinition", PropagationPolicy::Background);
        check("apps.example.com", "Deployment", PropagationPolicy::Background);
    }

    #[test]
    fn abandoning_removes_our_marks_and_nothing_else() {
        let object = json!({"metadata": {
            "uid": "u", "resourceVersion": "7",
            "labels": {LABEL_APP: "web", "app": "web"},
            "annotations": {ANNOTATION_ID: "x", "note": "y"},
            "managedFields": [
                {"manager": "kubectl", "operation": "Update"},
                {"manager": "gitops-sync", "operation": "Apply"},
            ],
        }});
        let patch: json_patch::Patch = serde_json::from_value(abandoning(&object)).unwrap();
        let mut left = object;
        json_patch::patch(&mut left, &patch).unwrap();
        assert_eq!(left["metadata"]["labels"], json!({"app": "web"}));
        assert_eq!(left["metadata"]["annotations"], json!({"note": "y"}));
        assert_eq!(left["metadata"]["managedFields"].as_array().unwrap().len(), 1);
        left["metadata"]["uid"] = json!("other");
        assert!(json_patch::patch(&mut left, &patch).is_err());
    }
}

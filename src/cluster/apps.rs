//! Requests about the resource of an app: its status and its finalizer.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{ApiError, Cluster, client};
use crate::api::GitOpsAppStatus;
use crate::object::{GroupKind, ObjectId};
use crate::plan::Resource;

/// Finalizer that keeps a deleted app until its objects are dealt with.
pub const FINALIZER: &str = "gitops-sync.dev/finalizer";
/// Field manager of statuses: not the one of manifests, since an app may be among them.
const STATUS_MANAGER: &str = "gitops-sync-status";

/// The kind of apps.
pub fn kind() -> GroupKind {
    GroupKind::new("gitops-sync.dev", "GitOpsApp")
}

/// How apps are addressed.
pub fn resource() -> Resource {
    Resource {
        kind: kind(),
        version: "v1alpha1".to_owned(),
        plural: "gitopsapps".to_owned(),
        namespaced: true,
        listable: true,
    }
}

impl Cluster {
    /// Writes an app's status, if it is still the app with this uid.
    pub async fn write_status(
        &self,
        id: &ObjectId,
        uid: &str,
        status: &GitOpsAppStatus,
    ) -> Result<(), ApiError> {
        let body = json!({
            "apiVersion": id.kind.api_version("v1alpha1"), "kind": id.kind.kind,
            "metadata": {"name": id.name, "namespace": id.namespace, "uid": uid},
            "status": status,
        });
        let params = PatchParams::apply(STATUS_MANAGER).force();
        let request = client::requests(&resource(), id)
            .patch_subresource("status", &id.name, &params, &Patch::Apply(&body))
            .map_err(ApiError::BadRequest)?;
        self.send("patch", request).await.map(drop)
    }

    /// Merges fields into an app, as this field manager. With a resourceVersion among them, only if it is still
    /// at this version.
    pub async fn merge_app(
        &self,
        id: &ObjectId,
        manager: &str,
        fields: &Value,
    ) -> Result<Value, ApiError> {
        let params = PatchParams { field_manager: Some(manager.to_owned()), ..Default::default() };
        let request = client::requests(&resource(), id)
            .patch(&id.name, &params, &Patch::Merge(fields))
            .map_err(ApiError::BadRequest)?;
        self.send("patch", request).await.map(|(_, app)| app)
    }

    /// Sets the finalizers of an app, if it is still at this version.
    pub async fn set_finalizers(
        &self,
        id: &ObjectId,
        version: &str,
        finalizers: &[&str],
    ) -> Result<Value, ApiError> {
        let body = json!({"metadata": {"resourceVersion": version, "finalizers": finalizers}});
        let request = client::requests(&resource(), id)
            .patch(&id.name, &PatchParams::default(), &Patch::Merge(&body))
            .map_err(ApiError::BadRequest)?;
        self.send("patch", request).await.map(|(_, app)| app)
    }
}

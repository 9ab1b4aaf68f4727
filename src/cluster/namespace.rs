//! Creates a namespace that an app needs and does not keep.

use kube::api::PostParams;
use serde_json::json;

use super::{ApiError, Cluster, client};
use crate::api::spec::CreateNamespace;
use crate::object::marks::MANAGER;
use crate::object::{GroupKind, ObjectId};
use crate::plan::Resource;

impl Cluster {
    /// Creates a namespace, without our marks; one that is there is left as it is.
    pub async fn create_namespace(
        &self,
        name: &str,
        wanted: &CreateNamespace,
        dry_run: bool,
    ) -> Result<(), ApiError> {
        let metadata = json!({
            "name": name, "labels": wanted.labels, "annotations": wanted.annotations,
        });
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
        let id = ObjectId::new(namespaces().kind, "", name);
        let params = PostParams { dry_run, field_manager: Some(MANAGER.to_owned()) };
        let request = client::requests(&namespaces(), &id)
            .create(&params, body.to_string().into_bytes())
            .map_err(ApiError::BadRequest)?;
        match self.send("create", request).await {
            Err(error) if error.says_exists() => Ok(()),
            answer => answer.map(drop),
        }
    }
}

fn namespaces() -> Resource {
    Resource {
        kind: GroupKind::new("", "Namespace"),
        version: "v1".to_owned(),
        plural: "namespaces".to_owned(),
        namespaced: false,
        listable: true,
    }
}

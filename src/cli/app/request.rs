//! Requests about the resources of apps, with refusals as people read them.

use serde_json::{Value, json};

use super::problem::AppProblem;
use crate::cluster::list::{Content, Target};
use crate::cluster::{Cluster, apps};
use crate::object::ObjectId;

/// Tries to change what the daemon writes as well.
const TRIES: u32 = 10;

/// Reads an app's resource.
pub async fn get(cluster: &Cluster, id: &ObjectId) -> Result<Value, AppProblem> {
    match cluster.get(&apps::resource(), id).await {
        Ok(Some(app)) => Ok(app),
        Ok(None) => Err(AppProblem::no_app(cluster, id).await),
        Err(error) => Err(AppProblem::of("get", &id.namespace, error)),
    }
}

/// Reads the resources of a namespace, or (empty) of all, by namespace and name.
pub async fn list(cluster: &Cluster, namespace: &str) -> Result<Vec<Value>, AppProblem> {
    let mut all = Vec::new();
    let see = |app: &mut Value| all.push(app.take());
    let target = Target::of(&apps::resource(), namespace, Content::Whole);
    let listed = cluster.list(&target, see).await;
    listed.map_err(|error| AppProblem::of("list", namespace, error))?;
    Ok(all)
}

/// Merges fields into an app's resource, whatever its version is.
pub async fn merge(
    cluster: &Cluster,
    id: &ObjectId,
    manager: &str,
    fields: &Value,
) -> Result<Value, AppProblem> {
    match cluster.merge_app(id, manager, fields).await {
        Ok(app) => Ok(app),
        Err(error) if error.says_gone(&id.name) => Err(AppProblem::no_app(cluster, id).await),
        Err(error) => Err(AppProblem::of("patch", &id.namespace, error)),
    }
}

/// Changes an annotation of an app's resource by what it says now. What the resource is at that moment is checked
/// first.
pub async fn annotate(
    cluster: &Cluster,
    id: &ObjectId,
    manager: &str,
    key: &str,
    value: impl Fn(&Value, Option<&str>) -> anyhow::Result<String>,
) -> anyhow::Result<()> {
    for _ in 0..TRIES {
        let app = get(cluster, id).await?;
        let meta = &app["metadata"];
        let new = value(&app, meta["annotations"][key].as_str())?;
        let version = &meta["resourceVersion"];
        let fields = json!({"metadata": {"resourceVersion": version, "annotations": {key: new}}});
        match cluster.merge_app(id, manager, &fields).await {
            Ok(_) => return Ok(()),
            Err(error) if error.code() == 409 => {}
            Err(error) => return Err(AppProblem::of("patch", &id.namespace, error).into()),
        }
    }
    Err(AppProblem::Contended.into())
}

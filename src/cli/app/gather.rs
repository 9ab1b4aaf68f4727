//! The objects of an app, gathered from all kinds that a person may list.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt as _, stream};
use serde_json::Value;

use crate::cluster::list::{Content, Target};
use crate::cluster::{ApiError, Cluster};
use crate::health::{Health, health, is_told};
use crate::object::marks::MANAGER;
use crate::object::{AppId, GroupKind, Live, ObjectId, fields};
use crate::plan::Resource;
use crate::plan::prune::selector;

/// Kinds that are listed side by side.
const PARALLEL: usize = 16;

/// An object that names itself as the app's.
#[derive(Clone, Debug)]
pub struct Found {
    /// The object.
    pub id: ObjectId,
    /// Namespace of the daemon that applied it.
    pub daemon: String,
    /// The first owner that is not of our making.
    pub owner: Option<String>,
    /// Others that set fields of it.
    pub managers: BTreeSet<String>,
    /// Whether it says that it is to be left alone.
    pub is_left: bool,
    /// How it fares, where that can be told.
    pub health: Option<Health>,
}

/// What was found, and what could not be looked at.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    /// The objects.
    pub found: BTreeMap<ObjectId, Found>,
    /// Kinds that the person may not list.
    pub forbidden: BTreeSet<GroupKind>,
    /// Kinds that the person may list in some namespaces only.
    pub narrow: BTreeSet<GroupKind>,
    /// Kinds that could not be listed, and why.
    pub failed: BTreeMap<GroupKind, String>,
}

/// The objects of one kind, or why they are not known.
struct Listed {
    resource: Arc<Resource>,
    /// Where they were listed; the empty namespace is all of them.
    namespaces: Vec<String>,
    objects: Result<Vec<Value>, ApiError>,
}

impl Found {
    /// An object, if it names itself as the app's.
    pub fn of(kind: &GroupKind, object: &Value, app: &AppId) -> Option<Self> {
        let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
        let id = ObjectId::new(kind.clone(), text("namespace"), text("name"));
        let live = Live::from(object);
        let named = AppId::of_identity(live.identity.as_deref()?, &id)?;
        (named.as_str() == app.as_str()).then(|| Self {
            daemon: named.namespace().to_owned(),
            owner: live.owner,
            managers: managers(object),
            is_left: live.hands_off.is_some(),
            health: (!is_told(kind)).then_some(Health::Healthy),
            id,
        })
    }
}

/// Others that set fields of an object beside its metadata and its status.
fn managers(object: &Value) -> BTreeSet<String> {
    let is_other = |entry: &fields::Entry<'_>| {
        let is_ours = entry.manager() == MANAGER || entry.manager().starts_with("gitops-sync-");
        let fields = entry.fields().as_object();
        let is_more = fields.is_some_and(|fields| fields.keys().any(|key| key != "f:metadata"));
        !is_ours && entry.subresource() != "status" && is_more
    };
    let named = |entry: fields::Entry<'_>| match entry.subresource() {
        "" => entry.manager().to_owned(),
        subresource => format!("{} ({subresource})", entry.manager()),
    };
    fields::entries(object).filter(is_other).map(named).collect()
}

/// Gathers the objects of an app. Where a person may not list a kind everywhere, these namespaces are looked at.
pub async fn gather(
    cluster: &Cluster,
    app: &AppId,
    namespaces: &[String],
) -> Result<Gathered, ApiError> {
    let kinds = cluster.discover().await?;
    let selector = selector(app);
    let kinds = kinds.all().filter(|resource| resource.listable).cloned();
    let kinds: Vec<_> = kinds.collect();
    let lists = kinds.into_iter().map(|kind| list(cluster, kind, &selector, namespaces));
    let listed: Vec<_> = stream::iter(lists).buffer_unordered(PARALLEL).collect().await;
    let mut gathered = Gathered::default();
    let mut told = Vec::new();
    for listed in listed {
        let (kind, before) = (listed.resource.kind.clone(), gathered.found.len());
        gathered.take(&listed, app);
        if gathered.found.len() > before && is_told(&kind) {
            told.push((listed.resource, listed.namespaces));
        }
    }
    let reads = told
        .into_iter()
        .map(|(resource, namespaces)| fares(cluster, resource, selector.clone(), namespaces));
    let fares: Vec<_> = stream::iter(reads).buffer_unordered(PARALLEL).collect().await;
    for (id, health) in fares.into_iter().flatten() {
        gathered
            .found
            .get_mut(&id)
            .into_iter()
            .for_each(|found| found.health = Some(health.clone()));
    }
    Ok(gathered)
}

impl Gathered {
    fn take(&mut self, listed: &Listed, app: &AppId) {
        let kind = &listed.resource.kind;
        let objects = match &listed.objects {
            Ok(objects) => objects,
            Err(error) if error.code() == 403 => {
                self.forbidden.insert(kind.clone());
                return;
            }
            // It has just gone, or is not meant to be listed after all.
            Err(error) if matches!(error.code(), 404 | 405) => return,
            Err(error) => {
                self.failed.insert(kind.clone(), error.to_string());
                return;
            }
        };
        if listed.namespaces.iter().any(|namespace| !namespace.is_empty()) {
            self.narrow.insert(kind.clone());
        }
        let found = objects.iter().filter_map(|object| Found::of(kind, object, app));
        self.found.extend(found.map(|found| (found.id.clone(), found)));
    }

    /// Whether an object of this kind would have been found if it were there.
    pub fn has_seen(&self, kind: &GroupKind) -> bool {
        !self.forbidden.contains(kind)
            && !self.narrow.contains(kind)
            && !self.failed.contains_key(kind)
    }
}

/// Lists the metadata of a kind's objects: of all, or where that is forbidden of those in some namespaces.
async fn list(
    cluster: &Cluster,
    resource: Arc<Resource>,
    selector: &str,
    namespaces: &[String],
) -> Listed {
    let all = [String::new()];
    let objects = read(cluster, &resource, selector, &all, Content::Metadata).await;
    let is_narrow = resource.namespaced && matches!(&objects, Err(error) if error.code() == 403);
    if !is_narrow {
        return Listed { resource, namespaces: all.into(), objects };
    }
    let objects = read(cluster, &resource, selector, namespaces, Content::Metadata).await;
    Listed { resource, namespaces: namespaces.to_vec(), objects }
}

async fn read(
    cluster: &Cluster,
    resource: &Resource,
    selector: &str,
    namespaces: &[String],
    content: Content,
) -> Result<Vec<Value>, ApiError> {
    let mut objects = Vec::new();
    for namespace in namespaces {
        let see = |object: &mut Value| objects.push(object.take());
        let labels = selector.to_owned();
        let target = Target { labels, ..Target::of(resource, namespace, content) };
        cluster.list(&target, see).await?;
    }
    Ok(objects)
}

/// How the objects of a kind fare, as far as they can be read.
async fn fares(
    cluster: &Cluster,
    resource: Arc<Resource>,
    selector: String,
    namespaces: Vec<String>,
) -> Vec<(ObjectId, Health)> {
    let objects = read(cluster, &resource, &selector, &namespaces, Content::Whole).await;
    let fares = objects.unwrap_or_default().into_iter().map(|object| {
        let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
        let id = ObjectId::new(resource.kind.clone(), text("namespace"), text("name"));
        (id, health(&resource.kind, &object))
    });
    fares.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_names_itself_and_the_app_is_the_apps() {
        let app = AppId::of_resource("team", "web");
        let kind = GroupKind::new("", "ConfigMap");
        let check = |identity: &str, daemon: Option<&str>| {
            let object = json!({"metadata": {
                "name": "a", "namespace": "demo", "annotations": {"gitops-sync.dev/id": identity},
            }});
            let found = Found::of(&kind, &object, &app).map(|found| found.daemon);
            assert_eq!(found.as_deref(), daemon, "{identity}");
        };
        check("ops_team.web:/ConfigMap:demo/a", Some("ops"));
        check("ops_team.web:/ConfigMap:demo/b", None);
        check("ops_team.other:/ConfigMap:demo/a", None);
        check("", None);
    }

    #[test]
    fn who_sets_more_than_metadata_and_status_has_a_hand_in_it() {
        let check = |manager: &str, subresource: &str, set: Value, expect: &[&str]| {
            let entry = json!({
                "manager": manager, "operation": "Update", "subresource": subresource, "fieldsV1": set,
            });
            let object = json!({"metadata": {"managedFields": [entry]}});
            assert_eq!(managers(&object).into_iter().collect::<Vec<_>>(), expect);
        };
        let (spec, meta) = (|| json!({"f:spec": {}}), || json!({"f:metadata": {}}));
        check("kubectl-edit", "", spec(), &["kubectl-edit"]);
        check("hpa", "scale", spec(), &["hpa (scale)"]);
        check("controller", "status", json!({"f:status": {}}), &[]);
        check("controller", "", meta(), &[]);
        check("gitops-sync", "", spec(), &[]);
        check("gitops-sync-handover", "", spec(), &[]);
    }
}

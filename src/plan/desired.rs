//! Manifests to desired objects: kind resolved, namespace settled, marked and hashed.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Kinds, Reach, Resource, Stage};
use crate::object::marks::{self, HashKey};
use crate::object::{AppId, ObjectId, live};
use crate::render::plain::duplicate;
use crate::render::{Diagnostic, Manifest, Origin, Problem};

/// An object as it shall be in the cluster.
#[derive(Debug)]
pub struct Desired {
    /// Identity, with the namespace it will be in.
    pub id: ObjectId,
    /// How it is addressed.
    pub resource: Resource,
    /// Whether its kind is served only once a CRD of the same source is applied.
    pub kind_is_new: bool,
    /// The manifest with our marks, as it is sent.
    pub body: Value,
    /// The hash it carries.
    pub hash: String,
    /// Where it stands in the source.
    pub origin: Origin,
    /// Whether it carries a mark against deletion.
    pub keep: bool,
    /// Whether it goes by itself once it has done its work: a Job with `ttlSecondsAfterFinished`.
    pub one_shot: bool,
}

impl Desired {
    /// The name that its CRD has, if it is a custom resource.
    pub fn crd_name(&self) -> String {
        format!("{}.{}", self.resource.plural, self.id.kind.group)
    }

    /// The stage in which it is applied.
    pub fn stage(&self) -> Stage {
        Stage::of(&self.id.kind)
    }
}

/// Whose objects they are, where those without a namespace go, and where any may go.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The app.
    pub app: AppId,
    /// Key of the manifest hashes.
    pub key: HashKey,
    /// Namespace of namespaced objects that name none.
    pub namespace: String,
    /// Where objects may be.
    pub reach: Reach,
}

/// Resolves manifests against the kinds a cluster serves. All diagnostics are returned, not only
/// the first.
pub fn resolve(
    manifests: &[Manifest],
    served: &Kinds,
    settings: &Settings,
) -> (Vec<Arc<Desired>>, Vec<Diagnostic>) {
    // A CRD belongs to the whole cluster: out of reach, it is not applied and defines nothing.
    let is_whole = settings.reach.is_whole();
    let defined = if is_whole { Kinds::defined_by(manifests) } else { Kinds::default() };
    let mut desired: BTreeMap<ObjectId, Arc<Desired>> = BTreeMap::new();
    let mut diagnostics = Vec::new();
    for manifest in manifests {
        let (kind, version) = (&manifest.id.kind, manifest.version.as_str());
        let now = served.at(kind, version);
        let Some(resource) = now.or_else(|| defined.at(kind, version)).cloned() else {
            diagnostics.push(unknown_kind(manifest));
            continue;
        };
        let kind_is_new = now.is_none();
        let mut manifest = manifest.clone();
        settle_namespace(&mut manifest, &resource, &settings.namespace);
        if settings.reach.scope_of(&manifest.id).is_none() {
            diagnostics.push(out_of_reach(&manifest, &settings.reach));
            continue;
        }
        if let Some(first) = desired.get(&manifest.id) {
            diagnostics.push(duplicate(&manifest, &first.origin));
            continue;
        }
        let object = finish(manifest, resource, kind_is_new, settings);
        desired.insert(object.id.clone(), Arc::new(object));
    }
    (desired.into_values().collect(), diagnostics)
}

fn settle_namespace(manifest: &mut Manifest, resource: &Resource, default: &str) {
    if !resource.namespaced {
        manifest.id.namespace.clear();
        if let Some(meta) = manifest.body["metadata"].as_object_mut() {
            meta.remove("namespace");
        }
    } else if manifest.id.namespace.is_empty() {
        default.clone_into(&mut manifest.id.namespace);
        manifest.body["metadata"]["namespace"] = json!(default);
    }
}

fn finish(
    manifest: Manifest,
    resource: Resource,
    kind_is_new: bool,
    settings: &Settings,
) -> Desired {
    let Manifest { id, mut body, origin, .. } = manifest;
    let keep = live::keep(&body).is_some();
    let hash = marks::mark(&mut body, &settings.app, &id, &settings.key);
    let one_shot =
        id.kind.is("batch", "Job") && body["spec"].get("ttlSecondsAfterFinished").is_some();
    Desired { id, resource, kind_is_new, body, hash, origin, keep, one_shot }
}

fn out_of_reach(manifest: &Manifest, reach: &Reach) -> Diagnostic {
    let (namespace, given) = (manifest.id.namespace.clone(), reach.to_string());
    let problem = if namespace.is_empty() {
        Problem::ClusterScoped(given)
    } else {
        Problem::OutsideNamespaces { namespace, given }
    };
    let object = Some(manifest.id.clone());
    Diagnostic { origin: manifest.origin.clone(), object, problem }
}

fn unknown_kind(manifest: &Manifest) -> Diagnostic {
    let api_version = manifest.body["apiVersion"].as_str().unwrap_or_default().to_owned();
    let problem = Problem::UnknownKind { api_version, kind: manifest.id.kind.kind.clone() };
    let object = Some(manifest.id.clone());
    Diagnostic { origin: manifest.origin.clone(), object, problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::GroupKind;
    use crate::render::{SourceFile, plain};

    fn resolved(text: &str, namespaces: &[&str]) -> (Vec<Arc<Desired>>, Vec<Diagnostic>) {
        let content = text.as_bytes().to_vec();
        let rendered = plain(&[SourceFile { path: "a.yaml".into(), content }]);
        let mut served = Kinds::default();
        for (group, kind, namespaced) in [
            ("", "ConfigMap", true),
            ("", "Namespace", false),
            ("apiextensions.k8s.io", "CustomResourceDefinition", false),
        ] {
            served.insert(Resource {
                kind: GroupKind::new(group, kind),
                version: "v1".into(),
                plural: String::new(),
                namespaced,
                listable: true,
            });
        }
        let app = "web".parse().unwrap();
        let key = HashKey(vec![1]);
        let reach = namespaces.iter().map(|&name| name.to_owned()).collect();
        let settings = Settings { app, key, namespace: "demo".into(), reach };
        resolve(&rendered.manifests, &served, &settings)
    }

    #[test]
    fn namespaces_are_settled_by_scope() {
        let (desired, diagnostics) = resolved(
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n---\n\
             {apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: other}}\n---\n\
             {apiVersion: v1, kind: Namespace, metadata: {name: prod, namespace: other}}\n---\n\
             {apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: demo}}\n",
            &[],
        );
        let ids: Vec<_> =
            desired.iter().map(|d| (d.id.namespace.as_str(), d.id.to_string())).collect();
        assert_eq!(
            ids,
            [
                ("demo", "configmap/a".to_owned()),
                ("other", "configmap/a".to_owned()),
                ("", "namespace/prod".to_owned())
            ]
        );
        assert_eq!(desired[0].body["metadata"]["namespace"], "demo");
        assert_eq!(desired[2].body["metadata"].get("namespace"), None);
        assert!(diagnostics[0].to_string().contains("a second time, first at a.yaml:1"));
    }

    #[test]
    fn a_kind_of_the_same_source_is_new_and_any_other_unknown() {
        let (desired, diagnostics) = resolved(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
             metadata: {name: w.example.com}\nspec:\n  group: example.com\n  scope: Cluster\n  \
             names: {kind: W, plural: ws}\n  versions: [{name: v1}]\n---\n\
             {apiVersion: example.com/v1, kind: W, metadata: {name: x, namespace: demo}}\n---\n\
             {apiVersion: example.com/v2, kind: W, metadata: {name: x}}\n",
            &[],
        );
        let new: Vec<_> =
            desired.iter().map(|d| (d.id.kind.kind.as_str(), d.kind_is_new)).collect();
        assert_eq!(new, [("CustomResourceDefinition", false), ("W", true)]);
        assert_eq!(desired[1].id.namespace, "");
        assert_eq!(diagnostics.len(), 1);
        assert!(diagnostics[0].to_string().contains("serves no kind W in example.com/v2"));
    }

    #[test]
    fn what_is_outside_of_the_namespaces_is_said_and_the_rest_goes_on() {
        let (desired, diagnostics) = resolved(
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n---\n\
             {apiVersion: v1, kind: ConfigMap, metadata: {name: b, namespace: prod}}\n---\n\
             {apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: other}}\n---\n\
             {apiVersion: v1, kind: Namespace, metadata: {name: prod}}\n---\n\
             apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
             metadata: {name: w.example.com}\nspec:\n  group: example.com\n  scope: Namespaced\n  \
             names: {kind: W, plural: ws}\n  versions: [{name: v1}]\n---\n\
             {apiVersion: example.com/v1, kind: W, metadata: {name: x, namespace: prod}}\n",
            &["demo", "prod"],
        );
        let names: Vec<_> = desired.iter().map(|d| d.id.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let said: Vec<_> = diagnostics.iter().map(ToString::to_string).collect();
        let check = |at: usize, words: &str| assert!(said[at].contains(words), "{said:#?}");
        assert_eq!(said.len(), 4);
        check(0, "a.yaml:5: configmap/c would be in namespace other, which is none of");
        check(0, "--namespaces demo,prod: ");
        check(1, "a.yaml:7: namespace/prod belongs to the whole cluster");
        check(2, "w.example.com belongs to the whole cluster");
        check(3, "serves no kind W");
    }
}

//! Manifests to desired objects: kind resolved, namespace settled, marked and hashed.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Kinds, Reach, Resource, Stage, autoscalers};
use crate::object::handling::{self, Touch};
use crate::object::live::Replicas;
use crate::object::marks::{self, HashKey};
use crate::object::pattern::FieldPattern;
use crate::object::{AppId, Handling, Live, ObjectId};
use crate::render::plain::duplicate;
use crate::render::{Diagnostic, Manifest, Problem};

/// An object as it shall be in the cluster.
#[derive(Debug)]
pub struct Desired {
    /// Identity, with the namespace it will be in.
    pub id: ObjectId,
    /// How it is addressed.
    pub resource: Resource,
    /// Whether its kind is served only once a CRD of the same source is applied.
    pub kind_is_new: bool,
    /// What it was resolved from.
    pub manifest: Arc<Manifest>,
    /// The hash it carries.
    pub hash: String,
    /// How it wants to be handled.
    pub handling: Handling,
    /// Who decides how many replicas it has.
    pub scaling: Scaling,
    /// Whether it goes by itself once it has done its work: a Job with `ttlSecondsAfterFinished`.
    pub one_shot: bool,
}

/// Who decides how many replicas a workload has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scaling {
    /// Git says nothing.
    Unset,
    /// Git says a number.
    Git,
    /// An autoscaler of the same source.
    Autoscaler,
}

impl Desired {
    /// The object that a manifest of this kind (new or not) declares.
    fn new(
        manifest: &Arc<Manifest>,
        id: ObjectId,
        (resource, kind_is_new): (Resource, bool),
        is_autoscaled: bool,
        settings: &Settings,
    ) -> Result<Self, Box<Diagnostic>> {
        let mut body = settled(manifest, &id);
        let handling = handling::handling(&body).map_err(|bad| {
            let (origin, object) = (manifest.origin.clone(), Some(id.clone()));
            Box::new(Diagnostic { origin, object, problem: Problem::BadAnnotation(bad) })
        })?;
        let spec = |field: &str| body["spec"].get(field).is_some();
        let scaling = match is_autoscaled {
            true => Scaling::Autoscaler,
            false if spec("replicas") => Scaling::Git,
            false => Scaling::Unset,
        };
        let one_shot = id.kind.is("batch", "Job") && spec("ttlSecondsAfterFinished");
        marks::mark(&mut body, &settings.app, &id);
        if is_autoscaled {
            // With the autoscaler the object changes: what is applied is another.
            body["autoscaled"] = json!(true);
        }
        let (hash, manifest) = (settings.key.hash(&body), manifest.clone());
        Ok(Self { id, resource, kind_is_new, manifest, hash, handling, scaling, one_shot })
    }

    /// The name that its CRD has, if it is a custom resource.
    pub fn crd_name(&self) -> String {
        format!("{}.{}", self.resource.plural, self.id.kind.group)
    }

    /// The stage in which it is applied.
    pub fn stage(&self) -> Stage {
        Stage::of(&self.id.kind)
    }

    /// Whether it may ever be written.
    pub fn is_ever_written(&self) -> bool {
        !matches!(self.handling.touch, Touch::Never(_))
    }

    /// The fields that others may have.
    pub fn yields(&self) -> Vec<FieldPattern> {
        let is_autoscaled = self.scaling == Scaling::Autoscaler;
        let replicas = is_autoscaled.then(FieldPattern::replicas);
        self.handling.ignored.iter().cloned().chain(replicas).collect()
    }

    /// Whether what an apply sends depends on what the cluster has. An object that is not ours yet may be
    /// there all the same, with fields that others have by now; not so if its kind is new.
    pub fn depends_on(&self, live: Option<&Live>) -> bool {
        let Some(live) = live else {
            let yields = self.scaling != Scaling::Unset || !self.handling.ignored.is_empty();
            return yields && !self.kind_is_new;
        };
        let gives_replicas = match (self.scaling, live.replicas) {
            (Scaling::Autoscaler, _)
            | (_, Replicas::Autoscaler)
            | (Scaling::Unset, Replicas::Ours) => true,
            (Scaling::Unset | Scaling::Git, Replicas::Ours | Replicas::Free) => false,
        };
        gives_replicas || !self.handling.ignored.is_empty()
    }

    /// The object as it is sent: the manifest in its namespace, with our marks.
    pub fn body(&self, app: &AppId) -> Value {
        let mut body = settled(&self.manifest, &self.id);
        marks::mark(&mut body, app, &self.id);
        marks::set_hash(&mut body, &self.hash);
        body
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
    manifests: &[Arc<Manifest>],
    served: &Kinds,
    settings: &Settings,
) -> (Vec<Arc<Desired>>, Vec<Diagnostic>) {
    // A CRD belongs to the whole cluster: out of reach, it is not applied and defines nothing.
    let is_whole = settings.reach.is_whole();
    let defined = if is_whole { Kinds::defined_by(manifests) } else { Kinds::default() };
    let mut desired: BTreeMap<ObjectId, Arc<Desired>> = BTreeMap::new();
    let mut diagnostics = Vec::new();
    let autoscaled = autoscalers::targets(manifests, &settings.namespace);
    for manifest in manifests {
        let (kind, version) = (&manifest.id.kind, manifest.version.as_str());
        let now = served.at(kind, version);
        let Some(resource) = now.or_else(|| defined.at(kind, version)).cloned() else {
            diagnostics.push(unknown_kind(manifest));
            continue;
        };
        let id = settled_id(manifest, &resource, &settings.namespace);
        if settings.reach.scope_of(&id).is_none() {
            diagnostics.push(out_of_reach(manifest, id, &settings.reach));
            continue;
        }
        if let Some(first) = desired.get(&id) {
            diagnostics.push(duplicate(manifest, &id, &first.manifest.origin));
            continue;
        }
        let is_autoscaled = autoscaled.contains(&id);
        match Desired::new(manifest, id.clone(), (resource, now.is_none()), is_autoscaled, settings)
        {
            Ok(object) => drop(desired.insert(id, Arc::new(object))),
            Err(diagnostic) => diagnostics.push(*diagnostic),
        }
    }
    (desired.into_values().collect(), diagnostics)
}

/// The identity of a manifest in the cluster: only that knows whether a kind has namespaces.
fn settled_id(manifest: &Manifest, resource: &Resource, default: &str) -> ObjectId {
    let mut id = manifest.id.clone();
    if !resource.namespaced {
        id.namespace.clear();
    } else if id.namespace.is_empty() {
        default.clone_into(&mut id.namespace);
    }
    id
}

/// The manifest's body in that namespace.
fn settled(manifest: &Manifest, id: &ObjectId) -> Value {
    let mut body = manifest.body();
    if id.namespace.is_empty() {
        if let Some(meta) = body["metadata"].as_object_mut() {
            meta.remove("namespace");
        }
    } else {
        body["metadata"]["namespace"] = json!(id.namespace);
    }
    body
}

fn out_of_reach(manifest: &Manifest, id: ObjectId, reach: &Reach) -> Diagnostic {
    let (namespace, given) = (id.namespace.clone(), reach.to_string());
    let problem = if namespace.is_empty() {
        Problem::ClusterScoped(given)
    } else {
        Problem::OutsideNamespaces { namespace, given }
    };
    Diagnostic { origin: manifest.origin.clone(), object: Some(id), problem }
}

fn unknown_kind(manifest: &Manifest) -> Diagnostic {
    let (api_version, kind) = (manifest.api_version(), manifest.id.kind.kind.clone());
    let problem = Problem::UnknownKind { api_version, kind };
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
        let body = |at: usize| desired[at].body(&"web".parse().unwrap());
        assert_eq!(body(0)["metadata"]["namespace"], "demo");
        assert_eq!(body(2)["metadata"].get("namespace"), None);
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

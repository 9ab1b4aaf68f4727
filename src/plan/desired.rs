//! Manifests to desired objects: kind resolved, namespace settled, marked and hashed.

use std::cell::LazyCell;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::{CommonMetadata, Kinds, Reach, Resource, Settings, Stage, autoscalers, shards};
use crate::object::additions::Free;
use crate::object::handling::{self, OnConflict, Policy, Touch};
use crate::object::live::Replicas;
use crate::object::marks;
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
    pub resource: Arc<Resource>,
    /// Whether its kind is served only once a CRD of the same source is applied.
    pub kind_is_new: bool,
    /// What it was resolved from.
    pub manifest: Arc<Manifest>,
    /// What all objects of the app get.
    pub common: Arc<CommonMetadata>,
    /// The hash it carries.
    pub hash: String,
    /// How it wants to be handled.
    pub handling: Handling,
    /// When it is applied.
    pub stage: Stage,
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
        (resource, kind_is_new): (Arc<Resource>, bool),
        is_autoscaled: bool,
        settings: &Settings,
    ) -> Result<Self, Box<Diagnostic>> {
        let common = settings.common.clone();
        let mut body = settled(manifest, &id, &common);
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
        let stage = Stage::of(&id.kind);
        let (hash, manifest) = (settings.key.hash(&body), manifest.clone());
        Ok(Self {
            id,
            resource,
            kind_is_new,
            manifest,
            common,
            hash,
            handling,
            stage,
            scaling,
            one_shot,
        })
    }

    /// The name that its CRD has, if it is a custom resource.
    pub fn crd_name(&self) -> String {
        format!("{}.{}", self.resource.plural, self.id.kind.group)
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

    /// Whether it holds something that must not be shown.
    pub fn holds_secrets(&self) -> bool {
        self.manifest.marks.is_some()
    }

    /// Whether it has fields that others may have.
    pub fn may_give_up(&self) -> bool {
        self.scaling != Scaling::Unset || !self.handling.ignored.is_empty()
    }

    /// Whether what an apply sends depends on what the cluster has.
    pub fn depends_on(&self, live: &Live) -> bool {
        let gives_replicas = match (self.scaling, live.replicas) {
            (Scaling::Autoscaler, _)
            | (_, Replicas::Autoscaler)
            | (Scaling::Unset, Replicas::Ours) => true,
            (Scaling::Unset | Scaling::Git, Replicas::Ours | Replicas::Free) => false,
        };
        gives_replicas || !self.handling.ignored.is_empty()
    }

    /// What is declared of it, if what others take of that is left to them.
    pub fn yielded(&self, policy: Policy) -> Option<Value> {
        let declared = || settled(&self.manifest, &self.id, &self.common);
        (policy.conflicts == OnConflict::Yield).then(declared)
    }

    /// The fields that others may have, and add.
    pub fn free<'a>(&'a self, yielded: Option<&'a Value>) -> Free<'a> {
        Free { ignored: &self.handling.ignored, yielded }
    }

    /// The object as it is sent: the manifest in its namespace, with what all objects of the app get and
    /// our marks.
    pub fn body(&self, app: &AppId) -> Value {
        let mut body = settled(&self.manifest, &self.id, &self.common);
        marks::mark(&mut body, app, &self.id);
        marks::set_hash(&mut body, &self.hash);
        body
    }
}

/// Resolves what changed since objects were resolved without any diagnostic, against the same kinds and by
/// the same settings. `None` if that is not enough to tell: all is to be resolved.
pub fn update(
    manifests: &[Arc<Manifest>],
    served: &Kinds,
    settings: &Settings,
    before: &[Arc<Desired>],
) -> Option<Vec<Arc<Desired>>> {
    let now: HashSet<_> = manifests.iter().map(Arc::as_ptr).collect();
    let (mut objects, gone): (Vec<_>, Vec<_>) =
        before.iter().cloned().partition(|object| now.contains(&Arc::as_ptr(&object.manifest)));
    let known: HashSet<_> = objects.iter().map(|object| Arc::as_ptr(&object.manifest)).collect();
    let is_new = |manifest: &&Arc<Manifest>| !known.contains(&Arc::as_ptr(manifest));
    let new: Vec<_> = manifests.iter().filter(is_new).cloned().collect();
    let mut changed = gone.iter().map(|object| &object.manifest).chain(&new);
    if new.len() > UPDATE_MAX || changed.any(|manifest| concerns_others(manifest)) {
        return None;
    }
    let autoscaled = settings.autoscaled(manifests);
    let (new, diagnostics) = resolve_with(&new, served, settings, &gone, &autoscaled);
    for object in new {
        // Two of the same: which of them counts is told by the order of all.
        let at = objects.binary_search_by(|known| known.id.cmp(&object.id)).err()?;
        objects.insert(at, object);
    }
    diagnostics.is_empty().then_some(objects)
}

/// Manifests that are worth an update.
const UPDATE_MAX: usize = 100;

/// Whether others may be resolved otherwise because of a manifest.
fn concerns_others(manifest: &Manifest) -> bool {
    let kind = &manifest.id.kind;
    Stage::of(kind) == Stage::Definitions || autoscalers::is_autoscaler(kind)
}

/// Resolves manifests against the kinds a cluster serves. All diagnostics are returned, not only
/// the first. What was resolved before by the same settings stays as it is, unless it changed.
pub fn resolve(
    manifests: &[Arc<Manifest>],
    served: &Kinds,
    settings: &Settings,
    before: &[Arc<Desired>],
) -> (Vec<Arc<Desired>>, Vec<Diagnostic>) {
    let autoscaled = settings.autoscaled(manifests);
    resolve_with(manifests, served, settings, before, &autoscaled)
}

fn resolve_with(
    manifests: &[Arc<Manifest>],
    served: &Kinds,
    settings: &Settings,
    before: &[Arc<Desired>],
    autoscaled: &BTreeSet<ObjectId>,
) -> (Vec<Arc<Desired>>, Vec<Diagnostic>) {
    let known = before.iter().enumerate().map(|(at, d)| (Arc::as_ptr(&d.manifest), (at, d)));
    let known: HashMap<_, _> = known.collect();
    // Reading CRDs takes long, and mostly all kinds are served.
    // A CRD belongs to the whole cluster: out of reach or not allowed, it is not applied and defines nothing.
    let is_whole = settings.reach.is_whole();
    let defined = LazyCell::new(|| {
        let may_define = settings.allowed(manifests).filter(|_| is_whole);
        Kinds::defined_by(may_define)
    });
    let resolve = |manifest: &Arc<Manifest>| {
        let (kind, version) = (&manifest.id.kind, manifest.version.as_str());
        if !settings.resources.allows(kind) {
            return Err(Box::new(kind_not_allowed(manifest)));
        }
        let now = served.at(kind, version);
        let resource = now.or_else(|| defined.at(kind, version));
        let resource = resource.ok_or_else(|| Box::new(unknown_kind(manifest)))?;
        let is_same = |d: &Desired| {
            let is_autoscaled = d.scaling == Scaling::Autoscaler;
            d.resource == *resource
                && d.kind_is_new == now.is_none()
                && is_autoscaled == autoscaled.contains(&d.id)
        };
        if let Some((at, known)) = known.get(&Arc::as_ptr(manifest)).filter(|k| is_same(k.1)) {
            return Ok((*at, Arc::clone(known)));
        }
        let id = settled_id(manifest, resource, &settings.namespace);
        if settings.reach.scope_of(&id).is_none() {
            return Err(Box::new(out_of_reach(manifest, id, &settings.reach)));
        }
        if is_own_state(manifest, &id, &settings.app) {
            let (origin, object) = (manifest.origin.clone(), Some(id));
            return Err(Box::new(Diagnostic { origin, object, problem: Problem::OwnState }));
        }
        let is_autoscaled = autoscaled.contains(&id);
        let resource = (resource.clone(), now.is_none());
        let object = Desired::new(manifest, id, resource, is_autoscaled, settings)?;
        Ok((before.len(), Arc::new(object)))
    };
    each_once(&manifests.iter().map(resolve).collect::<Vec<_>>())
}

/// An object, and its place among those of before.
type Placed = (usize, Arc<Desired>);

/// Sorts objects by identity. Of two that turn out to be the same, the second is a diagnostic.
fn each_once(resolved: &[Result<Placed, Box<Diagnostic>>]) -> (Vec<Arc<Desired>>, Vec<Diagnostic>) {
    let mut first: HashMap<&ObjectId, &Arc<Desired>> = HashMap::with_capacity(resolved.len());
    let (mut objects, mut diagnostics) = (Vec::new(), Vec::new());
    for result in resolved {
        match result {
            Ok((at, object)) => match first.entry(&object.id) {
                Vacant(free) => {
                    free.insert(object);
                    objects.push((*at, object.clone()));
                }
                Occupied(first) => {
                    let origin = &first.get().manifest.origin;
                    diagnostics.push(duplicate(&object.manifest, &object.id, origin));
                }
            },
            Err(diagnostic) => diagnostics.push(Diagnostic::clone(diagnostic)),
        }
    }
    // In the order of before only the new ones are left to be sorted in.
    objects.sort_unstable_by_key(|(at, _)| *at);
    objects.sort_by(|(_, a), (_, b)| a.id.cmp(&b.id));
    (objects.into_iter().map(|(_, object)| object).collect(), diagnostics)
}

/// The identity of a manifest in the cluster: only that knows whether a kind has namespaces.
fn settled_id(manifest: &Manifest, resource: &Resource, default: &str) -> ObjectId {
    match (resource.namespaced, manifest.id.namespace.is_empty()) {
        (false, _) => manifest.id.within(""),
        (true, true) => manifest.id.within(default),
        (true, false) => manifest.id.clone(),
    }
}

/// The manifest's body in that namespace, with what all objects get.
fn settled(manifest: &Manifest, id: &ObjectId, common: &CommonMetadata) -> Value {
    let mut body = manifest.body();
    if id.namespace.is_empty() {
        if let Some(meta) = body["metadata"].as_object_mut() {
            meta.remove("namespace");
        }
    } else {
        body["metadata"]["namespace"] = json!(id.namespace);
    }
    common.set(&mut body);
    body
}

/// Whether a manifest is what this or another app keeps for itself: it is not for git to say.
fn is_own_state(manifest: &Manifest, id: &ObjectId, app: &AppId) -> bool {
    shards::is_state(id, app.namespace())
        || id.kind.is("", "Secret") && manifest.body()["type"] == shards::SECRET_TYPE
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

fn kind_not_allowed(manifest: &Manifest) -> Diagnostic {
    let (origin, object) = (manifest.origin.clone(), Some(manifest.id.clone()));
    Diagnostic { origin, object, problem: Problem::KindNotAllowed(manifest.id.kind.clone()) }
}

fn unknown_kind(manifest: &Manifest) -> Diagnostic {
    let (api_version, kind) = (manifest.api_version(), manifest.id.kind.kind.clone());
    let problem = Problem::UnknownKind { api_version, kind };
    let object = Some(manifest.id.clone());
    Diagnostic { origin: manifest.origin.clone(), object, problem }
}

#[cfg(test)]
mod tests;

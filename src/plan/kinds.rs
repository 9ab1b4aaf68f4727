//! The kinds that the cluster serves, or will serve once the CRDs of a source are applied.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::Stage;
use crate::object::GroupKind;
use crate::render::Manifest;

/// How objects of a kind are addressed. Shared by all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Group and kind.
    pub kind: GroupKind,
    /// Version that is spoken.
    pub version: String,
    /// Plural name in URLs.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Whether it can be listed.
    pub listable: bool,
}

/// Kinds by group, kind and version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    by_kind: BTreeMap<GroupKind, Vec<Arc<Resource>>>,
}

impl Kinds {
    /// Adds a kind at a version; the first version added is the preferred one.
    pub fn insert(&mut self, resource: Resource) {
        self.by_kind.entry(resource.kind.clone()).or_default().push(Arc::new(resource));
    }

    /// The kind at exactly this version.
    pub fn at(&self, kind: &GroupKind, version: &str) -> Option<&Arc<Resource>> {
        self.by_kind.get(kind)?.iter().find(|resource| resource.version == version)
    }

    /// The kind at its preferred version.
    pub fn preferred(&self, kind: &GroupKind) -> Option<&Resource> {
        self.by_kind.get(kind)?.first().map(AsRef::as_ref)
    }

    /// All kinds, each at its preferred version.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.by_kind.values().filter_map(|versions| versions.first())
    }

    /// All kinds, at each of their versions.
    pub fn versions(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.by_kind.values().flatten()
    }

    /// The kinds that the CRDs among some manifests define.
    pub fn defined_by<'a>(manifests: impl IntoIterator<Item = &'a Arc<Manifest>>) -> Self {
        let mut kinds = Self::default();
        let is_crd = |m: &&Arc<Manifest>| Stage::of(&m.id.kind) == Stage::Definitions;
        for crd in manifests.into_iter().filter(is_crd) {
            let body = crd.body();
            let spec = &body["spec"];
            for version in spec["versions"].as_array().into_iter().flatten() {
                if let Some(resource) = defined(spec, version) {
                    kinds.insert(resource);
                }
            }
        }
        kinds
    }
}

fn defined(spec: &Value, version: &Value) -> Option<Resource> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Some(Resource {
        kind: GroupKind::new(spec["group"].as_str()?, spec["names"]["kind"].as_str()?),
        version: text(&version["name"])?,
        plural: text(&spec["names"]["plural"])?,
        namespaced: spec["scope"] == "Namespaced",
        listable: true,
    })
}

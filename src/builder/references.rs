//! The ConfigMaps and Secrets that an app's recipe refers to, and what becomes of their entries.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::values::values;
use super::variables::substitution;
use super::{BadValues, Recipe};
use crate::api::helm::ValuesReference;
use crate::api::post_build::SubstituteReference;
use crate::api::reference::ReferenceKind;
use crate::render::Substitution;
use crate::render::helm::Given;

/// The field that refers to values of variables.
const SUBSTITUTE_FROM: &str = "postBuild.substituteFrom";
/// The field that refers to values for a chart.
pub const VALUES_FROM: &str = "render.helm.valuesFrom";

/// A ConfigMap or Secret that a recipe refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// Which of both.
    pub kind: ReferenceKind,
    /// Its name.
    pub name: &'a str,
    /// Whether it may be missing.
    pub optional: bool,
    /// The field of the spec that refers to it.
    pub field: &'static str,
}

/// What a recipe has from what it refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Referred {
    /// What is substituted in objects, if anything is.
    pub substitution: Option<Arc<Substitution>>,
    /// Values for the chart.
    pub values: Arc<[Given]>,
}

/// The entries of a ConfigMap or Secret.
pub type Entries = BTreeMap<String, Vec<u8>>;

impl Recipe {
    /// All that it refers to. Each is read once for each build.
    pub fn references(&self) -> impl Iterator<Item = Reference<'_>> {
        let substituted = self.post_build.iter().flat_map(|post_build| &post_build.substitute_from);
        let substituted = substituted.map(|SubstituteReference { kind, name, optional }| {
            Reference { kind: *kind, name: &name.0, optional: *optional, field: SUBSTITUTE_FROM }
        });
        let values = self.render.helm.values_from.iter();
        let values = values.map(|ValuesReference { kind, name, optional, .. }| Reference {
            kind: *kind,
            name: &name.0,
            optional: *optional,
            field: VALUES_FROM,
        });
        substituted.chain(values)
    }

    /// What it has from these entries, those of [`Self::references`] in their order. There are none of one that may be
    /// missing and is.
    pub fn referred(&self, entries: Vec<Option<Entries>>) -> Result<Referred, BadValues> {
        let mut entries = entries.into_iter();
        let substitution = self.post_build.as_ref().map(|post_build| {
            let substituted = entries.by_ref().take(post_build.substitute_from.len());
            Arc::new(substitution(post_build, substituted.map(Option::unwrap_or_default)))
        });
        let found = self.render.helm.values_from.iter().zip(entries);
        let found = found.filter_map(|(reference, entries)| Some((reference, entries?)));
        let given = found.map(|(reference, entries)| values(reference, &entries));
        let given: Result<Vec<_>, _> = given.filter_map(Result::transpose).collect();
        Ok(Referred { substitution, values: given?.into() })
    }
}

//! How an app's files become objects, as it says it.

use ignore::gitignore::GitignoreBuilder;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::helm::Helm;
use super::kustomize::Kustomize;
use super::validate::{Fault, has_length};

/// What makes objects of files.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    strum::Display,
    strum::EnumString,
    strum::VariantNames,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum RenderType {
    /// Nothing: they are manifests.
    Plain,
    /// The program kustomize.
    Kustomize,
    /// The program helm.
    Helm,
}

/// How an app's files become objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Render {
    /// What makes objects of the files: plain, kustomize or helm. Without it, what is in the folder says so: a
    /// kustomization.yaml, also in folders below, or a Chart.yaml, or neither.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<RenderType>,
    /// Of plain manifests, those that are read, by patterns as in a .gitignore, below path. Without any, all are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 1024), regex(pattern = r"^[^#!\s].*$")),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub include: Vec<String>,
    /// Files and folders below path that are not read, by patterns as in a .gitignore. They win over include. What is
    /// excluded from now on counts as removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 1024), regex(pattern = r"^[^#!\s].*$")),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub exclude: Vec<String>,
    /// What kustomize is to do beside what the kustomization says.
    #[serde(default, skip_serializing_if = "Kustomize::is_empty")]
    pub kustomize: Kustomize,
    /// How helm renders the chart.
    #[serde(default, skip_serializing_if = "Helm::is_empty")]
    pub helm: Helm,
}

impl Render {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is wrong with it itself.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let lists =
            [("spec.render.include", &self.include), ("spec.render.exclude", &self.exclude)];
        let is_good =
            |list: &[String]| list.len() <= 64 && list.iter().all(|text| is_pattern(text));
        let wrong = lists.into_iter().filter(|(_, list)| !is_good(list));
        wrong.map(|(field, _)| Fault::new(field, PATTERNS)).collect()
    }
}

const PATTERNS: &str =
    "must be at most 64 patterns as in a .gitignore, that begin with no #, ! or blank";

fn is_pattern(text: &str) -> bool {
    let is_read = || GitignoreBuilder::new("").add_line(None, text).is_ok();
    let begins = !text.starts_with(|c: char| c == '#' || c == '!' || c.is_whitespace());
    has_length(text, 1..=1024) && begins && !text.contains('\n') && is_read()
}

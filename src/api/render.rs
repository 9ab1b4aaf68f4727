//! How an app's files become objects, as it says it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::helm::Helm;
use super::kustomize::Kustomize;

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
}

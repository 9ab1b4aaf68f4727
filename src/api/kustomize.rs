//! What an app wants of kustomize beside what its kustomization says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::names::{Annotations, Labels};
use super::reference::NamespaceName;
use super::validate::{Fault, NAMESPACE, is_label};

/// Fields of a kustomization that an app sets. Where the kustomization sets the same, the app's counts; of images and
/// replicas of the same name, too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Kustomize {
    /// Images to replace: name=newname:tag@digest, of which newname, tag and digest may each be left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 1024), regex(pattern = r"^[^\s=]+(=[^\s=]+)?$")),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub images: Vec<String>,
    /// How many replicas workloads have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub replicas: Vec<Replicas>,
    /// What names begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128), regex(pattern = NAME_PART))]
    pub name_prefix: Option<String>,
    /// What names end with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128), regex(pattern = NAME_PART))]
    pub name_suffix: Option<String>,
    /// Namespace of all objects that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<NamespaceName>,
    /// Patches, after those of the kustomization.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub patches: Vec<Patch>,
    /// Components, after those of the kustomization: folders, as seen from it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 1024)),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub components: Vec<String>,
    /// Labels of all objects, and of what selects them.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub common_labels: Labels,
    /// Annotations of all objects.
    #[serde(default, skip_serializing_if = "Annotations::is_empty")]
    pub common_annotations: Annotations,
}

/// Part of a name, RFC 1123.
const NAME_PART: &str = "^[a-z0-9.-]*$";
/// Items of a list at most.
const LIST: usize = 64;

/// How many replicas a workload has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Replicas {
    /// Its name, as the manifest has it.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// How many.
    #[schemars(range(max = 100_000))]
    pub count: u32,
}

/// A change to some objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Patch {
    /// A strategic merge patch or a list of JSON patches, as YAML.
    #[schemars(length(min = 1, max = 65536))]
    pub patch: String,
    /// Which objects; without it, the one that the patch names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Selector>,
}

/// Objects that a patch is for: those that all of this is true of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Selector {
    /// API group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub group: Option<String>,
    /// Version of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub version: Option<String>,
    /// Kind; a regular expression, as name and namespace are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub kind: Option<String>,
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub name: Option<String>,
    /// Namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub namespace: Option<String>,
    /// Selector of labels, such as app=web.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub label_selector: Option<String>,
    /// Selector of annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub annotation_selector: Option<String>,
}

impl Kustomize {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What in it breaks the rules of its schema.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let is_part = |part: &Option<String>| {
            let is_good =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
            part.as_ref().is_none_or(|part| part.len() <= 128 && part.chars().all(is_good))
        };
        let is_image = |text: &String| {
            let (name, new) = text.split_once('=').unwrap_or((text, "new"));
            !name.is_empty()
                && !new.is_empty()
                && !new.contains('=')
                && !text.contains(char::is_whitespace)
        };
        let counts = self.replicas.iter().all(|r| !r.name.is_empty() && r.count <= 100_000);
        let lists =
            [self.images.len(), self.replicas.len(), self.patches.len(), self.components.len()];
        let rules = [
            (lists.iter().all(|length| *length <= LIST), "", "must have lists of 64 at most"),
            (self.images.iter().all(is_image), ".images", "must be name=newname:tag@digest"),
            (counts, ".replicas", "must have a name and a count of 100000 at most"),
            (
                is_part(&self.name_prefix),
                ".namePrefix",
                "must have at most 128 of a-z, 0-9, '-' and '.'",
            ),
            (
                is_part(&self.name_suffix),
                ".nameSuffix",
                "must have at most 128 of a-z, 0-9, '-' and '.'",
            ),
            (self.namespace.as_ref().is_none_or(|name| is_label(&name.0)), ".namespace", NAMESPACE),
            (
                self.patches.iter().all(|p| !p.patch.is_empty()),
                ".patches",
                "must have a patch each",
            ),
            (self.components.iter().all(|c| !c.is_empty()), ".components", "must be folders"),
        ];
        let broken = rules.into_iter().filter(|(is_kept, ..)| !is_kept);
        broken
            .map(|(_, field, why)| Fault::new(&format!("spec.render.kustomize{field}"), why))
            .collect()
    }

    /// As kustomization fields of the same names; images as they are written here.
    pub fn fields(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

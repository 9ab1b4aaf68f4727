//! Which deletions wait for a person's word, as an app says it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is deleted without asking. More than maxObjects and maxPercent at once waits for approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PruneGuard {
    /// So many objects are deleted at once without approval, whatever part of the app they are.
    #[serde(default = "PruneGuard::default_max_objects")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max_objects: u32,
    /// Such a part of the app is deleted at once without approval, in percent, however many objects it
    /// is.
    #[serde(default = "PruneGuard::default_max_percent")]
    #[schemars(range(min = 0, max = 100))]
    pub max_percent: u32,
    /// Kinds of which no object is deleted without approval, as Kind or Kind.group.
    #[serde(default = "PruneGuard::default_protect_kinds")]
    #[schemars(
        length(max = 64),
        inner(length(max = 253), regex(pattern = r"^[A-Za-z0-9]+(\.[a-z0-9.-]+)?$")),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub protect_kinds: Vec<String>,
    /// Whether everything is deleted when the source declares nothing any more.
    #[serde(default)]
    pub allow_empty: bool,
}

impl PruneGuard {
    fn default_max_objects() -> u32 {
        10
    }

    fn default_max_percent() -> u32 {
        30
    }

    fn default_protect_kinds() -> Vec<String> {
        ["Namespace", "CustomResourceDefinition", "PersistentVolumeClaim"].map(String::from).into()
    }
}

impl Default for PruneGuard {
    fn default() -> Self {
        Self {
            max_objects: Self::default_max_objects(),
            max_percent: Self::default_max_percent(),
            protect_kinds: Self::default_protect_kinds(),
            allow_empty: false,
        }
    }
}

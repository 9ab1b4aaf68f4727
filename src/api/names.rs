//! Labels and annotations that an app gives to objects.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What our own labels and annotations begin with.
pub const OURS: &str = "gitops-sync.dev/";

/// Labels by key. None of gitops-sync's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend(
    "maxProperties" = 32,
    "additionalProperties" = {
        "type": "string",
        "maxLength": 63,
        "pattern": "^(([A-Za-z0-9][A-Za-z0-9_.-]*)?[A-Za-z0-9])?$",
    },
    "x-kubernetes-validations" = [
        {
            "rule": "self.all(key, !key.startsWith('gitops-sync.dev/'))",
            "message": "must not set labels of gitops-sync.dev, which it sets itself",
        },
        {
            "rule": "self.all(key, !format.qualifiedName().validate(key).hasValue())",
            "message": "must have keys such as team or example.com/team",
        },
    ]
))]
pub struct Labels(pub BTreeMap<String, String>);

/// Annotations by key. None of gitops-sync's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend(
    "maxProperties" = 32,
    "additionalProperties" = {"type": "string", "maxLength": 4096},
    "x-kubernetes-validations" = [
        {
            "rule": "self.all(key, !key.startsWith('gitops-sync.dev/'))",
            "message": "must not set annotations of gitops-sync.dev, which it sets itself",
        },
        {
            "rule": "self.all(key, !format.qualifiedName().validate(key).hasValue())",
            "message": "must have keys such as team or example.com/team",
        },
    ]
))]
pub struct Annotations(pub BTreeMap<String, String>);

impl Labels {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Annotations {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

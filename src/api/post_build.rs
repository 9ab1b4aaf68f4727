//! What is substituted in an app's objects.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reference::{Name, ReferenceKind};

/// What is substituted in objects once they are rendered, by whatever: ${var}, ${var:=default} and the string
/// operations of Flux. $${var} stays as ${var}, and $var is left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostBuild {
    /// Values of variables, by name. They count before those of substituteFrom.
    #[serde(default, skip_serializing_if = "Values::is_empty")]
    pub substitute: Values,
    /// ConfigMaps and Secrets of the app's namespace that have values of variables; of two, the later one counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub substitute_from: Vec<SubstituteReference>,
    /// Whether a variable that has neither a value nor a default is an error; else it is empty.
    #[serde(default = "PostBuild::default_strict")]
    pub strict: bool,
}

/// Values of variables, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend(
    "maxProperties" = 256,
    "additionalProperties" = {"type": "string", "maxLength": 16384},
    "x-kubernetes-validations" = [{
        "rule": "self.all(name, name.size() <= 128 && name.matches('^[A-Za-z_][A-Za-z0-9_]*$'))",
        "message": "must have names of at most 128 of A-Z, a-z, 0-9 and '_', which do not begin with a digit",
    }]
))]
pub struct Values(pub BTreeMap<String, String>);

/// What has values of variables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubstituteReference {
    /// ConfigMap or Secret.
    pub kind: ReferenceKind,
    /// Its name.
    pub name: Name,
    /// Whether it may be missing.
    #[serde(default)]
    pub optional: bool,
}

impl PostBuild {
    fn default_strict() -> bool {
        true
    }
}

impl Default for PostBuild {
    fn default() -> Self {
        Self { substitute: Values::default(), substitute_from: Vec::new(), strict: true }
    }
}

impl Values {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether a variable can be written in an expression.
pub fn is_variable(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (1..=128).contains(&name.len())
        && name.chars().all(is_part)
        && !name.starts_with(|c: char| c.is_ascii_digit())
}

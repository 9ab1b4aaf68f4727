//! What an app refers to by name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Names of most objects, RFC 1123.
const SUBDOMAIN: &str = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$";
/// Names of namespaces, RFC 1123.
const LABEL: &str = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";

/// The name of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Name(#[schemars(length(min = 1, max = 253), regex(pattern = SUBDOMAIN))] pub String);

/// The name of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct NamespaceName(#[schemars(length(min = 1, max = 63), regex(pattern = LABEL))] pub String);

/// Another app.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct AppReference {
    /// Its name.
    pub name: Name,
    /// Its namespace; without one, that of this app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<NamespaceName>,
}

/// A Secret of the app's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretReference {
    /// Its name.
    pub name: Name,
}

/// What has entries that an app may refer to.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    strum::Display,
    strum::IntoStaticStr,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub enum ReferenceKind {
    /// Its values may be shown.
    ConfigMap,
    /// Its values are never shown, wherever they come to be.
    Secret,
}

/// One entry of a Secret of the app's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretKeyReference {
    /// The Secret's name.
    pub name: Name,
    /// The entry's key.
    #[serde(default = "SecretKeyReference::default_key")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub key: String,
}

impl SecretKeyReference {
    fn default_key() -> String {
        "value".to_owned()
    }
}

/// Access to another cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubeConfig {
    /// Where the kubeconfig is. It may not run programs or name files.
    pub secret_ref: SecretKeyReference,
}

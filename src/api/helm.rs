//! What an app wants of helm.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::reference::{Name, NamespaceName, ReferenceKind, SecretReference};

/// How a chart is rendered. Of values of the same name, parameters count before values, these before valuesFrom, and
/// these before valuesFiles; of several of one kind, the last counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Helm {
    /// A chart that is kept elsewhere. The repository then has only files with values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<HelmChart>,
    /// Name of the release; without it, that of this app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 53), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub release_name: Option<String>,
    /// Namespace of the release, as templates see it; without it, the one that objects go to. Objects that name no
    /// namespace go to targetNamespace in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<NamespaceName>,
    /// Files with values: paths in the repository as seen from path, or from its root if they begin with /.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 1024)),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub values_files: Vec<String>,
    /// Whether files with values may be missing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ignore_missing_values_files: bool,
    /// ConfigMaps and Secrets of the app's namespace that have values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub values_from: Vec<ValuesReference>,
    /// Values.
    #[serde(default, skip_serializing_if = "Values::is_empty")]
    pub values: Values,
    /// Single values, as helm's --set has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "atomic"))]
    pub parameters: Vec<Parameter>,
    /// Whether what is in the chart's folder crds is left out.
    #[serde(default, skip_serializing_if = "is_false")]
    pub skip_crds: bool,
    /// Whether values are not held against the chart's schema.
    #[serde(default, skip_serializing_if = "is_false")]
    pub skip_schema_validation: bool,
    /// Version of Kubernetes that the chart is rendered for, such as 1.36.2; without it, the cluster's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        regex(pattern = r"^v?[0-9]+\.[0-9]+(\.[0-9]+)?([+-][0-9A-Za-z.+-]+)?$")
    )]
    pub kube_version: Option<String>,
    /// Versions of APIs that the chart takes for served, such as monitoring.coreos.com/v1 or
    /// monitoring.coreos.com/v1/ServiceMonitor; without them, those that the cluster serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 1024),
        inner(length(min = 1, max = 512), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9./-]*$")),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub api_versions: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A ConfigMap or Secret with values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValuesReference {
    /// ConfigMap or Secret. What comes from a Secret is never shown.
    pub kind: ReferenceKind,
    /// Its name.
    pub name: Name,
    /// The key of the entry that is a file with values, or with targetPath one value.
    #[serde(default = "ValuesReference::default_values_key")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub values_key: String,
    /// Where a single value belongs, such as image.tag; a dot that is part of a name has a backslash before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 250),
        regex(pattern = r"^([A-Za-z0-9_/-]|\\[.])+([.]([A-Za-z0-9_/-]|\\[.])+)*$")
    )]
    pub target_path: Option<String>,
    /// Whether it, or its entry, may be missing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
}

impl ValuesReference {
    fn default_values_key() -> String {
        "values.yaml".to_owned()
    }
}

/// A single value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameter {
    /// Where it belongs, such as image.tag or hosts[0].
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^=,\s]+$"))]
    pub name: String,
    /// The value.
    #[serde(default)]
    #[schemars(length(max = 65536))]
    pub value: String,
    /// Whether it is text, also if it looks like a number or like true.
    #[serde(default, skip_serializing_if = "is_false")]
    pub force_string: bool,
}

/// Values by name, of any form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Values(pub Map<String, Value>);

impl Values {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl JsonSchema for Values {
    fn schema_name() -> Cow<'static, str> {
        "Values".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
    }
}

impl Helm {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A chart that is kept elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": r"self.repoURL.matches('^(https?|oci)://[^/@?#\\s]+[^@?#\\s]*$')",
        "message": "must be a URL of https, http or oci, without credentials and query: put credentials into a Secret and name it in secretRef",
        "fieldPath": ".repoURL",
    },
    {
        "rule": "!has(self.insecure) || !self.insecure || self.repoURL.startsWith('oci://')",
        "message": "is for registries: for a repository of charts say http in repoURL",
        "fieldPath": ".insecure",
    },
    {
        "rule": "!self.name.contains('..') && (self.repoURL.startsWith('oci://') || !self.name.contains('/'))",
        "message": "must be the name of a chart",
        "fieldPath": ".name",
    },
]))]
pub struct HelmChart {
    /// URL of the repository of charts, or with oci of the registry and what comes before the chart's name.
    /// Credentials belong into the Secret that secretRef names.
    #[serde(rename = "repoURL")]
    #[schemars(length(min = 1, max = 2048))]
    pub repo_url: String,
    /// The chart's name.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._/-]*$"))]
    pub name: String,
    /// Its version, such as 1.2.3, or a range, of which the newest is taken: ^1.2, ~1.2, 1.x, >=1.2 <2. A range is
    /// looked up anew in each interval; a version never comes to be another chart.
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[^\s-][^\x00-\x1f\x7f]*$"))]
    pub version: String,
    /// Name of a Secret with the credentials for it: username and password, ca.crt, tls.crt and tls.key, or for a
    /// registry .dockerconfigjson.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretReference>,
    /// Whether to speak no TLS with the registry.
    #[serde(default, skip_serializing_if = "is_false")]
    pub insecure: bool,
}

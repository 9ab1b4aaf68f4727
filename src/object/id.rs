//! The identity of an object: group, kind, namespace and name. The version is not part of it.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize, Serializer};

/// A kind within its API group; the core group is the empty string.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct GroupKind {
    /// API group, empty for the core group.
    pub group: String,
    /// Kind, as in `Deployment`.
    pub kind: String,
}

impl GroupKind {
    /// The kind of this name in this group.
    pub fn new(group: &str, kind: &str) -> Self {
        Self { group: group.to_owned(), kind: kind.to_owned() }
    }

    /// Whether this is the given kind of the given group.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.group == group && self.kind == kind
    }

    /// The `apiVersion` of its objects at this version.
    pub fn api_version(&self, version: &str) -> String {
        match self.group.as_str() {
            "" => version.to_owned(),
            group => format!("{group}/{version}"),
        }
    }
}

/// Written as kubectl writes it: `deployment.apps`, `service`.
impl fmt::Display for GroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind.to_lowercase())?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        Ok(())
    }
}

/// The identity of an object, under which all that is remembered of it is kept: copies share what it is made of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(from = "Identity")]
pub struct ObjectId(Arc<Identity>);

/// One object of a cluster, whatever version it is read at.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(rename = "ObjectId")]
pub struct Identity {
    /// Group and kind.
    #[serde(flatten)]
    pub kind: GroupKind,
    /// Namespace, empty for a cluster-scoped object.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

impl ObjectId {
    /// The object of this kind, namespace (empty for cluster scope) and name.
    pub fn new(kind: GroupKind, namespace: &str, name: &str) -> Self {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        Identity { kind, namespace, name }.into()
    }

    /// The object of the same kind and name in this namespace.
    #[must_use]
    pub fn within(&self, namespace: &str) -> Self {
        if self.namespace == namespace {
            return self.clone();
        }
        Self::new(self.kind.clone(), namespace, &self.name)
    }
}

impl Deref for ObjectId {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.0
    }
}

impl Ord for ObjectId {
    fn cmp(&self, other: &Self) -> Ordering {
        // Mostly it is the very same: reading it takes what time a search takes.
        if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.0.cmp(&other.0) }
    }
}

impl PartialOrd for ObjectId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Serialize for ObjectId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().serialize(serializer)
    }
}

impl From<Identity> for ObjectId {
    fn from(identity: Identity) -> Self {
        Self(Arc::new(identity))
    }
}

impl JsonSchema for ObjectId {
    fn schema_name() -> Cow<'static, str> {
        Identity::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Identity::json_schema(generator)
    }
}

/// Written as kubectl writes it: `deployment.apps/web`; the namespace is said beside it.
impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// Splits `apps/v1` into group and version; `v1` is the core group.
pub fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_kubectl_writes() {
        let check = |group, kind, expect: &str| {
            let id = ObjectId::new(GroupKind::new(group, kind), "demo", "web");
            assert_eq!(id.to_string(), expect);
        };
        check("apps", "Deployment", "deployment.apps/web");
        check("", "Service", "service/web");
        assert_eq!(split_api_version("apps/v1"), ("apps", "v1"));
        assert_eq!(split_api_version("v1"), ("", "v1"));
    }
}

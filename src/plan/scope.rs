//! Which part of the cluster one watch shows, and which part an app may work in.

use std::collections::BTreeSet;
use std::fmt;

use crate::object::{GroupKind, ObjectId};

/// What one watch shows: the objects of a kind, in one namespace or everywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    /// The kind.
    pub kind: GroupKind,
    /// The namespace, empty for the whole cluster.
    pub namespace: String,
}

impl Scope {
    /// Whether it shows this object, if there is one.
    pub fn covers(&self, id: &ObjectId) -> bool {
        self.kind == id.kind && (self.namespace.is_empty() || self.namespace == id.namespace)
    }
}

/// As a sentence needs it: `service`, or `service in namespace demo`.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "{}", self.kind),
            namespace => write!(f, "{} in namespace {namespace}", self.kind),
        }
    }
}

/// The namespaces that an app may work in; none are named for the whole cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach(BTreeSet<String>);

impl Reach {
    /// Whether it is the whole cluster.
    pub fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// The namespaces to look in, the empty one for the whole cluster.
    pub fn namespaces(&self) -> impl Iterator<Item = String> {
        let whole = self.is_whole().then(String::new);
        whole.into_iter().chain(self.0.iter().cloned())
    }

    /// The scope in which an object is seen; `None` for one out of reach. What belongs to no
    /// namespace is in reach only of the whole cluster.
    pub fn scope_of(&self, id: &ObjectId) -> Option<Scope> {
        let namespace = if self.is_whole() { "" } else { self.0.get(&id.namespace)? };
        Some(Scope { kind: id.kind.clone(), namespace: namespace.to_owned() })
    }
}

impl FromIterator<String> for Reach {
    fn from_iter<T: IntoIterator<Item = String>>(namespaces: T) -> Self {
        Self(namespaces.into_iter().collect())
    }
}

/// The namespaces as they are given: `a,b`.
impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(String::as_str).collect();
        f.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_seen_in_its_namespace_or_in_the_whole_cluster() {
        let check = |reach: &[&str], namespace: &str, scope: Option<&str>| {
            let reach: Reach = reach.iter().map(|&name| name.to_owned()).collect();
            let id = ObjectId::new(GroupKind::new("apps", "Deployment"), namespace, "web");
            let found = reach.scope_of(&id);
            assert!(found.iter().all(|scope| scope.covers(&id)));
            assert_eq!(found.map(|scope| scope.to_string()).as_deref(), scope, "{reach}");
        };
        check(&[], "a", Some("deployment.apps"));
        check(&[], "", Some("deployment.apps"));
        check(&["a", "b"], "b", Some("deployment.apps in namespace b"));
        check(&["a", "b"], "c", None);
        check(&["a", "b"], "", None);
    }
}

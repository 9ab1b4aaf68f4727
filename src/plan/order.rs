//! The order in which objects are applied; they are deleted in reverse.

use crate::object::GroupKind;

/// Objects of one stage are applied side by side, stages one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::IntoStaticStr)]
pub enum Stage {
    /// Namespaces, before what is in them.
    Namespaces,
    /// CRDs, before their custom resources; waited for until they are established.
    Definitions,
    /// Classes and RBAC roles, before what refers to them.
    Classes,
    /// Everything else.
    Objects,
    /// Webhook configurations, after the services that answer them.
    Webhooks,
}

/// Kinds that others refer to and whose absence is an error.
const ROLES: &[&str] = &["Role", "ClusterRole", "ServiceAccount"];

impl Stage {
    /// The stage of a kind.
    pub fn of(kind: &GroupKind) -> Self {
        match (kind.group.as_str(), kind.kind.as_str()) {
            ("", "Namespace") => Self::Namespaces,
            ("apiextensions.k8s.io", "CustomResourceDefinition") => Self::Definitions,
            ("admissionregistration.k8s.io", _) => Self::Webhooks,
            ("" | "rbac.authorization.k8s.io", name) if ROLES.contains(&name) => Self::Classes,
            (_, name) if name.ends_with("Class") => Self::Classes,
            _ => Self::Objects,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_need_comes_first() {
        let stages: Vec<_> = [
            ("", "Namespace"),
            ("apiextensions.k8s.io", "CustomResourceDefinition"),
            ("storage.k8s.io", "StorageClass"),
            ("rbac.authorization.k8s.io", "ClusterRole"),
            ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
            ("apps", "Deployment"),
            ("example.com", "Role"),
            ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ]
        .map(|(group, kind)| Stage::of(&GroupKind::new(group, kind)))
        .into();
        use Stage::{Classes, Definitions, Namespaces, Objects, Webhooks};
        assert_eq!(
            stages,
            [Namespaces, Definitions, Classes, Classes, Objects, Objects, Objects, Webhooks]
        );
    }
}

//! Which kinds of objects an app may have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::object::GroupKind;

/// Kinds of objects that an app may have: those allowed, less those denied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resources {
    /// Kinds that the app may have; an empty list allows none.
    #[serde(default = "Resources::default_allow")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub allow: Vec<KindPattern>,
    /// Kinds that it may not have, even if they are allowed.
    #[serde(default)]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub deny: Vec<KindPattern>,
}

impl Resources {
    fn default_allow() -> Vec<KindPattern> {
        vec![KindPattern { group: ANY.to_owned(), kind: ANY.to_owned() }]
    }

    /// Whether the app may have objects of this kind.
    pub fn allows(&self, kind: &GroupKind) -> bool {
        let any = |patterns: &[KindPattern]| patterns.iter().any(|pattern| pattern.matches(kind));
        any(&self.allow) && !any(&self.deny)
    }
}

impl Default for Resources {
    fn default() -> Self {
        Self { allow: Self::default_allow(), deny: Vec::new() }
    }
}

/// Stands for any group, or any kind.
const ANY: &str = "*";

/// A kind of a group, or all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KindPattern {
    /// API group; empty for the core group, * for any.
    #[schemars(length(max = 253), regex(pattern = r"^(\*|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$"))]
    pub group: String,
    /// Kind, such as Deployment; * for any.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^(\*|[A-Za-z][A-Za-z0-9]*)$"))]
    pub kind: String,
}

impl KindPattern {
    /// Kinds are compared as kubectl does, whatever their case: a denial may not miss one.
    fn matches(&self, kind: &GroupKind) -> bool {
        (self.group == ANY || self.group == kind.group)
            && (self.kind == ANY || self.kind.eq_ignore_ascii_case(&kind.kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_denied_is_not_allowed() {
        let patterns = |text: &str| -> Vec<KindPattern> {
            let pattern = |text: &str| {
                let (group, kind) = text.split_once('/').unwrap();
                KindPattern { group: group.to_owned(), kind: kind.to_owned() }
            };
            text.split_whitespace().map(pattern).collect()
        };
        let check = |allow: &str, deny: &str, group: &str, kind: &str, expect: bool| {
            let resources = Resources { allow: patterns(allow), deny: patterns(deny) };
            let found = resources.allows(&GroupKind::new(group, kind));
            assert_eq!(found, expect, "{allow} but {deny}: {group}/{kind}");
        };
        check("*/*", "", "apps", "Deployment", true);
        check("", "", "apps", "Deployment", false);
        check("apps/*", "", "apps", "Deployment", true);
        check("apps/*", "", "", "Service", false);
        check("/Service", "", "", "Service", true);
        check("*/*", "/Secret", "", "Secret", false);
        check("*/*", "/secret", "", "Secret", false);
        check("*/*", "/Secret", "example.com", "Secret", true);
        check("*/*", "*/*", "", "Service", false);
        assert!(Resources::default().allows(&GroupKind::new("", "Service")));
    }
}

//! The service account with whose rights an app is synced.

use std::fmt;

/// A service account of the cluster. Only one with a valid name can be made: the API server would take
/// anything else for an ordinary user of that name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceAccount {
    namespace: String,
    name: String,
}

impl ServiceAccount {
    /// The service account of this name, if that is one.
    pub fn new(namespace: &str, name: &str) -> Option<Self> {
        let is_namespace = namespace.len() <= 63 && is_label(namespace);
        let is_name = name.len() <= 253 && name.split('.').all(is_label);
        let account = || Self { namespace: namespace.to_owned(), name: name.to_owned() };
        (is_namespace && is_name).then(account)
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Written as its user name: `system:serviceaccount:apps:deployer`.
impl fmt::Display for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "system:serviceaccount:{}:{}", self.namespace, self.name)
    }
}

/// RFC 1123, but for the length.
fn is_label(text: &str) -> bool {
    let is_inner = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    !text.is_empty() && text.bytes().all(is_inner) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_none_without_a_valid_name() {
        let check = |namespace: &str, name: &str, expect: Option<&str>| {
            let found = ServiceAccount::new(namespace, name).map(|account| account.to_string());
            assert_eq!(found.as_deref(), expect, "{namespace:?} {name:?}");
        };
        check("apps", "deployer", Some("system:serviceaccount:apps:deployer"));
        check("apps", "team.web-1", Some("system:serviceaccount:apps:team.web-1"));
        check("", "deployer", None);
        check("apps", "", None);
        check("", "", None);
        check("apps", " ", None);
        check("apps", "a:b", None);
        check("apps:x", "b", None);
        check("apps", "a\r\nImpersonate-Group: system:masters", None);
        check("apps", "a\n", None);
        check("apps", "Admin", None);
        check("apps", "ädmin", None);
        check("apps", "a..b", None);
        check("apps", ".a", None);
        check("apps", "-a", None);
        check("a.b", "c", None);
        check(&"a".repeat(64), "b", None);
        check("a", &"b".repeat(254), None);
    }
}

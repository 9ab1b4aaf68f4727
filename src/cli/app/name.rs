//! How a person names an app that has a resource.

use std::fmt;
use std::str::FromStr;

/// `NAME`, or `NAMESPACE/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppName {
    /// Its namespace, if it is said.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// What is no name: it would become part of a URL.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("name an app as NAME or NAMESPACE/NAME, in small letters")]
pub struct BadAppName;

impl FromStr for AppName {
    type Err = BadAppName;

    fn from_str(text: &str) -> Result<Self, BadAppName> {
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, text),
        };
        let is_good = namespace.is_none_or(|n| is_name(n, 63)) && is_name(name, 253);
        let namespace = namespace.map(str::to_owned);
        is_good.then(|| Self { namespace, name: name.to_owned() }).ok_or(BadAppName)
    }
}

/// Written as it is read.
impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// Whether a text of up to so many characters may be the name of an object.
fn is_name(text: &str, max: usize) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_end = |b: Option<u8>| b.is_some_and(is_plain);
    text.len() <= max
        && is_end(text.bytes().next())
        && is_end(text.bytes().last())
        && text.bytes().all(|b| is_plain(b) || b == b'-' || b == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_and_without_a_namespace() {
        let check = |text: &str, expect: Option<(Option<&str>, &str)>| {
            let parsed = text.parse::<AppName>().ok();
            let found = parsed.as_ref().map(|app| (app.namespace.as_deref(), app.name.as_str()));
            assert_eq!(found, expect, "{text}");
            assert!(parsed.is_none_or(|app| app.to_string() == text));
        };
        check("web", Some((None, "web")));
        check("team/web.v2", Some((Some("team"), "web.v2")));
        for bad in ["", "/", "team/", "/web", "a/b/c", "Web", "../web", "web?x", "-web", "a%2fb"] {
            check(bad, None);
        }
    }
}

//! Where an artifact is, and which one of those there is wanted. Pure.

use std::net::IpAddr;

use crate::source::reference;

/// What a URL of an artifact begins with.
const SCHEME: &str = "oci://";
/// The tag that is meant where none is named, as everywhere.
const LATEST: &str = "latest";
/// Hexadecimal digits of a digest.
const DIGITS: usize = 64;
/// Characters that a tag may have.
const TAG: usize = 128;

/// A repository of a registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// Host, and port if there is one.
    pub registry: String,
    /// The repository.
    pub repository: String,
}

/// Which of the artifacts of a repository is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// The one of this digest.
    Digest(&'a str),
    /// The one that has this tag now.
    Tag(&'a str),
    /// The one with the newest tag of a range.
    Range(&'a str),
}

impl Address {
    /// The address in a URL, if it is one of an artifact.
    pub fn of(url: &str) -> Option<Self> {
        let (registry, repository) = url.strip_prefix(SCHEME)?.split_once('/')?;
        let (registry, repository) = (registry.to_owned(), repository.to_owned());
        (!registry.is_empty() && !repository.is_empty()).then_some(Self { registry, repository })
    }

    /// Whether a URL is one of an artifact.
    pub fn is_in(url: &str) -> bool {
        url.starts_with(SCHEME)
    }

    /// Whether the registry is on this machine.
    pub fn is_loopback(&self) -> bool {
        let host = self.registry.rsplit_once(':').map_or(self.registry.as_str(), |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl<'a> Wanted<'a> {
    /// What a text means. A range that could be a tag is one.
    pub fn of(text: &'a str) -> Option<Self> {
        if text == reference::HEAD {
            return Some(Self::Tag(LATEST));
        }
        let is_hex = |text: &str| text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        if text.strip_prefix("sha256:").is_some_and(|hex| hex.len() == DIGITS && is_hex(hex)) {
            return Some(Self::Digest(text));
        }
        if reference::is_range(text) {
            return Some(Self::Range(text));
        }
        is_tag(text).then_some(Self::Tag(text))
    }
}

/// Whether an artifact may have this tag.
pub fn is_tag(text: &str) -> bool {
    let may_be = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    starts_well && text.len() <= TAG && text.chars().all(may_be)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_has_a_registry_and_a_repository() {
        let check = |url: &str, expect: Option<(&str, &str, bool)>| {
            let found = Address::of(url);
            let found = found.as_ref().map(|it| (&*it.registry, &*it.repository, it.is_loopback()));
            assert_eq!(found, expect, "{url}");
        };
        check("oci://r.example/team/app", Some(("r.example", "team/app", false)));
        check("oci://127.0.0.1:5000/app", Some(("127.0.0.1:5000", "app", true)));
        check("oci://[::1]:5000/app", Some(("[::1]:5000", "app", true)));
        check("oci://localhost/app", Some(("localhost", "app", true)));
        check("oci://127.0.0.1.example/app", Some(("127.0.0.1.example", "app", false)));
        check("oci://r.example", None);
        check("https://r.example/app", None);
    }

    #[test]
    fn what_is_wanted_is_told_by_its_looks() {
        let check = |text: &str, expect: Option<Wanted<'_>>| {
            assert_eq!(Wanted::of(text), expect, "{text}");
        };
        let digest = format!("sha256:{}", "a1".repeat(32));
        check(&digest, Some(Wanted::Digest(&digest)));
        check("HEAD", Some(Wanted::Tag("latest")));
        check("main", Some(Wanted::Tag("main")));
        check(">=1.2 <2", Some(Wanted::Range(">=1.2 <2")));
        check("1.2.3", Some(Wanted::Range("1.2.3")));
        check("sha256:12", None);
        check("a/b", None);
        for (text, expect) in [("1.2.3", true), ("1.x", true), (">=1.2 <2", false), ("^1", false)] {
            assert_eq!(is_tag(text), expect, "{text}");
        }
    }
}

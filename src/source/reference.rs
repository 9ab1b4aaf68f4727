//! What of a repository is followed: a branch, a tag, a ref, a commit, or the newest tag of a range of versions.
//! Chosen among the refs that a server lists; pure.

use std::fmt::Display;

use nodejs_semver::{Range, Version};
use serde::{Deserialize, Serialize};

/// Characters of a commit's whole name.
const FULL: usize = 40;
/// Characters from which on hexadecimal digits are taken for the beginning of a commit's name.
const SHORT: usize = 7;
/// Tags that are named where none is in a range.
const TOLD: usize = 3;

const BRANCHES: &str = "refs/heads/";
const TAGS: &str = "refs/tags/";
/// Behind the name of an annotated tag, where its commit is listed.
const PEELED: &str = "^{}";
/// The branch that a repository has people begin with.
pub const HEAD: &str = "HEAD";

/// A ref as a server lists it. Of an annotated tag there is a second one, with `^{}` behind its name.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a, Id> {
    /// Its whole name, such as `refs/heads/main`.
    pub name: &'a str,
    /// What it leads to.
    pub id: Id,
}

/// What the text that says what to follow turned out to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// The default branch.
    #[default]
    Head,
    /// A branch.
    Branch,
    /// A tag.
    Tag,
    /// Any other ref, by its whole name.
    Ref,
    /// A commit.
    Commit,
    /// The newest tag of a range.
    Range,
}

/// What is followed at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice<Id> {
    /// What it is.
    pub kind: Kind,
    /// The ref, if one leads to it.
    pub reference: Option<String>,
    /// The commit, but for one that is not listed.
    pub id: Option<Id>,
}

/// Why nothing can be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmatched {
    /// There is no such branch or tag.
    Nothing,
    /// It looks like the beginning of a commit's name.
    Shortened,
    /// No tag is in the range. These are the newest versions that there are.
    NoVersion(Vec<String>),
}

/// Chooses what a text means among the refs that there are: the default branch, a ref by its whole name, a commit
/// by its whole name, a branch, a tag, a range of versions, whichever it is first. As for git itself, no branch can
/// take the place of a commit.
pub fn choose<Id: Copy + Display>(
    text: &str,
    list: &[Listed<'_, Id>],
) -> Result<Choice<Id>, Unmatched> {
    if is_commit(text) {
        return Ok(commit(text, list));
    }
    if text.ends_with(PEELED) {
        return Err(Unmatched::Nothing);
    }
    let named = [
        (Kind::Branch, format!("{BRANCHES}{text}")),
        (if text == HEAD { Kind::Head } else { kind_of(text) }, text.to_owned()),
        (Kind::Tag, format!("{TAGS}{text}")),
    ];
    let is_whole = text == HEAD || text.starts_with("refs/");
    for (kind, name) in named {
        if (name != text || is_whole)
            && let Some(id) = id_of(&name, list)
        {
            return Ok(Choice { kind, reference: Some(name), id: Some(id) });
        }
    }
    match range(text) {
        Some(range) => newest(&range, list),
        None if is_shortened(text) => Err(Unmatched::Shortened),
        None => Err(Unmatched::Nothing),
    }
}

/// Whether a text is the whole name of a commit.
pub fn is_commit(text: &str) -> bool {
    text.len() == FULL && is_hex(text)
}

/// Whether a text may be a range of versions.
pub fn is_range(text: &str) -> bool {
    range(text).is_some()
}

/// Whether a text is one version, of three numbers, and no range.
pub fn is_version(text: &str) -> bool {
    Version::parse(text.strip_prefix('v').unwrap_or(text)).is_ok()
}

/// A ref's name as people write it.
pub fn shown(reference: &str) -> &str {
    let short = reference.strip_prefix(BRANCHES).or_else(|| reference.strip_prefix(TAGS));
    short.unwrap_or(reference)
}

fn kind_of(reference: &str) -> Kind {
    match reference {
        branch if branch.starts_with(BRANCHES) => Kind::Branch,
        tag if tag.starts_with(TAGS) => Kind::Tag,
        _ => Kind::Ref,
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_shortened(text: &str) -> bool {
    (SHORT..FULL).contains(&text.len()) && is_hex(text)
}

/// A commit, and a ref that leads to it right now, by which every server gives it.
fn commit<Id: Copy + Display>(text: &str, list: &[Listed<'_, Id>]) -> Choice<Id> {
    let is_it = |listed: &&Listed<'_, Id>| listed.id.to_string().eq_ignore_ascii_case(text);
    let tip = list.iter().filter(is_it).find(|listed| !listed.name.ends_with(PEELED));
    let reference = tip.map(|listed| listed.name.to_owned());
    Choice { kind: Kind::Commit, reference, id: tip.map(|listed| listed.id) }
}

/// What a ref leads to; an annotated tag leads on to its commit.
fn id_of<Id: Copy>(name: &str, list: &[Listed<'_, Id>]) -> Option<Id> {
    let is_peeled = |listed: &&Listed<'_, Id>| listed.name.strip_suffix(PEELED) == Some(name);
    let found = list.iter().find(is_peeled);
    found.or_else(|| list.iter().find(|listed| listed.name == name)).map(|listed| listed.id)
}

/// A range, and whether it means prereleases as well.
struct Versions {
    range: Range,
    with_prereleases: bool,
}

impl Versions {
    fn has(&self, version: &Version) -> bool {
        self.range.satisfies_with_prerelease(version, self.with_prereleases)
    }
}

/// Reads a range as npm does, with commas for "and" as Masterminds and with it Flux and Argo CD do.
fn range(text: &str) -> Option<Versions> {
    let may_be = text.starts_with(|c: char| c.is_ascii_digit() || "vV<>=~^*".contains(c))
        && text.contains(|c: char| c.is_ascii_digit() || c == '*');
    let range = may_be.then(|| Range::parse(text.replace(',', " ")).ok()).flatten()?;
    Some(Versions { range, with_prereleases: names_prerelease(text) })
}

/// Whether a bound of a range is a prerelease, such as `>=1.0.0-0`. Between spaces, a `-` says "to".
fn names_prerelease(text: &str) -> bool {
    text.split([' ', ',', '|']).any(|part| part.trim_matches('-').contains('-'))
}

/// The newest tag of a range.
fn newest<Id: Copy>(range: &Versions, list: &[Listed<'_, Id>]) -> Result<Choice<Id>, Unmatched> {
    let tags = list.iter().filter_map(|listed| {
        let tag = listed.name.strip_prefix(TAGS)?;
        Some((version(tag)?, tag))
    });
    let mut tags: Vec<_> = tags.collect();
    tags.sort_unstable_by(|a, b| b.cmp(a));
    let Some((_, tag)) = tags.iter().find(|(version, _)| range.has(version)) else {
        let names = tags.iter().map(|(_, tag)| (*tag).to_owned());
        return Err(Unmatched::NoVersion(names.take(TOLD).collect()));
    };
    let name = format!("{TAGS}{tag}");
    Ok(Choice { kind: Kind::Range, id: id_of(&name, list), reference: Some(name) })
}

/// The version that a tag stands for, with or without a v before it. The parser takes more than that for one.
fn version(tag: &str) -> Option<Version> {
    let version = tag.strip_prefix(['v', 'V']).unwrap_or(tag);
    let numbers = version.split(['-', '+']).next().unwrap_or_default();
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
    let is_version = numbers.split('.').count() == 3
        && numbers.split('.').all(is_number)
        && version.chars().all(|c| c.is_ascii_alphanumeric() || ".+-".contains(c));
    is_version.then(|| Version::parse(version).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Refs by short words: `main` is a branch, `:v1` a tag, `+v2` an annotated one; each leads to its place.
    fn chosen(text: &str, refs: &str) -> String {
        let mut names = vec!["HEAD".to_owned(), "refs/pull/7/head".to_owned()];
        for word in refs.split_whitespace() {
            match word.split_at(1) {
                (":", tag) => names.push(format!("refs/tags/{tag}")),
                ("+", tag) => {
                    names.extend([format!("refs/tags/{tag}"), format!("refs/tags/{tag}^{{}}")]);
                }
                _ => names.push(format!("refs/heads/{word}")),
            }
        }
        let id = |n: usize| format!("{n:040x}");
        let ids: Vec<_> = (0..names.len()).map(id).collect();
        let list = names.iter().zip(&ids);
        let list: Vec<_> = list.map(|(name, id)| Listed { name, id: id.as_str() }).collect();
        match choose(text, &list) {
            Ok(Choice { kind, reference, id }) => {
                let at = id.and_then(|id| names.iter().zip(&ids).find(|(_, known)| *known == id));
                let at = at.map_or("?", |(name, _)| name.as_str());
                let reference = reference.unwrap_or_default();
                let peeled = if at.ends_with("^{}") { "^{}" } else { "" };
                assert!(at == "?" || at.trim_end_matches("^{}") == reference, "{at} {reference}");
                format!("{kind:?} {}{peeled}", shown(&reference))
            }
            Err(Unmatched::NoVersion(newest)) => format!("none of {}", newest.join(" ")),
            Err(why) => format!("{why:?}"),
        }
    }

    #[test]
    fn a_name_is_a_branch_then_a_tag_then_a_range() {
        let check = |text: &str, refs: &str, expect: &str| {
            assert_eq!(chosen(text, refs), expect, "{text} among {refs}");
        };
        check("main", "main :main", "Branch main");
        check("main", "other :main", "Tag main");
        check("main", "other", "Nothing");
        check("MAIN", "main", "Nothing");
        check("HEAD", "main", "Head HEAD");
        check("v1", "+v1", "Tag v1^{}");
        check("feature/x", "feature/x", "Branch feature/x");
        check("refs/heads/x", "x :x", "Branch x");
        check("refs/tags/x", "x +x", "Tag x^{}");
        check("refs/tags/x", "x", "Nothing");
        check("refs/pull/7/head", "x", "Ref refs/pull/7/head");
        check("pull/7/head", "x", "Nothing");
        check("1.x", "1.x :v1.2.0", "Branch 1.x");
        check("1.x", ":1.x :v1.2.0", "Tag 1.x");
        check("1.x", "main :v1.2.0", "Range v1.2.0");
        check("v1.2.0", "main :1.2.0", "Range 1.2.0");
        check("v1^{}", "+v1", "Nothing");
        check("", "main", "Nothing");
    }

    #[test]
    fn a_commit_goes_by_its_whole_name_and_is_no_branch() {
        let check = |text: &str, refs: &str, expect: &str| {
            assert_eq!(chosen(text, refs), expect, "{text} among {refs}");
        };
        let (first, other) = (format!("{:040x}", 2), "abcdef0123".repeat(4));
        check(&first, "main", "Commit main");
        check(&format!("{:040x}", 3), "+v1", "Commit ");
        check(&other, "main", "Commit ");
        check(&other.to_uppercase(), "main", "Commit ");
        check(&other, &other, "Commit ");
        check("abcdef0", "main", "Shortened");
        check("abcdef0", "abcdef0", "Branch abcdef0");
        check("abcdef", "main", "Nothing");
        check(&other[..39], "main", "Shortened");
        check(&format!("{other}0"), "main", "Nothing");
    }

    #[test]
    fn ranges_are_those_of_npm_and_masterminds() {
        let tags = ":v0.9.0 :v1.0.0 :1.2.3 +v1.4.2 :v1.10.0 :v2.0.0 :v2.1.0-rc.1 :v3.0.0-beta :v3 :latest :v1.4.2.1 :app-v9.0.0";
        let check = |text: &str, expect: &str| assert_eq!(chosen(text, tags), expect, "{text}");
        check(">=1.2 <2", "Range v1.10.0");
        check(">=1.2, <2", "Range v1.10.0");
        check(">= 1.2.0,<1.10.0", "Range v1.4.2^{}");
        check("1.x", "Range v1.10.0");
        check("1", "Range v1.10.0");
        check("v1", "Range v1.10.0");
        check("1.2", "Range 1.2.3");
        check("1.2.*", "Range 1.2.3");
        check("~1.4", "Range v1.4.2^{}");
        check("~1.4.1", "Range v1.4.2^{}");
        check("^1", "Range v1.10.0");
        check("^0.9", "Range v0.9.0");
        check("^2", "Range v2.0.0");
        check("*", "Range v2.0.0");
        check("1.0 || 2.0", "Range v2.0.0");
        check("1.0.0 - 1.4.2", "Range v1.4.2^{}");
        check("=1.0.0", "Range v1.0.0");
        check("<1.0.0", "Range v0.9.0");
        // Only what names a prerelease gets one.
        check(">=2.1.0-0", "Range v3.0.0-beta");
        check(">=2.1.0-0 <3.0.0-0", "Range v2.1.0-rc.1");
        check("3.0.0-beta", "Range v3.0.0-beta");
        check(">2", "none of v3.0.0-beta v2.1.0-rc.1 v2.0.0");
        check(">=4", "none of v3.0.0-beta v2.1.0-rc.1 v2.0.0");
        // What is none.
        for text in [
            "latest2",
            "release-1",
            "x",
            "||",
            ">=",
            "v",
            "~",
            "1.2.3.4",
            "2-stable!",
            "v2-stable",
            "> main",
        ] {
            assert_eq!(chosen(text, tags), "Nothing", "{text}");
        }
        assert_eq!(chosen("1.x", "main"), "none of ");
    }
}

//! Where a repository is, whichever way its URL is written.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Host and path of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepoAddress {
    /// The host in lower case, with its port if that is an unusual one. A local path has none.
    pub host: String,
    /// The path without slashes at its ends, and without `.git`.
    pub path: String,
}

impl RepoAddress {
    /// The address that a URL, or `user@host:path`, names.
    pub fn of(url: &str) -> Self {
        let url = url.trim().split(['?', '#']).next().unwrap_or_default();
        let (host, path) = parts(url);
        let path = path.trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/').to_owned();
        Self { host, path }
    }
}

fn parts(url: &str) -> (String, &str) {
    if let Some((scheme, rest)) = scheme(url) {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        return (host(&scheme.to_ascii_lowercase(), authority), path);
    }
    match url.split_once(':') {
        // `git@host:path`; what has a slash before the colon is a path.
        Some((authority, path)) if !authority.contains('/') => (host("ssh", authority), path),
        _ => (String::new(), url),
    }
}

/// The scheme of a URL, RFC 3986, and what follows it. Else `git@evil.example://host/path` would be taken for
/// a URL of that host.
fn scheme(url: &str) -> Option<(&str, &str)> {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let (scheme, rest) = url.split_once("://")?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    (is_scheme && scheme.chars().all(is_inner)).then_some((scheme, rest))
}

fn host(scheme: &str, authority: &str) -> String {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let port = match scheme {
        "https" => ":443",
        "http" => ":80",
        "ssh" => ":22",
        "git" => ":9418",
        _ => ":",
    };
    host.strip_suffix(port).unwrap_or(host).to_ascii_lowercase()
}

/// Repositories that apps may use: `host/path`, in which `*` stands for any part of a name and `**` for any
/// names. Paths are compared in their case, since some hosts tell them apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepoPattern(Vec<String>);

/// A text that is no pattern for repositories.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} names no repositories: write host/path without a scheme, as in git.example/team/*, where * is any name and ** at most one time any names"
)]
pub struct BadRepoPattern(String);

impl FromStr for RepoPattern {
    type Err = BadRepoPattern;

    fn from_str(text: &str) -> Result<Self, BadRepoPattern> {
        let text = text.trim();
        let path = text.trim_end_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        let mut names: Vec<_> = path.split('/').map(str::to_owned).collect();
        let is_name = |name: &String| !matches!(name.as_str(), "" | "." | "..") && is_plain(name);
        let any = names.iter().filter(|name| *name == ANY).count();
        if names.len() < 2 || any > 1 || names[0].contains('@') || !names.iter().all(is_name) {
            return Err(BadRepoPattern(text.to_owned()));
        }
        names[0].make_ascii_lowercase();
        Ok(Self(names))
    }
}

const ANY: &str = "**";

impl RepoPattern {
    /// Whether a repository is one of these.
    pub fn matches(&self, url: &str) -> bool {
        let RepoAddress { host, path } = RepoAddress::of(url);
        let names: Vec<_> = [host.as_str()].into_iter().chain(path.split('/')).collect();
        let patterns: Vec<_> = self.0.iter().map(String::as_str).collect();
        match patterns.iter().position(|pattern| *pattern == ANY) {
            None => all_match(&patterns, &names),
            Some(at) => {
                let after = patterns.len() - at - 1;
                // It stands for one name at least.
                names.len() > at + after
                    && all_match(&patterns[..at], &names[..at])
                    && all_match(&patterns[at + 1..], &names[names.len() - after..])
            }
        }
    }
}

fn all_match(patterns: &[&str], names: &[&str]) -> bool {
    patterns.len() == names.len() && patterns.iter().zip(names).all(|(p, name)| glob(p, name))
}

/// Whether a name is like a pattern with `*`.
fn glob(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(start) else { return false };
    let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
    ends.into_iter().any(|at| glob(rest, &name[at..]))
}

/// Whether a URL is written so that all who read it, and the server after them, take it for the same
/// repository. Where only some repositories are allowed, no other is.
pub fn is_unambiguous(url: &str) -> bool {
    let RepoAddress { host, path } = RepoAddress::of(url);
    let is_name = |name: &str| !matches!(name, "" | "." | "..");
    url.chars().all(|c| c.is_ascii_graphic())
        && !url.contains(['\\', '?', '#', '*'])
        && url.matches('@').count() <= 1
        && !scheme(url).map_or(url, |(_, rest)| rest).contains("//")
        && is_host(&host)
        && path.split('/').all(|name| is_name(name) && is_plain(name))
}

/// A name of a host, or an IPv6 address, and maybe a port.
fn is_host(host: &str) -> bool {
    let is_in = |text: &str, others: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && !port.is_empty();
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            is_in(address, ":") && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        }
        None => match host.split_once(':') {
            Some((name, port)) => is_in(name, "-.") && is_port(port),
            None => is_in(host, "-."),
        },
    }
}

/// Whether a name has only what stands for itself. What is written as %2F may be a slash to the server.
fn is_plain(name: &str) -> bool {
    let mut parts = name.split('%');
    parts.next().is_some()
        && parts.all(|part| ["20", "2B", "2b"].iter().any(|it| part.starts_with(it)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_of_the_host_and_each_name() {
        let check = |pattern: &str, url: &str, expect: bool| {
            let pattern: RepoPattern = pattern.parse().unwrap();
            assert_eq!(pattern.matches(url), expect, "{pattern:?} {url}");
        };
        let url = "https://git.example/team/config.git";
        check("git.example/team/config", url, true);
        check("Git.Example/team/config.git", url, true);
        check("git.example/team/*", url, true);
        check("git.example/*/config", url, true);
        check("git.example/team/con*g", url, true);
        check("git.example/team/*n*i*", url, true);
        check("*.example/team/config", url, true);
        check("git.example/**", url, true);
        check("git.example/**/config", url, true);
        check("**/config", url, true);
        check("git.example/*", url, false);
        check("git.example/team/config/**", url, false);
        check("git.example/Team/*", url, false);
        check("git.example/team/x*", url, false);
        check("git.example/team/*x", url, false);
        check("git.example/tea/*", url, false);
        check("example/team/config", url, false);
        for same in ["git@git.example:team/config", "ssh://git@GIT.example:22/team/config/"] {
            check("git.example/team/*", same, true);
        }
        check("git.example/team/*", "https://git.example:8443/team/config", false);
        check("git.example:8443/team/*", "https://git.example:8443/team/config", true);
        check("git.example/team/*", "https://git.example.evil.example/team/config", false);
        check("git.example/team/*", "https://evil.example/git.example/team/config", false);
        check("git.example/team/*", "https://git.example/team/a/b", false);
        check("git.example/team/*", "https://git.example/team", false);
    }

    #[test]
    fn what_names_no_repositories_is_no_pattern() {
        let check = |text: &str, expect: bool| {
            assert_eq!(text.parse::<RepoPattern>().is_ok(), expect, "{text}");
        };
        check("git.example/**", true);
        check(" git.example/team/* ", true);
        check("git.example", false);
        check("git.example/", false);
        check("", false);
        check("*", false);
        check("https://git.example/team/*", false);
        check("git@git.example/team", false);
        check("git.example//team", false);
        check("git.example/../team", false);
        check("git.example/**/a/**", false);
    }

    #[test]
    fn what_may_mean_two_repositories_is_not_taken_for_one() {
        let check = |url: &str, expect: bool| assert_eq!(is_unambiguous(url), expect, "{url:?}");
        for url in [
            "https://git.example/team/config.git",
            "https://git.example:8443/team/config/",
            "https://[::1]:8443/team/config",
            "ssh://git@git.example:22/~team/config",
            "git@git.example:team/config",
            "https://dev.example/org/My%20Project/_git/config",
        ] {
            check(url, true);
        }
        for url in [
            "https://git.example/team/../evil/config",
            "https://git.example/team/./config",
            "https://git.example/team//config",
            "https://git.example//team/config",
            "https://git.example/team/%2e%2e/evil/config",
            "https://git.example/team/%2E./evil/config",
            "https://git.example/team%2fconfig",
            "https://git.example/team%252fconfig",
            "https://git.example/team/%63onfig",
            "https://git.example/team/con%",
            "https://git%2eexample/team/config",
            "https://evil.example\\@git.example/team/config",
            "https://git.example\\evil/team/config",
            "https://git.example@evil.example@git.example/team/config",
            "https://evil.example?@git.example/team/config",
            "https://evil.example#@git.example/team/config",
            "https://git.example:80.evil.example/team/config",
            "https://git.example:/team/config",
            "https://gıt.example/team/config",
            "https://git.example/team／config",
            "https://git.example/team\u{2215}config",
            "https://git.example/te\u{200b}am/config",
            "https://git.example/team/config\n",
            " https://git.example/team/config",
            "https://git.example/te\0am/config",
            "git@[git.example:22]:team/config",
            "git@evil.example://git.example/team/config",
            "https:///team/config",
            "https://git.example/",
            "https://git.example",
            "https://git.example/team/*",
            "/srv/git.example/team/config",
            "file:///git.example/team/config",
        ] {
            check(url, false);
        }
    }
}

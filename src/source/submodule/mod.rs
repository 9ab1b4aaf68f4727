//! Submodules: what `.gitmodules` says, and where that leads to. Pure.

pub mod file;
pub mod missing;
pub mod place;

use serde::{Deserialize, Serialize};

use super::SourceError;
use super::error::display_url;
use crate::api::repository::{RepoPattern, is_unambiguous};
use crate::render::text::is_plain;
use place::Host;

pub use missing::{Absent, Missing};

/// Which submodules of a repository are fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submodules {
    /// Repositories that they may be in; all if there are none.
    pub allowed: Vec<RepoPattern>,
}

/// Characters of a URL.
const URL_MAX: usize = 2048;

/// A submodule that is to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its repository.
    pub url: String,
    /// Who is asked for it.
    pub host: Host,
}

impl Submodules {
    /// What a URL in `.gitmodules` leads to, of a submodule at `path` in a repository at `parent`. `repository` is the one
    /// that an app names: only its host is known to be trusted.
    pub fn source(
        &self,
        path: &str,
        repository: &str,
        parent: &str,
        url: &str,
    ) -> Result<Source, SourceError> {
        let refused = |why: String| SourceError::SubmoduleRefused { path: path.to_owned(), why };
        if url.chars().count() > URL_MAX || !url.chars().all(is_plain) {
            return Err(refused("its URL is none".to_owned()));
        }
        let url = place::resolved(parent, url)
            .ok_or_else(|| refused("its URL leads out of its host".to_owned()))?;
        let shown = display_url(&url);
        let host = place::host(repository, &url).ok_or_else(|| {
            refused(format!(
                "{shown} is neither on the repository's own host, by the same protocol, nor a URL of https: write a URL like ../{} into .gitmodules",
                name(&url)
            ))
        })?;
        let is_allowed = self.allowed.is_empty()
            || (is_unambiguous(&url) && self.allowed.iter().any(|pattern| pattern.matches(&url)));
        if is_allowed {
            return Ok(Source { url, host });
        }
        let why = "is none of the repositories that the daemon allows (--allowed-repos)";
        Err(refused(format!("{shown} {why}")))
    }
}

/// The last part of a URL.
fn name(url: &str) -> &str {
    let url = url.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    url.rsplit(['/', ':']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_submodule_may_lead_to_is_judged() {
        let allowed = |patterns: &[&str]| Submodules {
            allowed: patterns.iter().map(|pattern| pattern.parse().unwrap()).collect(),
        };
        let app = "https://git.example/team/config.git";
        let check = |patterns: &[&str], url: &str, expect: Result<(&str, Host), &str>| {
            let found = allowed(patterns).source("libs/base", app, app, url);
            match (found, expect) {
                (Ok(Source { url, host }), Ok(expect)) => assert_eq!((&*url, host), expect),
                (Err(error), Err(words)) => {
                    let said = error.to_string();
                    assert!(said.contains(words) && said.contains("libs/base"), "{said}");
                    assert!(!said.contains("hunter2"), "{said}");
                }
                (found, _) => panic!("{url}: {found:?}"),
            }
        };
        let base = "https://git.example/team/base.git";
        check(&[], "../base.git", Ok((base, Host::Same)));
        check(&["git.example/team/*"], "../base.git", Ok((base, Host::Same)));
        check(&["git.example/team/*"], "../../other/base.git", Err("--allowed-repos"));
        check(&["git.example/team/*"], "https://git.example/team/../o/b", Err("--allowed-repos"));
        check(&[], "https://else.example/b", Ok(("https://else.example/b", Host::Other)));
        check(&["git.example/**"], "https://else.example/b", Err("--allowed-repos"));
        check(&[], "https://u:hunter2@else.example/b", Ok(("https://else.example/b", Host::Other)));
        check(&[], "git@git.example:team/base.git", Err("like ../base.git"));
        check(&[], "http://u:hunter2@git.example/base", Err("like ../base"));
        check(&[], "/srv/git/base.git", Err("nor a URL of https"));
        check(&[], "../../../../base.git", Err("leads out of its host"));
        check(&[], "file:///x\nINFO Synced", Err("its URL is none"));
        check(&[], &format!("../{}", "x".repeat(URL_MAX)), Err("its URL is none"));
    }
}

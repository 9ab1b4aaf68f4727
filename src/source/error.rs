//! Why a source could not be read, with what to do about it. URLs appear without credentials.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a source could not be read.
#[derive(Debug, Clone, thiserror::Error, strum::IntoStaticStr, Serialize, Deserialize)]
pub enum SourceError {
    /// The server has no such repository, or hides it.
    #[error("no repository at {url}: check the URL, and that the credentials may read it")]
    RepositoryNotFound {
        /// URL without credentials.
        url: String,
    },
    /// The repository has no such branch.
    #[error("no branch {branch:?} at {url}: push it, or set --branch")]
    BranchNotFound {
        /// URL without credentials.
        url: String,
        /// Branch asked for.
        branch: String,
    },
    /// The server refused the credentials, or wants some.
    #[error(
        "{url} refused the credentials ({why}): set --git-username and --git-password-file, or renew them"
    )]
    CredentialsRefused {
        /// URL without credentials.
        url: String,
        /// The refusal.
        why: String,
    },
    /// The server did not answer, or not as a git server does.
    #[error("cannot fetch from {url}: {why}; retrying")]
    RepositoryUnreachable {
        /// URL without credentials.
        url: String,
        /// The transport's words.
        why: String,
    },
    /// The server was too slow.
    #[error(
        "fetching from {url} took longer than {limit:?} and was stopped; retrying (--fetch-timeout)"
    )]
    FetchTimedOut {
        /// URL without credentials.
        url: String,
        /// The deadline.
        limit: Duration,
    },
    /// The path is not in the commit.
    #[error("no folder {path:?} in {place}: nothing is pruned; check --path")]
    PathNotFound {
        /// Path asked for.
        path: String,
        /// Commit or folder that was searched.
        place: String,
    },
    /// The clone on disk cannot be used, even after a fresh start.
    #[error(
        "the clone in {dir:?} cannot be used: {why}; check that the folder is writable and has space"
    )]
    CloneUnusable {
        /// The clone.
        dir: PathBuf,
        /// libgit2's words.
        why: String,
    },
    /// The fetching child could not be run.
    #[error("cannot run the fetching child process: {why}")]
    ChildFailed {
        /// The system's words.
        why: String,
    },
}

impl SourceError {
    /// The word for this failure, the same in logs, metrics and conditions.
    pub fn reason(&self) -> &'static str {
        self.into()
    }
}

/// A URL as it may be shown: without userinfo, query and fragment.
pub fn display_url(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}/{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lose_their_credentials() {
        let check = |url: &str, shown: &str| assert_eq!(display_url(url), shown);
        check("https://bob:hunter2@git.example/a.git?token=hunter2", "https://git.example/a.git");
        check("https://git.example/a@b.git", "https://git.example/a@b.git");
        check("ssh://git@git.example/a.git", "ssh://git.example/a.git");
        check("https://a:p/w@git.example", "https://a:p/w@git.example");
        check("/srv/git/a.git", "/srv/git/a.git");
    }
}

//! What is said between the daemon and its fetching child.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::credentials::AppToken;
use super::head::Head;
use super::submodule::Missing;
use super::{Credentials, Repository, SourceError};

/// What the fetching child is asked, on its standard input.
#[derive(Serialize, Deserialize)]
pub struct Request {
    /// What to fetch.
    pub repository: Repository,
    /// Where the clone is or shall be.
    pub dir: PathBuf,
    /// Who fetches it, unless that is anyone.
    pub credentials: Option<Credentials>,
    /// The last token of the app of GitHub that fetches it.
    pub token: Option<AppToken>,
    /// Seconds after which the child ends by itself, should its parent be gone by then.
    pub seconds: u64,
    /// Start over with a fresh clone.
    pub fresh: bool,
    /// Have this many commits of history, also if the head is known. The first fetch takes one
    /// otherwise, and those after it what is new.
    pub depth: Option<usize>,
    /// Submodules that are missing and not to be tried.
    pub resting: Vec<Missing>,
}

/// What the fetching child answers, on its standard output.
#[derive(Serialize, Deserialize)]
pub struct Answer {
    /// What was fetched.
    pub head: Result<Head, SourceError>,
    /// The token that an app of GitHub got for it.
    pub token: Option<AppToken>,
}

//! A repository that is followed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::credentials::Files;
use super::error::display_url;
use super::{Credentials, Submodules};

/// What is followed of a repository, and how to get at it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Repository {
    /// URL or local path.
    pub url: String,
    /// What of it is followed, see [`reference`](super::reference).
    pub branch: String,
    /// Whether it is an artifact of a registry that speaks no TLS.
    pub insecure: bool,
    /// Its submodules, if they are fetched.
    pub submodules: Option<Submodules>,
    /// Credentials in files.
    #[serde(skip)]
    pub files: Arc<Files>,
    /// Credentials from a Secret, in place of those.
    #[serde(skip)]
    pub credentials: Option<Arc<Credentials>>,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Repository({} {})", display_url(&self.url), self.branch)
    }
}

//! What a source holds at one moment.

use std::fmt;

use super::fetch::Tag;
use crate::render::{Diagnostic, SourceFile};

/// A commit of a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Branch it was the head of.
    pub branch: String,
    /// Commit, in hex.
    pub commit: String,
    /// When it was committed, seconds since 1970.
    pub time: i64,
    /// Name of who wrote it. A person's word, as the subject is: to be shown, and for nothing else.
    pub author: String,
    /// First line of its message.
    pub subject: String,
    /// The tag that is followed, if it is one.
    pub tag: Option<Tag>,
}

/// Characters of a commit's name that people read.
const SHORT: usize = 8;

/// The beginning of a commit's name.
pub(super) fn short(commit: &str) -> String {
    commit.chars().take(SHORT).collect()
}

impl Revision {
    /// The branch and the beginning of the commit's name.
    pub fn short(&self) -> String {
        format!("{}@{}", self.branch, short(&self.commit))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.branch, self.commit)
    }
}

/// The files below a source's path, and what is wrong with them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Files that may hold manifests, in the order of their paths.
    pub files: Vec<SourceFile>,
    /// Files that could not be read.
    pub diagnostics: Vec<Diagnostic>,
}

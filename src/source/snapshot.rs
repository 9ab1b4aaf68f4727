//! What a source holds at one moment.

use std::fmt;

use super::head::Tag;
use super::reference;
use super::tree::Link;
use crate::render::kustomize::Parts;
use crate::render::{Diagnostic, SourceFile};

/// A commit that is followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revision {
    /// The ref that it was found by, such as `refs/tags/v1.4.2`, unless it was asked for by its own name.
    pub name: Option<String>,
    /// Commit, in hex.
    pub commit: String,
    /// Its tree, in hex.
    pub tree: String,
    /// When it was committed, seconds since 1970.
    pub time: i64,
    /// Name of who wrote it. A person's word, as the subject is: to be shown, and for nothing else.
    pub author: String,
    /// First line of its message.
    pub subject: String,
    /// The tag that is followed, if it is one.
    pub tag: Option<Tag>,
    /// The digest of the artifact that the commit stands for, if it is from a registry.
    pub digest: Option<String>,
}

/// Characters of a commit's name that people read.
const SHORT: usize = 8;

/// The beginning of a commit's name.
pub(super) fn short(commit: &str) -> String {
    commit.chars().take(SHORT).collect()
}

impl Revision {
    /// The branch or tag and the beginning of the commit's name.
    pub fn short(&self) -> String {
        match self.digest.as_deref().and_then(|digest| digest.split_once(':')) {
            Some((kind, hex)) => self.at(&format!("{kind}:{}", short(hex))),
            None => self.at(&short(&self.commit)),
        }
    }

    fn at(&self, commit: &str) -> String {
        match &self.name {
            Some(name) => format!("{}@{commit}", reference::shown(name)),
            None => commit.to_owned(),
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.at(self.digest.as_ref().unwrap_or(&self.commit)))
    }
}

/// The files below a source's path, and what is wrong with them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Files that may hold manifests, in the order of their paths.
    pub files: Vec<SourceFile>,
    /// Files that could not be read.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether links led out of the path, so that more than what is below it made this.
    pub has_left: bool,
    /// What this hangs on, if that can be told: with the same, it is the same.
    pub scope: Option<String>,
    /// What the files are to whom.
    pub layout: Layout,
    /// The links between them, where a program is to follow them.
    pub links: Vec<Link>,
}

/// What the files of a snapshot are to whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Manifests.
    #[default]
    Plain,
    /// What kustomize reads.
    Kustomize {
        /// The folder of the kustomization that it builds.
        top: String,
        /// Whether it says of each object which file it is from although nobody asked for that.
        says_origins: bool,
        /// What that is made of.
        parts: Parts,
    },
    /// What helm reads.
    Helm {
        /// The folder of the chart, if it is in the repository.
        chart: Option<String>,
        /// Files with values, of which the last counts.
        values: Vec<String>,
    },
}

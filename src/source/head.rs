//! The commit that is followed.

use serde::{Deserialize, Serialize};

use super::reference::Kind;
use super::submodule::Missing;

/// What is followed, as a fetch found it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Head {
    /// What was asked for.
    pub kind: Kind,
    /// The ref that it was found by.
    pub reference: Option<String>,
    /// The commit, in hex.
    pub commit: String,
    /// Its tree, in hex.
    pub tree: String,
    /// When it was committed, seconds since 1970.
    pub time: i64,
    /// Name of who wrote it.
    pub author: String,
    /// First line of its message.
    pub subject: String,
    /// The tag that is followed, if it is one.
    #[serde(default)]
    pub tag: Option<Tag>,
    /// The digest of the artifact that the commit stands for, if it is from a registry.
    #[serde(default)]
    pub digest: Option<String>,
    /// The submodules that were not brought.
    #[serde(default)]
    pub missing: Vec<Missing>,
}

/// A tag that is followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// Its name.
    pub name: String,
    /// The object, in hex, that says who made it. A tag that is but a name has none.
    pub object: Option<String>,
}

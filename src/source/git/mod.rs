//! git by libgit2: the fetching child's work, and reading a commit's blobs.

pub mod clone;
pub mod tree;

/// The hidden verb under which this program is its own fetching child.
pub const CHILD_VERB: &str = "git-fetch";

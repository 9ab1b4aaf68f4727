//! git by libgit2: the fetching child's work, reading a commit's blobs, the history of commits, and who
//! signed them.

pub mod clone;
pub mod head;
pub mod history;
#[cfg(test)]
mod hostile;
pub mod tree;
pub mod verify;
mod wanted;

/// The hidden verb under which this program is its own fetching child.
pub const CHILD_VERB: &str = "git-fetch";

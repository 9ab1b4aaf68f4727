//! git by libgit2: the fetching child's work, reading a commit's blobs, the history of commits, and who
//! signed them.

pub(super) mod answer;
pub mod clone;
mod github;
pub mod head;
pub mod history;
#[cfg(test)]
mod hostile;
pub(super) mod http;
pub(super) mod options;
mod redirect;
mod remote;
mod ssh;
mod submodules;
mod transport;
pub mod tree;
mod trouble;
pub mod verify;
mod wanted;

/// The hidden verb under which this program is its own fetching child.
pub const CHILD_VERB: &str = "git-fetch";

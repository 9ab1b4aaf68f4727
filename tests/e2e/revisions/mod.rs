//! What of a repository is followed, and what its commits may hold.

mod bombs;
mod bytes;
mod clones;
mod hostile;
mod memory;
mod paths;
mod references;
mod renamed;
mod rewritten;
pub mod submodules;
mod truth;

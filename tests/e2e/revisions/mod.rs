//! What of a repository is followed, and what its commits may hold.

mod bytes;
mod clones;
mod hostile;
mod memory;
mod paths;
mod references;
mod renamed;
mod rewritten;
mod submodules;
mod truth;

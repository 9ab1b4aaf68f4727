//! What of a repository is followed, and what its commits may hold.

mod bytes;
mod hostile;
mod paths;
mod references;
mod rewritten;
mod submodules;
mod truth;

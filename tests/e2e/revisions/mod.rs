//! What of a repository is followed, and what its commits may hold.

mod bytes;
mod paths;
mod references;
mod rewritten;
mod truth;

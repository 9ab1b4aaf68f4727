//! What of a repository is followed, and what its commits may hold.

mod references;
mod rewritten;

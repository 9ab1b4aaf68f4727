//! What became of a commit that was followed before: whether it still counts, and whether anything changed that
//! the app is made of. Where that cannot be told, nothing is claimed.

use super::git::{history, tree};
use super::{Fetcher, Revision};

impl Fetcher {
    /// Whether the branch was rewritten: the commit that was followed before is not in the history of the one that
    /// is followed now.
    pub async fn is_rewritten(&self, before: &Revision, now: &Revision) -> bool {
        if now.name.is_none() || now.name != before.name || now.commit == before.commit {
            return false;
        }
        let (dir, before, now) = (self.dir.clone(), before.commit.clone(), now.commit.clone());
        let read = move || history::is_rewritten(&dir, &before, &now);
        self.off_thread(read).await.unwrap_or(false)
    }

    /// What the manifests of a commit hang on: with the same, they are the same.
    pub async fn scope(&self, revision: &Revision) -> Option<String> {
        let (dir, commit, path) = (self.dir.clone(), revision.commit.clone(), self.path.clone());
        let submodules = self.submodules();
        let read = move || tree::scope(&dir, &commit, &path, submodules.as_deref());
        self.off_thread(read).await.ok().flatten()
    }
}

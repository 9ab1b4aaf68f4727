//! Approvals of deletions that commits give by the trailer `GitOps-Prune: all` or
//! `GitOps-Prune: <hash>`. What they approve is not decided here; no error approves anything.

use std::sync::Arc;

use tokio::time::Instant;

use super::clones::Wish;
use super::git::history::{self, Approval, Approvals, Reading};
use super::{Fetcher, Revision, Snapshot, SourceError};
use crate::render::Rendered;

/// Depth of the first fetch of history: most approvals are that young.
const FIRST_DEPTH: usize = 50;
/// Commits beyond which no more history is fetched.
const HISTORY_MAX: usize = 5_000;

/// What a commit did to the files below the path. A path that is not in a commit has no files.
#[derive(Clone, Debug, PartialEq)]
pub struct Removal {
    /// The first parent's files.
    pub before: Snapshot,
    /// The commit's own. With diagnostics, what is not in it may still be declared.
    pub after: Snapshot,
}

impl Fetcher {
    /// The approvals of the commits that are in `head` and not in `since`. Of `head` alone, if `since`
    /// is not known or not in its history. Fetches more history only if the answer is in it.
    pub async fn approvals(
        &self,
        head: &Revision,
        since: Option<&str>,
    ) -> Result<Approvals, SourceError> {
        let mut asked = Instant::now();
        let mut reading = self.history_or_afresh(head, since).await?;
        let mut seen = 0;
        while let Some(here) = reading.cut_at.filter(|n| seen < *n && *n < HISTORY_MAX) {
            seen = here;
            // Counted in commits, of which no path is longer: a fetch never makes history shorter.
            let depth = (10 * here).clamp(FIRST_DEPTH, HISTORY_MAX);
            self.fetched(asked, Wish::deep(depth)).await?;
            asked = Instant::now();
            reading = self.history(head, since).await?;
        }
        let truncated = reading.approvals.truncated || reading.cut_at.is_some();
        Ok(Approvals { truncated, ..reading.approvals })
    }

    /// Reads what an approving commit changed, but for what was rendered before.
    pub async fn removal(
        &self,
        approval: &Approval,
        known: Option<Arc<Rendered>>,
    ) -> Result<Removal, SourceError> {
        let before = self.files(&approval.parent, known.clone()).await?;
        let after = self.files(&approval.commit, known).await?;
        Ok(Removal { before, after })
    }

    /// Reads a commit's files, but for what was rendered before.
    pub async fn files(
        &self,
        commit: &str,
        known: Option<Arc<Rendered>>,
    ) -> Result<Snapshot, SourceError> {
        Ok(self.read_blobs(commit, known).await?.unwrap_or_default())
    }

    /// Reads history. A clone that turns out to be damaged is fetched afresh, once.
    async fn history_or_afresh(
        &self,
        head: &Revision,
        since: Option<&str>,
    ) -> Result<Reading, SourceError> {
        let began = Instant::now();
        if let Ok(reading) = self.history(head, since).await {
            return Ok(reading);
        }
        self.fetched(began, Wish { fresh: true, depth: Some(FIRST_DEPTH) }).await?;
        self.history(head, since).await
    }

    async fn history(&self, head: &Revision, since: Option<&str>) -> Result<Reading, SourceError> {
        let (dir, head, since) =
            (self.dir.clone(), head.commit.clone(), since.map(ToOwned::to_owned));
        let read = move || history::read(&dir, &head, since.as_deref());
        self.off_thread(read).await.map_err(|why| self.unusable(why))
    }
}

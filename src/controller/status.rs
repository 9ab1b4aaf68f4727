//! Carries an app's status to the API server: only what is new, and not more often than people can read.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::api::{ConditionType, GitOpsAppStatus};
use crate::cluster::{ApiError, Cluster};
use crate::object::{AppId, ObjectId};
use crate::sync::Board;

/// Time in which what changes is written once.
const PAUSE: Duration = Duration::from_millis(300);
/// First and longest time before a write that failed is tried again.
const RETRIES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// Whose status it is.
pub struct Writer {
    pub cluster: Cluster,
    /// Whether the app is this replica's to write.
    pub held: watch::Receiver<bool>,
    pub id: ObjectId,
    pub uid: String,
    /// The status that it has.
    pub written: GitOpsAppStatus,
}

impl Writer {
    /// Writes each status until the last one is written, or the app is gone.
    pub async fn run(mut self, mut statuses: watch::Receiver<GitOpsAppStatus>) {
        // What came before this began is news as well.
        let (mut retry, mut is_due) = (RETRIES.0, true);
        loop {
            let is_last = !is_due && statuses.changed().await.is_err();
            if !is_last {
                sleep(PAUSE).await;
            }
            let status = statuses.borrow_and_update().clone();
            is_due = false;
            if status != self.written {
                match self.cluster.write_status(&self.id, &self.uid, &status).await {
                    Ok(()) => (self.written, retry) = (status, RETRIES.0),
                    Err(ApiError::NotLeader) if is_last => return,
                    // Its status is another replica's, until this one takes over.
                    Err(ApiError::NotLeader) => {
                        let _ = self.held.wait_for(|is_held| *is_held).await;
                        is_due = true;
                    }
                    // The app is gone, or another of its name is there.
                    Err(error) if matches!(error.code(), 404 | 409) => return,
                    Err(error) if is_last => return debug!("Status not written: {error}"),
                    Err(error) => {
                        warn!("Cannot write the status, retrying: {error}");
                        sleep(retry).await;
                        (retry, is_due) = ((retry * 2).min(RETRIES.1), true);
                    }
                }
            }
            if is_last {
                return;
            }
        }
    }
}

/// Tells the other apps whether this one is ready, at once.
pub async fn tell_others(board: Board, app: AppId, mut statuses: watch::Receiver<GitOpsAppStatus>) {
    while statuses.changed().await.is_ok() {
        let status = statuses.borrow_and_update().clone();
        board.update(&app, |state| {
            state.is_ready = status.conditions.is_true(ConditionType::Ready);
            state.applied = applied(&status);
            let attempted = status.last_attempted_revision.as_ref();
            state.attempted = attempted.map(|revision| revision.sha.clone());
        });
    }
}

/// The commit that was applied last.
pub fn applied(status: &GitOpsAppStatus) -> Option<String> {
    status.last_applied_revision.as_ref().map(|revision| revision.sha.clone())
}

//! Carries an app's status to the API server: only what is new, and not more often than people can read.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{debug, warn};

use super::Seen;
use super::tenure::{Office, Shown, Tenure};
use crate::api::GitOpsAppStatus;
use crate::cluster::{ApiError, Cluster};
use crate::object::{AppId, ObjectId};
use crate::sync::Board;

/// Time in which what changes is written once.
const PAUSE: Duration = Duration::from_millis(300);
/// First and longest time before a write that failed is tried again.
const RETRIES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// Writes the status of an app.
pub struct Writer {
    cluster: Cluster,
    /// Whether the app is this replica's to write.
    office: Office,
    /// What its resource is like.
    seen: watch::Receiver<Arc<Seen>>,
    id: ObjectId,
    uid: String,
    /// The status that it has.
    written: GitOpsAppStatus,
}

impl Writer {
    /// One for the resource as it is seen now.
    pub fn new(tenure: &Tenure) -> Self {
        let (now, seen) = (tenure.seen.borrow().clone(), tenure.seen.clone());
        let (cluster, office) = (tenure.cluster.clone(), tenure.office());
        let (id, uid, written) = (now.id.clone(), now.uid.clone(), now.status.clone());
        Self { cluster, office, seen, id, uid, written }
    }

    /// Writes each status until the last one is written, or the app is gone.
    pub async fn run(mut self, mut statuses: watch::Receiver<GitOpsAppStatus>) {
        // What came before this began is news as well.
        let (mut retry, mut is_due) = (RETRIES.0, true);
        loop {
            let is_last = !is_due && statuses.changed().await.is_err();
            if !is_last {
                sleep(PAUSE).await;
            }
            if !self.office.is_held() {
                if is_last || !self.resumes(&mut statuses).await {
                    return;
                }
                is_due = true;
                continue;
            }
            let status = statuses.borrow_and_update().clone();
            is_due = false;
            if status != self.written {
                match self.cluster.write_status(&self.id, &self.uid, &status).await {
                    Ok(()) => (self.written, retry) = (status, RETRIES.0),
                    Err(ApiError::NotLeader) if is_last => return,
                    Err(ApiError::NotLeader) => is_due = true,
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

    /// While the status is another replica's: waits until this one takes over. `false` if it never does.
    async fn resumes(&mut self, statuses: &mut watch::Receiver<GitOpsAppStatus>) -> bool {
        while !self.office.is_held() {
            tokio::select! {
                () = self.office.changed() => {}
                // What this replica would have written is no longer right.
                changed = statuses.changed() => if changed.is_err() { return false },
            }
        }
        self.written.clone_from(&self.seen.borrow().status);
        true
    }
}

/// Tells the other apps how this one fares, at once.
pub async fn tell_others(board: Board, app: AppId, mut shown: Shown) {
    while shown.changed().await {
        board.update(&app, |state| *state = shown.told(std::mem::take(state)));
    }
}

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
use crate::lanes::Lanes;
use crate::object::{AppId, ObjectId};
use crate::sync::Board;

/// Time in which what changes is written once.
const PAUSE: Duration = Duration::from_millis(300);
/// First and longest time before a write that failed is tried again.
const RETRIES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// Statuses that are written side by side: an API server takes several times longer for one than for an object, and
/// what waits here is replaced by what is newer. Alone, one is written in milliseconds.
const LANES: usize = 1;
/// A write that takes longer holds up no others.
const QUICK: Duration = Duration::from_secs(1);

/// Lanes for the statuses of all apps.
pub fn lanes() -> Lanes {
    Lanes::new(LANES, QUICK)
}

/// Writes the status of an app.
pub struct Writer {
    cluster: Cluster,
    lanes: Lanes,
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
    pub fn new(tenure: &Tenure, lanes: Lanes) -> Self {
        let (now, seen) = (tenure.seen.borrow().clone(), tenure.seen.clone());
        let (cluster, office) = (tenure.cluster.clone(), tenure.office());
        let (id, uid, written) = (now.id.clone(), now.uid.clone(), now.status.clone());
        Self { cluster, lanes, office, seen, id, uid, written }
    }

    /// Writes each status until the last one is written, or the app is gone.
    pub async fn run(mut self, mut statuses: watch::Receiver<GitOpsAppStatus>) {
        // What came before this began is news as well.
        let (mut retry, mut is_due) = (RETRIES.0, true);
        while is_due || statuses.changed().await.is_ok() {
            unless_over(&statuses, sleep(PAUSE)).await;
            let is_last = statuses.has_changed().is_err();
            if !self.office.is_held() {
                if is_last || !self.resumes(&mut statuses).await {
                    return;
                }
                is_due = true;
                continue;
            }
            is_due = false;
            match self.lanes.run(|| self.write(&mut statuses)).await {
                Ok(status) => (self.written, retry) = (status, RETRIES.0),
                Err(error) if is_last => return debug!("Status not written: {error}"),
                Err(ApiError::NotLeader) => is_due = true,
                Err(error) => {
                    // The app is gone, or another of its name is there: this ends in a moment.
                    if matches!(error.code(), 404 | 409) {
                        debug!("Status not written: {error}");
                    } else {
                        warn!("Cannot write the status, retrying: {error}");
                    }
                    unless_over(&statuses, sleep(retry)).await;
                    (retry, is_due) = ((retry * 2).min(RETRIES.1), true);
                }
            }
        }
    }

    /// Writes the status as it is when its turn has come, unless that is written already.
    async fn write(
        &self,
        statuses: &mut watch::Receiver<GitOpsAppStatus>,
    ) -> Result<GitOpsAppStatus, ApiError> {
        let status = statuses.borrow_and_update().clone();
        if status != self.written {
            self.cluster.write_status(&self.id, &self.uid, &status).await?;
        }
        Ok(status)
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

/// Waits for something, unless there is no other status to come.
async fn unless_over(statuses: &watch::Receiver<GitOpsAppStatus>, wait: impl Future<Output = ()>) {
    let mut statuses = statuses.clone();
    tokio::select! {
        () = wait => {}
        () = async { while statuses.changed().await.is_ok() {} } => {}
    }
}

/// Tells the other apps how this one fares, at once.
pub async fn tell_others(board: Board, app: AppId, mut shown: Shown) {
    while shown.changed().await {
        board.update(&app, |state| *state = shown.told(std::mem::take(state)));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::time::timeout;

    use super::*;
    use crate::cluster::Fence;

    #[tokio::test]
    async fn it_ends_with_the_app_also_where_another_replica_writes() {
        let kubeconfig = json!({
            "clusters": [{"name": "a", "cluster": {"server": "https://127.0.0.1:1"}}],
            "users": [{"name": "a", "user": {"token": "t"}}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "current-context": "a",
        });
        let (kubeconfig, limit) = (kubeconfig.to_string().into_bytes(), Duration::from_secs(1));
        let cluster = Cluster::remote(&kubeconfig, limit, Arc::new(|_, _| ())).await.unwrap();
        let fence = Arc::new(Fence::default());
        let app = json!({"metadata": {"name": "web", "namespace": "team", "uid": "u"}});
        let seen = watch::Sender::new(Arc::new(Seen::of(&app, "ops"))).subscribe();
        let statuses = watch::Sender::new(GitOpsAppStatus::default());
        let tenure = Tenure::new(cluster.fenced(fence.clone()), fence, seen, statuses.clone());
        let writer = Writer::new(&tenure, lanes());
        drop(tenure);
        statuses.send_modify(|status| status.observed_generation = Some(1));
        let writing = writer.run(statuses.subscribe());
        drop(statuses);
        timeout(Duration::from_mins(1), writing).await.unwrap();
    }
}

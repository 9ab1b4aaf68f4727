//! The end of an app: its objects are deleted or left to others, and then its resource may go.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use super::tenure::Tenure;
use super::{Common, Seen, prepare};
use crate::api::{DeletionPolicy, GitOpsAppSpec};
use crate::cluster::{ApiError, Cluster, Fence};
use crate::plan::Controls;
use crate::report::{Notice, Publisher};
use crate::sync::finalize::{Farewell, Obstacle, finalize, forget};
use crate::sync::{App, Ground, Origin, Stop};

/// First and longest wait before another try.
const RETRIES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// Tries to read what gives access to another cluster.
const TRIES: u32 = 3;

/// Deals with the objects of an app that is being deleted, and lets its resource go, once the app is this replica's.
pub async fn say(
    common: &Common,
    tenure: &Tenure,
    seen: &Seen,
    asked: &watch::Receiver<Controls>,
    stop: &Stop,
    publisher: &mut Publisher,
) {
    if !seen.is_held() {
        return;
    }
    let (mut retry, mut tried) = (RETRIES.0, 0);
    while !stop.is_set() {
        let term = tenure.begin().await;
        let attempt = attempt(common, &tenure.fence, seen, (asked, stop), tried, publisher);
        let attempted = Box::pin(attempt).await;
        let is_over = *tenure.fence.held().borrow() != Some(term);
        match attempted {
            Ok(()) => return,
            Err(_) if stop.is_set() => return,
            Err(_) if is_over => continue,
            Err(why) => {
                warn!("Deletion is not done yet, retrying: {why}");
                publisher.notice(&Notice::DeletionFailed(why));
            }
        }
        tried += 1;
        tokio::select! {
            () = sleep(retry) => retry = (retry * 2).min(RETRIES.1),
            () = stop.wait() => {}
        }
    }
}

async fn attempt(
    common: &Common,
    fence: &Arc<Fence>,
    seen: &Seen,
    (asked, stop): (&watch::Receiver<Controls>, &Stop),
    tried: u32,
    publisher: &mut Publisher,
) -> Result<(), String> {
    let spec = match &seen.resource {
        Ok(resource) => resource.spec.clone(),
        // What cannot be read asks for nothing to be deleted.
        Err(_) => GitOpsAppSpec::of(""),
    };
    let policy = spec.deletion_policy;
    if let Some((ground, cluster)) = place_of(common, seen, &spec, tried).await? {
        let app = App::new(seen.app.clone(), &spec, Origin::Nothing(seen.source()), &ground);
        let app = app.map_err(|error| error.to_string())?;
        let app = App { cluster, asked: asked.clone(), ..app }.fenced(fence);
        let mut say = |obstacles: &[Obstacle]| publisher.notice(&Notice::undeleted(obstacles));
        let farewell = finalize(&app, policy, stop, &mut say).await;
        let farewell = farewell.map_err(|error| error.to_string())?;
        tell(policy, &farewell);
        if policy == DeletionPolicy::Delete {
            publisher.parted(&farewell.abandoned, &farewell.undeleted, &farewell.unreached);
        }
    } else {
        let store = common.ground.store.fenced(fence.clone());
        forget(&store, &seen.app).await.map_err(|error| error.to_string())?;
    }
    let cluster = common.ground.store.cluster().fenced(fence.clone());
    match cluster.set_finalizers(&seen.id, &seen.version, &seen.released()).await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == 404 => Ok(()),
        Err(error) => release(&cluster, seen, error).await,
    }
}

/// Where the app's objects are, with the rights that it had: what its tenant may not delete, nobody deletes for
/// it. `None` if that is not to be known: nothing is done to them then, and its resource goes all the same.
async fn place_of(
    common: &Common,
    seen: &Seen,
    spec: &GitOpsAppSpec,
    tried: u32,
) -> Result<Option<(Ground, Cluster)>, String> {
    match prepare::place_of(common, seen, spec).await {
        Ok(place) => Ok(Some(place)),
        Err(notice) if notice.is_passing() && tried < TRIES => Err(notice.to_string()),
        Err(notice) => {
            warn!("Its objects are left with our marks, since they could not be reached: {notice}");
            Ok(None)
        }
    }
}

/// The resource changed meanwhile, be it only by its status: what it is now is released.
async fn release(cluster: &Cluster, seen: &Seen, conflict: ApiError) -> Result<(), String> {
    if conflict.code() != 409 {
        return Err(conflict.to_string());
    }
    let resource = crate::cluster::apps::resource();
    let now = cluster.get(&resource, &seen.id).await.map_err(|error| error.to_string())?;
    let Some(now) = now.map(|now| Seen::of(&now, seen.app.namespace())) else { return Ok(()) };
    if now.uid != seen.uid {
        return Ok(());
    }
    match cluster.set_finalizers(&now.id, &now.version, &now.released()).await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == 404 => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

fn tell(policy: DeletionPolicy, farewell: &Farewell) {
    let Farewell { deleted, abandoned, undeleted, unreached } = farewell;
    let policy = match policy {
        DeletionPolicy::Abandon => "Abandon",
        DeletionPolicy::Delete => "Delete",
    };
    info!(policy, deleted, abandoned = abandoned.len(), "App deleted");
    for (id, why) in undeleted {
        warn!(object = %id, "Not deleted, though deletionPolicy is Delete: {why}");
    }
    for (id, why) in unreached {
        warn!(object = %id, "Left with our marks, since it could not be reached: {why}");
    }
}

//! What becomes of an app's objects when the app is deleted. It ends also where repository, cluster, kinds or
//! rights are gone: then the objects are left to others.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use tokio::time::{Instant, sleep};

use super::pass::pass;
use super::{App, Memory, Origin, Stop};
use crate::api::DeletionPolicy;
use crate::cluster::ApiError;
use crate::cluster::store::{Loaded, Store, StoreError};
use crate::object::marks::HashKey;
use crate::object::{AppId, Live, ObjectId};
use crate::plan::Resource;
use crate::plan::guard::Guard;
use crate::report::{Failure, Fate, Outcome, Trigger};

/// First and longest time between two looks at objects that are on their way out.
const LOOKS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));
/// Tries at an object that changes meanwhile.
const TRIES: u32 = 5;

/// An object that could not be dealt with, and why.
pub type Obstacle = (ObjectId, String);

/// What became of an app that is deleted.
#[derive(Debug, Default)]
pub struct Farewell {
    /// Objects that were deleted.
    pub deleted: usize,
    /// Objects that were left to others, without our marks.
    pub abandoned: Vec<ObjectId>,
    /// Objects that could not be deleted although that was asked for.
    pub undeleted: Vec<Obstacle>,
    /// Objects that keep our marks, since they could not be reached.
    pub unreached: Vec<Obstacle>,
}

/// Deletes or abandons all objects of an app, and then what is remembered of it. Says which cannot be deleted,
/// as long as that is tried.
pub async fn finalize(
    app: &App,
    policy: DeletionPolicy,
    stop: &Stop,
    say: &mut (dyn FnMut(&[Obstacle]) + Send),
) -> Result<Farewell, Failure> {
    let mut farewell = Farewell::default();
    if policy == DeletionPolicy::Delete && load(app).await?.exists() {
        delete(app, stop, &mut farewell, say).await?;
    }
    let loaded = load(app).await?;
    if loaded.exists() {
        abandon(app, &loaded, &mut farewell).await;
    }
    app.store.remove(&app.id, &loaded).await?;
    Ok(farewell)
}

/// Forgets an app whose objects nobody can get at.
pub async fn forget(store: &Store, app: &AppId) -> Result<(), StoreError> {
    store.remove(app, &store.load(app).await?).await
}

/// What is stored of an app. Where that is gone, be it with the daemon's own namespace, nothing is known to be
/// the app's.
async fn load(app: &App) -> Result<Loaded, Failure> {
    Ok(app.store.load(&app.id).await?)
}

/// Deletes what may be deleted, as if the source declared nothing any more. What is protected, kept or another's
/// stays in the inventory, and so does what could not be deleted in the time that a pass may take: a right that was
/// taken away does not keep the app, nor the namespace that it is in, for ever.
async fn delete(
    app: &App,
    stop: &Stop,
    farewell: &mut Farewell,
    say: &mut (dyn FnMut(&[Obstacle]) + Send),
) -> Result<(), Failure> {
    let empty = App {
        origin: Origin::Nothing(app.origin.identity()),
        guard: Guard { max_objects: usize::MAX, allow_empty: true, ..app.guard.clone() },
        prune: true,
        gate: None,
        peers: None,
        // Nothing waits for another app to declare it: those that do have it in their inventories.
        interval: Duration::ZERO,
        ..app.clone()
    };
    let (mut memory, mut wait, end) = (parting(), LOOKS.0, Instant::now() + app.timeout);
    loop {
        let outcome = pass(&empty, &mut memory, Trigger::Deletion, stop).await;
        farewell.deleted += outcome.pruned();
        farewell.undeleted = undeleted(&outcome);
        match outcome.failure {
            // Who is gone cannot be asked to delete.
            Some(Failure::ClusterUnavailable { .. }) if app.is_remote() => return Ok(()),
            // Of a suspended app nothing is deleted.
            Some(Failure::Suspended(_)) => return Ok(()),
            Some(failure) => return Err(failure),
            None if !is_under_way(&outcome) || Instant::now() + wait > end => return Ok(()),
            None => {}
        }
        if !farewell.undeleted.is_empty() {
            say(&farewell.undeleted);
        }
        sleep(wait).await;
        wait = (wait * 2).min(LOOKS.1);
    }
}

/// Where an app begins that declares nothing any more: with no manifest there is nothing to hash, and no name to
/// leave for other apps.
fn parting() -> Memory {
    // A kind that went a moment ago would be taken for one that cannot be listed, and nothing be deleted.
    let new_kinds = Some(Instant::now());
    Memory { key: Some(HashKey(vec![0])), is_registered: true, new_kinds, ..Memory::default() }
}

/// Whether another look may show that more is gone, or can go.
fn is_under_way(outcome: &Outcome) -> bool {
    let goes = |fate: &Fate| matches!(fate, Fate::Pruned { .. } | Fate::Pending | Fate::Failed(_));
    outcome.leftovers.iter().any(|(_, fate)| goes(fate))
}

fn undeleted(outcome: &Outcome) -> Vec<Obstacle> {
    let failed = outcome.leftovers.iter().filter_map(|(id, fate)| match fate {
        Fate::Failed(why) => Some((id.clone(), why.clone())),
        _ => None,
    });
    failed.collect()
}

async fn abandon(app: &App, loaded: &Loaded, farewell: &mut Farewell) {
    // Without discovery no kind is known, and nothing can be reached.
    let kinds = app.discovery.kinds(Some(Instant::now())).await.ok();
    let one = async |id: &ObjectId| {
        let resource = kinds.as_ref().and_then(|kinds| kinds.preferred(&id.kind));
        let Some(resource) = resource else {
            return (id.clone(), Err("its kind is not served".to_owned()));
        };
        let abandoned = abandon_one(app, resource, id).await;
        (id.clone(), abandoned.map_err(|error| error.shown(&id.kind)))
    };
    let ids = loaded.inventory.entries.keys();
    let all: Vec<_> = stream::iter(ids).map(one).buffered(app.parallel).collect().await;
    for (id, abandoned) in all {
        match abandoned {
            Ok(true) => farewell.abandoned.push(id),
            Ok(false) => {}
            Err(why) => farewell.unreached.push((id, why)),
        }
    }
}

/// Takes our marks off an object, if it has them. Says whether it had.
async fn abandon_one(app: &App, resource: &Resource, id: &ObjectId) -> Result<bool, ApiError> {
    let mut tries = 0;
    loop {
        let Some(object) = app.cluster.get(resource, id).await? else { return Ok(false) };
        let object = Arc::new(object);
        if Live::from(&*object).identity.as_ref() != Some(&app.id.identity(id)) {
            return Ok(false);
        }
        tries += 1;
        match app.cluster.abandon(resource, id, &object).await {
            Ok(()) => return Ok(true),
            // It changed since it was read.
            Err(error) if matches!(error.code(), 404 | 409 | 422) && tries < TRIES => {}
            Err(error) => return Err(error),
        }
    }
}

//! What becomes of an app's objects when the app is deleted. It ends also where repository, cluster or kinds
//! are gone: then the objects are left to others.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use tokio::time::sleep;

use super::pass::pass;
use super::record::recall;
use super::{App, Memory, Origin, Stop};
use crate::api::DeletionPolicy;
use crate::cluster::ApiError;
use crate::cluster::store::{Store, StoreError};
use crate::object::{AppId, Live, ObjectId};
use crate::plan::guard::Guard;
use crate::plan::{Controls, Resource};
use crate::report::{Failure, Fate, Outcome, Trigger};

/// Looks at objects that are on their way out.
const LOOKS: u32 = 60;
/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Tries at an object that changes meanwhile.
const TRIES: u32 = 5;

/// What became of an app that is deleted.
#[derive(Debug, Default)]
pub struct Farewell {
    /// Objects that were deleted.
    pub deleted: usize,
    /// Objects that were left to others, without our marks.
    pub abandoned: Vec<ObjectId>,
    /// Objects that keep our marks, since they could not be reached, and why.
    pub unreached: Vec<(ObjectId, String)>,
}

/// Deletes or abandons all objects of an app, and then what is remembered of it.
pub async fn finalize(app: &App, policy: DeletionPolicy, stop: &Stop) -> Result<Farewell, Failure> {
    let mut farewell = Farewell::default();
    if policy == DeletionPolicy::Delete {
        farewell.deleted = delete(app, stop).await?;
    }
    let memory = load(app).await?;
    abandon(app, &memory, &mut farewell).await;
    if let Some(loaded) = &memory.loaded {
        app.store.remove(&app.id, loaded).await?;
    }
    Ok(farewell)
}

/// Forgets an app whose objects nobody can get at.
pub async fn forget(store: &Store, app: &AppId) -> Result<(), StoreError> {
    store.remove(app, &store.load(app).await?).await
}

/// Deletes what may be deleted, as if the source declared nothing any more. What is protected, kept or another's
/// stays in the inventory.
async fn delete(app: &App, stop: &Stop) -> Result<usize, Failure> {
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
    let (mut memory, mut deleted) = (Memory::default(), 0);
    for _ in 0..LOOKS {
        let outcome = pass(&empty, &mut memory, Trigger::Deletion, stop).await;
        deleted += outcome.pruned();
        match outcome.failure {
            // Who is gone cannot be asked to delete.
            Some(Failure::ClusterUnavailable { .. }) if app.is_remote() => break,
            // Of a suspended app nothing is deleted.
            Some(Failure::Suspended(_)) => break,
            Some(failure) => return Err(failure),
            None if !is_under_way(&outcome) => break,
            None => sleep(LOOK).await,
        }
    }
    Ok(deleted)
}

/// Whether another look may show that more is gone, or can go.
fn is_under_way(outcome: &Outcome) -> bool {
    let goes = |fate: &Fate| matches!(fate, Fate::Pruned { .. } | Fate::Pending | Fate::Failed(_));
    outcome.leftovers.iter().any(|(_, fate)| goes(fate))
}

async fn load(app: &App) -> Result<Memory, Failure> {
    let mut memory = Memory::default();
    let nobody_asks = tokio::sync::watch::channel(Controls::default()).1;
    match recall(&App { asked: nobody_asks, ..app.clone() }, &mut memory).await {
        Ok(_) | Err(Failure::Suspended(_)) => {}
        Err(failure) => return Err(failure),
    }
    // Without discovery no kind is known, and nothing can be reached.
    memory.kinds = app.discovery.kinds(tokio::time::Instant::now()).await.ok();
    Ok(memory)
}

async fn abandon(app: &App, memory: &Memory, farewell: &mut Farewell) {
    let one = async |id: &ObjectId| {
        let resource = memory.kinds.as_ref().and_then(|kinds| kinds.preferred(&id.kind));
        let Some(resource) = resource else {
            return (id.clone(), Err("its kind is not served".to_owned()));
        };
        let abandoned = abandon_one(app, resource, id).await;
        (id.clone(), abandoned.map_err(|error| error.shown(&id.kind)))
    };
    let ids = memory.inventory.entries.keys();
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

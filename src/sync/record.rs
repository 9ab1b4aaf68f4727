//! What is remembered of an app from pass to pass: in its inventory, and in memory.

use std::sync::Arc;

use super::{App, Memory, Stop, apply, rivals, twins};
use crate::object::ObjectId;
use crate::object::marks::HashKey;
use crate::plan::cause::Telling;
use crate::plan::observed::Foreign;
use crate::plan::{Cause, Desired, Inventory, Lookup};
use crate::report::{Action, Done, Failure, Fate, Outcome};

/// Loads the hash key and the inventory, once.
pub async fn recall(app: &App, memory: &mut Memory) -> Result<HashKey, Failure> {
    let key = match (&memory.key, app.dry_run) {
        (Some(key), _) => key.clone(),
        (None, false) => app.store.key_or_new().await?,
        // Nothing was ever applied without a key, so any will do to compare with nothing.
        (None, true) => app.store.key().await?.unwrap_or(HashKey(Vec::new())),
    };
    if !memory.is_registered && !app.dry_run {
        app.store.register(&app.id, app.interval).await?;
        memory.is_registered = true;
    }
    memory.key = Some(key.clone()).filter(|key| !key.0.is_empty());
    if memory.loaded.is_none() {
        let loaded = app.store.load(&app.id).await?;
        memory.inventory = twins::rejoined(&loaded.inventory, memory);
        memory.controls = loaded.controls.clone();
        memory.loaded = Some(loaded);
        let place = app.place();
        if memory.inventory.cluster != place {
            Arc::make_mut(&mut memory.inventory).cluster = place;
        }
    }
    let given = app.origin.identity();
    match &memory.inventory.source {
        Some(recorded) if app.refuse_other_source && *recorded != given => {
            Err(Failure::OtherSource { app: app.id.to_string(), recorded: recorded.clone(), given })
        }
        _ if app.is_suspended(&memory.controls) => {
            Err(Failure::Suspended(app.suspend_reason(&memory.controls)))
        }
        _ => Ok(key),
    }
}

/// Stores the inventory before the first write. What is not stored is not known either: between passes
/// only objects of the inventory are put back.
pub async fn store(
    app: &App,
    memory: &mut Memory,
    superset: Arc<Inventory>,
) -> Result<(), Failure> {
    let before = std::mem::replace(&mut memory.inventory, superset);
    let stored = record(app, memory).await;
    if stored.is_err() {
        memory.inventory = before;
    }
    stored
}

/// Stores the inventory, before the first write and after the last.
pub async fn record(app: &App, memory: &mut Memory) -> Result<(), Failure> {
    if app.dry_run {
        return Ok(());
    }
    let loaded = memory.loaded.get_or_insert_default();
    let saved = app.store.save(&app.id, loaded, &memory.inventory).await;
    if let Some(peers) = &app.peers {
        peers.show(saved.is_ok().then_some(&memory.inventory));
    }
    if saved.is_err() {
        // What is stored is another's by now, or unknown: read it again.
        memory.loaded = None;
    }
    Ok(saved?)
}

/// Takes over what was done: into the inventory, and into the view before the watches tell.
/// Says whether the inventory changed by it.
pub fn remember(app: &App, memory: &mut Memory, outcome: &Outcome) -> bool {
    let is_changed = apply::record(&mut memory.inventory, &outcome.done);
    if !memory.told.is_empty() {
        // What is over is news when it comes again.
        let over = outcome.done.iter().filter(|done| done.cause == Cause::InSync);
        over.for_each(|done| drop(memory.told.remove(&done.desired.id)));
    }
    for done in outcome.done.iter().filter(|done| done.cause != Cause::InSync) {
        see(app, memory, done);
        note_told(memory, done);
        let id = &done.desired.id;
        match &done.action {
            Action::Claimed(owner) => drop(memory.claims.insert(id.clone(), owner.clone())),
            _ => drop(memory.claims.remove(id)),
        }
    }
    is_changed
}

/// Takes over what our dealing with an object showed of it.
fn see(app: &App, memory: &mut Memory, done: &Done) {
    let (id, now) = (&done.desired.id, memory.clock.now());
    // What was refused or put off showed nothing new: a suspect stays one.
    let is_seen = !done.action.is_failure() && done.action != Action::Fought;
    if is_seen && (done.cause == Cause::Suspect || done.telling.is_some()) {
        memory.fights.verified(id, now);
    }
    if let Some(live) = done.live.clone().filter(|_| is_seen && !app.dry_run) {
        let is_cleared = done.cause != Cause::Extended;
        memory.observed.applied(&app.id, id.clone(), live, is_cleared);
    }
    if let Some(before) = &done.deleted {
        memory.observed.predecessors.insert(id.clone(), before.clone());
    } else if done.action.is_in_sync() {
        memory.observed.predecessors.remove(id);
    }
    if let (Action::Left(why), Cause::New | Cause::Missing | Cause::Unknown) =
        (&done.action, done.cause)
    {
        let foreign = Foreign { hash: done.desired.hash.clone(), why };
        memory.observed.foreign.insert(id.clone(), foreign);
    }
}

/// Notes what was told of an object, for as long as it holds.
fn note_told(memory: &mut Memory, done: &Done) {
    let (id, told) = (&done.desired.id, &mut memory.told);
    match (&done.action, &done.telling) {
        (_, Some(telling)) => drop(told.insert(id.clone(), telling.clone())),
        (Action::Drifted(_) | Action::Extended(..) | Action::Conflicted(_), None) => {}
        // A look for something else: what was told of additions still holds.
        (Action::Unchanged, None)
            if done.cause == Cause::Suspect && !told.get(id).is_some_and(Telling::is_forged) => {}
        _ => drop(told.remove(id)),
    }
}

/// Objects that name themselves as the app's, though its inventory does not know them: it was lost, or
/// someone copied the marks with care. They are not ours to delete.
pub fn orphans(memory: &mut Memory, wanted: &[Arc<Desired>]) -> Vec<ObjectId> {
    // What was handed over, abandoned or deleted a moment ago still names itself as ours.
    let (now, live) = (memory.clock.now(), &memory.observed.live);
    memory.handed.retain(|id, at| live.contains_key(id) && now < *at + rivals::LONGEST);
    let mut known = Lookup::new(&memory.inventory.entries);
    let is_wanted = |id: &ObjectId| wanted.binary_search_by(|object| object.id.cmp(id)).is_ok();
    let stays = memory.observed.live.iter().filter(|(_, live)| !live.terminating);
    let unknown = stays.map(|(id, _)| id).filter(|id| known.get(id).is_none());
    unknown.filter(|id| !is_wanted(id) && !memory.handed.contains_key(id)).cloned().collect()
}

/// Notes the commit of which all is done that nobody has to approve. Alone that is not worth a write.
pub fn reach(memory: &mut Memory, stop: &Stop, outcome: &Outcome) {
    if memory.is_stale || stop.is_set() {
        return;
    }
    let is_stored =
        memory.loaded.as_ref().is_some_and(|loaded| loaded.inventory == memory.inventory);
    let is_left = |fate: &Fate| matches!(fate, Fate::Pending | Fate::Spared(_) | Fate::Failed(_));
    let is_known = outcome.unread.is_none();
    let is_done = is_known
        && outcome.failed() == 0
        && !outcome.leftovers.iter().any(|(_, fate)| is_left(fate));
    if is_done && !is_stored {
        let commit = outcome.revision.as_ref().map(|revision| revision.commit.clone());
        Arc::make_mut(&mut memory.inventory).commit = commit;
    }
}

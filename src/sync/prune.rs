//! Deletes what left the source, if everything else is in sync; abandons what must stay.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{App, Memory, Stop};
use crate::cluster::ApiError;
use crate::object::{Live, ObjectId};
use crate::plan::inventory::Entry;
use crate::plan::prune::{Context, Spared, Verdict};
use crate::plan::{Hold, Plan, Resource};
use crate::report::{Failure, Fate, Outcome};

/// Looks at an object that changes between judgement and deletion.
const TRIES: u32 = 5;

/// Judges and deletes the leftovers, last stage first. Fills in `outcome.leftovers` and takes from
/// the inventory what is no longer ours.
pub async fn prune(
    app: &App,
    memory: &mut Memory,
    plan: &Plan,
    stop: &Stop,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    if plan.leftovers.is_empty() {
        return Ok(());
    }
    let in_sync = outcome.done.iter().all(|done| done.action.is_in_sync());
    if let Some(hold) = plan.hold.or((!in_sync).then_some(Hold::NotInSync)) {
        let held = |id: &ObjectId| (id.clone(), Fate::Spared(format!("because {hold}")));
        outcome.leftovers = plan.leftovers.iter().map(held).collect();
        return Ok(());
    }
    check_inventory(app, memory).await?;
    let mut leftovers = Vec::new();
    let mut context = context(app, outcome);
    for id in &plan.leftovers {
        if stop.is_set() {
            break;
        }
        let entry = memory.inventory.entries.get(id).cloned().unwrap_or_default();
        let resource = memory.kinds.as_ref().and_then(|kinds| kinds.preferred(&id.kind));
        let (fate, is_ours) = judge(app, resource, &context, id, &entry).await?;
        if !matches!(fate, Fate::Pruned { .. } | Fate::Gone) {
            context.stays(id, resource);
        }
        if !is_ours {
            Arc::make_mut(&mut memory.inventory).entries.remove(id);
        }
        leftovers.push((id.clone(), fate));
    }
    outcome.leftovers = leftovers;
    Ok(())
}

/// Another process may have declared a leftover since the inventory was loaded.
async fn check_inventory(app: &App, memory: &mut Memory) -> Result<(), Failure> {
    let Some(loaded) = &memory.loaded else { return Ok(()) };
    let checked = app.store.check(&app.id, loaded).await;
    if checked.is_err() {
        memory.loaded = None;
    }
    Ok(checked?)
}

fn context<'a>(app: &'a App, outcome: &'a Outcome) -> Context<'a> {
    let uids: BTreeSet<_> =
        outcome.done.iter().filter_map(|done| Some(done.live.as_ref()?.uid.as_str())).collect();
    let source = app.origin.identity().fingerprint();
    let mut context = Context::new(&app.id, app.store.namespace(), source, uids);
    for done in &outcome.done {
        context.stays(&done.desired.id, Some(&done.desired.resource));
    }
    context
}

/// Judges one object and carries the verdict out. Says whether it stays in the inventory.
async fn judge(
    app: &App,
    resource: Option<&Resource>,
    context: &Context<'_>,
    id: &ObjectId,
    entry: &Entry,
) -> Result<(Fate, bool), Failure> {
    let stays = |why: Spared| Ok((Fate::Spared(why.to_string()), true));
    if app.reach.scope_of(id).is_none() {
        return stays(Spared::OutOfReach);
    }
    let Some(resource) = resource else { return stays(Spared::KindNotServed) };
    let mut refusal = String::new();
    for _ in 0..TRIES {
        let error = match attempt(app, resource, context, id, entry).await {
            Ok(judged) => return Ok(judged),
            Err(error) => Failure::unless_refused("pruning", error)?,
        };
        refusal = error.shown(&id.kind);
        // It changed since it was read: judge it again.
        if error.code() != 409 && error.code() != 422 {
            break;
        }
    }
    Ok((Fate::Failed(refusal), true))
}

/// Reads an object, judges it and carries the verdict out on exactly what was read.
async fn attempt(
    app: &App,
    resource: &Resource,
    context: &Context<'_>,
    id: &ObjectId,
    entry: &Entry,
) -> Result<(Fate, bool), ApiError> {
    let object = app.cluster.get(resource, id).await?;
    let live = object.as_ref().map(Live::from);
    let spared = |why: Spared| Fate::Spared(why.to_string());
    Ok(match (context.verdict(id, entry, live.as_ref()), &live, &object) {
        (Verdict::Delete, Some(live), _) => {
            app.cluster.delete(resource, id, live, app.dry_run).await?;
            let (version, uid) = (resource.version.clone(), live.uid.clone());
            (Fate::Pruned { version, uid }, false)
        }
        (Verdict::Abandon(why), _, Some(object)) => {
            if !app.dry_run {
                app.cluster.abandon(resource, id, object).await?;
            }
            (Fate::Spared(format!("{why}; it is no longer managed")), false)
        }
        (Verdict::Wait(why), ..) => (spared(why), true),
        (Verdict::Forget(Spared::AlreadyGone) | Verdict::Delete | Verdict::Abandon(_), ..) => {
            (Fate::Gone, false)
        }
        (Verdict::Forget(why), ..) => (spared(why), false),
    })
}

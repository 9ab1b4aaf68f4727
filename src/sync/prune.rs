//! Deletes what left the source, if everything else is in sync; abandons what must stay.

use std::collections::BTreeSet;

use super::{App, Memory};
use crate::cluster::ApiError;
use crate::object::{Live, ObjectId};
use crate::plan::inventory::Entry;
use crate::plan::prune::{Context, Verdict};
use crate::plan::{Hold, Plan};
use crate::report::{Failure, Fate, Outcome};

/// Looks at an object that changes between judgement and deletion.
const TRIES: u32 = 5;

/// Judges and deletes the leftovers, last stage first. Fills in `outcome.leftovers` and takes from
/// the inventory what is no longer ours.
pub async fn prune(
    app: &App,
    memory: &mut Memory,
    plan: &Plan,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    if plan.leftovers.is_empty() {
        return Ok(());
    }
    let in_sync = outcome.done.iter().all(|done| done.action.is_in_sync());
    if let Some(hold) = plan.hold.or((!in_sync).then_some(Hold::NotInSync)) {
        outcome.hold = Some(hold);
        let held =
            plan.leftovers.iter().map(|id| (id.clone(), Fate::Spared(format!("because {hold}"))));
        outcome.leftovers = held.collect();
        return Ok(());
    }
    let uids: BTreeSet<_> = outcome.done.iter().map(|done| done.uid.as_str()).collect();
    let desired = outcome.done.iter().map(|done| done.desired.as_ref());
    let context = Context::new(&app.id, app.store.namespace(), desired, uids);
    for id in &plan.leftovers {
        let entry = memory.inventory.entries.get(id).cloned().unwrap_or_default();
        let (fate, is_ours) = judge(app, memory, &context, id, &entry).await?;
        if !is_ours {
            memory.inventory.entries.remove(id);
        }
        outcome.leftovers.push((id.clone(), fate));
    }
    if memory.inventory.entries.len() == outcome.done.len() {
        memory.inventory.source = Some(app.origin.identity());
    }
    Ok(())
}

/// Judges one object and carries the verdict out. Says whether it stays in the inventory.
async fn judge(
    app: &App,
    memory: &Memory,
    context: &Context<'_>,
    id: &ObjectId,
    entry: &Entry,
) -> Result<(Fate, bool), Failure> {
    let kinds = memory.kinds.as_ref();
    let Some(resource) =
        kinds.and_then(|k| k.at(&id.kind, &entry.version).or(k.preferred(&id.kind)))
    else {
        return Ok((Fate::Spared("because its kind is not served".to_owned()), true));
    };
    let mut refusal = String::new();
    for _ in 0..TRIES {
        let object = match app.cluster.get(resource, id).await {
            Ok(object) => object,
            Err(error) => return Ok((Fate::Failed(refused(error)?), true)),
        };
        let live = object.as_ref().map(Live::from);
        let verdict = context.verdict(id, entry, live.as_ref());
        let (carried_out, fate, stays) = match (verdict, &live, &object) {
            (Verdict::Delete, Some(live), _) => {
                (app.cluster.delete(resource, id, live, app.dry_run).await, Fate::Pruned, false)
            }
            (Verdict::Abandon(why), _, Some(object)) => {
                let abandoned = if app.dry_run {
                    Ok(())
                } else {
                    app.cluster.abandon(resource, id, object).await
                };
                (abandoned, Fate::Spared(format!("{why}; it is no longer managed")), false)
            }
            (Verdict::Forget(why), ..) => (Ok(()), Fate::Spared(why.to_string()), false),
            (Verdict::Wait(why), ..) => (Ok(()), Fate::Spared(why.to_string()), true),
            (Verdict::Delete | Verdict::Abandon(_), ..) => (Ok(()), Fate::Pruned, false),
        };
        match carried_out {
            Ok(()) => return Ok((fate, stays)),
            Err(error) if error.code() == 404 => return Ok((Fate::Pruned, false)),
            // It changed since it was read: judge it again.
            Err(error) if error.code() == 409 || error.code() == 422 => refusal = refused(error)?,
            Err(error) => return Ok((Fate::Failed(refused(error)?), true)),
        }
    }
    Ok((Fate::Failed(refusal), true))
}

fn refused(error: ApiError) -> Result<String, Failure> {
    Failure::unless_refused("pruning", error).map(|error| error.to_string())
}

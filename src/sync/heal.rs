//! Between two passes: puts back what the watches show as changed.

use std::collections::BTreeSet;
use std::time::Instant;

use super::record::{record, remember};
use super::{App, Memory, Stop, apply, twins};
use crate::object::ObjectId;
use crate::plan::{Step, steps};
use crate::report::{Outcome, Trigger};

/// Puts back at once what others changed of these objects, and takes out of `ids` those that need
/// nothing. What stays is to be looked at again: it could not be judged, or was refused. `None` if
/// nothing was done.
pub async fn heal(
    app: &App,
    memory: &mut Memory,
    ids: &mut BTreeSet<ObjectId>,
    stop: &Stop,
) -> Option<Outcome> {
    let start = Instant::now();
    let wanted = &memory.in_force(app)?.wanted;
    let find = |id| wanted.binary_search_by(|object| object.id.cmp(id)).ok();
    let known = ids.iter().filter(|id| memory.inventory.entries.contains_key(id));
    let wanted: Vec<_> = known.filter_map(find).map(|at| wanted[at].clone()).collect();
    let mut steps = steps::steps(&wanted, &memory.known(app));
    let now = memory.clock.now();
    let is_refused = |step: &Step| memory.fights.is_refused(&step.desired.id, now);
    let undecided = |step: &&Step| {
        step.cause.is_undecided()
            || is_refused(step)
            || step.is_outdated()
            || memory.observed.suspects.contains(&step.desired.id)
    };
    *ids = steps.iter().filter(undecided).map(|step| step.desired.id.clone()).collect();
    steps.retain(|step| step.is_healing() && !is_refused(step));
    let (doubtful, steps): (Vec<_>, Vec<_>) =
        steps.into_iter().partition(|step| twins::is_doubtful(app, memory, step));
    if !doubtful.is_empty() {
        memory.is_in_doubt = true;
        let doubtful: Vec<_> = doubtful.iter().map(|step| step.desired.id.clone()).collect();
        if let Err(failure) = twins::check(app, memory, &doubtful).await {
            let (failure, duration) = (Some(failure), start.elapsed());
            return Some(Outcome { failure, duration, ..Outcome::new(Trigger::Drift) });
        }
    }
    if steps.is_empty() {
        return None;
    }
    let mut outcome = Outcome::new(Trigger::Drift);
    let applied = apply::apply(app, &memory.observed, &steps, stop, &mut outcome).await;
    let is_changed = remember(app, memory, &outcome);
    for done in &outcome.done {
        let id = &done.desired.id;
        if done.action.is_failure() || memory.observed.suspects.contains(id) {
            ids.insert(id.clone());
        } else {
            ids.remove(id);
        }
    }
    outcome.failure = match applied {
        Ok(()) if is_changed => record(app, memory).await.err(),
        Ok(()) => None,
        Err(failure) => Some(failure),
    };
    if !outcome.leaves_all_in_sync() {
        // The view may show nothing of it: what is told of a write under our own name.
        memory.settled = None;
    }
    outcome.duration = start.elapsed();
    Some(outcome)
}

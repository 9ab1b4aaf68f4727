//! Another process of the same name, by mistake or while a new version rolls out: it may know a newer commit.
//! Two that put back what the other one writes would never end.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::settled::Resolved;
use super::{App, Memory};
use crate::object::ObjectId;
use crate::plan::inventory::Entry;
use crate::plan::{Cause, Inventory, Plan, Reaction, Step};
use crate::report::{Failure, Outcome};

const RIVAL: &str = "another process of this name applied another commit, and git cannot be read";

/// Notes whether everything has once been in place.
pub fn note(memory: &mut Memory, resolved: &Arc<Resolved>, is_stale: bool, outcome: &Outcome) {
    if !is_stale && outcome.failed() == 0 && outcome.fought() == 0 {
        memory.complete = Arc::downgrade(resolved);
    }
}

/// Whether only a pass, which looks at git and at the inventory first, can tell what to do. An object that
/// was in place and carries the mark of another manifest now was written by another process, and one that
/// is gone may have been pruned by it, if it has written the inventory or git cannot be read.
pub fn is_doubtful(app: &App, memory: &Memory, step: &Step) -> bool {
    let is_complete = memory.in_force(app).is_some_and(|resolved| is_complete(memory, resolved));
    let is_pruned = (memory.is_stale || memory.loaded.is_none()) && step.cause == Cause::Missing;
    is_pruned || is_complete && is_of_another(step)
}

fn is_complete(memory: &Memory, resolved: &Arc<Resolved>) -> bool {
    std::ptr::eq(memory.complete.as_ptr(), Arc::as_ptr(resolved))
}

fn is_of_another(step: &Step) -> bool {
    let is_marked = step.live.as_ref().is_some_and(|live| live.hash.is_some());
    is_marked && matches!(step.cause, Cause::Changed | Cause::ChangedAndDrifted)
}

/// Checks that nobody else has written what the inventory says of some objects; what the other process wrote
/// is read by the next pass.
pub async fn check(app: &App, memory: &mut Memory, ids: &[ObjectId]) -> Result<(), Failure> {
    let Some(loaded) = &memory.loaded else { return Ok(()) };
    let checked = app.store.check(&app.id, loaded, ids).await;
    memory.loaded = memory.loaded.take().filter(|_| checked.is_ok());
    memory.controls = checked?;
    Ok(())
}

/// While git cannot be read: that the inventory is as it was known when an object is gone. A process that prunes
/// says so in it before it deletes.
pub async fn confirm(app: &App, memory: &mut Memory, plan: &Plan) -> Result<(), Failure> {
    let comes_back =
        |step: &&Step| step.cause == Cause::Missing && matches!(step.reaction, Reaction::Act(_));
    let gone: Vec<_> = plan.steps.iter().filter(comes_back).map(|s| s.desired.id.clone()).collect();
    if gone.is_empty() { Ok(()) } else { check(app, memory, &gone).await }
}

/// While git cannot be read, what was in place once and is another's doing since then stays as it is.
pub fn give_way(memory: &Memory, resolved: &Arc<Resolved>, plan: &mut Plan) {
    if !is_complete(memory, resolved) {
        return;
    }
    for step in &mut plan.steps {
        let entry = memory.inventory.entries.get(&step.desired.id);
        let is_pruned = step.cause == Cause::Missing && entry.is_some_and(|entry| entry.leaving);
        // Nothing but another process takes an object out of the inventory.
        if step.cause == Cause::New || is_pruned || is_of_another(step) {
            step.cause = Cause::Left(RIVAL);
        }
    }
    plan.superset = memory.inventory.clone();
}

/// An inventory that was read again, and what we have put into the cluster that another process does not know of:
/// nobody would ever prune it. It may as well have been pruned by that process, and not be seen to be gone yet: then
/// nobody brings it back while git cannot be read.
pub fn rejoined(stored: &Arc<Inventory>, memory: &Memory) -> Arc<Inventory> {
    let stays = |id: &ObjectId| memory.observed.live.get(id).is_some_and(|live| !live.terminating);
    let is_lost = |id: &ObjectId| !stored.entries.contains_key(id) && stays(id);
    let lost = memory.inventory.entries.iter().filter(|(id, _)| is_lost(id));
    let lost: BTreeMap<ObjectId, Entry> =
        lost.map(|(id, entry)| (id.clone(), Entry { leaving: true, ..entry.clone() })).collect();
    let mut all = stored.clone();
    if !lost.is_empty() {
        Arc::make_mut(&mut all).entries.extend(lost);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{GroupKind, Live};

    #[test]
    fn what_is_in_the_cluster_by_our_doing_stays_in_the_inventory() {
        let id = |name: &str| ObjectId::new(GroupKind::new("", "ConfigMap"), "demo", name);
        let inventory = |names: &str, source: &str| {
            let entry = Entry { source: source.to_owned(), ..Entry::default() };
            let entries = names.chars().map(|name| (id(&name.to_string()), entry.clone()));
            Arc::new(Inventory { entries: entries.collect(), ..Inventory::default() })
        };
        // Names in capitals are those of objects that are being deleted.
        let check = |stored: &str, ours: &str, live: &str, expect: &[(&str, &str, bool)]| {
            let mut memory = Memory { inventory: inventory(ours, "ours"), ..Memory::default() };
            let live = live.chars().map(|name| {
                let live = Live { terminating: name.is_uppercase(), ..Live::default() };
                (id(&name.to_lowercase().to_string()), Arc::new(live))
            });
            memory.observed.live = live.collect();
            let all = rejoined(&inventory(stored, "stored"), &memory);
            let shown = |(id, entry): (&'_ ObjectId, &'_ Entry)| {
                (id.name.clone(), entry.source.clone(), entry.leaving)
            };
            let all: Vec<_> = all.entries.iter().map(shown).collect();
            let expect: Vec<_> = expect
                .iter()
                .map(|(name, source, leaving)| (name.to_string(), source.to_string(), *leaving))
                .collect();
            assert_eq!(all, expect);
        };
        check("ab", "", "", &[("a", "stored", false), ("b", "stored", false)]);
        check("a", "ab", "", &[("a", "stored", false)]);
        check("a", "ab", "ab", &[("a", "stored", false), ("b", "ours", true)]);
        check("a", "ab", "aB", &[("a", "stored", false)]);
        check("a", "a", "abc", &[("a", "stored", false)]);
    }
}

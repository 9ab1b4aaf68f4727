//! What keeps an app from being in sync beside its objects, one sentence each.

use super::done::place;
use super::outcome::{Fate, Outcome};
use crate::object::{AppId, ObjectId};
use crate::plan::guard::Held;

/// Objects that a sentence about many names.
const NAMED: usize = 10;

/// An app as the command line names it.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// The app.
    pub app: &'a AppId,
    /// Whether it has a resource.
    pub has_resource: bool,
}

impl Named<'_> {
    /// The command that approves a held set.
    fn approval(self, hash: &str) -> String {
        let Self { app, has_resource } = self;
        if has_resource {
            format!("gitops-sync prune-approve {} {hash}", app.reference())
        } else {
            format!("gitops-sync prune-approve {hash} --name {app}")
        }
    }
}

/// All of them.
pub fn problems(whose: Named<'_>, outcome: &Outcome) -> Vec<String> {
    let app = whose.app;
    let mut problems: Vec<_> =
        outcome.diagnostics.iter().map(|d| format!("Bad manifest: {d}")).collect();
    problems.extend(held(whose, outcome));
    let unread = outcome.unread.iter();
    problems.extend(unread.map(|why| format!("Approvals of older commits are not known: {why}")));
    problems.extend(unlisted(outcome));
    problems.extend(hooks(outcome));
    problems.extend(claimed(app, outcome));
    problems.extend(orphans(outcome));
    for (id, fate) in &outcome.leftovers {
        let place = place(id);
        match fate {
            Fate::Spared(why) | Fate::Forgotten(why) => {
                problems.push(format!("Not pruned: {id}{place} {why}"));
            }
            Fate::Abandoned(why) => {
                problems.push(format!("Not pruned: {id}{place} {why}; it is no longer managed"));
            }
            Fate::Failed(why) => problems.push(format!("Cannot prune {id}{place}: {why}")),
            Fate::Pruned { .. } | Fate::Gone | Fate::Pending | Fate::Held => {}
        }
    }
    problems
}

/// The sets that wait for a person's word, one sentence each.
pub fn held<'a>(app: Named<'a>, outcome: &'a Outcome) -> impl Iterator<Item = String> + 'a {
    held_sets(app, outcome.held.iter())
}

/// Some of these sets, one sentence each.
pub fn held_sets<'a>(
    app: Named<'a>,
    sets: impl Iterator<Item = &'a Held> + 'a,
) -> impl Iterator<Item = String> + 'a {
    sets.map(move |Held { reason, hash, objects }| {
        let (number, approval, named) = (objects.len(), app.approval(hash), named(objects));
        format!(
            "Prune held: {reason}: {number} left in place until a person approves \
             ({approval}, or GitOps-Prune: {hash} in a commit): {named}"
        )
    })
}

/// The scopes that cannot be seen, one sentence each.
pub fn unlisted(outcome: &Outcome) -> impl Iterator<Item = String> {
    outcome.unlisted.iter().map(|(scope, why)| {
        format!("Cannot list {scope}: {why}; its objects are applied unseen and nothing is pruned")
    })
}

/// The objects that other apps declare as well, one sentence for each app.
pub fn claimed(app: &AppId, outcome: &Outcome) -> impl Iterator<Item = String> {
    outcome.claimed.iter().map(move |(other, ids)| {
        format!(
            "Declared by the app {other} as well: {}; they stay with {app}: remove them from one of the two",
            named(ids)
        )
    })
}

/// What is marked as the app's and not known to be, if anything is.
pub fn orphans(outcome: &Outcome) -> Option<String> {
    let named = (!outcome.orphans.is_empty()).then(|| named(&outcome.orphans))?;
    Some(format!(
        "Not in the inventory, and left alone though marked as this app's: {named}; declare them in git to adopt them, or delete them by hand"
    ))
}

/// That the hooks of a chart are not run, if it has some.
fn hooks(outcome: &Outcome) -> Option<String> {
    let named = (!outcome.hooks.is_empty()).then(|| named(&outcome.hooks))?;
    Some(format!("Hooks of charts are not run yet, and these are not applied: {named}"))
}

/// That a branch was rewritten, if it was.
pub fn rewritten(outcome: &Outcome) -> Option<String> {
    let (before, now) = (outcome.rewritten.as_ref()?, outcome.revision.as_ref()?);
    let commit = &before.commit;
    Some(format!("Branch rewritten: {} does not have {commit} in its history", now.short()))
}

/// The first of some objects, and how many more there are.
pub fn named(objects: &[ObjectId]) -> String {
    let first = objects.iter().take(NAMED).map(|id| format!("{id}{}", place(id)));
    let more = objects.len().saturating_sub(NAMED);
    let more = (more > 0).then(|| format!("and {more} more"));
    first.chain(more).collect::<Vec<_>>().join(", ")
}

//! Drift that was put back and is yet to be told on the app: what comes in many bursts is one event. Pure.

use std::collections::BTreeSet;

use super::done::{Action, Reason};
use super::outcome::Outcome;
use super::problems::named;
use super::told::{Told, by, warning};
use crate::object::ObjectId;

/// What was put back since it was told last.
#[derive(Debug, Default)]
pub struct PutBack {
    objects: BTreeSet<ObjectId>,
    /// The tools behind changes, as far as they are known.
    tools: BTreeSet<String>,
    /// Whether any had been deleted.
    is_deleted: bool,
}

impl PutBack {
    /// Takes over what a pass put back.
    pub fn take(&mut self, outcome: &Outcome) {
        for done in &outcome.done {
            if matches!(done.action, Action::Reverted(_) | Action::Recreated) {
                self.objects.insert(done.desired.id.clone());
                self.tools.extend(done.action.tool().map(|tool| tool.manager.clone()));
                self.is_deleted |= done.action == Action::Recreated;
            }
        }
    }

    /// Whether there is something to tell.
    pub fn is_untold(&self) -> bool {
        !self.objects.is_empty()
    }

    /// All of it, which is told by that.
    pub fn tell(&mut self) -> Option<Told> {
        let Self { objects, tools, is_deleted } = std::mem::take(self);
        let objects: Vec<_> = objects.into_iter().collect();
        let (number, named) = (objects.len(), named(&objects));
        let deleted = if is_deleted { " or deleted" } else { "" };
        let by = by(&tools);
        let note = format!("{number} put back after being changed{by}{deleted}: {named}");
        (number > 0).then(|| warning(Reason::DriftReverted.into(), "Revert", note))
    }
}

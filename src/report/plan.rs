//! What a pass would do, in numbers.

use std::fmt;

use super::done::Action;
use super::outcome::{Fate, Outcome};
use crate::source::Revision;

/// What a commit would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The commit, as people read it.
    revision: String,
    created: usize,
    changed: usize,
    deleted: usize,
}

impl Plan {
    /// What a pass that wrote nothing would have written; `None` if that is nothing.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        let is_pruned = |fate: &Fate| matches!(fate, Fate::Pruned { .. } | Fate::Pending);
        let is_created = |action: &Action| matches!(action, Action::Created | Action::Recreated);
        let is_changed = |action: &Action| {
            action.is_configured() || matches!(action, Action::Reverted(_) | Action::Replaced(_))
        };
        let plan = Self {
            revision: outcome.revision.as_ref().map(Revision::short).unwrap_or_default(),
            created: outcome.count(is_created),
            changed: outcome.count(is_changed),
            deleted: outcome.leftovers.iter().filter(|(_, fate)| is_pruned(fate)).count(),
        };
        (plan.created + plan.changed + plan.deleted > 0).then_some(plan)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { revision, created, changed, deleted } = self;
        write!(f, "{revision} would create {created}, change {changed} and delete {deleted}")
    }
}

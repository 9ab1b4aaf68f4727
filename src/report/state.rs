//! In which state objects are, in the words of metrics and statuses.

use super::done::{Action, Done};
use super::outcome::{Fate, Outcome};

/// How a desired object fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum State {
    /// It is as git declares it.
    Synced,
    /// It was applied, and cannot be seen.
    Unknown,
    /// Someone changed it, and it stays so.
    Drifted,
    /// Admission made something else of it.
    Overridden,
    /// Others change it again each time.
    Fought,
    /// Others own fields of it that git declares otherwise.
    Conflicted,
    /// Another app has it.
    Claimed,
    /// It is none of our business as it is.
    Left,
    /// The API server refused it.
    Failed,
    /// It is applied later.
    Waiting,
}

impl State {
    /// The state in which this was left, if it can be seen.
    pub fn of(done: &Done) -> Self {
        match done.action {
            Action::Failed(_) => Self::Failed,
            Action::Waiting(_) | Action::Skipped => Self::Waiting,
            Action::Claimed(_) => Self::Claimed,
            Action::Conflicted(_) => Self::Conflicted,
            Action::Fought => Self::Fought,
            Action::Drifted(_) => Self::Drifted,
            Action::Left(_) => Self::Left,
            _ if !done.overridden.is_empty() => Self::Overridden,
            _ => Self::Synced,
        }
    }
}

/// Whether an object is in sync as far as is known, and nothing shows it.
pub fn is_unseen(outcome: &Outcome, done: &Done) -> bool {
    outcome.unlisted.iter().any(|(scope, _)| scope.covers(&done.desired.id))
        && State::of(done) == State::Synced
}

/// Number of objects in each state, after a pass that looked at them.
pub fn states(outcome: &Outcome) -> [(&'static str, usize); 13] {
    let unknown = outcome.done.iter().filter(|done| is_unseen(outcome, done)).count();
    let count = |state| outcome.done.iter().filter(|done| State::of(done) == state).count();
    let number = |state: State| (state.into(), count(state));
    [
        (State::Synced.into(), count(State::Synced) - unknown),
        (State::Unknown.into(), unknown),
        number(State::Drifted),
        number(State::Overridden),
        number(State::Fought),
        number(State::Conflicted),
        number(State::Claimed),
        number(State::Left),
        number(State::Failed),
        number(State::Waiting),
        ("leftover", leftover(outcome)),
        ("held", outcome.held()),
        ("abandoned", outcome.abandoned.len()),
    ]
}

/// Number of objects that git no longer declares and that stay for now.
pub fn leftover(outcome: &Outcome) -> usize {
    let stays = |fate: &Fate| matches!(fate, Fate::Pending | Fate::Spared(_) | Fate::Failed(_));
    outcome.leftovers.iter().filter(|(_, fate)| stays(fate)).count()
}

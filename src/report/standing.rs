//! What is known of an app between its outcomes: of a whole pass, and of what became of single objects
//! since. Pure.

use std::collections::BTreeMap;

use super::done::{Done, place};
use super::outcome::{Failure, Fate, Outcome, Trigger};
use super::problems::{self, Named};
use super::state::{State, is_unseen, leftover};
use crate::cluster::events::{NOTE_MAX, cut};
use crate::object::{AppId, ObjectId};

/// Sentences that are kept of each sort.
const KEPT: usize = 10;

/// An object that is not as git declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// How it fares.
    pub state: State,
    /// What is the matter with it, as a sentence without values.
    pub sentence: String,
}

/// How an app fares.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// The commit of the last whole pass that read one, as a sentence names it.
    pub revision: Option<String>,
    /// What stopped the last whole pass: in one word, and as a sentence.
    pub failure: Option<(&'static str, String)>,
    /// Whether something that was told without a pass holds until the next whole one.
    pub is_overruled: bool,
    /// Whether its commit was refused as a whole.
    is_refused: bool,
    /// Whether the last whole pass ended before it looked at any object.
    pub is_unseen: bool,
    /// What is wrong with manifests, in one word and as sentences.
    pub diagnostics: Vec<(&'static str, String)>,
    /// Number of manifests that are wrong.
    pub wrong: usize,
    /// Why scopes cannot be listed.
    pub unlisted: Vec<String>,
    /// What waits for a person's word.
    pub held: Vec<String>,
    /// What other apps declare as well.
    pub claimed: Vec<String>,
    /// Objects that could not be deleted, and why, as a sentence.
    pub undeleted: Vec<(ObjectId, String)>,
    /// The objects that are not as git declares them.
    pub open: BTreeMap<ObjectId, Open>,
    /// Number of desired objects.
    total: usize,
    /// Number of those that cannot be seen.
    unknown: usize,
    /// Number of objects by what became of them, of those that git no longer declares.
    left: [(&'static str, usize); 3],
}

impl Standing {
    /// Takes over what a pass came to, or what was put back between two passes.
    pub fn take(&mut self, app: &AppId, outcome: &Outcome) {
        if outcome.trigger == Trigger::Drift {
            return self.take_part(&outcome.done);
        }
        self.failure =
            outcome.failure.as_ref().map(|failure| (failure.reason(), failure.to_string()));
        self.is_overruled = false;
        self.is_refused = matches!(outcome.failure, Some(Failure::CommitRefused { .. }));
        self.is_unseen = outcome.ended_early();
        if let Some(revision) = &outcome.revision {
            self.revision = Some(revision.short());
        }
        if !self.is_unseen {
            self.take_whole(app, outcome);
        }
    }

    /// Takes over what became of single objects.
    fn take_part(&mut self, done: &[Done]) {
        // What is refused as a whole is not mended by what is kept in place of it.
        if !self.is_refused {
            self.note_all(done);
        }
    }

    fn note_all(&mut self, done: &[Done]) {
        for done in done {
            self.note(done);
        }
    }

    fn take_whole(&mut self, app: &AppId, outcome: &Outcome) {
        let diagnostics = outcome.diagnostics.iter();
        self.diagnostics = diagnostics
            .map(|d| ((&d.problem).into(), format!("Bad manifest: {d}")))
            .take(KEPT)
            .collect();
        self.wrong = outcome.diagnostics.len();
        self.unlisted = problems::unlisted(outcome).take(KEPT).collect();
        self.held = problems::held(Named { app, has_resource: true }, outcome).take(KEPT).collect();
        self.claimed = problems::claimed(app, outcome).take(KEPT).collect();
        let undeleted = outcome.leftovers.iter().filter_map(|(id, fate)| match fate {
            Fate::Failed(why) => {
                let sentence = format!("Cannot prune {id}{}: {why}", place(id));
                Some((id.clone(), cut(&sentence, NOTE_MAX)))
            }
            _ => None,
        });
        self.undeleted = undeleted.collect();
        self.open.clear();
        self.note_all(&outcome.done);
        self.total = outcome.done.len();
        self.unknown = outcome.done.iter().filter(|done| is_unseen(outcome, done)).count();
        self.left = [
            ("leftover", leftover(outcome)),
            ("held", outcome.held()),
            ("abandoned", outcome.abandoned.len()),
        ];
    }

    fn note(&mut self, done: &Done) {
        let (id, state) = (&done.desired.id, State::of(done));
        if state == State::Synced {
            self.open.remove(id);
        } else {
            let sentence = cut(&sentence(done, state).unwrap_or_default(), NOTE_MAX);
            self.open.insert(id.clone(), Open { state, sentence });
        }
    }

    /// The objects in this state, and what is the matter with them.
    pub fn objects(&self, state: State) -> impl Iterator<Item = (&ObjectId, &str)> {
        let open = self.open.iter().filter(move |(_, open)| open.state == state);
        open.map(|(id, open)| (id, open.sentence.as_str()))
    }

    /// Number of objects in each state that any is in.
    pub fn counts(&self) -> BTreeMap<String, u32> {
        let synced = self.total.saturating_sub(self.open.len() + self.unknown);
        let mut counts = BTreeMap::from([(State::Synced.into(), synced)]);
        counts.insert(State::Unknown.into(), self.unknown);
        counts.extend(self.left);
        for open in self.open.values() {
            *counts.entry(open.state.into()).or_default() += 1;
        }
        let counts = counts.into_iter().filter(|(_, number)| *number > 0);
        counts
            .map(|(state, number)| (state.to_owned(), number.try_into().unwrap_or(u32::MAX)))
            .collect()
    }
}

/// What is the matter with an object. Statuses hold no values, so that fields are only named.
fn sentence(done: &Done, state: State) -> Option<String> {
    let id = &done.desired.id;
    match state {
        State::Failed | State::Waiting | State::Claimed => done.problem(),
        State::Conflicted => {
            let fields = done.action.drifts().iter().map(|drift| match &drift.by {
                Some(tool) => format!("{} ({})", drift.path, tool.manager),
                None => drift.path.clone(),
            });
            let fields = fields.collect::<Vec<_>>().join(", ");
            Some(format!("Conflict left as it is: {id}{}: {fields}", place(id)))
        }
        State::Fought => {
            let place = place(id);
            Some(format!(
                "Changed again each time it is put back, which is done more slowly now: {id}{place}"
            ))
        }
        State::Synced | State::Unknown | State::Drifted | State::Overridden | State::Left => None,
    }
}

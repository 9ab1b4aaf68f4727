//! The resource of an app: takes its status, outcome by outcome, to whoever writes it, and says what is worth an
//! event on it.

use jiff::Timestamp;
use tokio::sync::watch;

use super::conditions::{Moment, healthy};
use super::done::Done;
use super::outcome::{Failure, Outcome, Trigger};
use super::put_back::PutBack;
use super::record::recorded;
use super::standing::Standing;
use super::told::Told;
use super::{Notice, app_events};
use crate::api::bounded::{LINE, text};
use crate::api::{ConditionType, GitOpsAppStatus};
use crate::cluster::events::{Event, Regarding};
use crate::object::{AppId, ObjectId};
use crate::plan::Fares;

/// The resource of an app.
pub struct AppResource {
    app: AppId,
    /// The resource itself.
    regarding: Regarding,
    /// The generation that is being synced.
    generation: i64,
    standing: Standing,
    put_back: PutBack,
    status: watch::Sender<GitOpsAppStatus>,
}

impl AppResource {
    /// A resource whose status is what the channel holds: begin with what the API server has of it, and nothing
    /// is told twice. Whoever receives it writes it; only another status is sent.
    pub fn new(
        app: AppId,
        regarding: Regarding,
        generation: i64,
        status: watch::Sender<GitOpsAppStatus>,
    ) -> Self {
        let (standing, put_back) = (Standing::default(), PutBack::default());
        Self { app, regarding, generation, standing, put_back, status }
    }

    /// From now on this generation of it is synced.
    pub(super) fn observe(&mut self, generation: i64) {
        self.generation = generation;
    }

    /// Forgets how the app fared: another replica may change that from now on.
    pub(super) fn stands_by(&mut self) {
        self.standing = Standing::default();
    }

    /// Takes over what a pass came to, or what was put back between two passes, and returns what is worth an
    /// event.
    pub(super) fn take(&mut self, outcome: &Outcome, time: Timestamp) -> Vec<Event> {
        // Who takes over looks anew.
        if matches!(outcome.failure, Some(Failure::Stopped | Failure::NotLeader)) {
            return Vec::new();
        }
        self.standing.take(&self.app, outcome);
        let before = self.status.borrow().clone();
        let generation = match outcome.trigger {
            // What is put back is still of the generation that a whole pass has synced.
            Trigger::Drift => before.observed_generation.unwrap_or(self.generation),
            _ => self.generation,
        };
        let moment = Moment { generation, time };
        let after = recorded(&before, &self.standing, outcome, moment);
        let mut told = app_events::of_outcome(&self.app, &before, &after, outcome);
        self.put_back.take(outcome);
        if outcome.trigger != Trigger::Drift {
            told.extend(self.put_back.tell());
        }
        self.send(after);
        self.events(told, time)
    }

    /// Whether drift was put back of which no event tells yet.
    pub(super) fn has_untold_drift(&self) -> bool {
        self.put_back.is_untold()
    }

    /// Tells of the drift that was put back since this was told last.
    pub(super) fn tell_drift(&mut self, time: Timestamp) -> Vec<Event> {
        let told = self.put_back.tell();
        self.events(told.into_iter().collect(), time)
    }

    /// Takes over what is told without a pass, and returns what is worth an event.
    pub(super) fn notice(&mut self, notice: &Notice, time: Timestamp) -> Vec<Event> {
        let moment = Moment { generation: self.generation, time };
        let before = self.status.borrow().clone();
        let after = notice.noted(&before, moment);
        self.standing.is_overruled |= *notice != Notice::Accepted || after != before;
        let told = app_events::of_notice(&before, &after, notice);
        self.send(after);
        self.events(told.into_iter().collect(), time)
    }

    /// Whether a person's request for a sync has yet to be heeded.
    pub(super) fn is_new(&self, request: &str) -> bool {
        self.status.borrow().last_handled_reconcile_at.as_deref() != Some(&*text(request, LINE))
    }

    /// Notes that a person's request for a sync was heeded.
    pub(super) fn handled(&self, request: &str) {
        let mut status = self.status.borrow().clone();
        status.last_handled_reconcile_at = Some(text(request, LINE));
        self.send(status);
    }

    /// Takes over how the objects fare.
    pub(super) fn fares(&self, fares: &Fares, time: Timestamp) {
        let mut status = self.status.borrow().clone();
        let generation = status.observed_generation.unwrap_or(self.generation);
        status.conditions.set(ConditionType::Healthy, healthy(fares), generation, time);
        self.send(status);
    }

    /// Tells of the fights that begin.
    pub(super) fn fights(&self, begun: &[&Done], time: Timestamp) -> Vec<Event> {
        self.events(app_events::fights(begun).into_iter().collect(), time)
    }

    /// Tells what is left of an app that was to be deleted with its objects.
    pub(super) fn parted(
        &self,
        abandoned: &[ObjectId],
        undeleted: &[(ObjectId, String)],
        unreached: &[(ObjectId, String)],
        time: Timestamp,
    ) -> Vec<Event> {
        let told = app_events::parted(abandoned, undeleted, unreached);
        self.events(told.into_iter().collect(), time)
    }

    fn send(&self, status: GitOpsAppStatus) {
        self.status.send_if_modified(|shown| {
            let is_news = *shown != status;
            if is_news {
                *shown = status;
            }
            is_news
        });
    }

    fn events(&self, told: Vec<Told>, time: Timestamp) -> Vec<Event> {
        told.into_iter().map(|told| told.on(&self.regarding, time)).collect()
    }
}

#[cfg(test)]
mod tests;

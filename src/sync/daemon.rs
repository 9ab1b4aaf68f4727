//! The loop of one app: waits for a trigger or for drift, acts, publishes.

use std::collections::BTreeSet;
use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use rand::RngExt as _;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::debug;

use super::board::Gate;
use super::heal::heal;
use super::pass::pass;
use super::standby::warm;
use super::sweep::{Sweep, Sweeps};
use super::{App, Memory, Stop};
use crate::cluster::Term;
use crate::object::ObjectId;
use crate::plan::{Controls, Fares, Stage};
use crate::report::{Action, Failure, Outcome, Publisher, Trigger};

/// Wait before a look at what only a whole pass can find out.
const SOON: Duration = Duration::from_secs(1);
/// Intervals vary by this part in both directions, so that many daemons spread.
const JITTER: f64 = 0.05;
/// Events this close together are answered as one, in the order of stages.
const BURST: Duration = Duration::from_millis(5);

/// Drift that is put back in this time is one event on the app.
const TOGETHER: Duration = Duration::from_secs(5);

/// One app and what makes it sync.
pub struct Daemon {
    /// The app.
    pub app: App,
    /// Tells what passes came to.
    pub publisher: Publisher,
    /// When all objects are read whole.
    pub sweeps: Sweeps,
    /// Wakes the loop at once, however often it is called.
    pub wake: Arc<Notify>,
    /// What people ask of the app, as the annotations of its inventory say.
    pub controls: watch::Receiver<Controls>,
    /// The term in which the app is this replica's to write. Only its fence makes sure that nothing else is written.
    pub held: watch::Receiver<Option<Term>>,
    /// Told when the first pass has ended, either way, or another replica writes.
    pub ready: watch::Sender<bool>,
}

/// What the loop knows beside what passes remember.
#[derive(Default)]
struct Loop {
    memory: Memory,
    /// The term that this is known in.
    term: Option<Term>,
    /// What people asked of the app when the last pass began.
    asked: Controls,
    /// Objects that may have drifted.
    dirty: BTreeSet<ObjectId>,
    /// Of what, and in which state, it was told last how it fares.
    health_told: Option<(usize, u64)>,
    /// When they were last judged, by the clock of the fights: what ends since then is not missed.
    judged: Duration,
    /// When drift that was put back is told.
    tell: Option<Instant>,
}

impl Daemon {
    /// Syncs until it is to end. A pass that panics or takes too long is reported, and the next one starts
    /// from nothing.
    pub async fn run(&mut self, stop: &Stop) {
        let mut state = Loop::default();
        let mut trigger = Trigger::Start;
        let mut failures = 0;
        while !stop.is_set() {
            let held = *self.held.borrow_and_update();
            let Some(term) = held.filter(|term| state.term.is_none_or(|known| known == *term))
            else {
                // Another replica writes it, or may have written it meanwhile; or its resource has no finalizer yet.
                if state.term.is_some() || !self.app.cluster.may_write() {
                    trigger = Trigger::Election;
                }
                state = Box::pin(self.stand_by(state, stop)).await;
                failures = 0;
                continue;
            };
            if state.term.replace(term).is_none() {
                self.app = self.app.clone().in_term(term);
            }
            self.heed(&mut state);
            state.asked.clone_from(&self.app.asked.borrow_and_update());
            let request = state.asked.requested.clone();
            let is_asked = self.publisher.is_new(request.as_deref());
            let outcome = if self.app.manual && !is_asked {
                self.plan(&mut state, trigger, stop).await
            } else {
                self.pass(&self.app, &mut state, trigger, stop).await
            };
            self.close(&mut state, &outcome);
            if !is_put_off(&outcome) {
                self.publisher.handled(request.as_deref());
            }
            self.tell_health(&mut state, outcome.is_plan);
            self.ready.send_replace(true);
            state.dirty.append(&mut state.memory.touched);
            self.keep(&mut state, stop).await;
            failures = if is_transient(&outcome) { failures + 1 } else { 0 };
            let delay = match failures {
                // Only the next pass can watch them.
                0 if outcome.has_new_kinds() && !outcome.is_plan => SOON,
                // Others are about to look at the same commit.
                0 if outcome.has_pending() && self.app.peers.is_some() => SOON,
                0 => self.app.interval,
                n => self.app.retry.wait(n).map_or(self.app.interval, |w| w.min(self.app.interval)),
            };
            trigger = if failures == 0 { Trigger::Interval } else { Trigger::Retry };
            let last = Last::of(&outcome);
            drop(outcome);
            trigger = self.watch(&mut state, &last, delay, trigger, stop).await;
        }
        self.publisher.tell_drift();
    }

    /// A pass that writes nothing: what would be done.
    async fn plan(&self, state: &mut Loop, trigger: Trigger, stop: &Stop) -> Outcome {
        let app = App { dry_run: true, ..self.app.clone() };
        if self.app.is_suspended(&state.memory.controls) {
            let why = self.app.suspend_reason(&state.memory.controls);
            return Outcome { failure: Some(Failure::Suspended(why)), ..Outcome::new(trigger) };
        }
        let outcome = self.pass(&app, state, trigger, stop).await;
        // Nothing of it has happened.
        let Memory { loaded, inventory, told, .. } = &mut state.memory;
        *inventory = loaded.as_ref().map(|loaded| loaded.inventory.clone()).unwrap_or_default();
        told.clear();
        Outcome { is_plan: true, ..outcome }
    }

    /// One pass, within the time that it may take.
    async fn pass(&self, app: &App, state: &mut Loop, trigger: Trigger, stop: &Stop) -> Outcome {
        let limit = app.timeout;
        // At rest an app keeps no room for it.
        let outcome = Box::pin(pass(app, &mut state.memory, trigger, stop));
        let outcome = timeout(limit, caught(outcome, || panicked(trigger))).await;
        outcome.unwrap_or_else(|_| Outcome {
            failure: Some(Failure::TimedOut { limit }),
            duration: limit,
            ..Outcome::new(trigger)
        })
    }

    /// Waits until the app is this replica's to write, with everything at hand.
    async fn stand_by(&mut self, before: Loop, stop: &Stop) -> Loop {
        let mut memory = before.memory.without_writes();
        // From now on another replica knows it.
        self.app.peers.iter().for_each(|peers| peers.show(None));
        self.publisher.stands_by();
        let mut held = self.held.clone();
        let is_over = async {
            tokio::select! {
                // The sender lives as long as the fence.
                _ = held.wait_for(Option::is_some) => {}
                () = stop.wait() => {}
            }
        };
        tokio::select! {
            () = is_over => {}
            () = self.keep_warm(&mut memory, stop) => {}
        }
        // What was asked meanwhile is read with the inventory.
        let mut memory = memory.without_writes();
        if self.app.verification.as_ref().is_some_and(|rules| rules.looks_back()) {
            // What was accepted last is known to whoever wrote: nothing stands for it that was read meanwhile.
            memory.rendered = None;
        }
        Loop { memory, ..Loop::default() }
    }

    async fn keep_warm(&self, memory: &mut Memory, stop: &Stop) {
        loop {
            if let Err(failure) = warm(&self.app, memory, stop).await {
                debug!("Standing by without all that is needed: {failure}");
            }
            self.ready.send_replace(true);
            let due = Instant::now() + jittered(self.app.interval);
            let Memory { watches, observed, .. } = memory;
            let look = async {
                loop {
                    watches.next(&self.app.id, observed).await;
                }
            };
            tokio::select! {
                () = sleep_until(due) => {}
                () = self.wake.notified() => {}
                () = look => {}
            }
        }
    }

    /// While a commit is refused no pass looks at what stays in force.
    async fn keep(&mut self, state: &mut Loop, stop: &Stop) {
        let Some(accepted) = state.memory.refused.as_ref().and(state.memory.accepted.as_ref())
        else {
            return;
        };
        state.dirty.extend(accepted.wanted.iter().map(|object| object.id.clone()));
        self.heal(state, stop).await;
    }

    /// Tells how the objects fare, if that may have changed.
    fn tell_health(&mut self, state: &mut Loop, is_plan: bool) {
        let Some(resolved) = state.memory.in_force(&self.app).cloned() else { return };
        let now = (Arc::as_ptr(&resolved).addr(), state.memory.observed.health_age);
        if is_plan || !self.publisher.tells_health() || state.health_told == Some(now) {
            return;
        }
        self.publisher.fares(&Fares::of(&resolved.wanted, &state.memory.observed));
        state.health_told = Some(now);
    }

    /// Takes over what people ask of the app, if that has changed.
    fn heed(&mut self, state: &mut Loop) {
        if self.controls.has_changed().is_ok_and(|is_changed| is_changed) {
            state.memory.controls = self.controls.borrow_and_update().clone();
        }
    }

    /// Puts back what drifts until the next pass is due, and says what made it due.
    async fn watch(
        &mut self,
        state: &mut Loop,
        last: &Last,
        delay: Duration,
        mut trigger: Trigger,
        stop: &Stop,
    ) -> Trigger {
        let (origin, mut gate) = (self.app.origin.clone(), self.app.gate.clone());
        let commit = last.commit.as_deref();
        let mut news = pin!(origin.other_than(commit));
        let mut opening = pin!(opening(gate.as_mut(), last, commit));
        let mut due = Instant::now() + jittered(delay);
        loop {
            let peace = state.peace().unwrap_or(due);
            let tell = state.tell.unwrap_or(due);
            let Memory { watches, observed, .. } = &mut state.memory;
            tokio::select! {
                () = sleep_until(due) => return trigger,
                () = self.wake.notified() => return Trigger::Webhook,
                () = self.app.home.news.notified() => return Trigger::Reference,
                () = stop.wait() => return trigger,
                Ok(()) = self.held.changed() => return trigger,
                Ok(()) = self.controls.changed() => {
                    let (before, now) = (&state.memory.controls, self.controls.borrow().clone());
                    // It may have been read with the inventory.
                    if now != *before {
                        self.controls.mark_changed();
                        return asking(before, &now);
                    }
                }
                Ok(()) = self.app.asked.changed() => {
                    return asking(&state.asked, &self.app.asked.borrow());
                }
                () = &mut news => return Trigger::Commit,
                () = &mut opening => return Trigger::Dependency,
                () = sleep_until(peace), if peace < due => {}
                () = sleep_until(tell), if tell < due => {
                    self.publisher.tell_drift();
                    state.tell = None;
                }
                seen = watches.next(&self.app.id, observed) => state.dirty.extend(seen),
                swept = self.sweeps.next() => match swept {
                    None => self.sweeps.begin(Sweep::of(&self.app, &state.memory)),
                    Some(found) => state.swept(found),
                },
            }
            state.gather(&self.app).await;
            self.tell_health(state, self.app.manual);
            if !self.heal(state, stop).await {
                // Only a whole pass can find out what is wrong, but not at each event anew.
                due = due.min(Instant::now() + SOON);
                trigger = Trigger::Retry;
            }
        }
    }

    /// Puts back what drifted, but for what is fought over. `false` if that takes a whole pass.
    async fn heal(&mut self, state: &mut Loop, stop: &Stop) -> bool {
        if self.app.manual {
            // The next plan shows it.
            state.dirty.clear();
            return true;
        }
        // The word may have come with the drift.
        let controls = &state.memory.controls;
        if self.app.is_suspended(controls) || self.controls.borrow().suspended {
            return true;
        }
        if state.memory.in_force(&self.app).is_none() {
            return state.dirty.is_empty();
        }
        let mut ids = std::mem::take(&mut state.dirty);
        state.judged = state.memory.clock.now();
        let outcome = Box::pin(heal(&self.app, &mut state.memory, &mut ids, stop));
        let outcome = tokio::select! {
            outcome = caught(outcome, || Some(panicked(Trigger::Drift))) => outcome,
            () = stop.overdue() => None,
        };
        state.dirty.extend(ids);
        let is_certain = !std::mem::take(&mut state.memory.is_in_doubt);
        let Some(outcome) = outcome else { return is_certain };
        self.close(state, &outcome);
        if self.publisher.has_untold_drift() {
            state.tell.get_or_insert_with(|| Instant::now() + TOGETHER);
        }
        outcome.failure.is_none() && is_certain
    }

    /// Publishes an outcome and draws the conclusions about fights.
    fn close(&mut self, state: &mut Loop, outcome: &Outcome) {
        if matches!(outcome.failure, Some(Failure::Panicked | Failure::TimedOut { .. })) {
            state.memory = Memory::default();
            // Its clock has started anew.
            state.judged = Duration::ZERO;
        }
        let fights = &mut state.memory.fights;
        let now = state.memory.clock.now();
        fights.cool(now);
        let mut begun = Vec::new();
        for done in outcome.done.iter().filter(|_| !outcome.is_plan) {
            let id = &done.desired.id;
            match &done.action {
                _ if done.is_put_back() && fights.reverted(id, now) => begun.push(done),
                Action::Failed(_) if outcome.trigger == Trigger::Drift => {
                    fights.refused(id, now);
                }
                _ => {}
            }
        }
        let all = fights.hot().count();
        self.publisher.publish(outcome);
        self.publisher.fights(&begun, all);
    }
}

/// What the time after a pass has to know of it.
struct Last {
    commit: Option<String>,
    /// Whether another app held it back.
    is_blocked: bool,
}

impl Last {
    fn of(outcome: &Outcome) -> Self {
        let commit = outcome.revision.as_ref().map(|revision| revision.commit.clone());
        Self { commit, is_blocked: is_blocked(outcome) }
    }
}

impl Loop {
    /// When the first of the objects that have to wait may be put back or looked at.
    fn peace(&self) -> Option<Instant> {
        let Memory { fights, clock, .. } = &self.memory;
        fights.next(&self.dirty, self.judged).map(|at| clock.moment(at).into())
    }

    /// Takes over what a sweep found. What admission had overridden may no longer be.
    fn swept(&mut self, mut found: BTreeSet<ObjectId>) {
        let entries = self.memory.inventory.entries.iter();
        let overridden = entries.filter(|(_, entry)| !entry.overridden.is_empty());
        found.extend(overridden.map(|(id, _)| id.clone()));
        let observed = &mut self.memory.observed;
        observed.foreign.clear();
        // What went meanwhile is no suspect.
        found.retain(|id| observed.live.contains_key(id));
        observed.suspects.extend(found.iter().cloned());
        self.dirty.extend(found);
    }

    /// Waits a moment for the rest of a burst. The end of a namespace or a CRD touches all that was
    /// in it.
    async fn gather(&mut self, app: &App) {
        let end = Instant::now() + BURST;
        let Memory { watches, observed, .. } = &mut self.memory;
        while let Ok(seen) = timeout_at(end, watches.next(&app.id, observed)).await {
            self.dirty.extend(seen);
        }
        let Some(resolved) = self.memory.in_force(app) else { return };
        let gone = |id: &&ObjectId| !self.memory.observed.live.contains_key(id);
        let of = |stage| self.dirty.iter().filter(move |id| Stage::of(&id.kind) == stage);
        let namespaces: BTreeSet<_> =
            of(Stage::Namespaces).filter(gone).map(|id| id.name.clone()).collect();
        let crds: BTreeSet<_> =
            of(Stage::Definitions).filter(gone).map(|id| id.name.clone()).collect();
        if namespaces.is_empty() && crds.is_empty() {
            return;
        }
        let inside = resolved.wanted.iter().filter(|object| {
            namespaces.contains(&object.id.namespace) || crds.contains(&object.crd_name())
        });
        self.dirty.extend(inside.map(|object| object.id.clone()));
    }
}

/// What annotations ask for that are no longer what they were.
fn asking(before: &Controls, now: &Controls) -> Trigger {
    if now.tells_of_a_push(before) { Trigger::Webhook } else { Trigger::Annotation }
}

/// A time that differs a little from daemon to daemon.
fn jittered(time: Duration) -> Duration {
    time.mul_f64(1.0 + rand::rng().random_range(-JITTER..=JITTER))
}

/// What work comes to, or what stands for its panic.
async fn caught<T>(work: impl Future<Output = T>, panicked: impl FnOnce() -> T) -> T {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| panicked())
}

fn panicked(trigger: Trigger) -> Outcome {
    Outcome { failure: Some(Failure::Panicked), ..Outcome::new(trigger) }
}

/// Whether trying again soon may help: a source that is wrong stays wrong until a commit, and drift that
/// is only told stays as it is.
fn is_transient(outcome: &Outcome) -> bool {
    let waits = |f: &Failure| matches!(f, Failure::Suspended(_) | Failure::DependencyNotReady(_));
    let is_refused = |f: &Failure| matches!(f, Failure::Source(error) if error.is_refusal());
    let is_failed = |failure: &Failure| !waits(failure) && !is_refused(failure);
    outcome.failure.as_ref().is_some_and(is_failed)
        || !outcome.unlisted.is_empty()
        || outcome.done.iter().any(|done| done.action.is_failure())
}

/// Waits until nothing holds back an app that was held back.
async fn opening(gate: Option<&mut Gate>, last: &Last, commit: Option<&str>) {
    let Some(gate) = gate.filter(|_| last.is_blocked) else { return pending().await };
    while gate.blocked(commit).is_some() {
        gate.changed().await;
    }
}

/// Whether no pass has taken place, and one will.
fn is_put_off(outcome: &Outcome) -> bool {
    let put_off =
        |f: &Failure| matches!(f, Failure::Suspended(_) | Failure::Stopped | Failure::NotLeader);
    is_blocked(outcome) || outcome.failure.as_ref().is_some_and(put_off)
}

fn is_blocked(outcome: &Outcome) -> bool {
    matches!(outcome.failure, Some(Failure::DependencyNotReady(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_of_many_apps_spread_and_stay_what_they_are() {
        let hour = Duration::from_hours(1);
        let times: BTreeSet<_> = (0..100).map(|_| jittered(hour)).collect();
        assert!(times.len() > 90, "{times:?}");
        let (least, most) = (hour.mul_f64(1.0 - JITTER), hour.mul_f64(1.0 + JITTER));
        assert!(times.iter().all(|time| (least..=most).contains(time)), "{times:?}");
        assert!(times.iter().any(|time| *time < hour) && times.iter().any(|time| *time > hour));
    }
}

//! The loop of one app: waits for a trigger, runs a pass, publishes it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use rand::RngExt as _;
use tokio::sync::{Notify, watch};

use super::pass::pass;
use super::{App, Memory, Stop};
use crate::report::{Failure, Outcome, Publisher, Trigger};

/// First wait after a failure; doubles up to the interval.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// Intervals vary by this part in both directions, so that many daemons spread.
const JITTER: f64 = 0.05;

/// One app and what makes it sync.
pub struct Daemon {
    /// The app.
    pub app: App,
    /// Tells what passes came to.
    pub publisher: Publisher,
    /// Time between two passes.
    pub interval: Duration,
    /// Wakes the loop at once, however often it is called.
    pub wake: Arc<Notify>,
    /// Told when the first pass has ended, either way.
    pub ready: watch::Sender<bool>,
}

impl Daemon {
    /// Syncs until the process is to end. A pass that panics is reported, and the next one starts
    /// from nothing.
    pub async fn run(mut self, stop: Stop) {
        let mut memory = Memory::default();
        let mut trigger = Trigger::Start;
        let mut failures = 0;
        while !stop.is_set() {
            let outcome = AssertUnwindSafe(pass(&self.app, &mut memory, trigger, &stop));
            let outcome = outcome.catch_unwind().await.unwrap_or_else(|_| {
                memory = Memory::default();
                let failure = Some(Failure::Panicked);
                Outcome { failure, ..Outcome::new(trigger) }
            });
            self.publisher.publish(&outcome);
            self.ready.send_replace(true);
            failures = if is_transient(&outcome) { failures + 1 } else { 0 };
            trigger = self.next(failures, &stop).await;
        }
    }

    async fn next(&self, failures: u32, stop: &Stop) -> Trigger {
        let (delay, trigger) = match failures {
            0 => (self.interval, Trigger::Interval),
            n => (backoff(n).min(self.interval), Trigger::Retry),
        };
        let jitter = 1.0 + rand::rng().random_range(-JITTER..=JITTER);
        tokio::select! {
            () = tokio::time::sleep(delay.mul_f64(jitter)) => trigger,
            () = self.wake.notified() => Trigger::Webhook,
            () = stop.wait() => trigger,
        }
    }
}

/// Whether trying again soon may help: a source that is wrong stays wrong until a commit.
fn is_transient(outcome: &Outcome) -> bool {
    outcome.failure.is_some() || outcome.done.iter().any(|done| !done.action.is_in_sync())
}

fn backoff(failures: u32) -> Duration {
    FIRST_RETRY * 2_u32.pow(failures.saturating_sub(1).min(16))
}

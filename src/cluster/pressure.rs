//! How much is asked of a cluster at once: half when its API server says that it is too much (API Priority
//! and Fairness), slowly more again when it no longer does. One request at a time always may.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// Requests in flight at most: as many as `--parallel` allows.
const LIMIT: usize = 256;
/// Longest wait that a server may ask for.
const LONGEST: Duration = Duration::from_secs(15);
/// First wait where the server names none that is longer; doubles.
const SHORTEST: Duration = Duration::from_millis(100);

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The server took it, whatever it said to it.
    Taken,
    /// The server has too much to do.
    TooMuch,
    /// No answer came.
    Silent,
}

/// How many requests may be in flight: additive increase, multiplicative decrease.
#[derive(Debug)]
struct Window {
    limit: usize,
    size: f64,
    in_flight: usize,
    /// Number of decreases: what began before the last one says nothing new.
    round: u64,
}

/// The round in which a request began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Begin(u64);

impl Window {
    #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
    fn new(limit: usize) -> Self {
        Self { limit, size: limit as f64, in_flight: 0, round: 0 }
    }

    /// Begins a request, if one more may be in flight.
    #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
    fn begin(&mut self) -> Option<Begin> {
        if self.in_flight as f64 + 1.0 > self.size {
            return None;
        }
        self.in_flight += 1;
        Some(Begin(self.round))
    }

    /// Ends a request. Decreases from what is in flight, for the size alone may never have been reached.
    #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
    fn end(&mut self, begin: Begin, end: End) {
        let in_flight = self.in_flight as f64;
        self.in_flight -= 1;
        match end {
            End::TooMuch if begin == Begin(self.round) => {
                self.size = (self.size.min(in_flight) / 2.0).max(1.0);
                self.round += 1;
            }
            End::Taken => self.size = (self.size + 1.0 / self.size).min(self.limit as f64),
            End::TooMuch | End::Silent => {}
        }
    }
}

/// The requests in flight to one cluster.
pub struct Pressure {
    window: Mutex<Window>,
    freed: Notify,
}

impl Default for Pressure {
    fn default() -> Self {
        Self { window: Mutex::new(Window::new(LIMIT)), freed: Notify::new() }
    }
}

impl Pressure {
    /// Waits until one more request may be in flight.
    pub async fn turn(&self) -> Turn<'_> {
        loop {
            if let Some(begin) = self.window().begin() {
                // There may be room for more than who was woken: each wakes the next.
                self.freed.notify_one();
                return Turn { pressure: self, begin, end: End::Silent };
            }
            self.freed.notified().await;
        }
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is in flight until this is dropped.
pub struct Turn<'a> {
    pressure: &'a Pressure,
    begin: Begin,
    end: End,
}

impl Turn<'_> {
    /// Ends it.
    pub fn ends(mut self, end: End) {
        self.end = end;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.pressure.window().end(self.begin, self.end);
        self.pressure.freed.notify_one();
    }
}

/// How long to wait before another try: not less than the server asks for, within bounds, and up to half
/// as long again by `jitter` (0 to 1), so that not all come back at once.
pub fn pause(asked: Duration, tries: u32, jitter: f64) -> Duration {
    let own = SHORTEST * 2_u32.pow(tries.saturating_sub(1).min(16));
    asked.max(own).min(LONGEST).mul_f64(1.0 + jitter / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Begins as many as may be in flight.
    fn fill(window: &mut Window) -> Vec<Begin> {
        std::iter::from_fn(|| window.begin()).collect()
    }

    #[test]
    fn it_is_halved_once_a_round_trip_and_grows_by_one() {
        let mut window = Window::new(32);
        let mut check = |end: End, size: usize| {
            let all = fill(&mut window);
            assert_eq!(all.len(), size, "before {end:?}");
            for begin in all {
                window.end(begin, end);
            }
        };
        check(End::TooMuch, 32);
        check(End::TooMuch, 16);
        check(End::Silent, 8);
        check(End::TooMuch, 8);
        check(End::TooMuch, 4);
        check(End::TooMuch, 2);
        check(End::TooMuch, 1);
        check(End::Taken, 1);
        check(End::Taken, 2);
        // A little less than one more each: the window grows while they end.
        check(End::Taken, 2);
        check(End::Taken, 3);
        (0..200).for_each(|_| {
            let all = fill(&mut window);
            for begin in all {
                window.end(begin, End::Taken);
            }
        });
        assert_eq!(fill(&mut window).len(), 32);
    }

    #[test]
    fn it_is_halved_from_what_was_in_flight() {
        let mut window = Window::new(256);
        let all: Vec<_> = (0..8).filter_map(|_| window.begin()).collect();
        for begin in all {
            window.end(begin, End::TooMuch);
        }
        assert_eq!(fill(&mut window).len(), 4);
    }

    #[test]
    fn waits_grow_within_bounds() {
        let check = |asked: u64, tries, jitter, milliseconds| {
            let wait = pause(Duration::from_secs(asked), tries, jitter);
            assert_eq!(wait.as_millis(), milliseconds);
        };
        check(0, 1, 0.0, 100);
        check(0, 4, 0.0, 800);
        check(1, 1, 0.0, 1000);
        check(1, 1, 0.5, 1250);
        check(1, 1, 1.0, 1500);
        check(3600, 1, 0.0, 15_000);
        check(0, 1000, 0.0, 15_000);
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let pressure = Pressure::default();
        let mut turns = Vec::new();
        for _ in 0..LIMIT {
            turns.push(pressure.turn().await);
        }
        let waiting = futures::future::join(pressure.turn(), pressure.turn());
        let mut waiting = std::pin::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        turns.truncate(LIMIT - 2);
        waiting.await;
    }
}

//! A token bucket: how many requests are served at once, and how many in the long run.

use std::time::Instant;

/// Requests served at once after a quiet time.
pub const BURST: u32 = 60;
/// Requests served per second in the long run.
const RATE: f64 = 5.0;

/// What is left to be served.
pub struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    /// A full one.
    pub fn new(now: Instant) -> Self {
        Self { tokens: BURST.into(), filled: now }
    }

    /// Takes one token, if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        let gained = now.saturating_duration_since(self.filled).as_secs_f64() * RATE;
        self.tokens = (self.tokens + gained).min(BURST.into());
        self.filled = self.filled.max(now);
        let is_served = self.tokens >= 1.0;
        if is_served {
            self.tokens -= 1.0;
        }
        is_served
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_is_served_and_then_so_many_a_second() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        let mut check = |seconds: u64, served: u32| {
            let now = start + Duration::from_secs(seconds);
            let mut count = 0;
            while bucket.take(now) {
                count += 1;
            }
            assert_eq!(count, served, "after {seconds} s");
        };
        check(0, BURST);
        check(0, 0);
        check(1, 5);
        check(3, 10);
        // A clock that seems to go back gives nothing twice.
        check(1, 0);
        check(3, 0);
        check(3600, BURST);
    }
}

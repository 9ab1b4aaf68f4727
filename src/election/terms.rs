//! The times of Leases.

use std::time::{Duration, Instant};

/// How long Leases hold, and how often they are renewed. Hand-over after a crash takes at most `duration` and
/// one `period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Time without a sign of life after which others take over.
    pub duration: Duration,
    /// Part of it at its end in which nothing new is written: for what is on its way, and for clocks that do not
    /// run at quite the same pace.
    pub margin: Duration,
    /// Time between two renewals, and between two looks.
    pub period: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        let (duration, margin) = (Duration::from_secs(10), Duration::from_secs(2));
        Self { duration, margin, period: Duration::from_secs(2) }
    }
}

impl Terms {
    /// Until when one may write by what was sent at `sent` and then acknowledged: others saw it later than it
    /// was sent, and wait for the whole duration.
    pub fn until(&self, sent: Instant) -> Instant {
        sent + self.duration.saturating_sub(self.margin)
    }
}

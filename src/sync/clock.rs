//! How long the stages of a pass take.

use std::time::Instant;

use crate::report::Outcome;

/// Measures the stages of a pass.
pub struct Clock(Instant);

impl Clock {
    /// Begins now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Ends a stage, and begins the next one.
    pub fn stage(&mut self, name: &'static str, outcome: &mut Outcome) {
        outcome.stages.push((name, self.0.elapsed()));
        self.0 = Instant::now();
    }
}

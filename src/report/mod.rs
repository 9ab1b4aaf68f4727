//! What a pass came to, and the one place that tells it: log lines, metrics, events.

pub mod events;
pub mod metrics;
pub mod outcome;
pub mod publisher;

pub use metrics::Metrics;
pub use outcome::{Action, Done, Failure, Fate, Outcome, Reason, Trigger};
pub use publisher::Publisher;

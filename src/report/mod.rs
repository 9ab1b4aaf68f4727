//! What a pass came to, and the one place that tells it: log lines, metrics, events.

pub mod done;
pub mod events;
pub mod metrics;
pub mod outcome;
pub mod problems;
pub mod publisher;
pub mod role;
pub mod status;

pub use done::{Action, Done, Reason};
pub use metrics::Metrics;
pub use outcome::{Failure, Fate, Outcome, Trigger};
pub use publisher::Publisher;
pub use role::{Role, Roles};
pub use status::AppStatus;

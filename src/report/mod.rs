//! What a pass came to, and the one place that tells it: log lines, metrics, events.

pub mod app_events;
pub mod conditions;
pub mod done;
pub mod events;
pub mod metrics;
pub mod notice;
pub mod outcome;
pub mod plan;
pub mod problems;
pub mod publisher;
pub mod put_back;
pub mod reason;
pub mod record;
pub mod resource;
pub mod role;
#[cfg(test)]
mod samples;
pub mod standing;
pub mod state;
pub mod status;
pub mod told;

pub use done::{Action, Done, Reason};
pub use metrics::Metrics;
pub use notice::Notice;
pub use outcome::{Failure, Fate, Outcome, Trigger};
pub use publisher::Publisher;
pub use reason::AppReason;
pub use resource::AppResource;
pub use role::{Part, Role, Roles};
pub use status::AppStatus;

//! Charts: what they depend on, and what helm says of them. Pure.

mod chart;
mod complaint;
mod given;
mod printed;

pub use chart::{Chart, Charts, Dependency};
pub use complaint::{diagnostic, fetch_complaint, is_consequence, is_open};
pub use given::Given;
pub use printed::objects;

/// Name of the file that says what a chart is.
pub const NAME: &str = "Chart.yaml";
/// Where a chart of helm 2 says what it depends on.
pub const REQUIREMENTS: &str = "requirements.yaml";

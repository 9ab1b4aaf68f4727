//! Decides what to do: desired objects, what the cluster shows, and the steps between. Pure.

pub mod autoscalers;
pub mod cause;
pub mod conflict;
pub mod controls;
pub mod dependencies;
pub mod desired;
pub mod diff;
pub mod fights;
pub mod guard;
pub mod inventory;
pub mod kinds;
pub mod lookup;
pub mod observed;
pub mod order;
pub mod overrides;
pub mod prune;
pub mod routing;
pub mod schema;
pub mod scope;
pub mod shards;
pub mod steps;
pub mod strip;
pub mod takeover;
pub mod yields;

pub use cause::{Cause, Known, Reaction, Step};
pub use controls::Controls;
pub use desired::Desired;
pub use fights::Fights;
pub use inventory::Inventory;
pub use kinds::{Kinds, Resource};
pub use lookup::Lookup;
pub use observed::Observed;
pub use order::Stage;
pub use scope::{Reach, Scope};
pub use steps::{Hold, Plan};

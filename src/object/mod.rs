//! What a Kubernetes object is to us: its identity, our marks on it, and who owns its fields. Pure.

pub mod account;
pub mod additions;
pub mod fields;
pub mod handling;
pub mod health;
pub mod id;
pub mod live;
pub mod marks;
pub mod pattern;

pub use account::ServiceAccount;
pub use handling::Handling;
pub use health::Health;
pub use id::{GroupKind, ObjectId};
pub use live::Live;
pub use marks::AppId;

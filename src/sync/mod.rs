//! The pass from source to report, and the loop that runs it.

pub mod app;
pub mod apply;
mod atomic;
pub mod daemon;
pub mod events;
mod execute;
mod heal;
pub mod memory;
pub mod pass;
pub mod prune;
mod rivals;
pub mod settled;
pub mod stop;
pub mod sweep;
pub mod watches;

pub use app::{App, Origin};
pub use daemon::Daemon;
pub use events::Poster;
pub use memory::Memory;
pub use stop::Stop;
pub use sweep::Sweeps;

//! The pass from source to report, and the loop that runs it.

mod adopt;
pub mod app;
pub mod apply;
mod atomic;
pub mod claims;
mod clock;
mod conflict;
mod consent;
pub mod daemon;
pub mod events;
mod execute;
mod extend;
mod heal;
pub mod memory;
mod observe;
pub mod pass;
pub mod prune;
mod read;
mod record;
mod replace;
mod resolve;
mod restore;
mod rivals;
pub mod settled;
pub mod stop;
pub mod sweep;
mod tell;
mod twins;
pub mod watches;
mod write;

pub use app::{App, Origin};
pub use daemon::Daemon;
pub use events::Poster;
pub use memory::Memory;
pub use stop::Stop;
pub use sweep::Sweeps;

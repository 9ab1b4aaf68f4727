//! Which replica writes what. Either one leads and writes everything (`--leader-elect`, [`claim`]), or all write,
//! each its part of the apps (`--shards`, [`members`]). Both come to a [`Share`], which says what may be written
//! and until when, and opens the fences of the apps by it ([`Ownership`]). `claim`, `members` and the division are
//! pure; [`campaign`] is the loop around them.

pub mod campaign;
pub mod claim;
pub mod members;
mod seat;
pub mod share;
#[cfg(test)]
mod simulation;
mod terms;

pub use campaign::{Campaign, Candidacy, Mode};
pub use share::{Ownership, Share};
pub use terms::Terms;

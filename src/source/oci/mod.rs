//! Artifacts of OCI registries: fetched by the fetching child, and unpacked into a commit of the app's bare clone. So
//! everything after it is the same as for a repository of git.

pub mod address;
mod challenge;
mod client;
mod commit;
mod registry;
mod unpack;

pub use address::Address;
pub use commit::is_full;
pub use registry::fetch;

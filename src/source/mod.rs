//! Where manifests come from: a git repository at one commit, or a folder.
//!
//! Remote operations run in a short-lived child of this program, killed at its deadline, because
//! libgit2 has no trustworthy deadlines of its own.

pub mod approval;
pub mod authorities;
mod changes;
mod chart;
pub mod clones;
pub mod credentials;
pub mod error;
pub mod fetch;
pub mod folder;
mod gather;
pub mod git;
pub mod head;
mod ignore;
pub mod known_hosts;
mod kustomization;
mod layout;
mod limits;
pub mod mounted;
pub mod oci;
pub mod reference;
pub mod repository;
pub mod request;
mod select;
pub mod snapshot;
pub mod submodule;
pub mod tidy;
pub mod tree;
pub mod verification;
pub mod verify;
pub mod walk;
pub mod way;

pub use approval::Removal;
pub use clones::Clones;
pub use credentials::{BadCredentials, Credentials};
pub use error::SourceError;
pub use fetch::Fetcher;
pub use git::history::{Approval, Approvals};
pub use git::verify::Question;
pub use limits::Limits;
pub use repository::Repository;
pub use snapshot::{Layout, Revision, Snapshot};
pub use submodule::Submodules;
pub use tree::Link;
pub use verification::{Keys, Verification};

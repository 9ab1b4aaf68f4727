//! The verbs about apps: `status`, `tree`, `trigger`, `suspend`, `resume`, `prune-approve`. They read and write the
//! app's resource with the rights of whoever runs them. An app without a resource, which a daemon has by its flags, is
//! named by `--name`; it is asked by annotations of its inventory.

mod age;
pub(super) mod approve;
mod branch;
mod gather;
mod name;
mod page;
mod place;
mod problem;
mod request;
mod shown;
mod standing;
pub(super) mod status;
pub(super) mod suspend;
mod table;
pub(super) mod tree;
pub(super) mod trigger;

use std::io::Write as _;
use std::process::ExitCode;

pub(super) use name::AppName;
pub(super) use place::{AppArguments, ClusterPlace, Subject};

/// Prints one line of what was done.
fn say(line: &str) -> anyhow::Result<ExitCode> {
    writeln!(std::io::stdout().lock(), "{line}")?;
    Ok(ExitCode::SUCCESS)
}

//! The command line: arguments to configuration, one file per verb. Only this module prints.

#![expect(clippy::print_stderr, reason = "printing is this module's work")]

mod common;
mod controls;
mod crd;
mod logging;
mod run;
mod sync;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::source::git;

/// Threads that carry requests. The work is waiting; one for each of a node's many cores would cost
/// memory and save no time. What takes long runs beside them.
const WORKERS: usize = 2;

/// Keeps a Kubernetes cluster as a git repository declares it.
#[derive(Debug, Parser)]
#[command(name = "gitops-sync", version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the daemon: sync at each interval, at each webhook, until SIGTERM
    Run(Box<run::Arguments>),
    /// Sync once and exit; a server-side dry-run unless --apply is given
    Sync(Box<sync::Arguments>),
    /// Stop the syncing of an app until it is resumed
    Suspend(controls::AppArguments),
    /// Have a suspended app synced again
    Resume(controls::AppArguments),
    /// Approve deletions that the prune guard holds
    PruneApprove(controls::ApproveArguments),
    /// Print the definition of the GitOpsApp resource, for kubectl apply
    Crd,
    /// The fetching child process
    #[command(name = git::CHILD_VERB, hide = true)]
    GitFetch,
}

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    let done = match Arguments::parse().verb {
        Verb::Run(arguments) => block_on(run::run(*arguments)),
        Verb::Sync(arguments) => block_on(sync::sync(*arguments)),
        Verb::Suspend(arguments) => block_on(controls::suspend(arguments)),
        Verb::Resume(arguments) => block_on(controls::resume(arguments)),
        Verb::PruneApprove(arguments) => block_on(controls::approve(arguments)),
        Verb::Crd => crd::print(),
        Verb::GitFetch => git::clone::serve(&mut std::io::stdin(), &mut std::io::stdout())
            .map(|()| ExitCode::SUCCESS)
            .map_err(anyhow::Error::from),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn block_on(task: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(WORKERS).enable_all().build()?;
    let done = runtime.block_on(task);
    // Whatever still reads a disk that hangs does not hold up the end.
    runtime.shutdown_background();
    done
}

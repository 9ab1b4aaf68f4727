//! The command line: arguments to configuration, one file per verb. Only this module prints.

#![expect(clippy::print_stderr, reason = "printing is this module's work")]

mod access;
mod alone;
mod app;
mod app_file;
mod build;
mod common;
mod crd;
mod logging;
mod render;
mod run;
mod substitute;
mod sync;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::builder::confine;
use crate::source::git;

/// Threads that carry requests. The work is waiting; one for each of a node's many cores would cost
/// memory and save no time. What takes long runs beside them.
const WORKERS: usize = 2;
/// Threads that read disks and render. Each has memory of its own.
const READERS: usize = 8;

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
    /// Print the objects that the daemon would make of a folder; no cluster is needed
    ///
    /// What is printed is what kubectl would get to apply, so it holds the values of Secrets, those that SOPS encrypts
    /// included: keep it out of logs. What only the cluster knows is left out: namespaces of objects that name none,
    /// and gitops-sync's own labels and annotations. If anything is wrong, nothing is printed, all of it is told on
    /// standard error, and the exit code is 1.
    Build(Box<build::Arguments>),
    /// Show how apps fare: a table of all, or a page about one
    ///
    /// Reads resources of kind GitOpsApp with your own rights. As with kubectl, the exit code is 0 if the statuses could be
    /// read, however the apps fare: to wait for one, use kubectl wait --for=condition=Ready gapp/NAME, or
    /// gitops-sync trigger --wait. Of syncs, those are remembered that changed or found something: an old one
    /// among the last means that nothing had to be done since.
    Status(app::status::Status),
    /// Show the objects of an app, stage by stage: sync, health, and who else has a hand in them
    ///
    /// Lists objects of all kinds that you may list, and shows those that name themselves as the app's. How they
    /// stand to git is what the app's status says; it names the first ten of each sort and counts the others,
    /// which are shown as Unknown then.
    Tree(app::tree::Tree),
    /// Sync an app now
    Trigger(app::trigger::Trigger),
    /// Stop the syncing of an app until it is resumed: nothing is applied, put back or deleted
    Suspend(app::suspend::Suspend),
    /// Have a suspended app synced again
    Resume(app::AppArguments),
    /// Approve deletions that the prune guard holds
    PruneApprove(app::approve::Approve),
    /// Print the definition of the GitOpsApp resource, for kubectl apply
    Crd,
    /// The fetching child process
    #[command(name = git::CHILD_VERB, hide = true)]
    GitFetch,
    /// The child process that becomes kustomize, helm or sops
    #[command(name = confine::CHILD_VERB, hide = true)]
    Confine(confine::Confinement),
}

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    let done = match Arguments::parse().verb {
        Verb::Run(arguments) => block_on(run::run(*arguments)),
        Verb::Sync(arguments) => block_on(sync::sync(*arguments)),
        Verb::Build(arguments) => block_on(build::build_objects(*arguments)),
        Verb::Status(arguments) => block_on(app::status::status(arguments)),
        Verb::Tree(arguments) => block_on(app::tree::tree(arguments)),
        Verb::Trigger(arguments) => block_on(app::trigger::trigger(arguments)),
        Verb::Suspend(arguments) => block_on(app::suspend::suspend(arguments)),
        Verb::Resume(arguments) => block_on(app::suspend::resume(arguments)),
        Verb::PruneApprove(arguments) => block_on(app::approve::approve(arguments)),
        Verb::Crd => crd::print(),
        Verb::GitFetch => git::clone::serve(&mut std::io::stdin(), &mut std::io::stdout())
            .map(|()| ExitCode::SUCCESS)
            .map_err(anyhow::Error::from),
        Verb::Confine(confinement) => return confined(&confinement),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// Becomes another program, or says why not.
fn confined(confinement: &confine::Confinement) -> ExitCode {
    let Err(error) = confine::exec(confinement);
    eprintln!("{error}");
    ExitCode::from(error.code())
}

fn block_on(task: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(WORKERS).max_blocking_threads(READERS).enable_all();
    let runtime = runtime.build()?;
    let done = runtime.block_on(task);
    // Whatever still reads a disk that hangs does not hold up the end.
    runtime.shutdown_background();
    done
}

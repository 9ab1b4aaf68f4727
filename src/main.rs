//! The `gitops-sync` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    gitops_sync::cli::main()
}

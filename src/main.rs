//! The `gitops-sync` program.

use std::process::ExitCode;

/// Of all that passes through, little is kept. What it took is given back to the system; the system's own allocator keeps
/// as much again as is in use.
#[cfg(target_arch = "x86_64")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    gitops_sync::cli::main()
}

//! The whole way once, on a real control plane: commit, cluster, drift, revert, prune.
//!
//! `cargo run --example demo` tells the story with the daemon's own log lines;
//! `-- --check` prints the PASS and FAIL lines alone, `-- --keep` stays up afterwards.

#![expect(clippy::print_stdout, reason = "it tells a story")]

mod stage;
mod story;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::bail;

use stage::Stage;

/// What the demo was asked for.
struct Wish {
    /// Print the result lines alone.
    check: bool,
    /// Stay up at the end.
    keep: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let wish = wish()?;
    let start = Instant::now();
    let stage = Stage::set(&wish)?;
    let passed = story::tell(&stage);
    let total = story::STEPS.len();
    if !wish.check {
        let seconds = start.elapsed().as_secs_f64();
        println!("\n{passed} passed, {} failed in {seconds:.1} s", total - passed);
    }
    if wish.keep {
        stage.keep()?;
    }
    Ok(if passed == total { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn wish() -> anyhow::Result<Wish> {
    let mut wish = Wish { check: false, keep: false };
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--check" => wish.check = true,
            "--keep" => wish.keep = true,
            other => bail!("unknown argument {other}: there are --check and --keep"),
        }
    }
    Ok(wish)
}

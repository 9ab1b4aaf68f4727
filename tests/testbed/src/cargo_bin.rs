//! Builds a binary of this workspace, for examples and benchmarks: only tests are told where it is.

use crate::{Error, console, folders::target_folder};
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");

/// Builds the binary `name` with the profile, and into the target folder, of the running
/// executable.
///
/// # Errors
/// If the running executable is in no target folder, or cargo fails; cargo says why on the
/// terminal.
pub fn build_bin(name: &str) -> Result<PathBuf, Error> {
    let outside = || Error::Invalid("not run from a target folder: use cargo run".to_owned());
    let (target, built) = place().ok_or_else(outside)?;
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // With the examples: then dependencies have the features with which they were built already.
    command.args(["build", "--manifest-path", MANIFEST, "--bin", name, "--examples"]);
    command.arg("--target-dir").arg(&target).args(selection(&target, &built));
    // `cargo run` tells the running program about its package, and build scripts that watch these
    // variables would take that for a change and build everything above them again.
    for (variable, _) in env::vars_os().filter(|(name, _)| is_of_package(&name.to_string_lossy())) {
        command.env_remove(variable);
    }
    console::say(format_args!("building {name}"));
    let status = command.status().map_err(Error::io("start cargo"))?;
    if !status.success() {
        let command = format!("cargo build --bin {name}");
        let output = "see above".to_owned();
        return Err(Error::Failed { command, status: status.to_string(), output });
    }
    Ok(built.join(name))
}

/// Whether `cargo run` sets a variable for the package that it runs.
fn is_of_package(name: &str) -> bool {
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

/// The target folder and, in it, the folder of the profile: the executable is there, in `deps` or
/// in `examples`.
fn place() -> Option<(PathBuf, PathBuf)> {
    let exe = env::current_exe().ok()?;
    let is_inner = |folder: &&Path| !folder.ends_with("deps") && !folder.ends_with("examples");
    Some((target_folder()?, exe.ancestors().skip(1).find(is_inner)?.to_owned()))
}

/// Profile and platform, from `<target>/[platform/]<profile>`.
fn selection(target: &Path, built: &Path) -> Vec<String> {
    let name =
        |folder: &Path| folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let profile = Some(name(built)).filter(|folder| folder != "debug");
    let platform = built.parent().filter(|parent| *parent != target).map(name);
    let mut args = vec!["--profile".to_owned(), profile.unwrap_or_else(|| "dev".to_owned())];
    args.extend(platform.into_iter().flat_map(|platform| ["--target".to_owned(), platform]));
    args
}

//! Builds a binary of this workspace, for examples and benchmarks: only tests are told where it is.

use crate::{Error, console, folders::target_folder};
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");

/// Builds the binary `name` with the profile, and into the target folder, of the running executable.
///
/// # Errors
/// If the running executable is in no target folder, or cargo fails; cargo says why on the terminal.
pub fn build_bin(name: &str) -> Result<PathBuf, Error> {
    let (target, built) = place()
        .ok_or_else(|| Error::Invalid("not run from a target folder; use cargo".to_owned()))?;
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["build", "--manifest-path", MANIFEST, "--bin", name, "--target-dir"])
        .arg(&target);
    command.args(selection(&target, &built));
    console::say(format_args!("building {name}"));
    let status = command.status().map_err(Error::io("start cargo"))?;
    if !status.success() {
        let output = "see above".to_owned();
        return Err(Error::Failed {
            command: format!("cargo build --bin {name}"),
            status: status.to_string(),
            output,
        });
    }
    Ok(built.join(name))
}

/// The target folder and, in it, the folder of the profile: the executable is there, in `deps` or in `examples`.
fn place() -> Option<(PathBuf, PathBuf)> {
    let exe = env::current_exe().ok()?;
    let is_inner = |folder: &&Path| !folder.ends_with("deps") && !folder.ends_with("examples");
    Some((target_folder()?, exe.ancestors().skip(1).find(is_inner)?.to_owned()))
}

/// Profile and platform, from `<target>/[platform/]<profile>`.
fn selection(target: &Path, built: &Path) -> Vec<String> {
    let profile = match built.file_name().map(|name| name.to_string_lossy()) {
        Some(folder) if folder != "debug" => folder.into_owned(),
        _ => "dev".to_owned(),
    };
    let mut args = vec!["--profile".to_owned(), profile];
    if let Some(platform) =
        built.parent().filter(|parent| *parent != target).and_then(Path::file_name)
    {
        args.extend(["--target".to_owned(), platform.to_string_lossy().into_owned()]);
    }
    args
}

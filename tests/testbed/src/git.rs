//! The `git` program, deaf to the configuration of whoever runs the tests.

use crate::{Error, command};
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// Who makes all commits.
const IDENTITY: [(&str, &str); 4] = [
    ("GIT_AUTHOR_NAME", "Test Bed"),
    ("GIT_AUTHOR_EMAIL", "testbed@example.com"),
    ("GIT_COMMITTER_NAME", "Test Bed"),
    ("GIT_COMMITTER_EMAIL", "testbed@example.com"),
];

/// No clean-up in the background, which would race with the end of a test.
const SETTINGS: [(&str, &str); 3] =
    [("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "gc.auto"), ("GIT_CONFIG_VALUE_0", "0")];

/// A `git` command that sees no configuration but that of its repository.
pub(crate) fn git() -> Command {
    let mut command = Command::new("git");
    command.env_clear().envs(env::var_os("PATH").map(|path| ("PATH", path)));
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("HOME", "/nonexistent");
    command.env("GIT_TERMINAL_PROMPT", "0").envs(IDENTITY).envs(SETTINGS);
    command
}

/// Runs git in `folder` and gives what it printed, trimmed.
pub(crate) fn run(folder: &Path, args: &[&str]) -> Result<String, Error> {
    let mut command = git();
    command.current_dir(folder).args(args);
    Ok(command::run(command, b"")?.trim().to_owned())
}

/// An error if git cannot serve over HTTP here.
pub(crate) fn check_backend() -> Result<(), Error> {
    let missing = |program, remedy| Error::Missing { program, remedy };
    let folder =
        run(Path::new("/"), &["--exec-path"]).map_err(|_| missing("git", "install git"))?;
    if PathBuf::from(folder).join("git-http-backend").is_file() {
        return Ok(());
    }
    Err(missing(
        "git http-backend",
        "it comes with git, but some systems package it apart: on Alpine, git-daemon",
    ))
}

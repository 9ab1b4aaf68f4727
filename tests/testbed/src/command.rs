//! A command that runs to its end.

use crate::{Error, spawner};
use std::{
    io::{self, Write},
    process::{Child, ChildStdin, Command, Output, Stdio},
    thread,
};

/// Runs `command` with `input` on its standard input and gives its standard output.
pub(crate) fn run(mut command: Command, input: &[u8]) -> Result<String, Error> {
    let line = command_line(&command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = spawner::spawn(command).map_err(Error::io(format!("start `{line}`")))?;
    let output = feed(child, input).map_err(Error::io(format!("run `{line}`")))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(Error::Failed {
        command: line,
        status: output.status.to_string(),
        output: format!("{stdout}{stderr}"),
    })
}

/// Writes and reads at the same time: a child whose output is not read stops reading.
fn feed(mut child: Child, input: &[u8]) -> io::Result<Output> {
    let stdin = child.stdin.take();
    thread::scope(|scope| {
        scope.spawn(|| stdin.map(|pipe| write_all(pipe, input)));
        child.wait_with_output()
    })
}

/// A child may end without reading: its status tells whether that is an error.
fn write_all(mut pipe: ChildStdin, input: &[u8]) {
    let _ = pipe.write_all(input);
}

fn command_line(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

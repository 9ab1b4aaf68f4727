//! Progress for the person at the terminal.

use std::{
    fmt::Display,
    io::{self, Write},
};

/// Prints one line to standard error. Written past `eprintln!`, which libtest captures until a test
/// fails: a build of several minutes must be seen while it runs.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(io::stderr(), "testbed: {line}");
}

//! Why the test bed could not do what it was asked.

use std::{error::Error as _, fmt, io, time::Duration};

/// What went wrong, and what to do about it. `Debug` reads like `Display`, for `unwrap` and `main`
/// print that.
#[derive(thiserror::Error)]
pub enum Error {
    /// A file, a socket or a process refused.
    #[error("could not {doing}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A program that the test bed needs is not installed.
    #[error("{program} is missing: {remedy}")]
    Missing {
        /// The program.
        program: &'static str,
        /// How to get it.
        remedy: &'static str,
    },
    /// A command ran to its end and failed.
    #[error("`{command}` failed ({status}):\n{output}")]
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: String,
        /// The last lines of what it printed.
        output: String,
    },
    /// A process that should have kept running has ended.
    #[error("{program} ended early ({status}); its last lines:\n{output}")]
    Ended {
        /// The program.
        program: String,
        /// How it ended.
        status: String,
        /// The last lines of what it printed.
        output: String,
    },
    /// Something did not become true in time.
    #[error("{what}: not within {waited:?}; last seen:\n{state}")]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        waited: Duration,
        /// What was there instead.
        state: String,
    },
    /// The API server answered with an error, or not at all.
    #[error("{request}: {answer}")]
    Api {
        /// Method and path.
        request: String,
        /// Status and body, or the transport's error.
        answer: String,
    },
    /// Something is not shaped as the test bed needs it.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    /// Wraps an I/O error: `.map_err(Error::io("read the audit log"))`.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    /// Whether a program found its port taken, so that another start with other ports may work.
    pub(crate) fn is_port_clash(&self) -> bool {
        matches!(self, Self::Ended { output, .. } if output.contains("address already in use"))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        match self.source() {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

//! Waiting for something to become true.

use crate::Error;
use std::{
    fmt::Display,
    thread,
    time::{Duration, Instant},
};

const PAUSE: Duration = Duration::from_millis(50);

/// Asks `probe` every 50 ms until it gives a value. `Ok(None)` and `Err` both mean "not yet"; the
/// last error is named if the deadline passes.
///
/// # Errors
/// [`Error::Late`], with `what` and the last state.
pub fn eventually<T, E: Display>(
    deadline: Duration,
    what: &str,
    mut probe: impl FnMut() -> Result<Option<T>, E>,
) -> Result<T, Error> {
    let start = Instant::now();
    loop {
        let state = match probe() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => "nothing".to_owned(),
            Err(error) => error.to_string(),
        };
        if start.elapsed() >= deadline {
            return Err(Error::Late { what: what.to_owned(), waited: deadline, state });
        }
        thread::sleep(PAUSE);
    }
}

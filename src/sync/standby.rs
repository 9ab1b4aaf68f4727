//! While another replica writes the app: keeps at hand what would take time, and writes nothing.

use tokio::time::Instant;

use super::clock::Clock;
use super::observe::observe;
use super::resolve::resolve;
use super::{App, Memory, Stop, read};
use crate::report::{Failure, Outcome, Trigger};

/// Fetches and renders the source, and watches what it declares. What fails now is told by whoever leads, or when
/// this replica does.
pub async fn warm(app: &App, memory: &mut Memory, stop: &Stop) -> Result<(), Failure> {
    let mut outcome = Outcome::new(Trigger::Interval);
    let source =
        read::source(app, memory, Instant::now(), stop, &mut outcome, &mut Clock::start()).await?;
    let Some(key) = app.store.key().await? else { return Ok(()) };
    let resolved = resolve(app, memory, key, &source.rendered).await?;
    observe(app, memory, &resolved.wanted, None, &mut outcome).await
}

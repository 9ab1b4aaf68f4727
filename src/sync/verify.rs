//! Whether anything of a commit may be applied: who signed it, and on what it builds.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::info;

use super::{App, Memory};
use crate::plan::Inventory;
use crate::plan::inventory::Accepted;
use crate::report::Outcome;
use crate::source::verify::{Key, Mode};
use crate::source::{Fetcher, Question, Revision, SourceError};

/// Time after which a commit is judged anew: keys expire.
const VALID: Duration = Duration::from_mins(10);

/// What was found of a commit.
#[derive(Debug)]
pub struct Verdict {
    question: Question,
    at: Instant,
    found: Result<Option<Key>, SourceError>,
}

/// Refuses a revision that is not what it has to be. It is judged once, and now and then anew.
pub async fn verify(
    app: &App,
    memory: &mut Memory,
    fetcher: &Fetcher,
    revision: &Revision,
    outcome: &mut Outcome,
) -> Result<(), SourceError> {
    let Some(rules) = &app.verification else { return Ok(()) };
    let signed = match &rules.signed {
        Some((mode, keys)) => Some((*mode, keys.read()?)),
        None => None,
    };
    let since = since(app, &memory.inventory);
    let question = Question::of(revision, signed, rules.no_rollback, since);
    let known = memory.verdict.take().filter(|known| known.answers(&question));
    let verdict = match known {
        Some(known) => known,
        None => judge(fetcher, question).await?,
    };
    let Verdict { found, .. } = memory.verdict.insert(verdict);
    outcome.verified_by = found.clone()?.map(|key| key.to_string());
    Ok(())
}

/// Asks the clone, which may take more of it. What may pass by itself is no verdict.
async fn judge(fetcher: &Fetcher, question: Question) -> Result<Verdict, SourceError> {
    if question.since.is_none() && matches!(question.signed, Some((Mode::Range, _))) {
        info!("No commit was accepted before: this one has to be signed, and all that follow");
    }
    let found = fetcher.verify(question.clone()).await;
    match found {
        Err(error) if !error.is_refusal() => Err(error),
        found => Ok(Verdict { question, at: Instant::now(), found }),
    }
}

impl Verdict {
    /// Whether it still is the answer to this.
    fn answers(&self, question: &Question) -> bool {
        self.at.elapsed() < VALID && self.question.is_same(question)
    }
}

/// The commit of this repository that was accepted last.
fn since<'a>(app: &App, inventory: &'a Inventory) -> Option<&'a str> {
    let accepted = inventory.accepted.as_ref()?;
    (accepted.url == app.origin.identity().url).then_some(accepted.commit.as_str())
}

/// Notes that a commit was accepted, before anything of it is applied: only where that matters, for it is a write.
pub fn note(app: &App, inventory: &mut Arc<Inventory>, outcome: &Outcome) {
    let looks_back = app.verification.as_ref().is_some_and(|rules| rules.looks_back());
    let accepted = || {
        let commit = outcome.revision.as_ref()?.commit.clone();
        Some(Accepted { url: app.origin.identity().url, commit })
    };
    let accepted = if looks_back { accepted() } else { None };
    if inventory.accepted != accepted {
        Arc::make_mut(inventory).accepted = accepted;
    }
}

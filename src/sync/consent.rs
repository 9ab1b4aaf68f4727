//! What commits say about deletions, by the trailer `GitOps-Prune`.

use std::collections::BTreeSet;

use super::pass::{blocking, render};
use super::{App, Memory, Origin};
use crate::object::ObjectId;
use crate::plan::desired::resolve;
use crate::render::Rendered;
use crate::report::Outcome;
use crate::source::{Fetcher, Removal, Revision, SourceError};

/// What the commits since the last complete pass approve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consent {
    /// Hashes of sets that may be deleted.
    pub hashes: BTreeSet<String>,
    /// Objects that a commit removed and said to be gone for good.
    pub removed: BTreeSet<ObjectId>,
}

/// Consent, and the range of commits that it was read from.
#[derive(Clone, Debug, Default)]
pub struct Read {
    since: Option<String>,
    head: String,
    consent: Consent,
}

/// Reads the trailers of the commits that are new; what cannot be read approves nothing, and is told.
pub async fn of_commits(app: &App, memory: &mut Memory, outcome: &mut Outcome) -> Consent {
    let (Origin::Git(fetcher), Some(head)) = (&app.origin, outcome.revision.clone()) else {
        return Consent::default();
    };
    let since = memory.inventory.commit.clone();
    if let Some(read) =
        memory.consent.as_ref().filter(|r| r.head == head.commit && r.since == since)
    {
        return read.consent.clone();
    }
    match read(memory, fetcher, &head, outcome).await {
        Ok(consent) => {
            memory.consent = Some(Read { since, head: head.commit, consent: consent.clone() });
            consent
        }
        Err(error) => {
            outcome.unread = Some(error.to_string());
            Consent::default()
        }
    }
}

async fn read(
    memory: &Memory,
    fetcher: &Fetcher,
    head: &Revision,
    outcome: &mut Outcome,
) -> Result<Consent, SourceError> {
    let approvals = fetcher.approvals(head, memory.inventory.commit.as_deref()).await?;
    if approvals.truncated {
        outcome.unread = Some("history is too long, and only its newest part was read".to_owned());
    }
    let hashes = approvals.hashes.into_keys().map(|hash| hash.to_ascii_lowercase()).collect();
    let mut removed = BTreeSet::new();
    let known = memory.rendered.as_ref().map(|(_, rendered)| rendered.clone());
    for commit in &approvals.commits {
        let Removal { before, after } = fetcher.removal(commit, known.clone()).await?;
        let both = blocking(move || (render(before), render(after))).await?;
        removed.extend(difference(memory, &both.0, &both.1));
    }
    Ok(Consent { hashes, removed })
}

/// The objects that are in one state of the source and not in the next. Of a state with errors, nothing
/// can be said to be gone.
fn difference(memory: &Memory, before: &Rendered, after: &Rendered) -> Vec<ObjectId> {
    let (Some(kinds), Some(resolved)) = (&memory.kinds, &memory.resolved) else {
        return Vec::new();
    };
    let resolve =
        |rendered: &Rendered| resolve(&rendered.manifests, kinds, &resolved.settings, &[]);
    let (now, diagnostics) = resolve(after);
    if !after.diagnostics.is_empty() || !diagnostics.is_empty() {
        return Vec::new();
    }
    let now: BTreeSet<_> = now.iter().map(|object| &object.id).collect();
    let (was, _) = resolve(before);
    let gone = was.into_iter().filter(|object| !now.contains(&object.id));
    gone.map(|object| object.id.clone()).collect()
}

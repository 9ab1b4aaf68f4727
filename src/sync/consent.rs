//! What commits say about deletions, by the trailer `GitOps-Prune`.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{App, Memory, Origin};
use crate::builder::build;
use crate::object::ObjectId;
use crate::plan::Desired;
use crate::plan::desired::resolve;
use crate::render::{Diagnostic, Rendered};
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
    match read(app, memory, fetcher, &head, outcome).await {
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
    app: &App,
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
    let known = memory.rendered.as_ref().map(|(_, rendered)| rendered.clone());
    let mut removed = Vec::new();
    for commit in &approvals.commits {
        let Removal { before, after } = fetcher.removal(commit, known.clone()).await?;
        let before = build(&app.tools, &app.recipe, &memory.inputs, before, None).await?;
        let after = build(&app.tools, &app.recipe, &memory.inputs, after, None).await?;
        removed.push((commit, difference(memory, &before, &after)));
    }
    // What came back since then is none of what they approved.
    let later: BTreeSet<_> = approvals.commits.iter().flat_map(|commit| &commit.later).collect();
    for commit in later {
        let files = fetcher.files(commit, known.clone()).await?;
        let now = build(&app.tools, &app.recipe, &memory.inputs, files, None).await?;
        let now = declared(memory, &now);
        for (_, removed) in removed.iter_mut().filter(|(by, _)| by.later.contains(commit)) {
            removed.retain(|id| now.as_ref().is_some_and(|now| !now.contains(id)));
        }
    }
    let removed = removed.into_iter().flat_map(|(_, removed)| removed).collect();
    Ok(Consent { hashes, removed })
}

/// The objects that are in one state of the source and not in the next.
fn difference(memory: &Memory, before: &Rendered, after: &Rendered) -> Vec<ObjectId> {
    let Some(now) = declared(memory, after) else { return Vec::new() };
    let was = resolved(memory, before).map(|(was, _)| was).unwrap_or_default();
    let gone = was.into_iter().filter(|object| !now.contains(&object.id));
    gone.map(|object| object.id.clone()).collect()
}

/// The objects of a state of the source. Of one with errors, nothing can be said to be gone.
fn declared(memory: &Memory, state: &Rendered) -> Option<BTreeSet<ObjectId>> {
    let (objects, diagnostics) = resolved(memory, state)?;
    let is_whole = state.diagnostics.is_empty() && diagnostics.is_empty();
    is_whole.then(|| objects.iter().map(|object| object.id.clone()).collect())
}

fn resolved(memory: &Memory, state: &Rendered) -> Option<(Vec<Arc<Desired>>, Vec<Diagnostic>)> {
    let (kinds, now) = (memory.kinds.as_ref()?, memory.resolved.as_ref()?);
    Some(resolve(&state.manifests, kinds, &now.settings, &now.wanted))
}

//! Brings the view of the cluster up to date.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;

use super::resolve::discover;
use super::{App, Memory};
use crate::cluster::ApiError;
use crate::object::ObjectId;
use crate::plan::{Desired, Reach, Scope};
use crate::report::{Failure, Outcome};

/// Brings the view of the cluster up to date for the scopes of what is wanted or was applied. While
/// their watches run, nothing is sent for that.
pub async fn observe(
    app: &App,
    memory: &mut Memory,
    wanted: &[Arc<Desired>],
    news: Option<&[Arc<Desired>]>,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let Memory { watches, observed, kinds, inventory, .. } = memory;
    let known = kinds.get_or_insert_default();
    let ids = news.unwrap_or(wanted).iter().map(|object| &object.id);
    let recorded = inventory.entries.keys().filter(|_| news.is_none());
    let mut scopes = scopes_of(ids.chain(recorded), &app.reach);
    scopes.retain(|scope| known.preferred(&scope.kind).is_some());
    match news {
        // The others are watched already.
        Some(_) => scopes.extend(watches.scopes()),
        None => observed.keep(&scopes, &app.reach),
    }
    watches.want(&app.informers, &app.id, &scopes, known);
    let touched = watches.settle(&app.id, observed).await;
    memory.touched.extend(touched);
    let mut out = observed.blind.values().filter(|blind| blind.is_outage);
    if out.clone().count() == scopes.len()
        && let Some(blind) = out.next()
    {
        let source = ApiError::Unreachable(blind.why.clone());
        return Err(Failure::ClusterUnavailable { doing: "listing objects", source });
    }
    let blind = observed.blind.iter();
    outcome.unlisted = blind.map(|(scope, blind)| (scope.clone(), blind.why.clone())).collect();
    if !outcome.unlisted.is_empty() {
        // A kind may have come, gone or changed its version.
        let kinds = discover(app, Instant::now()).await?;
        if memory.kinds.as_ref() != Some(&kinds) {
            memory.resolved = None;
        }
        memory.kinds = Some(kinds);
    }
    Ok(())
}

/// The scopes of objects, of which those of one scope mostly stand side by side.
fn scopes_of<'a>(ids: impl Iterator<Item = &'a ObjectId>, reach: &Reach) -> BTreeSet<Scope> {
    let mut scopes: BTreeSet<Scope> = BTreeSet::new();
    let mut last: Option<Scope> = None;
    for id in ids {
        if last.as_ref().is_some_and(|scope| scope.covers(id)) {
            continue;
        }
        last = reach.scope_of(id);
        scopes.extend(last.clone());
    }
    scopes
}

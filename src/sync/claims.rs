//! Objects that git declares for this app, and that are another's: the first owner keeps them, and both
//! apps say it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{App, Memory};
use crate::cluster::ApiError;
use crate::cluster::store::{Store, StoreError};
use crate::object::{AppId, Live, ObjectId};
use crate::plan::Inventory;
use crate::plan::controls::{self, CLAIMS};
use crate::report::problems::named;
use crate::report::{Failure, Outcome};

/// The app that an object as it was found belongs to: the one that it names, as long as its inventory
/// lists it. What only carries the marks of an app that is gone is free.
pub async fn owner(app: &App, id: &ObjectId, found: &Live) -> Result<Option<AppId>, ApiError> {
    let named = found.identity.as_ref().and_then(|identity| AppId::of_identity(identity, id));
    let Some(other) = named.filter(|other| *other != app.id) else { return Ok(None) };
    match store_of(app, &other).lists(&other, id, &app.place()).await {
        Ok(is_owner) => Ok(is_owner.then_some(other)),
        Err(StoreError::Api { source, .. }) => Err(source),
        // What cannot be read may well list it.
        Err(_) => Ok(Some(other)),
    }
}

/// Looks at what this app claims of others, and others of this one.
pub async fn exchange(
    app: &App,
    memory: &mut Memory,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    refresh(app, memory).await?;
    outcome.claimed = received(app, memory).await?;
    Ok(())
}

/// Forgets the claims on what its owner has given up: that is taken over now.
async fn refresh(app: &App, memory: &mut Memory) -> Result<(), StoreError> {
    let owners: BTreeSet<AppId> = memory.claims.values().cloned().collect();
    for owner in owners {
        let inventory = match store_of(app, &owner).load(&owner).await {
            Ok(loaded) => loaded.inventory,
            Err(error) if error.is_outage() => return Err(error),
            // It may well list them.
            Err(_) => continue,
        };
        let is_theirs = |id: &ObjectId, inventory: &Inventory| inventory.entries.contains_key(id);
        memory.claims.retain(|id, claimed| *claimed != owner || is_theirs(id, &inventory));
    }
    Ok(())
}

/// Tells the owners in the same namespace what is claimed of theirs, when that changed. What cannot be
/// told now is told later.
pub async fn tell(app: &App, memory: &mut Memory) -> Result<(), StoreError> {
    if let Some(resolved) = &memory.resolved {
        let find = |id: &ObjectId| resolved.wanted.binary_search_by(|object| object.id.cmp(id));
        memory.claims.retain(|id, _| find(id).is_ok());
    }
    let mut now: BTreeMap<AppId, Vec<ObjectId>> = BTreeMap::new();
    for (id, owner) in &memory.claims {
        now.entry(owner.clone()).or_default().push(id.clone());
    }
    now.retain(|owner, _| owner.namespace() == app.store.namespace());
    if app.dry_run || now == memory.claims_told {
        return Ok(());
    }
    let before = std::mem::take(&mut memory.claims_told);
    let owners: BTreeSet<&AppId> = now.keys().chain(before.keys()).collect();
    for owner in owners {
        let text = now.get(owner).map(|ids| named(ids));
        let told = app.store.annotate(owner, CLAIMS, |known| with(known, &app.id, text.clone()));
        match told.await {
            Ok(()) | Err(StoreError::NoInventory { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    memory.claims_told = now;
    Ok(())
}

/// What other apps declare of this one's objects, as far as they said so and still do. A claim that is over
/// is struck, for whoever made it may be gone.
async fn received(
    app: &App,
    memory: &mut Memory,
) -> Result<Vec<(AppId, Vec<ObjectId>)>, StoreError> {
    let mut received = Vec::new();
    for name in memory.controls.claims.keys() {
        let Ok(other) = name.parse::<AppId>() else { continue };
        let other = other.within(app.store.namespace());
        let theirs = match app.store.load(&other).await {
            Ok(loaded) => loaded.inventory,
            Err(error) if error.is_outage() => return Err(error),
            // The other app says what is wrong with it, and holds up no other.
            Err(_) => continue,
        };
        let is_here = theirs.cluster == memory.inventory.cluster;
        let both = theirs.claimed().filter(|id| memory.inventory.entries.contains_key(id));
        let both = both.filter(|_| is_here);
        let both: Vec<_> = both.cloned().collect();
        if !both.is_empty() {
            received.push((other, both));
        } else if !app.dry_run {
            app.store.annotate(&app.id, CLAIMS, |known| with(known, &other, None)).await?;
        }
    }
    Ok(received)
}

/// All claims, with what one app says now.
fn with(known: Option<&str>, app: &AppId, text: Option<String>) -> Option<String> {
    let mut claims = controls::claims(known.unwrap_or_default());
    match text {
        Some(text) => drop(claims.insert(app.to_string(), text)),
        None => drop(claims.remove(app.as_str())),
    }
    (!claims.is_empty()).then(|| json!(claims).to_string())
}

fn store_of(app: &App, other: &AppId) -> Store {
    app.store.within(other.namespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_changes_its_own_claims_alone() {
        let web: AppId = "web".parse().unwrap();
        let check = |known: Option<&str>, text: Option<&str>, expect: Option<&str>| {
            let found = with(known, &web, text.map(str::to_owned));
            assert_eq!(found.as_deref(), expect);
        };
        check(None, None, None);
        check(None, Some("configmap/a"), Some(r#"{"web":"configmap/a"}"#));
        check(Some(r#"{"web":"b"}"#), None, None);
        check(Some(r#"{"db":"x"}"#), Some("a"), Some(r#"{"db":"x","web":"a"}"#));
        check(Some(r#"{"db":"x","web":"b"}"#), None, Some(r#"{"db":"x"}"#));
        check(Some("nonsense"), Some("a"), Some(r#"{"web":"a"}"#));
    }
}

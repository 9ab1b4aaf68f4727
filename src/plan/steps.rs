//! The plan: for each desired object whether anything must be sent and why, and what may go.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::inventory::SourceIdentity;
use super::{Desired, Inventory, Observed, Stage};
use crate::object::{Live, ObjectId};

/// What made a step necessary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
pub enum Cause {
    /// We never applied this object.
    New,
    /// We applied it, and it is gone or lost our label.
    Missing,
    /// Its manifest changed.
    Changed,
    /// Someone took or removed a field of ours.
    Drifted,
    /// What we own on it is not known: never recorded, or its kind cannot be listed.
    Unknown,
    /// It is being deleted; nothing is sent until that ends.
    Terminating,
    /// Nothing to do.
    InSync,
}

/// One desired object and what is to be done about it.
#[derive(Clone, Debug)]
pub struct Step {
    /// The object.
    pub desired: Arc<Desired>,
    /// Why.
    pub cause: Cause,
    /// What the cluster shows of it.
    pub live: Option<Live>,
}

/// Why nothing is pruned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, thiserror::Error)]
pub enum Hold {
    /// Pruning is not switched on.
    #[error("pruning is off (--prune)")]
    PruneOff,
    /// Something of the source could not be read.
    #[error("the source has errors")]
    Diagnostics,
    /// The source declares nothing at all.
    #[error("the source declares no object")]
    EmptySource,
    /// The inventory belongs to another URL or path.
    #[error("the URL or path of the source changed: delete by hand what shall go")]
    SourceChanged,
    /// A kind could not be listed.
    #[error("a kind could not be listed")]
    UnlistedKind,
    /// A desired object is not in sync.
    #[error("not every object is in sync")]
    NotInSync,
}

/// What a pass does. It is executed as it is printed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Each desired object, in the order of stages.
    pub steps: Vec<Step>,
    /// Old and new objects: stored before the first write.
    pub superset: Inventory,
    /// Objects of the inventory that the source no longer declares, last stage first.
    pub leftovers: Vec<ObjectId>,
    /// Why the leftovers stay, if they do.
    pub hold: Option<Hold>,
}

/// What a plan depends on beside objects.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// Where the manifests come from.
    pub source: SourceIdentity,
    /// Whether pruning is switched on.
    pub prune: bool,
    /// Whether anything about the source could not be read.
    pub has_diagnostics: bool,
}

/// Pairs what shall be with what is.
pub fn plan(
    desired: &[Arc<Desired>],
    inventory: &Inventory,
    observed: &Observed,
    circumstances: &Circumstances,
) -> Plan {
    let mut steps: Vec<_> = desired.iter().map(|d| step(d, inventory, observed)).collect();
    steps.sort_by_key(|step| step.desired.stage());
    let wanted: BTreeSet<_> = desired.iter().map(|d| &d.id).collect();
    let mut leftovers: Vec<_> =
        inventory.entries.keys().filter(|id| !wanted.contains(id)).cloned().collect();
    leftovers.sort_by_key(|id| std::cmp::Reverse(Stage::of(&id.kind)));
    let hold = hold(desired, inventory, observed, circumstances);
    let mut superset = inventory.with(desired.iter().map(AsRef::as_ref));
    if superset.source.is_none() || leftovers.is_empty() {
        superset.source = Some(circumstances.source.clone());
    }
    Plan { steps, superset, leftovers, hold }
}

fn step(desired: &Arc<Desired>, inventory: &Inventory, observed: &Observed) -> Step {
    let live = observed.live.get(&desired.id).cloned();
    let cause = cause(desired, live.as_ref(), inventory, observed);
    Step { desired: desired.clone(), cause, live }
}

/// In sync means: the live hash is the desired one, and we own exactly what we owned after our
/// last apply (design.md 3).
fn cause(
    desired: &Desired,
    live: Option<&Live>,
    inventory: &Inventory,
    observed: &Observed,
) -> Cause {
    if observed.unlisted.contains(&desired.id.kind) {
        return Cause::Unknown;
    }
    let recorded = inventory.entries.get(&desired.id).map(|entry| entry.set_hash.as_ref());
    match (live, recorded) {
        (None, Some(Some(_))) => Cause::Missing,
        (None, _) => Cause::New,
        (Some(live), _) if live.terminating => Cause::Terminating,
        (Some(live), _) if live.hash.as_ref() != Some(&desired.hash) => Cause::Changed,
        (Some(_), None | Some(None)) => Cause::Unknown,
        (Some(live), Some(recorded)) if live.set_hash.as_ref() != recorded => Cause::Drifted,
        (Some(_), Some(Some(_))) => Cause::InSync,
    }
}

fn hold(
    desired: &[Arc<Desired>],
    inventory: &Inventory,
    observed: &Observed,
    circumstances: &Circumstances,
) -> Option<Hold> {
    let source_changed = inventory.source.as_ref().is_some_and(|s| *s != circumstances.source);
    if !circumstances.prune {
        Some(Hold::PruneOff)
    } else if circumstances.has_diagnostics {
        Some(Hold::Diagnostics)
    } else if desired.is_empty() {
        Some(Hold::EmptySource)
    } else if source_changed {
        Some(Hold::SourceChanged)
    } else if !observed.unlisted.is_empty() {
        Some(Hold::UnlistedKind)
    } else {
        None
    }
}

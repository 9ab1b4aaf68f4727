//! The plan: for each desired object whether anything must be sent and why, and what may go.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::inventory::{Entry, SourceIdentity};
use super::{Desired, Inventory, Lookup, Observed, Stage};
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
    /// Its manifest changed, and someone took or removed a field of ours before that.
    ChangedAndDrifted,
    /// Someone took or removed a field of ours.
    Drifted,
    /// What we own on it is not known: never recorded, or listing its kind is refused.
    Unknown,
    /// It or its namespace is being deleted; nothing is sent until that ends.
    Terminating,
    /// Its kind cannot be listed for the moment; nothing is sent until it can.
    Unseen,
    /// Nothing to do.
    InSync,
}

impl Cause {
    /// Whether it takes another look to say.
    pub fn is_undecided(self) -> bool {
        matches!(self, Self::Unknown | Self::Unseen | Self::Terminating)
    }

    /// Whether something is to be sent at once. What was never applied waits for a whole pass.
    pub fn is_drift(self) -> bool {
        match self {
            Self::Missing | Self::Changed | Self::ChangedAndDrifted | Self::Drifted => true,
            Self::New | Self::Unknown | Self::Unseen | Self::Terminating | Self::InSync => false,
        }
    }
}

/// One desired object and what is to be done about it.
#[derive(Clone, Debug)]
pub struct Step {
    /// The object.
    pub desired: Arc<Desired>,
    /// Why.
    pub cause: Cause,
    /// What the cluster shows of it.
    pub live: Option<Arc<Live>>,
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
    pub superset: Arc<Inventory>,
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
    inventory: &Arc<Inventory>,
    observed: &Observed,
    circumstances: &Circumstances,
) -> Plan {
    let steps = steps(desired, inventory, observed);
    let wanted: BTreeSet<_> = desired.iter().map(|d| &d.id).collect();
    let known: BTreeSet<_> = inventory.entries.keys().collect();
    let mut leftovers: Vec<_> = known.difference(&wanted).copied().cloned().collect();
    leftovers.sort_by_key(|id| std::cmp::Reverse(Stage::of(&id.kind)));
    let hold = hold(desired, observed, circumstances);
    let source = &circumstances.source;
    let mut superset = inventory.with(desired.iter().map(AsRef::as_ref), source);
    let is_mine = superset.source.as_ref() == Some(source);
    if !is_mine && (superset.source.is_none() || leftovers.is_empty()) {
        Arc::make_mut(&mut superset).source = Some(source.clone());
    }
    Plan { steps, superset, leftovers, hold }
}

/// What is to be done about each of some desired objects, in the order of stages.
pub fn steps(desired: &[Arc<Desired>], inventory: &Inventory, observed: &Observed) -> Vec<Step> {
    let mut entries = Lookup::new(&inventory.entries);
    let mut live = Lookup::new(&observed.live);
    let ending = observed.ending();
    let step = |desired: &Arc<Desired>| {
        let (entry, live) = (entries.get(&desired.id), live.get(&desired.id));
        let is_ending = ending.contains(desired.id.namespace.as_str());
        let cause = cause(desired, live.map(AsRef::as_ref), entry, observed, is_ending);
        Step { desired: desired.clone(), cause, live: live.cloned() }
    };
    let mut steps: Vec<_> = desired.iter().map(step).collect();
    steps.sort_by_cached_key(|step| step.desired.stage());
    steps
}

/// In sync means: the live hash is the desired one, and we own exactly what we owned after our
/// last apply (design.md 3).
fn cause(
    desired: &Desired,
    live: Option<&Live>,
    entry: Option<&Entry>,
    observed: &Observed,
    is_ending: bool,
) -> Cause {
    match observed.blind.get(&desired.id.kind) {
        Some(blind) if blind.is_outage || blind.is_passing => return Cause::Unseen,
        Some(_) => return Cause::Unknown,
        None => {}
    }
    if is_ending {
        return Cause::Terminating;
    }
    let recorded = entry.and_then(|entry| entry.set_hash.as_ref());
    let Some(live) = live else {
        let one_shot = entry.and_then(|entry| entry.one_shot.as_ref());
        return match recorded {
            Some(_) if desired.one_shot && one_shot == Some(&desired.hash) => Cause::InSync,
            // Another job under the same name: its predecessor has done its work.
            Some(_) if desired.one_shot && one_shot.is_some() => Cause::New,
            Some(_) => Cause::Missing,
            None => Cause::New,
        };
    };
    let is_changed = live.hash.as_ref() != Some(&desired.hash);
    let is_drifted = recorded.is_some() && live.set_hash.as_ref() != recorded;
    match (is_changed, is_drifted) {
        _ if live.terminating => Cause::Terminating,
        (true, true) => Cause::ChangedAndDrifted,
        (true, false) => Cause::Changed,
        (false, true) => Cause::Drifted,
        (false, false) if recorded.is_none() => Cause::Unknown,
        (false, false) => Cause::InSync,
    }
}

fn hold(
    desired: &[Arc<Desired>],
    observed: &Observed,
    circumstances: &Circumstances,
) -> Option<Hold> {
    if !circumstances.prune {
        Some(Hold::PruneOff)
    } else if circumstances.has_diagnostics {
        Some(Hold::Diagnostics)
    } else if desired.is_empty() {
        Some(Hold::EmptySource)
    } else if !observed.blind.is_empty() {
        Some(Hold::UnlistedKind)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::object::GroupKind;
    use crate::plan::Resource;
    use crate::plan::observed::Blind;
    use crate::render::Origin;
    use crate::render::manifest::read;

    const KINDS: [&str; 3] = ["Namespace", "ConfigMap", "Secret"];

    fn id(n: u8) -> ObjectId {
        let kind = KINDS[usize::from(n) % KINDS.len()];
        let namespace = if kind == "Namespace" { "" } else { "demo" };
        ObjectId::new(GroupKind::new("", kind), namespace, &format!("x{n}"))
    }

    fn desired(n: u8, hash: &str) -> Arc<Desired> {
        let id = id(n);
        let resource = Arc::new(Resource {
            kind: id.kind.clone(),
            version: "v1".into(),
            plural: String::new(),
            namespaced: !id.namespace.is_empty(),
            listable: true,
        });
        let body = json!({"apiVersion": "v1", "kind": id.kind.kind, "metadata": {"name": id.name}});
        let manifest = read(body, &Origin::file("a.yaml")).manifests.remove(0);
        let hash = hash.to_owned();
        let (kind_is_new, keep, one_shot) = (false, false, n == 39);
        Arc::new(Desired { id, resource, kind_is_new, manifest, hash, keep, one_shot })
    }

    fn live(hash: &str, set_hash: &str) -> Arc<Live> {
        let (hash, set_hash) = (Some(hash.into()), Some(set_hash.into()));
        Arc::new(Live { hash, set_hash, ..Live::default() })
    }

    fn blind() -> Blind {
        Blind { why: "forbidden".into(), is_outage: false, is_passing: false }
    }

    fn circumstances() -> Circumstances {
        let source = SourceIdentity { url: "u".into(), path: "p".into() };
        Circumstances { source, prune: true, has_diagnostics: false }
    }

    fn inventory(entries: impl IntoIterator<Item = (u8, Option<&'static str>)>) -> Arc<Inventory> {
        let entry = |set_hash: Option<&str>| Entry {
            version: "v1".into(),
            set_hash: set_hash.map(str::to_owned),
            source: circumstances().source.fingerprint(),
            ..Entry::default()
        };
        let entries = entries.into_iter().map(|(n, hash)| (id(n), entry(hash))).collect();
        Arc::new(Inventory { source: Some(circumstances().source), entries })
    }

    #[test]
    fn each_cause_is_told_from_the_others() {
        let check =
            |recorded: Option<Option<&'static str>>, live: Option<Arc<Live>>, cause: Cause| {
                let inventory = inventory(recorded.map(|set_hash| (1, set_hash)));
                let live = live.map(|live| (id(1), live)).into_iter().collect();
                let observed = Observed { live, ..Observed::default() };
                let plan = plan(&[desired(1, "h")], &inventory, &observed, &circumstances());
                assert_eq!(plan.steps[0].cause, cause);
            };
        check(None, None, Cause::New);
        check(Some(None), None, Cause::New);
        check(Some(Some("s")), None, Cause::Missing);
        check(Some(Some("s")), Some(live("h", "s")), Cause::InSync);
        check(Some(Some("s")), Some(live("h", "t")), Cause::Drifted);
        check(Some(Some("s")), Some(live("g", "s")), Cause::Changed);
        check(Some(Some("s")), Some(live("g", "t")), Cause::ChangedAndDrifted);
        check(Some(None), Some(live("h", "s")), Cause::Unknown);
        check(None, Some(live("h", "s")), Cause::Unknown);
        let terminating = Live { terminating: true, ..(*live("g", "t")).clone() };
        check(Some(Some("s")), Some(terminating.into()), Cause::Terminating);
    }

    #[test]
    fn what_cannot_be_seen_is_applied_unseen_only_when_that_will_not_pass() {
        let check = |is_outage, is_passing, cause: Cause| {
            let blind = Blind { is_outage, is_passing, ..blind() };
            let observed = Observed { blind: [(id(1).kind, blind)].into(), ..Observed::default() };
            let steps = steps(&[desired(1, "h")], &inventory([(1, Some("s"))]), &observed);
            assert_eq!(steps[0].cause, cause);
        };
        check(false, false, Cause::Unknown);
        check(true, false, Cause::Unseen);
        check(false, true, Cause::Unseen);
    }

    #[test]
    fn a_one_shot_job_that_is_gone_has_done_its_work() {
        let check = |applied: Option<&str>, cause: Cause| {
            let mut inventory = inventory([(39, Some("s"))]);
            let entry = Arc::make_mut(&mut inventory).entries.get_mut(&id(39)).unwrap();
            entry.one_shot = applied.map(str::to_owned);
            let observed = Observed::default();
            let plan = plan(&[desired(39, "h")], &inventory, &observed, &circumstances());
            assert_eq!(plan.steps[0].cause, cause);
        };
        check(Some("h"), Cause::InSync);
        check(Some("g"), Cause::New);
        check(None, Cause::Missing);
    }

    #[test]
    fn nothing_is_pruned_when_anything_is_doubtful() {
        let check =
            |n: &[u8], change: fn(&mut Inventory, &mut Observed, &mut Circumstances), hold| {
                let mut inventory = inventory([(1, Some("s")), (2, Some("s"))]);
                let (mut observed, mut circumstances) = (Observed::default(), circumstances());
                change(Arc::make_mut(&mut inventory), &mut observed, &mut circumstances);
                let wanted: Vec<_> = n.iter().map(|n| desired(*n, "h")).collect();
                let plan = plan(&wanted, &inventory, &observed, &circumstances);
                assert_eq!(plan.hold, hold);
            };
        check(&[1], |_, _, _| (), None);
        check(&[], |_, _, _| (), Some(Hold::EmptySource));
        check(&[1], |_, _, c| c.prune = false, Some(Hold::PruneOff));
        check(&[1], |_, _, c| c.has_diagnostics = true, Some(Hold::Diagnostics));
        check(&[1], |_, o, _| o.blind.extend([(id(1).kind, blind())]), Some(Hold::UnlistedKind));
        check(&[1], |i, _, _| i.source = None, None);
    }

    #[test]
    fn a_new_source_takes_over_only_when_nothing_falls_out() {
        let moved = Circumstances {
            source: SourceIdentity { url: "other".into(), path: "p".into() },
            ..circumstances()
        };
        let inventory = inventory([(1, Some("s")), (2, Some("s"))]);
        let plan = |n: &[u8]| {
            let wanted: Vec<_> = n.iter().map(|n| desired(*n, "h")).collect();
            plan(&wanted, &inventory, &Observed::default(), &moved).superset.source.clone()
        };
        assert_eq!(plan(&[1]), inventory.source);
        assert_eq!(plan(&[1, 2, 3]), Some(moved.source.clone()));
    }

    proptest! {
        /// Every desired object has one step, in the order of stages; nothing desired is a
        /// leftover; the superset loses nothing and gains all that is desired; and what is applied
        /// as planned is in sync.
        #[test]
        fn plans_are_whole_ordered_and_settle(
            wanted in proptest::collection::btree_set(0_u8..40, 0..20),
            known in proptest::collection::btree_map(0_u8..40, proptest::option::of(Just("s")), 0..20),
            seen in proptest::collection::btree_map(0_u8..40, (prop_oneof!["h", "g"], prop_oneof!["s", "t"]), 0..20),
        ) {
            let desired: Vec<_> = wanted.iter().map(|n| desired(*n, "h")).collect();
            let inventory = inventory(known.clone());
            let shown = seen.iter().map(|(n, (hash, set))| (id(*n), live(hash, set))).collect();
            let observed = Observed { live: shown, ..Observed::default() };
            let made = plan(&desired, &inventory, &observed, &circumstances());

            let ids: BTreeSet<_> = made.steps.iter().map(|step| step.desired.id.clone()).collect();
            prop_assert_eq!(ids.len(), wanted.len());
            prop_assert_eq!(made.steps.len(), wanted.len());
            prop_assert!(made.steps.is_sorted_by_key(|step| step.desired.stage()));
            prop_assert!(made.leftovers.iter().all(|id| !ids.contains(id)));
            prop_assert!(made.leftovers.iter().all(|id| inventory.entries.contains_key(id)));
            prop_assert!(made.leftovers.is_sorted_by_key(|id| std::cmp::Reverse(Stage::of(&id.kind))));
            prop_assert!(inventory.entries.keys().all(|id| made.superset.entries.contains_key(id)));
            prop_assert!(ids.iter().all(|id| made.superset.entries.contains_key(id)));
            prop_assert_eq!(made.superset.entries.len(), ids.len() + made.leftovers.len());

            // After the plan was carried out, the same plan has nothing to do.
            let mut after = (*made.superset).clone();
            let mut live_after = BTreeMap::new();
            for id in &ids {
                after.entries.entry(id.clone()).or_default().set_hash = Some("s".into());
                live_after.insert(id.clone(), live("h", "s"));
            }
            let observed = Observed { live: live_after, ..Observed::default() };
            let again = plan(&desired, &Arc::new(after), &observed, &circumstances());
            prop_assert!(again.steps.iter().all(|step| step.cause == Cause::InSync));
        }
    }
}

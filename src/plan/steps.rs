//! The plan: for each desired object whether anything must be sent and why, and what may go.

use std::sync::Arc;

use super::cause::{View, judge};
use super::inventory::{Entry, SourceIdentity};
use super::{Cause, Desired, Inventory, Known, Observed, Reaction, Stage, Step};
use crate::object::ObjectId;
use crate::object::handling::OnDrift;

/// Why nothing is pruned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, thiserror::Error)]
pub enum Hold {
    /// Pruning is not switched on.
    #[error("pruning is off (--prune)")]
    PruneOff,
    /// Something of the source could not be read.
    #[error("the source has errors")]
    Diagnostics,
    /// A kind could not be listed.
    #[error("a kind could not be listed")]
    UnlistedKind,
    /// A desired object is not in sync.
    #[error("not every object is in sync")]
    NotInSync,
    /// A person suspended the app while it was synced.
    #[error("the app is suspended")]
    Suspended,
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
    /// Why the leftovers stay, if all of them do.
    pub hold: Option<Hold>,
    /// Objects that the app had before.
    pub had: usize,
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

/// Pairs what shall be, in the order of identities, with what is.
pub fn plan(desired: &[Arc<Desired>], known: &Known<'_>, circumstances: &Circumstances) -> Plan {
    let steps = steps(desired, known);
    let leftovers = leftovers(desired, known.inventory);
    let hold = hold(known.observed, circumstances);
    let source = &circumstances.source;
    let touched = desired.iter().filter(|object| object.is_ever_written());
    let mut superset = known.inventory.with(touched.map(AsRef::as_ref), source);
    let is_mine = superset.source.as_ref() == Some(source);
    if !is_mine && (superset.source.is_none() || leftovers.is_empty()) {
        Arc::make_mut(&mut superset).source = Some(source.clone());
    }
    forget_applied(&mut superset, &steps, known);
    Plan { steps, superset, leftovers, hold, had: known.inventory.entries.len() }
}

/// Notes of what may be deleted to be created again that nothing is known to be applied. Killed in between, the
/// next process would else take it for deleted by others, and may not put that back.
fn forget_applied(superset: &mut Arc<Inventory>, steps: &[Step], known: &Known<'_>) {
    let is_replaced = |step: &&Step| {
        let (handling, cause) = (&step.desired.handling, step.cause);
        let policy = handling.policy(known.policy);
        matches!(cause, Cause::Changed | Cause::ChangedAndDrifted)
            && matches!(step.reaction, Reaction::Act(_))
            && policy.drift != OnDrift::Revert
            && (handling.replace || policy.replace)
    };
    for step in steps.iter().filter(is_replaced) {
        let is_known = |entry: &Entry| entry.set_hash.is_some();
        if superset.entries.get(&step.desired.id).is_some_and(is_known)
            && let Some(entry) = Arc::make_mut(superset).entries.get_mut(&step.desired.id)
        {
            entry.set_hash = None;
        }
    }
}

/// What is to be done about some objects while all others are known to be in sync.
pub fn plan_news(news: &[Arc<Desired>], known: &Known<'_>, source: &SourceIdentity) -> Plan {
    let touched = news.iter().filter(|object| object.is_ever_written());
    let mut superset = known.inventory.with(touched.map(AsRef::as_ref), source);
    let (steps, had) = (steps(news, known), known.inventory.entries.len());
    forget_applied(&mut superset, &steps, known);
    Plan { steps, superset, leftovers: Vec::new(), hold: None, had }
}

/// What is to be done about each of some desired objects, in the order of stages.
pub fn steps(desired: &[Arc<Desired>], known: &Known<'_>) -> Vec<Step> {
    let mut view = View::new(known);
    let mut steps: Vec<_> = desired.iter().map(|desired| judge(desired, &mut view)).collect();
    steps.sort_by_key(|step| step.desired.stage);
    steps
}

/// What an inventory has beside the desired objects, last stage first.
fn leftovers(desired: &[Arc<Desired>], inventory: &Inventory) -> Vec<ObjectId> {
    // Both are in the order of identities.
    let mut ahead = desired.iter().peekable();
    let is_left = |id: &&ObjectId| {
        while ahead.next_if(|desired| desired.id < **id).is_some() {}
        ahead.peek().is_none_or(|desired| desired.id != **id)
    };
    let mut left: Vec<_> = inventory.entries.keys().filter(is_left).cloned().collect();
    left.sort_by_key(|id| std::cmp::Reverse(Stage::of(&id.kind)));
    left
}

fn hold(observed: &Observed, circumstances: &Circumstances) -> Option<Hold> {
    if !circumstances.prune {
        Some(Hold::PruneOff)
    } else if circumstances.has_diagnostics {
        Some(Hold::Diagnostics)
    } else if !observed.blind.is_empty() {
        Some(Hold::UnlistedKind)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::LazyLock;
    use std::time::Duration;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::object::handling::{Handling, OnDrift, Policy};
    use crate::object::{AppId, GroupKind, Live};
    use crate::plan::cause::{Telling, conflict};
    use crate::plan::desired::Scaling;
    use crate::plan::inventory::Entry;
    use crate::plan::observed::Blind;
    use crate::plan::{Cause, Fights, Reaction};
    use crate::plan::{Reach, Resource, Scope};
    use crate::render::manifest::read;
    use crate::render::{Edits, Origin};

    const KINDS: [&str; 3] = ["Namespace", "ConfigMap", "Secret"];

    fn id(n: u8) -> ObjectId {
        let kind = KINDS[usize::from(n) % KINDS.len()];
        let namespace = if kind == "Namespace" { "" } else { "demo" };
        ObjectId::new(GroupKind::new("", kind), namespace, &format!("x{n}"))
    }

    fn scope(n: u8) -> Scope {
        Reach::default().scope_of(&id(n)).unwrap()
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
        let manifest = read(body, &Origin::file("a.yaml"), &Edits::default()).manifests.remove(0);
        let (hash, stage) = (hash.to_owned(), Stage::of(&id.kind));
        let (kind_is_new, one_shot) = (false, n == 39);
        Arc::new(Desired {
            id,
            resource,
            kind_is_new,
            manifest,
            common: Arc::default(),
            hash,
            handling: Handling::default(),
            stage,
            scaling: Scaling::Unset,
            one_shot,
        })
    }

    fn live(hash: &str, set_hash: &str) -> Arc<Live> {
        let (hash, set_hash) = (Some(hash.into()), Some(set_hash.into()));
        Arc::new(Live { hash, set_hash, ..Live::default() })
    }

    /// Desired objects in the order of identities.
    fn sorted(n: &[u8]) -> Vec<Arc<Desired>> {
        let mut all: Vec<_> = n.iter().map(|n| desired(*n, "h")).collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }

    fn blind() -> Blind {
        Blind { why: "forbidden".into(), is_outage: false, is_passing: false }
    }

    /// What is known with an inventory and a view, and nothing else.
    fn known<'a>(inventory: &'a Arc<Inventory>, observed: &'a Observed) -> Known<'a> {
        type Nothing = (Fights, BTreeMap<ObjectId, Telling>, BTreeMap<ObjectId, AppId>);
        static NOTHING: LazyLock<Nothing> = LazyLock::new(Default::default);
        let (fights, told, claims) = &*NOTHING;
        let (policy, now) = (Policy::default(), Duration::ZERO);
        Known { inventory, observed, fights, told, claims, policy, now }
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
        Arc::new(Inventory {
            source: Some(circumstances().source),
            entries,
            ..Inventory::default()
        })
    }

    #[test]
    fn each_cause_is_told_from_the_others() {
        let check = |recorded: Option<Option<&'static str>>,
                     live: Option<Arc<Live>>,
                     cause: Cause| {
            let inventory = inventory(recorded.map(|set_hash| (1, set_hash)));
            let live = live.map(|live| (id(1), live)).into_iter().collect();
            let observed = Observed { live, ..Observed::default() };
            let plan = plan(&[desired(1, "h")], &known(&inventory, &observed), &circumstances());
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
            let observed = Observed { blind: [(scope(1), blind)].into(), ..Observed::default() };
            let steps = steps(&[desired(1, "h")], &known(&inventory([(1, Some("s"))]), &observed));
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
            let plan = plan(&[desired(39, "h")], &known(&inventory, &observed), &circumstances());
            assert_eq!(plan.steps[0].cause, cause);
        };
        check(Some("h"), Cause::InSync);
        check(Some("g"), Cause::New);
        check(None, Cause::Missing);
    }

    #[test]
    fn what_was_told_is_looked_at_again_when_the_object_changes_once_a_minute() {
        let telling = Telling {
            state: "t".into(),
            version: "7".into(),
            drifts: Vec::new().into(),
            why: None,
        };
        let check = |version: &str, verified: Option<Duration>, expect: Reaction| {
            let live = Live { resource_version: version.into(), ..(*live("h", "t")).clone() };
            let observed =
                Observed { live: [(id(1), Arc::new(live))].into(), ..Observed::default() };
            let (told, inventory) =
                ([(id(1), telling.clone())].into(), inventory([(1, Some("s"))]));
            let mut fights = Fights::default();
            if let Some(at) = verified {
                fights.verified(&id(1), at);
            }
            let policy = Policy { drift: OnDrift::Warn, ..Policy::default() };
            let (fights, told) = (&fights, &told);
            let known = Known { fights, told, policy, ..known(&inventory, &observed) };
            let step = steps(&[desired(1, "h")], &known).remove(0);
            assert_eq!((step.cause, &step.reaction), (Cause::Drifted, &expect));
            // Until then it is not forgotten.
            let waits = matches!(expect, Reaction::Told(_)) && version != "7";
            assert_eq!(step.is_outdated(), waits);
        };
        check("7", None, Reaction::Told(telling.clone()));
        check("8", Some(Duration::ZERO), Reaction::Told(telling.clone()));
        check("8", None, Reaction::Tell("t".into()));
    }

    #[test]
    fn a_conflict_is_tried_again_with_another_manifest_and_once_a_minute_if_it_may_be_over() {
        let told_of = |hash: &str, version: &str| Telling {
            state: conflict(&desired(1, hash)),
            version: version.into(),
            drifts: Vec::new().into(),
            why: None,
        };
        let check = |telling: Telling, version: Option<&str>, verified: bool, is_told: bool| {
            let (mut observed, mut fights) = (Observed::default(), Fights::default());
            if let Some(version) = version {
                let live = Live { resource_version: version.into(), ..(*live("old", "s")).clone() };
                observed.live.insert(id(1), Arc::new(live));
            }
            if verified {
                fights.verified(&id(1), Duration::ZERO);
            }
            let (told, inventory) =
                ([(id(1), telling.clone())].into(), inventory([(1, Some("s"))]));
            let (fights, told) = (&fights, &told);
            let known = Known { fights, told, ..known(&inventory, &observed) };
            let step = steps(&[desired(1, "h")], &known).remove(0);
            assert_eq!(step.reaction == Reaction::Told(telling), is_told, "{version:?} {verified}");
        };
        // What the watch shows at the version that was told of has not changed.
        check(told_of("h", "7"), Some("7"), false, true);
        check(told_of("h", "7"), Some("8"), true, true);
        check(told_of("h", "7"), Some("8"), false, false);
        // What was never ours shows in no watch.
        check(told_of("h", "7"), None, true, true);
        check(told_of("h", "7"), None, false, false);
        check(told_of("other", "7"), Some("7"), true, false);
    }

    #[test]
    fn nothing_is_pruned_when_anything_is_doubtful() {
        let check =
            |n: &[u8], change: fn(&mut Inventory, &mut Observed, &mut Circumstances), hold| {
                let mut inventory = inventory([(1, Some("s")), (2, Some("s"))]);
                let (mut observed, mut circumstances) = (Observed::default(), circumstances());
                change(Arc::make_mut(&mut inventory), &mut observed, &mut circumstances);
                let wanted = sorted(n);
                let plan = plan(&wanted, &known(&inventory, &observed), &circumstances);
                assert_eq!(plan.hold, hold);
            };
        check(&[1], |_, _, _| (), None);
        check(&[1], |_, _, c| c.prune = false, Some(Hold::PruneOff));
        check(&[1], |_, _, c| c.has_diagnostics = true, Some(Hold::Diagnostics));
        check(&[1], |_, o, _| o.blind.extend([(scope(1), blind())]), Some(Hold::UnlistedKind));
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
            let wanted = sorted(n);
            plan(&wanted, &known(&inventory, &Observed::default()), &moved).superset.source.clone()
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
            recorded in proptest::collection::btree_map(0_u8..40, proptest::option::of(Just("s")), 0..20),
            seen in proptest::collection::btree_map(0_u8..40, (prop_oneof!["h", "g"], prop_oneof!["s", "t"]), 0..20),
        ) {
            let desired = sorted(&wanted.iter().copied().collect::<Vec<_>>());
            let inventory = inventory(recorded.clone());
            let shown = seen.iter().map(|(n, (hash, set))| (id(*n), live(hash, set))).collect();
            let observed = Observed { live: shown, ..Observed::default() };
            let made = plan(&desired, &known(&inventory, &observed), &circumstances());

            let ids: BTreeSet<_> = made.steps.iter().map(|step| step.desired.id.clone()).collect();
            prop_assert_eq!(ids.len(), wanted.len());
            prop_assert_eq!(made.steps.len(), wanted.len());
            prop_assert!(made.steps.is_sorted_by_key(|step| step.desired.stage));
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
            let again = plan(&desired, &known(&Arc::new(after), &observed), &circumstances());
            prop_assert!(again.steps.iter().all(|step| step.cause == Cause::InSync));
        }
    }
}

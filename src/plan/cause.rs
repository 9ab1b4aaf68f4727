//! What is to be done about one desired object, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::diff::FieldDrift;
use super::inventory::Entry;
use super::{Desired, Fights, Inventory, Lookup, Observed};
use crate::object::handling::{OnAdditions, OnDrift, Policy, Touch};
use crate::object::{AppId, Live, ObjectId, additions, fields};

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
    /// People added fields that no manifest sets.
    Extended,
    /// Someone may have written under our name.
    Suspect,
    /// What we own on it is not known: never recorded, or listing its kind is refused.
    Unknown,
    /// It or its namespace is being deleted; nothing is sent until that ends.
    Terminating,
    /// Its kind cannot be listed for the moment; nothing is sent until it can.
    Unseen,
    /// Others change it again each time; nothing is sent for a while.
    Fought,
    /// It is left as it is, for this reason.
    Left(&'static str),
    /// Nothing to do.
    InSync,
}

impl Cause {
    /// Whether it takes another look to say.
    pub fn is_undecided(self) -> bool {
        matches!(self, Self::Unknown | Self::Unseen | Self::Terminating | Self::Fought)
    }

    /// Whether something is to be sent at once. What was never applied waits for a whole pass.
    pub fn is_drift(self) -> bool {
        matches!(
            self,
            Self::Missing
                | Self::Changed
                | Self::ChangedAndDrifted
                | Self::Drifted
                | Self::Extended
                | Self::Suspect
        )
    }
}

/// Whether something is done about a cause, or it is only told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// It is done. The text tells this state from others, as in [`Telling::state`].
    Act(String),
    /// It is found out and told.
    Tell(String),
    /// It was told before.
    Told(Telling),
    /// Nothing: another app has the object.
    LeftTo(AppId),
}

/// One desired object and what is to be done about it.
#[derive(Clone, Debug)]
pub struct Step {
    /// The object.
    pub desired: Arc<Desired>,
    /// Why.
    pub cause: Cause,
    /// Whether it is done or told.
    pub reaction: Reaction,
    /// What the cluster shows of it.
    pub live: Option<Arc<Live>>,
    /// What admission made of our last apply otherwise than it was sent.
    pub overridden: Vec<String>,
    /// The object that we deleted to create this one, as it was.
    pub predecessor: Option<Arc<Value>>,
}

impl Step {
    /// Whether something is to be done between passes.
    pub fn is_healing(&self) -> bool {
        let is_done = matches!(self.reaction, Reaction::Told(_) | Reaction::LeftTo(_));
        self.cause.is_drift() && !is_done
    }

    /// Whether the object has changed since its drift was told: it may be gone, or another.
    pub fn is_outdated(&self) -> bool {
        self.cause == Cause::Drifted
            && matches!(&self.reaction, Reaction::Told(telling) if telling.is_outdated(self.live.as_deref()))
    }
}

/// What was told of an object instead of being put back, and of which state that is true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telling {
    /// A text that tells this state of the object from others.
    pub state: String,
    /// The version of the object that was looked at.
    pub version: String,
    /// What differs; nothing for an object that is gone.
    pub drifts: Arc<[FieldDrift]>,
    /// Why it stays so, if that is not by wish.
    pub why: Option<Arc<str>>,
}

impl Telling {
    /// Whether it tells of fields that others own.
    pub fn is_conflict(&self) -> bool {
        self.state.starts_with(CONFLICT)
    }

    /// Whether it tells of a write under our own name.
    pub fn is_forged(&self) -> bool {
        self.state == FORGED
    }

    fn is_outdated(&self, live: Option<&Live>) -> bool {
        live.is_some_and(|live| live.resource_version != self.version)
    }
}

/// What is known when a pass is planned.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What was applied before.
    pub inventory: &'a Arc<Inventory>,
    /// What the cluster shows.
    pub observed: &'a Observed,
    /// What is fought over.
    pub fights: &'a Fights,
    /// What was told already.
    pub told: &'a BTreeMap<ObjectId, Telling>,
    /// Objects that another app has, and which.
    pub claims: &'a BTreeMap<ObjectId, AppId>,
    /// What is done where an object does not say.
    pub policy: Policy,
    /// The time, by the clock of `fights`.
    pub now: Duration,
}

/// The state of an object that is gone, before the hash of its manifest.
const ABSENT: &str = "absent:";

/// The state of an object of which others own fields, before the hash of its manifest.
const CONFLICT: &str = "conflict:";

/// The state of an object of which others own fields that this manifest declares otherwise.
pub fn conflict(desired: &Desired) -> String {
    format!("{CONFLICT}{}", desired.hash)
}

/// The state of an object that someone wrote under our name.
const FORGED: &str = "written under our name";

/// What is known, to be asked for many objects in their own order.
pub struct View<'a> {
    known: &'a Known<'a>,
    entries: Lookup<'a, Entry>,
    live: Lookup<'a, Arc<Live>>,
    ending: BTreeSet<&'a str>,
}

impl<'a> View<'a> {
    /// All that is known.
    pub fn new(known: &'a Known<'a>) -> Self {
        let entries = Lookup::new(&known.inventory.entries);
        let live = Lookup::new(&known.observed.live);
        Self { known, entries, live, ending: known.observed.ending() }
    }
}

/// What is known of one object.
#[derive(Clone, Copy)]
struct Case<'a> {
    desired: &'a Desired,
    entry: Option<&'a Entry>,
    live: Option<&'a Live>,
    policy: Policy,
    is_ending: bool,
}

/// Judges one desired object.
pub fn judge(desired: &Arc<Desired>, view: &mut View<'_>) -> Step {
    let (known, entry, live) =
        (view.known, view.entries.get(&desired.id), view.live.get(&desired.id));
    let is_ending = view.ending.contains(desired.id.namespace.as_str());
    let policy = desired.handling.policy(known.policy);
    let case = Case { desired, entry, live: live.map(AsRef::as_ref), policy, is_ending };
    let cause = cause(case, known);
    let cause = match cause {
        Cause::Missing | Cause::Drifted if policy.drift == OnDrift::Ignore => {
            Cause::Left("its drift is ignored")
        }
        _ if cause.is_drift() && known.fights.is_held(&desired.id, known.now) => Cause::Fought,
        _ => cause,
    };
    let reaction = reaction(case, cause, known);
    let overridden = entry.map(|entry| entry.overridden.clone()).unwrap_or_default();
    let predecessor = known.observed.predecessors.get(&desired.id).cloned();
    Step { desired: desired.clone(), cause, reaction, live: live.cloned(), overridden, predecessor }
}

fn cause(case: Case<'_>, known: &Known<'_>) -> Cause {
    let Case { desired, live, .. } = case;
    let hands_off = live.and_then(|live| live.hands_off);
    if let (Touch::Never(mark), _) | (_, Some(mark)) = (desired.handling.touch, hands_off) {
        return Cause::Left(mark);
    }
    match known.observed.blind_to(&desired.id) {
        Some(blind) if blind.is_outage || blind.is_passing => return Cause::Unseen,
        Some(_) => return Cause::Unknown,
        None => {}
    }
    if case.is_ending {
        return Cause::Terminating;
    }
    match live {
        None => absent(case, known),
        Some(live) if live.terminating => Cause::Terminating,
        Some(_) if desired.handling.touch == Touch::OnlyCreate => Cause::Left("it exists"),
        Some(live) => present(case, live, known),
    }
}

/// Why an object that the cluster does not show as ours is to be applied.
fn absent(Case { desired, entry, .. }: Case<'_>, known: &Known<'_>) -> Cause {
    let one_shot = entry.and_then(|entry| entry.one_shot.as_ref());
    let foreign = known.observed.foreign.get(&desired.id);
    if let Some(foreign) = foreign.filter(|foreign| foreign.hash == desired.hash) {
        return Cause::Left(foreign.why);
    }
    match entry.and_then(|entry| entry.set_hash.as_ref()) {
        Some(_) if desired.one_shot && one_shot == Some(&desired.hash) => Cause::InSync,
        // Another job under the same name: its predecessor has done its work.
        Some(_) if desired.one_shot && one_shot.is_some() => Cause::New,
        Some(_) => Cause::Missing,
        None => Cause::New,
    }
}

/// In sync means: the live hash is the desired one, and we own exactly what we owned after our last
/// apply (design.md 3).
fn present(case: Case<'_>, live: &Live, known: &Known<'_>) -> Cause {
    let Case { desired, policy, .. } = case;
    let recorded = case.entry.and_then(|entry| entry.set_hash.as_ref());
    let is_changed = live.hash.as_ref() != Some(&desired.hash);
    let is_drifted = recorded.is_some() && live.set_hash.as_ref() != recorded;
    let is_extended =
        policy.additions != OnAdditions::Ignore && additions(desired, live, policy).is_some();
    let telling = known.told.get(&desired.id);
    let is_told = telling.is_some_and(Telling::is_forged);
    let is_due = known.observed.suspects.contains(&desired.id)
        && known.fights.may_verify(&desired.id, known.now);
    let is_suspect = policy.drift != OnDrift::Ignore && (is_told || is_due);
    match (is_changed, is_drifted) {
        (true, true) => Cause::ChangedAndDrifted,
        (true, false) => Cause::Changed,
        (false, true) => Cause::Drifted,
        (false, false) if recorded.is_none() => Cause::Unknown,
        // An addition that was told and stays does not hide what is written under our name.
        (false, false) if is_suspect && telling.is_some() => Cause::Suspect,
        (false, false) if is_extended => Cause::Extended,
        (false, false) if is_suspect => Cause::Suspect,
        (false, false) => Cause::InSync,
    }
}

/// What people added that is not theirs to have, as text; `None` without any.
fn additions(desired: &Desired, live: &Live, policy: Policy) -> Option<String> {
    let set = live.additions.as_ref()?;
    let yielded = desired.yielded(policy);
    let set = additions::beside(set, desired.free(yielded.as_ref()), &Value::Null);
    (!fields::is_empty(&set)).then(|| set.to_string())
}

/// What was told of fields that others own. Whether they still do is seen by trying, once a minute at
/// most: what was never ours is not watched.
fn told_conflict<'a>(case: Case<'_>, cause: Cause, known: &Known<'a>) -> Option<&'a Telling> {
    let telling = known.told.get(&case.desired.id)?;
    let is_same = telling.state == conflict(case.desired);
    let is_seen = case.live.is_some_and(|live| live.resource_version == telling.version);
    let is_due = !is_seen && known.fights.may_verify(&case.desired.id, known.now);
    let is_sent = !matches!(
        cause,
        Cause::InSync | Cause::Left(_) | Cause::Fought | Cause::Terminating | Cause::Unseen
    );
    (is_same && is_sent && !is_due && cause != Cause::Extended).then_some(telling)
}

/// Whether a cause is acted on, told, or was told before. Additions whose removal was refused count as
/// told.
fn reaction(case: Case<'_>, cause: Cause, known: &Known<'_>) -> Reaction {
    let Case { desired, live, policy, .. } = case;
    let is_absent = matches!(cause, Cause::New | Cause::Missing | Cause::Unknown) && live.is_none();
    if let Some(owner) = known.claims.get(&desired.id).filter(|_| is_absent) {
        return Reaction::LeftTo(owner.clone());
    }
    if let Some(telling) = told_conflict(case, cause, known) {
        return Reaction::Told(telling.clone());
    }
    let text = |hash: Option<&String>| hash.cloned().unwrap_or_default();
    let state = match cause {
        Cause::Missing => format!("{ABSENT}{}", desired.hash),
        Cause::Drifted => text(live.and_then(|live| live.set_hash.as_ref())),
        Cause::Suspect => FORGED.to_owned(),
        Cause::Extended => {
            live.and_then(|live| additions(desired, live, policy)).unwrap_or_default()
        }
        _ => return Reaction::Act(String::new()),
    };
    let is_told = match cause {
        Cause::Extended => policy.additions == OnAdditions::Report,
        _ => policy.drift == OnDrift::Warn,
    };
    let told = known.told.get(&desired.id);
    let is_over = |telling: &Telling| {
        // Values may change while nothing more is taken from us.
        let is_outdated =
            telling.is_outdated(live) && known.fights.may_verify(&desired.id, known.now);
        cause == Cause::Drifted && is_outdated
    };
    let is_news = cause == Cause::Suspect && known.observed.suspects.contains(&desired.id)
        || told.is_some_and(is_over);
    match told.filter(|telling| telling.state == state && !is_news) {
        // A commit has changed it since it was told to be gone.
        None if told.is_some_and(|t| t.state.starts_with(ABSENT)) && cause == Cause::Missing => {
            Reaction::Act(state)
        }
        Some(telling) if is_told || cause == Cause::Extended => Reaction::Told(telling.clone()),
        _ if is_told => Reaction::Tell(state),
        _ => Reaction::Act(state),
    }
}

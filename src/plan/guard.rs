//! The prune guard: which deletions wait for a person's word, because an accident looks like them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::Controls;
use crate::object::{GroupKind, ObjectId};

/// What is deleted without asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// So many objects at once, whatever part of the app they are.
    pub max_objects: usize,
    /// Such a part of the app at once, in percent, however many objects it is.
    pub max_percent: usize,
    /// Kinds of which no object is.
    pub protected: Vec<ProtectedKind>,
    /// Whether everything is, when the source declares nothing any more.
    pub allow_empty: bool,
}

impl Default for Guard {
    fn default() -> Self {
        let kinds = ["Namespace", "CustomResourceDefinition", "PersistentVolumeClaim"];
        let protected = kinds.map(|kind| ProtectedKind { kind: kind.into(), group: None }).into();
        Self { max_objects: 10, max_percent: 30, protected, allow_empty: false }
    }
}

/// A kind, of one API group or of any: `Namespace`, `Database.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedKind {
    kind: String,
    group: Option<String>,
}

/// A text that names no kind.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no kind: write Namespace or Database.example.com")]
pub struct BadKind(String);

impl FromStr for ProtectedKind {
    type Err = BadKind;

    fn from_str(text: &str) -> Result<Self, BadKind> {
        let text = text.trim();
        let (kind, group) =
            text.split_once('.').map_or((text, None), |(kind, group)| (kind, Some(group)));
        let is_kind = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_group = group.is_none_or(|group| !group.is_empty());
        let parsed = Self { kind: kind.to_owned(), group: group.map(str::to_owned) };
        if is_kind && is_group { Ok(parsed) } else { Err(BadKind(text.to_owned())) }
    }
}

impl ProtectedKind {
    fn is(&self, kind: &GroupKind) -> bool {
        self.kind.eq_ignore_ascii_case(&kind.kind)
            && self.group.as_ref().is_none_or(|group| *group == kind.group)
    }
}

/// An object that nothing but the guard keeps from being deleted.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The object.
    pub id: ObjectId,
    /// Its uid: an approval is for this very object.
    pub uid: String,
    /// Whether it says itself that it may go (`gitops-sync.dev/prune: allow`).
    pub is_allowed: bool,
    /// Whether another URL or path declared it.
    pub is_of_other_source: bool,
}

/// What a pass knows of the app, beside the candidates.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// Objects the app had before this pass.
    pub had: usize,
    /// The desired objects.
    pub desired: &'a BTreeSet<&'a ObjectId>,
}

/// What people have agreed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approvals {
    /// Hashes of sets that may be deleted.
    pub prune: BTreeSet<String>,
    /// Hashes of sets that are to be abandoned.
    pub abandon: BTreeSet<String>,
    /// Objects whose removal a commit approved (`GitOps-Prune: all`).
    pub removed: BTreeSet<ObjectId>,
}

impl Approvals {
    /// Those of an app's annotations and of the command line.
    pub fn new(controls: &Controls, flag: &BTreeSet<String>) -> Self {
        let prune = controls.prune.union(flag).cloned().collect();
        Self { prune, abandon: controls.abandon.clone(), removed: BTreeSet::new() }
    }
}

/// Why a set of objects is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
pub enum Reason {
    /// Nothing is desired any more.
    Everything,
    /// They are too many.
    TooMany {
        /// How many count.
        objects: usize,
        /// Objects of the app before.
        of: usize,
    },
    /// Their kinds are protected.
    ProtectedKind,
    /// Another URL or path declared them.
    OtherSource,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("the source declares nothing any more"),
            Self::TooMany { objects, of } => {
                write!(f, "{objects} of {of} objects are too many at once")
            }
            Self::ProtectedKind => f.write_str("objects of protected kinds"),
            Self::OtherSource => f.write_str("the URL or path has changed"),
        }
    }
}

/// Objects that stay until a person agrees to their deletion, all of them together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Why.
    pub reason: Reason,
    /// What an approval has to name: a hash of exactly these objects.
    pub hash: String,
    /// The objects.
    pub objects: Vec<ObjectId>,
}

/// What the guard makes of the candidates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruling {
    /// They may be deleted.
    pub delete: BTreeSet<ObjectId>,
    /// A person wants them abandoned.
    pub abandon: BTreeSet<ObjectId>,
    /// They wait.
    pub held: Vec<Held>,
}

impl Guard {
    /// Divides the candidates into those that go and those that wait.
    pub fn rule(
        &self,
        candidates: &[Candidate],
        situation: Situation<'_>,
        approvals: &Approvals,
    ) -> Ruling {
        let mut ruling = Ruling::default();
        let (foreign, own): (Vec<_>, Vec<_>) =
            candidates.iter().partition(|candidate| candidate.is_of_other_source);
        let free = self.free(&own, situation, approvals);
        let (free, asked): (Vec<_>, Vec<_>) =
            own.into_iter().partition(|candidate| free.contains(&candidate.id));
        ruling.delete.extend(free.into_iter().map(|candidate| candidate.id.clone()));
        ruling.settle(Reason::OtherSource, &foreign, approvals);
        if situation.desired.is_empty() && !self.allow_empty {
            ruling.settle(Reason::Everything, &asked, approvals);
            return ruling;
        }
        let objects = asked.len();
        let (protected, others): (Vec<_>, Vec<_>) =
            asked.into_iter().partition(|candidate| self.protects(&candidate.id.kind));
        ruling.settle(Reason::ProtectedKind, &protected, approvals);
        let is_emptied = situation.desired.is_empty();
        if !is_emptied
            && objects > self.max_objects
            && objects * 100 > self.max_percent * situation.had
        {
            let reason = Reason::TooMany { objects, of: situation.had };
            ruling.settle(reason, &others, approvals);
        } else {
            ruling.delete.extend(others.into_iter().map(|candidate| candidate.id.clone()));
        }
        ruling
    }

    /// The candidates that need nobody's word: approved one by one, in a namespace that goes anyway, or
    /// replaced by a successor, unless their kind is protected.
    fn free(
        &self,
        candidates: &[&Candidate],
        situation: Situation<'_>,
        approvals: &Approvals,
    ) -> BTreeSet<ObjectId> {
        let is_approved = |c: &&&Candidate| c.is_allowed || approvals.removed.contains(&c.id);
        let approved: BTreeSet<_> = candidates.iter().filter(is_approved).map(|c| &c.id).collect();
        let namespaces: BTreeSet<_> =
            approved.iter().filter(|id| id.kind.is("", "Namespace")).map(|id| &id.name).collect();
        let families: BTreeSet<_> = situation.desired.iter().filter_map(|id| family(id)).collect();
        let is_free = |id: &ObjectId| {
            approved.contains(id)
                || namespaces.contains(&id.namespace)
                || !self.protects(&id.kind)
                    && family(id).is_some_and(|family| families.contains(&family))
        };
        candidates.iter().map(|c| &c.id).filter(|id| is_free(id)).cloned().collect()
    }

    fn protects(&self, kind: &GroupKind) -> bool {
        self.protected.iter().any(|protected| protected.is(kind))
    }
}

impl Ruling {
    /// Holds a set, unless it was approved as it is.
    fn settle(&mut self, reason: Reason, set: &[&Candidate], approvals: &Approvals) {
        if set.is_empty() {
            return;
        }
        let (hash, ids) = (hash(set), set.iter().map(|candidate| candidate.id.clone()));
        if approvals.prune.contains(&hash) {
            self.delete.extend(ids);
        } else if approvals.abandon.contains(&hash) {
            self.abandon.extend(ids);
        } else {
            self.held.push(Held { reason, hash, objects: ids.collect() });
        }
    }
}

/// Characters of the hashes that kustomize appends to the names of generated objects.
const HASH_ALPHABET: &str = "2456789bcdfghkmt";
/// Their number.
const HASH_LENGTH: usize = 10;

/// What a generated object has in common with its successors: all but the hash in its name.
fn family(id: &ObjectId) -> Option<(&GroupKind, &str, &str)> {
    let (name, hash) = id.name.rsplit_once('-')?;
    let is_hash = hash.len() == HASH_LENGTH && hash.chars().all(|c| HASH_ALPHABET.contains(c));
    is_hash.then_some((&id.kind, id.namespace.as_str(), name))
}

/// Digits of the hash of a held set.
pub const HASH_DIGITS: usize = 12;

/// A hash of exactly these objects.
fn hash(set: &[&Candidate]) -> String {
    let mut lines: Vec<_> = set
        .iter()
        .map(|c| format!("{}\n{}\n{}\n{}\n", c.id.kind, c.id.namespace, c.id.name, c.uid))
        .collect();
    lines.sort_unstable();
    hex::encode(&Sha256::digest(lines.concat())[..HASH_DIGITS / 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `a` is a `ConfigMap`, `Kind/a` another kind; `+` in front says that it may go, `!` that another
    /// source declared it.
    fn candidate(text: &str) -> Candidate {
        let bare = text.trim_start_matches(['+', '!']);
        let (kind, name) = bare.split_once('/').unwrap_or(("ConfigMap", bare));
        let namespace = if kind == "Namespace" { "" } else { "demo" };
        Candidate {
            id: ObjectId::new(GroupKind::new("", kind), namespace, name),
            uid: format!("uid of {name}"),
            is_allowed: text.contains('+'),
            is_of_other_source: text.contains('!'),
        }
    }

    fn candidates(texts: &str) -> Vec<Candidate> {
        texts.split_whitespace().map(candidate).collect()
    }

    fn many(number: usize) -> String {
        (0..number).map(|n| format!("x{n}")).collect::<Vec<_>>().join(" ")
    }

    /// What a guard says: deleted, and held for each reason.
    fn rule(
        guard: &Guard,
        going: &str,
        staying: &str,
        approvals: &Approvals,
    ) -> (usize, Vec<(&'static str, usize)>) {
        let (candidates, desired) = (candidates(going), self::candidates(staying));
        let desired: BTreeSet<_> = desired.iter().map(|candidate| &candidate.id).collect();
        let situation = Situation { had: candidates.len() + desired.len(), desired: &desired };
        let ruling = guard.rule(&candidates, situation, approvals);
        let held = ruling.held.iter().map(|held| (held.reason.into(), held.objects.len()));
        (ruling.delete.len(), held.collect())
    }

    #[test]
    fn everyday_deletions_go_and_accidents_wait() {
        let check = |going: &str, staying: &str, deleted, held: &[(&str, usize)]| {
            let found = rule(&Guard::default(), going, staying, &Approvals::default());
            assert_eq!(found, (deleted, held.to_vec()), "{going} / {staying}");
        };
        // One of two, the only one renamed, ten of eleven.
        check("a", "b", 1, &[]);
        check("Deployment/old", "Deployment/new", 1, &[]);
        check(&many(10), "b", 10, &[]);
        // Half of a repository.
        check(&many(11), "b", 0, &[("TooMany", 11)]);
        check(&many(30), &(many(100).replace('x', "y")), 30, &[]);
        check(&many(50), &(many(50).replace('x', "y")), 0, &[("TooMany", 50)]);
        // All of it.
        check("a", "", 0, &[("Everything", 1)]);
        check("a Namespace/n", "", 0, &[("Everything", 2)]);
        check("+a", "", 1, &[]);
        // What takes others with it.
        let protected =
            "Namespace/n CustomResourceDefinition/c PersistentVolumeClaim/p Deployment/d";
        check(protected, "b", 1, &[("ProtectedKind", 3)]);
        check("+Namespace/n", "b", 1, &[]);
        // A preview goes with what is in its namespace.
        check(&format!("+Namespace/demo {}", many(20)), "", 21, &[]);
        check(&format!("+Namespace/other {}", many(20)), "b", 1, &[("TooMany", 20)]);
        // Another source's objects.
        check("!a !b c", "d", 1, &[("OtherSource", 2)]);
        check("!+a", "d", 0, &[("OtherSource", 1)]);
    }

    #[test]
    fn generated_names_that_have_a_successor_do_not_count() {
        let named =
            |hash: &str| (many(30) + " ").replace('x', "c").replace(' ', &format!("-{hash} "));
        let (old, new) = (named("2456789bcd"), named("hkmt222222"));
        let check = |going: &str, staying: &str, deleted| {
            let found = rule(&Guard::default(), going, staying, &Approvals::default());
            assert_eq!(found.0, deleted);
        };
        check(&old, &new, 30);
        check(&old, "b", 0);
        check(&old, &new.replace("hkmt222222", "hkmt22222a"), 0);
        check(&old, &new.replace('c', "Secret/c"), 0);
        // Data does not come back under another name.
        let volume = |name: &str| format!("PersistentVolumeClaim/data-{name}");
        check(&volume("2456789bcd"), &volume("hkmt222222"), 0);
    }

    #[test]
    fn settings_widen_the_guard() {
        let check = |guard: Guard, going: &str, staying: &str, deleted| {
            assert_eq!(rule(&guard, going, staying, &Approvals::default()).0, deleted);
        };
        let usual = Guard::default;
        check(Guard { allow_empty: true, ..usual() }, &many(50), "", 50);
        check(Guard { allow_empty: true, ..usual() }, "a Namespace/n", "", 1);
        check(Guard { max_objects: 50, ..usual() }, &many(50), "b", 50);
        check(Guard { max_percent: 100, ..usual() }, &many(50), "b", 50);
        check(Guard { protected: Vec::new(), ..usual() }, "Namespace/n", "b", 1);
        let protected = vec!["secret".parse().unwrap(), "Widget.example.com".parse().unwrap()];
        check(Guard { protected, ..usual() }, "Secret/a Widget/w", "b", 1);
        assert!("".parse::<ProtectedKind>().is_err() && "a b".parse::<ProtectedKind>().is_err());
    }

    #[test]
    fn an_approval_is_for_exactly_one_set() {
        let guard = Guard::default();
        let desired = BTreeSet::new();
        let situation = Situation { had: 3, desired: &desired };
        let held = |going: &[Candidate], approvals: &Approvals| {
            guard.rule(going, situation, approvals).held.first().map(|held| held.hash.clone())
        };
        let set = candidates("a b c");
        let hash = held(&set, &Approvals::default()).unwrap();
        let prune = Approvals { prune: [hash.clone()].into(), ..Approvals::default() };
        let abandon = Approvals { abandon: [hash].into(), ..Approvals::default() };
        assert_eq!(guard.rule(&set, situation, &prune).delete.len(), 3);
        assert_eq!(guard.rule(&set, situation, &abandon).abandon.len(), 3);
        assert!(held(&candidates("a b"), &prune).is_some());
        assert!(held(&candidates("a b c d"), &prune).is_some());
        let mut recreated = set.clone();
        recreated[0].uid = "another".into();
        assert!(held(&recreated, &prune).is_some());
        let removed = set.iter().map(|candidate| candidate.id.clone()).collect();
        let commit = Approvals { removed, ..Approvals::default() };
        assert!(held(&set, &commit).is_none());
    }

    proptest! {
        /// Each candidate has one fate, in whatever order they come; nothing desired has any.
        #[test]
        fn each_candidate_has_one_fate(
            going in proptest::collection::btree_set("[+!]?(Namespace/)?[a-d][0-9]", 0..40),
            staying in proptest::collection::btree_set("[e-g]", 0..5),
            approve: bool,
            allow_empty: bool,
        ) {
            let unique = going.iter().map(|text| candidate(text)).map(|c| (c.id.clone(), c));
            let all: Vec<_> = unique.collect::<std::collections::BTreeMap<_, _>>().into_values().collect();
            let desired: Vec<_> = staying.iter().map(|text| candidate(text).id).collect();
            let desired: BTreeSet<_> = desired.iter().collect();
            let situation = Situation { had: all.len() + desired.len(), desired: &desired };
            let guard = Guard { allow_empty, ..Guard::default() };
            let first = guard.rule(&all, situation, &Approvals::default());
            let prune = first.held.iter().filter(|_| approve).map(|held| held.hash.clone()).collect();
            let approvals = Approvals { prune, ..Approvals::default() };
            let mut reversed = all.clone();
            reversed.reverse();
            let ruling = guard.rule(&reversed, situation, &approvals);
            if approve {
                prop_assert!(ruling.held.is_empty());
            } else {
                prop_assert_eq!(&ruling.delete, &first.delete);
            }
            let held = ruling.held.iter().flat_map(|held| &held.objects);
            let mut fates: Vec<_> = held.chain(&ruling.delete).chain(&ruling.abandon).collect();
            fates.sort();
            let candidates: Vec<_> = all.iter().map(|candidate| &candidate.id).collect();
            prop_assert_eq!(&fates, &candidates);
            prop_assert!(fates.iter().all(|id| !desired.contains(*id)));
        }
    }
}

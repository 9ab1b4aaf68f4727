//! What the cluster shows of an app's objects, kept up to date by what is seen of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::object::{AppId, GroupKind, Live, ObjectId};

/// What was seen of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// All its objects.
    Listed(Vec<(ObjectId, Live)>),
    /// One object as it is now.
    Seen(ObjectId, Live),
    /// An object that is gone or lost our label, at this version.
    Gone(ObjectId, String),
    /// Nothing is known until the next list.
    Lost(Blind),
}

/// Why nothing is known of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blind {
    /// The API server's or the transport's words.
    pub why: String,
    /// Whether no answer came at all.
    pub is_outage: bool,
    /// Whether the answer was that of a server in trouble, not a refusal: it may soon be another.
    pub is_passing: bool,
}

/// The objects of an app. A kind that cannot be listed is unknown, not empty.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Objects that carry our label and name themselves as the app's.
    pub live: BTreeMap<ObjectId, Arc<Live>>,
    /// Kinds of which nothing is known.
    pub blind: BTreeMap<GroupKind, Blind>,
    /// Grows with each change.
    pub age: u64,
}

impl Observed {
    /// Forgets all kinds but these.
    pub fn keep(&mut self, kinds: &BTreeSet<GroupKind>) {
        let objects = self.live.len();
        self.blind.retain(|kind, _| kinds.contains(kind));
        self.live.retain(|id, _| kinds.contains(&id.kind));
        self.age += u64::from(self.live.len() < objects);
    }

    /// Takes over a sighting, and returns the objects it is about. An event that is older than what
    /// is known, such as the echo of an earlier write of ours, changes nothing.
    pub fn note(
        &mut self,
        app: &AppId,
        kind: &GroupKind,
        sighting: Sighting,
    ) -> BTreeSet<ObjectId> {
        self.age += 1;
        match sighting {
            Sighting::Listed(objects) => self.listed(app, kind, objects),
            Sighting::Seen(id, live) if live.identity.as_ref() == Some(&app.identity(&id)) => {
                if self.is_news(&id, &live.resource_version) {
                    self.live.insert(id.clone(), Arc::new(live));
                }
                BTreeSet::from([id])
            }
            Sighting::Seen(id, Live { resource_version, .. })
            | Sighting::Gone(id, resource_version) => {
                if self.is_news(&id, &resource_version) {
                    self.live.remove(&id);
                }
                BTreeSet::from([id])
            }
            Sighting::Lost(blind) => {
                self.blind.insert(kind.clone(), blind);
                BTreeSet::new()
            }
        }
    }

    fn listed(
        &mut self,
        app: &AppId,
        kind: &GroupKind,
        objects: Vec<(ObjectId, Live)>,
    ) -> BTreeSet<ObjectId> {
        self.blind.remove(kind);
        let known = self.live.keys().filter(|id| id.kind == *kind);
        let mut touched: BTreeSet<_> = known.cloned().collect();
        for id in &touched {
            self.live.remove(id);
        }
        for (id, live) in objects {
            touched.extend(self.note(app, kind, Sighting::Seen(id, live)));
        }
        touched
    }

    /// Whether a version is later than the one that is known. Versions are comparable as numbers
    /// (KEP-5504).
    fn is_news(&self, id: &ObjectId, version: &str) -> bool {
        let Some(known) = self.live.get(id) else { return true };
        match (known.resource_version.parse::<u64>(), version.parse::<u64>()) {
            (Ok(known), Ok(seen)) => seen > known,
            _ => true,
        }
    }

    /// The namespaces that are known to be on their way out.
    pub fn ending(&self) -> BTreeSet<&str> {
        let first = ObjectId::new(GroupKind::new("", "Namespace"), "", "");
        let namespaces = self.live.range(&first..).take_while(|(id, _)| id.kind == first.kind);
        let ending = namespaces.filter(|(_, live)| live.terminating);
        ending.map(|(id, _)| id.name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_view_follows_what_is_seen_and_ignores_echoes_and_copies() {
        let app: AppId = "web".parse().unwrap();
        let kind = GroupKind::new("", "ConfigMap");
        let id = |name: &str| ObjectId::new(kind.clone(), "demo", name);
        let live = |name: &str, version: u64| Live {
            identity: Some(app.identity(&id(name))),
            resource_version: version.to_string(),
            ..Live::default()
        };
        let mut observed = Observed::default();
        let mut check = |sighting: Sighting, touched: &[&str], known: &[(&str, &str)]| {
            let said = observed.note(&app, &kind, sighting.clone());
            let said: Vec<_> = said.iter().map(|id| id.name.as_str()).collect();
            assert_eq!(said, touched, "{sighting:?}");
            let view = observed.live.iter();
            let view: Vec<_> =
                view.map(|(id, live)| (id.name.as_str(), live.resource_version.as_str())).collect();
            assert_eq!(view, known, "{sighting:?}");
        };
        let both = vec![(id("a"), live("a", 9)), (id("b"), live("b", 10))];
        check(Sighting::Listed(both), &["a", "b"], &[("a", "9"), ("b", "10")]);
        check(Sighting::Seen(id("a"), live("a", 11)), &["a"], &[("a", "11"), ("b", "10")]);
        check(Sighting::Seen(id("a"), live("a", 9)), &["a"], &[("a", "11"), ("b", "10")]);
        check(Sighting::Gone(id("a"), "10".into()), &["a"], &[("a", "11"), ("b", "10")]);
        check(Sighting::Gone(id("a"), "12".into()), &["a"], &[("b", "10")]);
        // A copy names another object, and an object whose identity was changed is not ours to see.
        check(Sighting::Seen(id("copy"), live("b", 12)), &["copy"], &[("b", "10")]);
        check(Sighting::Seen(id("b"), live("x", 13)), &["b"], &[]);
        check(Sighting::Listed(vec![(id("c"), live("c", 14))]), &["c"], &[("c", "14")]);
        check(Sighting::Listed(vec![]), &["c"], &[]);
        let blind = Blind { why: "x".into(), is_outage: true, is_passing: false };
        check(Sighting::Lost(blind), &[], &[]);
        check(Sighting::Listed(vec![]), &[], &[]);
        assert!(observed.blind.is_empty());
    }
}

//! What the cluster shows of an app's objects, kept up to date by what is seen of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::{Reach, Scope};
use crate::object::{AppId, GroupKind, Live, ObjectId};

/// What was seen of a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// All its objects.
    Listed(Vec<(ObjectId, Arc<Live>)>),
    /// One object as it is now.
    Seen(ObjectId, Arc<Live>),
    /// An object that is gone or lost our label, at this version.
    Gone(ObjectId, String),
    /// Nothing is known until the next list.
    Lost(Blind),
}

/// Why nothing is known of a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blind {
    /// The API server's or the transport's words.
    pub why: String,
    /// Whether no answer came at all.
    pub is_outage: bool,
    /// Whether the answer was that of a server in trouble, not a refusal: it may soon be another.
    pub is_passing: bool,
}

/// Why an object of others was left, where git declares one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The hash of the manifest: another one may make a difference.
    pub hash: String,
    /// The reason.
    pub why: &'static str,
}

/// The objects of an app. A scope that cannot be listed is unknown, not empty.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Objects that carry our label and name themselves as the app's.
    pub live: BTreeMap<ObjectId, Arc<Live>>,
    /// Objects that someone may have written under our name.
    pub suspects: BTreeSet<ObjectId>,
    /// Objects of others that were found and left.
    pub foreign: BTreeMap<ObjectId, Foreign>,
    /// Objects that we deleted to create them again, as they were: what others had of them is to come back.
    pub predecessors: BTreeMap<ObjectId, Arc<Value>>,
    /// Scopes of which nothing is known.
    pub blind: BTreeMap<Scope, Blind>,
    /// Grows with each change that an object could be judged by.
    pub age: u64,
    /// Grows with each change of how an object fares.
    pub health_age: u64,
}

impl Observed {
    /// Takes over a sighting, and returns the objects it is about. An event that is older than what
    /// is known, such as the echo of an earlier write of ours, changes nothing.
    pub fn note(&mut self, app: &AppId, scope: &Scope, sighting: Sighting) -> BTreeSet<ObjectId> {
        match sighting {
            Sighting::Listed(objects) => self.listed(app, scope, objects),
            Sighting::Seen(id, live) => BTreeSet::from([self.seen(app, id, live)]),
            Sighting::Gone(id, version) => BTreeSet::from([self.gone(id, &version)]),
            Sighting::Lost(blind) => {
                self.age += 1;
                self.blind.insert(scope.clone(), blind);
                BTreeSet::new()
            }
        }
    }

    fn listed(
        &mut self,
        app: &AppId,
        scope: &Scope,
        objects: Vec<(ObjectId, Arc<Live>)>,
    ) -> BTreeSet<ObjectId> {
        self.age += 1;
        self.blind.remove(scope);
        let known = self.live.keys().filter(|id| scope.covers(id));
        let mut touched: BTreeSet<_> = known.cloned().collect();
        let remove = |id| Some((id, self.live.remove(id)?));
        let before: BTreeMap<_, _> = touched.iter().filter_map(remove).collect();
        // What is written under our name while no watch sees it shows in nothing else.
        let is_suspected = |(id, live): &&(ObjectId, Arc<Live>)| {
            before.get(id).is_some_and(|known| is_suspect(known, live))
        };
        let suspects = objects.iter().filter(is_suspected).map(|(id, _)| id.clone());
        let mut suspects: BTreeSet<_> = suspects.collect();
        touched.extend(objects.into_iter().map(|(id, live)| self.seen(app, id, live)));
        suspects.retain(|id| self.live.contains_key(id));
        self.suspects.append(&mut suspects);
        touched
    }

    /// Takes over what one object is now. A copy that names another object is none of the app's.
    pub fn seen(&mut self, app: &AppId, id: ObjectId, mut live: Arc<Live>) -> ObjectId {
        if live.identity.as_ref() != Some(&app.identity(&id)) {
            return self.gone(id, &live.resource_version);
        }
        if self.is_news(&id, &live.resource_version) {
            let known = self.live.get(&id);
            if known.is_some_and(|known| is_suspect(known, &live)) {
                self.suspects.insert(id.clone());
            }
            self.age += u64::from(!known.is_some_and(|known| known.is_judged_as(&live)));
            let health = known.and_then(|known| known.health.clone());
            self.foreign.remove(&id);
            if live.health.is_none() && health.is_some() {
                // The answer to a write does not say how it fares; the watch will.
                Arc::make_mut(&mut live).health.clone_from(&health);
            }
            self.health_age += u64::from(health != live.health);
            self.live.insert(id.clone(), live);
        } else if let Some(known) = self.live.get_mut(&id).filter(|known| is_echo(known, &live)) {
            // One copy of it is enough for this view and for the watch.
            self.health_age += u64::from(known.health != live.health);
            *known = live;
        }
        id
    }

    fn gone(&mut self, id: ObjectId, version: &str) -> ObjectId {
        if self.is_news(&id, version) {
            let gone = self.live.remove(&id);
            self.age += u64::from(gone.is_some());
            self.health_age += u64::from(gone.is_some_and(|gone| gone.health.is_some()));
            self.suspects.remove(&id);
        }
        id
    }

    /// Takes over what our dealing with an object showed. Whoever looks for additions alone finds no write
    /// under our name: then a suspect stays one.
    pub fn applied(&mut self, app: &AppId, id: ObjectId, live: Arc<Live>, is_cleared: bool) {
        let was_suspect = self.suspects.contains(&id);
        let id = self.seen(app, id, live);
        if is_cleared || !was_suspect {
            self.suspects.remove(&id);
        }
    }

    /// Forgets what is outside of these scopes.
    pub fn keep(&mut self, scopes: &BTreeSet<Scope>, reach: &Reach) {
        let is_kept = |scope: &Scope| scopes.contains(scope);
        let objects = self.live.len();
        self.blind.retain(|scope, _| is_kept(scope));
        self.live.retain(|id, _| reach.scope_of(id).as_ref().is_some_and(is_kept));
        self.suspects.retain(|id| self.live.contains_key(id));
        self.age += u64::from(self.live.len() < objects);
    }

    /// Why nothing is known of an object, if so.
    pub fn blind_to(&self, id: &ObjectId) -> Option<&Blind> {
        self.blind.iter().find(|(scope, _)| scope.covers(id)).map(|(_, blind)| blind)
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

/// Whether this is what the watch shows of a write of ours, whose answer is known.
fn is_echo(known: &Live, live: &Live) -> bool {
    known.resource_version == live.resource_version && (known == live || live.health.is_some())
}

/// Whether someone may have written a field of ours under our own name: then neither our set of fields
/// nor our mark shows it.
fn is_suspect(known: &Live, live: &Live) -> bool {
    known.uid == live.uid
        && (known.generation != live.generation || known.applied_at != live.applied_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Health;

    #[test]
    fn the_view_follows_what_is_seen_and_ignores_echoes_and_copies() {
        let app: AppId = "web".parse().unwrap();
        let kind = GroupKind::new("", "ConfigMap");
        let scope = Scope { kind: kind.clone(), namespace: String::new() };
        let id = |name: &str| ObjectId::new(kind.clone(), "demo", name);
        let live = |name: &str, version: u64| Live {
            identity: Some(app.identity(&id(name))),
            resource_version: version.to_string(),
            ..Live::default()
        };
        let mut observed = Observed::default();
        let mut check = |sighting: Sighting, touched: &[&str], known: &[(&str, &str)]| {
            let said = observed.note(&app, &scope, sighting.clone());
            let said: Vec<_> = said.iter().map(|id| id.name.as_str()).collect();
            assert_eq!(said, touched, "{sighting:?}");
            let view = observed.live.iter();
            let view: Vec<_> =
                view.map(|(id, live)| (id.name.as_str(), live.resource_version.as_str())).collect();
            assert_eq!(view, known, "{sighting:?}");
        };
        let both = vec![(id("a"), live("a", 9).into()), (id("b"), live("b", 10).into())];
        check(Sighting::Listed(both), &["a", "b"], &[("a", "9"), ("b", "10")]);
        check(Sighting::Seen(id("a"), live("a", 11).into()), &["a"], &[("a", "11"), ("b", "10")]);
        check(Sighting::Seen(id("a"), live("a", 9).into()), &["a"], &[("a", "11"), ("b", "10")]);
        check(Sighting::Gone(id("a"), "10".into()), &["a"], &[("a", "11"), ("b", "10")]);
        check(Sighting::Gone(id("a"), "12".into()), &["a"], &[("b", "10")]);
        // A copy names another object, and an object whose identity was changed is not ours to see.
        check(Sighting::Seen(id("copy"), live("b", 12).into()), &["copy"], &[("b", "10")]);
        check(Sighting::Seen(id("b"), live("x", 13).into()), &["b"], &[]);
        check(Sighting::Listed(vec![(id("c"), live("c", 14).into())]), &["c"], &[("c", "14")]);
        check(Sighting::Listed(vec![]), &["c"], &[]);
        let blind = Blind { why: "x".into(), is_outage: true, is_passing: false };
        check(Sighting::Lost(blind), &[], &[]);
        check(Sighting::Listed(vec![]), &[], &[]);
        assert!(observed.blind.is_empty());
    }

    #[test]
    fn only_an_apply_clears_a_suspect() {
        let app: AppId = "web".parse().unwrap();
        let id = ObjectId::new(GroupKind::new("", "ConfigMap"), "demo", "a");
        let live = |version: i64| Live {
            identity: Some(app.identity(&id)),
            resource_version: version.to_string(),
            generation: version,
            ..Live::default()
        };
        let mut observed = Observed::default();
        let mut is_suspect = |version: i64, is_cleared: Option<bool>| {
            match is_cleared {
                None => drop(observed.seen(&app, id.clone(), live(version).into())),
                Some(cleared) => observed.applied(&app, id.clone(), live(version).into(), cleared),
            }
            observed.suspects.contains(&id)
        };
        assert!(!is_suspect(1, Some(true)));
        assert!(!is_suspect(2, Some(false)), "our own patch is no suspect");
        assert!(is_suspect(3, None));
        assert!(is_suspect(4, Some(false)));
        assert!(!is_suspect(5, Some(true)));
    }

    #[test]
    fn a_list_tells_what_was_written_under_our_name_since() {
        let app: AppId = "web".parse().unwrap();
        let kind = GroupKind::new("", "ConfigMap");
        let scope = Scope { kind: kind.clone(), namespace: String::new() };
        let id = ObjectId::new(kind, "demo", "a");
        let live = |uid: &str, version: i64, generation: i64| Live {
            uid: uid.to_owned(),
            identity: Some(app.identity(&id)),
            resource_version: version.to_string(),
            generation,
            ..Live::default()
        };
        let check = |listed: Live, is_suspect: bool| {
            let mut observed = Observed::default();
            observed.seen(&app, id.clone(), live("u", 5, 1).into());
            observed.note(
                &app,
                &scope,
                Sighting::Listed(vec![(id.clone(), listed.clone().into())]),
            );
            assert_eq!(observed.suspects.contains(&id), is_suspect, "{listed:?}");
        };
        check(live("u", 9, 1), false);
        check(live("u", 9, 2), true);
        check(live("another", 9, 2), false);
        check(Live { identity: None, ..live("u", 9, 2) }, false);
    }

    #[test]
    fn how_an_object_fares_is_kept_until_the_watch_says_otherwise() {
        let app: AppId = "web".parse().unwrap();
        let id = ObjectId::new(GroupKind::new("apps", "Deployment"), "demo", "web");
        let live = |version: u64, health: Option<Health>| {
            let (identity, resource_version) = (Some(app.identity(&id)), version.to_string());
            Arc::new(Live { resource_version, identity, health, ..Live::default() })
        };
        let mut observed = Observed::default();
        let mut check = |seen: Arc<Live>, expect: &Option<Health>, is_news: bool| {
            let before = observed.health_age;
            observed.seen(&app, id.clone(), seen);
            assert_eq!(observed.live[&id].health, *expect);
            assert_eq!(observed.health_age != before, is_news);
        };
        let (good, bad) = (Some(Health::Healthy), Some(Health::Failed("x".into())));
        check(live(1, good.clone()), &good, true);
        check(live(2, good.clone()), &good, false);
        // The answer to a write of ours, then what the watch shows of the same.
        check(live(3, None), &good, false);
        check(live(3, bad.clone()), &bad, true);
        check(live(2, good), &bad, false);
    }

    #[test]
    fn a_namespace_is_known_and_unknown_apart_from_another() {
        let app: AppId = "web".parse().unwrap();
        let id =
            |namespace: &str| ObjectId::new(GroupKind::new("", "ConfigMap"), namespace, "settings");
        let reach: Reach = ["a".to_owned(), "b".to_owned()].into_iter().collect();
        let scope = |namespace: &str| reach.scope_of(&id(namespace)).unwrap();
        let listed = |namespace: &str| {
            let identity = Some(app.identity(&id(namespace)));
            Sighting::Listed(vec![(id(namespace), Live { identity, ..Live::default() }.into())])
        };
        let blind = Blind { why: "x".into(), is_outage: false, is_passing: false };
        let mut observed = Observed::default();
        observed.note(&app, &scope("a"), listed("a"));
        observed.note(&app, &scope("b"), listed("b"));
        observed.note(&app, &scope("a"), Sighting::Lost(blind.clone()));
        assert_eq!(observed.blind_to(&id("a")), Some(&blind));
        assert_eq!(observed.blind_to(&id("b")), None);
        observed.note(&app, &scope("a"), Sighting::Listed(vec![]));
        assert_eq!(observed.live.keys().collect::<Vec<_>>(), [&id("b")]);
        observed.keep(&[scope("a")].into(), &reach);
        assert!(observed.live.is_empty());
    }
}

//! Which app a sighting of a shared watch concerns: the one that an object names.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::observed::{Blind, Sighting};
use crate::object::{AppId, GroupKind, Live, ObjectId};

/// What one shared watch knows, and the apps that it tells.
#[derive(Debug)]
pub struct Routing {
    kind: GroupKind,
    /// What the marks of this installation's apps begin with.
    ours: String,
    /// The objects of this installation's apps, also of those that have yet to ask. By namespace and name.
    objects: BTreeMap<Box<str>, Arc<Live>>,
    state: State,
    /// The apps, by how objects name them.
    apps: BTreeMap<String, AppId>,
}

#[derive(Debug)]
enum State {
    Unlisted,
    Listed,
    Lost(Blind),
}

/// A sighting, and whom it concerns.
pub type Routed = (AppId, Sighting);

impl Routing {
    /// Nothing is known yet of this kind's objects. Only those of apps whose inventories are in this namespace
    /// are kept.
    pub fn new(kind: GroupKind, namespace: &str) -> Self {
        let (ours, objects, apps) = (format!("{namespace}_"), BTreeMap::new(), BTreeMap::new());
        Self { kind, ours, objects, state: State::Unlisted, apps }
    }

    /// Adds an app, and says what is known for it.
    pub fn subscribe(&mut self, app: &AppId) -> Option<Sighting> {
        self.apps.insert(app.mark(), app.clone());
        match &self.state {
            State::Unlisted => None,
            State::Lost(blind) => Some(Sighting::Lost(blind.clone())),
            State::Listed => Some(Sighting::Listed(self.objects_of(&app.mark()))),
        }
    }

    /// Forgets an app. Says whether there is none any more.
    pub fn unsubscribe(&mut self, app: &AppId) -> bool {
        self.apps.remove(&app.mark());
        self.apps.is_empty()
    }

    /// Takes over a sighting, and says to whom it goes. An object that changes hands is gone for the app that
    /// had it.
    pub fn route(&mut self, sighting: Sighting) -> Vec<Routed> {
        match sighting {
            Sighting::Listed(objects) => self.listed(objects),
            Sighting::Seen(id, live) => self.seen(&id, live),
            Sighting::Gone(id, version) => self.gone(&id, version).into_iter().collect(),
            Sighting::Lost(blind) => {
                self.state = State::Lost(blind.clone());
                let all = self.apps.values();
                all.map(|app| (app.clone(), Sighting::Lost(blind.clone()))).collect()
            }
        }
    }

    fn listed(&mut self, objects: Vec<(ObjectId, Arc<Live>)>) -> Vec<Routed> {
        self.state = State::Listed;
        let owned = objects.into_iter().filter(|(id, live)| self.owner(id, live).is_some());
        self.objects = owned.map(|(id, live)| (key(&id), live)).collect();
        let listed =
            |(mark, app): (&String, &AppId)| (app.clone(), Sighting::Listed(self.objects_of(mark)));
        self.apps.iter().map(listed).collect()
    }

    fn seen(&mut self, id: &ObjectId, live: Arc<Live>) -> Vec<Routed> {
        let Some(now) = self.owner(id, &live).map(str::to_owned) else {
            return self.gone(id, live.resource_version.clone()).into_iter().collect();
        };
        let before = self.objects.insert(key(id), live.clone());
        let before = before.as_ref().and_then(|before| self.owner(id, before));
        let left = before.filter(|before| *before != now).and_then(|before| self.apps.get(before));
        let version = live.resource_version.clone();
        let left = left.map(|app| (app.clone(), Sighting::Gone(id.clone(), version)));
        let came = self.apps.get(&now).map(|app| (app.clone(), Sighting::Seen(id.clone(), live)));
        left.into_iter().chain(came).collect()
    }

    fn gone(&mut self, id: &ObjectId, version: String) -> Option<Routed> {
        let before = self.objects.remove(&key(id))?;
        let app = self.apps.get(self.owner(id, &before)?)?;
        Some((app.clone(), Sighting::Gone(id.clone(), version)))
    }

    fn objects_of(&self, mark: &str) -> Vec<(ObjectId, Arc<Live>)> {
        // Each names its app rightly, or it would not be here: many apps ask, one after the other.
        let names = |live: &Live| {
            let rest = live.identity.as_ref().and_then(|text| text.strip_prefix(mark));
            rest.is_some_and(|rest| rest.starts_with(':'))
        };
        let own = self.objects.iter().filter(|(_, live)| names(live));
        own.map(|(key, live)| (self.id(key), live.clone())).collect()
    }

    fn id(&self, key: &str) -> ObjectId {
        let (namespace, name) = key.split_once('/').unwrap_or_default();
        ObjectId::new(self.kind.clone(), namespace, name)
    }

    /// How the object names its app, if it is of this installation. What names another object, as copies do,
    /// names none.
    fn owner<'a>(&self, id: &ObjectId, live: &'a Live) -> Option<&'a str> {
        let identity = live.identity.as_deref().filter(|text| text.starts_with(&self.ours))?;
        AppId::of_identity(identity, id)?;
        identity.split_once(':').map(|(mark, _)| mark)
    }
}

fn key(id: &ObjectId) -> Box<str> {
    format!("{}/{}", id.namespace, id.name).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(name: &str) -> AppId {
        name.parse::<AppId>().unwrap().within("ops")
    }

    fn id(name: &str) -> ObjectId {
        ObjectId::new(GroupKind::new("", "ConfigMap"), "demo", name)
    }

    fn live(owner: &str, name: &str, version: &str) -> Arc<Live> {
        let identity = Some(app(owner).identity(&id(name)));
        Live { identity, resource_version: version.into(), ..Live::default() }.into()
    }

    fn said(routed: &[Routed]) -> Vec<String> {
        let what = |sighting: &Sighting| match sighting {
            Sighting::Listed(objects) => {
                let names: Vec<_> = objects.iter().map(|(id, _)| id.name.as_str()).collect();
                format!("listed {}", names.join(","))
            }
            Sighting::Seen(id, _) => format!("seen {}", id.name),
            Sighting::Gone(id, version) => format!("gone {} at {version}", id.name),
            Sighting::Lost(_) => "lost".to_owned(),
        };
        routed.iter().map(|(app, sighting)| format!("{app}: {}", what(sighting))).collect()
    }

    #[test]
    fn each_app_is_told_of_its_own_objects() {
        let mut routing = Routing::new(GroupKind::new("", "ConfigMap"), "ops");
        assert_eq!(routing.subscribe(&app("web")), None);
        assert_eq!(routing.subscribe(&app("db")), None);
        let mut check = |sighting: Sighting, expect: &[&str]| {
            let routed = routing.route(sighting);
            assert_eq!(said(&routed), expect);
        };
        let copy = (id("copy"), live("web", "a", "1"));
        let web: AppId = "web".parse::<AppId>().unwrap().within("other");
        let other = Live { identity: Some(web.identity(&id("d"))), ..Live::default() };
        let (a, c) = (live("web", "a", "1"), live("idle", "c", "2"));
        let all = vec![(id("a"), a), (id("c"), c), copy, (id("d"), other.into())];
        check(Sighting::Listed(all), &["db: listed ", "web: listed a"]);
        check(Sighting::Gone(id("d"), "2".into()), &[]);
        check(Sighting::Seen(id("a"), live("web", "a", "3")), &["web: seen a"]);
        check(Sighting::Seen(id("a"), live("db", "a", "4")), &["web: gone a at 4", "db: seen a"]);
        check(Sighting::Seen(id("a"), live("idle", "a", "5")), &["db: gone a at 5"]);
        check(Sighting::Seen(id("a"), live("db", "a", "6")), &["db: seen a"]);
        // Whoever takes our mark away takes the object from its app.
        let bare = Live { resource_version: "7".into(), ..Live::default() };
        check(Sighting::Seen(id("a"), bare.into()), &["db: gone a at 7"]);
        check(Sighting::Gone(id("a"), "8".into()), &[]);
        check(Sighting::Seen(id("b"), live("web", "b", "9")), &["web: seen b"]);
        check(Sighting::Gone(id("b"), "10".into()), &["web: gone b at 10"]);
    }

    #[test]
    fn who_comes_late_is_told_what_is_known() {
        let mut routing = Routing::new(GroupKind::new("", "ConfigMap"), "ops");
        routing.route(Sighting::Listed(vec![(id("a"), live("web", "a", "1"))]));
        routing.route(Sighting::Seen(id("b"), live("web", "b", "2")));
        let known = routing.subscribe(&app("web")).map(|sighting| (app("web"), sighting));
        assert_eq!(said(&known.into_iter().collect::<Vec<_>>()), ["web: listed a,b"]);
        let blind = Blind { why: "away".into(), is_outage: true, is_passing: true };
        assert_eq!(said(&routing.route(Sighting::Lost(blind.clone()))), ["web: lost"]);
        assert_eq!(routing.subscribe(&app("db")), Some(Sighting::Lost(blind)));
        assert!(!routing.unsubscribe(&app("db")));
        assert!(routing.unsubscribe(&app("web")));
    }
}

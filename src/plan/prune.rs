//! May this object be deleted? Every clause of design.md 4 that concerns one object.

use std::collections::BTreeSet;

use super::inventory::Entry;
use super::{Resource, Stage};
use crate::object::marks::LABEL_APP;
use crate::object::{AppId, Live, ObjectId};

/// What becomes of an object that the source no longer declares, as far as it is for the object itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is deleted, if it is still exactly this one and the guard lets it go.
    Delete,
    /// It stays, without our marks.
    Abandon(Spared),
    /// It is no longer ours, and nothing is done to it.
    Forget(Spared),
    /// It stays ours for now.
    Wait(Spared),
}

/// Why an object is not deleted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
pub enum Spared {
    /// It is gone already.
    #[error("is already gone")]
    AlreadyGone,
    /// It is being deleted already.
    #[error("is already being deleted")]
    Terminating,
    /// Its label or identity annotation does not name it as ours.
    #[error("does not carry our marks: it is no longer ours")]
    NotOurs,
    /// A desired object is this very object under another group.
    #[error("is a desired object under another API group")]
    StillDesired,
    /// A controller adopted it.
    #[error("is owned by {0}: left to its owner")]
    OwnedBy(String),
    /// It carries a mark against deletion.
    #[error("is marked to be kept ({0})")]
    KeepMark(&'static str),
    /// The form last applied carried a mark against deletion.
    #[error("was marked to be kept when it was last applied")]
    KeepRecorded,
    /// It is a namespace that the cluster or this daemon needs, or something of the daemon's own.
    #[error("belongs to the cluster or to gitops-sync itself")]
    Protected,
    /// It is a namespace that still holds an object of the app, or one that it left to others.
    #[error(
        "is a namespace that still holds an object of this app, or one that was abandoned: delete it by hand if all in it may go"
    )]
    NamespaceInUse,
    /// It is a CRD of which the app still has an object, or one that it left to others.
    #[error(
        "is the CRD of an object of this app, or of one that was abandoned: all objects of its kind would go with it"
    )]
    KindInUse,
    /// Another app declares it.
    #[error("is declared by the app {0}, which takes it over")]
    HandedOver(String),
    /// It left the source a moment ago, and another app may be about to declare it.
    #[error("left the source a moment ago: another app may be about to declare it")]
    Recent,
    /// Another app has objects that would go with it.
    #[error("holds objects of the app {0}, which would go with it")]
    HoldsOthers(String),
    /// Another app may declare it: what it declares cannot be read.
    #[error("may be another app's: {0}")]
    RivalUnreadable(String),
    /// A person wants it left to others.
    #[error("was approved to be abandoned")]
    Approved,
    /// It is where the daemon does not work.
    #[error("is out of reach of --namespaces: it stays listed until a run that reaches it")]
    OutOfReach,
    /// It could not be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// Its kind is not served, so there is no telling.
    #[error("stays listed because its kind is not served")]
    KindNotServed,
}

/// What the verdict on an object depends on beside the object.
#[derive(Debug)]
pub struct Context {
    app: AppId,
    /// Namespace of the daemon and of its inventories.
    own_namespace: String,
    /// Fingerprint of the app's source.
    source: String,
    /// Uids of all desired objects.
    uids: BTreeSet<String>,
    namespaces: BTreeSet<String>,
    crds: BTreeSet<String>,
}

impl Context {
    /// The context of an app's pass, of which nothing was spared yet.
    pub fn new(app: AppId, own_namespace: &str, source: String, uids: BTreeSet<String>) -> Self {
        let (namespaces, crds) = (BTreeSet::new(), BTreeSet::new());
        Self { app, own_namespace: own_namespace.to_owned(), source, uids, namespaces, crds }
    }

    /// Notes an object that stays: neither its namespace nor its CRD may go.
    pub fn stays(&mut self, id: &ObjectId, resource: Option<&Resource>) {
        self.namespaces.insert(id.namespace.clone());
        if let Some(resource) = resource {
            self.crds.insert(format!("{}.{}", resource.plural, resource.kind.group));
        }
    }

    /// Whether another URL or path declared an object last: its change is no deletion in git.
    pub fn is_of_other_source(&self, entry: &Entry) -> bool {
        entry.source != self.source
    }

    /// Judges an object of the inventory by what the cluster shows of it right now.
    pub fn verdict(&self, id: &ObjectId, entry: &Entry, live: Option<&Live>) -> Verdict {
        let Some(live) = live else { return Verdict::Forget(Spared::AlreadyGone) };
        if live.terminating {
            Verdict::Forget(Spared::Terminating)
        } else if live.label.as_ref() != Some(&self.app.label())
            || live.identity.as_ref() != Some(&self.app.identity(id))
        {
            Verdict::Forget(Spared::NotOurs)
        } else if self.uids.contains(live.uid.as_str()) {
            Verdict::Forget(Spared::StillDesired)
        } else if self.is_protected(id) {
            Verdict::Abandon(Spared::Protected)
        } else if let Some(owner) = &live.owner {
            Verdict::Abandon(Spared::OwnedBy(owner.clone()))
        } else if let Some(mark) = live.keep {
            Verdict::Abandon(Spared::KeepMark(mark))
        } else if entry.keep {
            Verdict::Abandon(Spared::KeepRecorded)
        } else {
            self.needed(id).map_or(Verdict::Delete, Verdict::Wait)
        }
    }

    /// Why an object that stays needs this one, if any does.
    pub fn needed(&self, id: &ObjectId) -> Option<Spared> {
        if id.kind.is("", "Namespace") && self.namespaces.contains(&id.name) {
            Some(Spared::NamespaceInUse)
        } else if is_crd(id) && self.crds.contains(&id.name) {
            Some(Spared::KindInUse)
        } else {
            None
        }
    }

    fn is_protected(&self, id: &ObjectId) -> bool {
        let name = id.name.as_str();
        if id.kind.is("", "Namespace") {
            return name == "default" || name.starts_with("kube-") || name == self.own_namespace;
        }
        let own_secret = id.kind.is("", "Secret")
            && id.namespace == self.own_namespace
            && name.starts_with("gitops-sync-");
        own_secret || (is_crd(id) && name.ends_with(".gitops-sync.dev"))
    }
}

/// Whether an object defines a kind: all objects of that go with it.
pub fn is_crd(id: &ObjectId) -> bool {
    Stage::of(&id.kind) == Stage::Definitions
}

/// The label selector that finds an app's objects.
pub fn selector(app: &AppId) -> String {
    format!("{LABEL_APP}={}", app.label())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::object::GroupKind;

    fn verdict(kind: (&str, &str), name: &str, change: impl Fn(&mut Live, &mut Entry)) -> Verdict {
        verdict_in((kind.0, kind.1, "demo"), name, change)
    }

    fn verdict_in(
        (group, kind, namespace): (&str, &str, &str),
        name: &str,
        change: impl Fn(&mut Live, &mut Entry),
    ) -> Verdict {
        let app: AppId = "web".parse().unwrap();
        let id = ObjectId::new(GroupKind::new(group, kind), namespace, name);
        let mut live = Live {
            uid: "u1".into(),
            label: Some(app.label()),
            identity: Some(app.identity(&id)),
            ..Live::default()
        };
        let mut entry = Entry { source: "here".into(), ..Entry::default() };
        change(&mut live, &mut entry);
        let mut context =
            Context::new(app.clone(), "gitops-sync", "here".into(), ["u2".to_owned()].into());
        let kind = GroupKind::new("example.com", "Widget");
        let inside = ObjectId::new(kind.clone(), "used", "w");
        let (version, plural) = ("v1".to_owned(), "widgets".to_owned());
        let widgets = Resource { kind, version, plural, namespaced: true, listable: true };
        context.stays(&inside, Some(&widgets));
        context.verdict(&id, &entry, Some(&live))
    }

    #[test]
    fn only_what_is_ours_free_and_unprotected_is_deleted() {
        const MAP: (&str, &str) = ("", "ConfigMap");
        const NS: (&str, &str) = ("", "Namespace");
        type Change = fn(&mut Live, &mut Entry);
        let check = |kind, name, change: Change, expect: Verdict| {
            assert_eq!(verdict(kind, name, change), expect, "{name}");
        };
        use Spared::*;
        use Verdict::*;
        check(MAP, "a", |_, _| (), Delete);
        check(MAP, "a", |live, _| live.label = None, Forget(NotOurs));
        check(MAP, "a", |live, _| live.label = Some("other".into()), Forget(NotOurs));
        check(MAP, "a", |live, _| live.identity = None, Forget(NotOurs));
        let copied: Change = |live, _| live.identity = Some("_web:/ConfigMap:demo/original".into());
        check(MAP, "copy", copied, Forget(NotOurs));
        check(MAP, "a", |live, _| live.uid = "u2".into(), Forget(StillDesired));
        check(MAP, "a", |live, _| live.terminating = true, Forget(Terminating));
        check(MAP, "a", |live, _| live.owner = Some("X/y".into()), Abandon(OwnedBy("X/y".into())));
        check(MAP, "a", |live, _| live.keep = Some("k"), Abandon(KeepMark("k")));
        check(MAP, "a", |_, entry| entry.keep = true, Abandon(KeepRecorded));
        check(NS, "default", |_, _| (), Abandon(Protected));
        check(NS, "kube-system", |_, _| (), Abandon(Protected));
        check(NS, "gitops-sync", |_, _| (), Abandon(Protected));
        check(NS, "used", |_, _| (), Wait(NamespaceInUse));
        check(NS, "free", |_, _| (), Delete);
        const CRD: (&str, &str) = ("apiextensions.k8s.io", "CustomResourceDefinition");
        check(CRD, "gitopsapps.gitops-sync.dev", |_, _| (), Abandon(Protected));
        check(CRD, "widgets.example.com", |_, _| (), Wait(KindInUse));
        check(CRD, "gears.example.com", |_, _| (), Delete);
        let check = |namespace, name, expect: Verdict| {
            let found = verdict_in(("", "Secret", namespace), name, |_, _| ());
            assert_eq!(found, expect, "{namespace}/{name}");
        };
        check("gitops-sync", "gitops-sync-inventory-web", Abandon(Protected));
        check("gitops-sync", "gitops-sync-key", Abandon(Protected));
        check("gitops-sync", "another", Delete);
        check("demo", "gitops-sync-inventory-web", Delete);
    }

    /// The predicate of design.md 4 once more, straight from the object as the API server shows it.
    fn may_go_naively(object: &Value, was_kept: bool, uid_is_desired: bool) -> bool {
        let meta = &object["metadata"];
        let says = |key: &str, value: &str| {
            let is_it = |map: &str| meta[map][key].as_str() == Some(value);
            is_it("annotations") || is_it("labels")
        };
        let kept = KEPT.iter().any(|(key, value)| says(key, value));
        let name = meta["name"].as_str().unwrap();
        let is_namespace = object["kind"] == "Namespace";
        let namespace = meta["namespace"].as_str().unwrap_or_default();
        let needed = ["default", "kube-system", "gitops-sync", "used"];
        let is_state = object["kind"] == "Secret" && name.starts_with("gitops-sync-");
        // What an owner of git's making has, our own apply has as well.
        let has_foreign_owner =
            meta.get("ownerReferences").is_some() && meta.get("managedFields").is_none();
        let identity = format!("_web:/{}:{namespace}/{name}", object["kind"].as_str().unwrap());
        meta["labels"][LABEL_APP] == "web"
            && meta["annotations"]["gitops-sync.dev/id"] == identity.as_str()
            && meta.get("deletionTimestamp").is_none()
            && !has_foreign_owner
            && !kept
            && !was_kept
            && !uid_is_desired
            && !(is_namespace && needed.contains(&name))
            && !(is_state && namespace == "gitops-sync")
    }

    const KEPT: [(&str, &str); 10] = [
        ("gitops-sync.dev/prune", "keep"),
        ("argocd.argoproj.io/sync-options", "Prune=false"),
        ("kustomize.toolkit.fluxcd.io/prune", "disabled"),
        ("client.lifecycle.config.k8s.io/deletion", "detach"),
        ("cli-utils.sigs.k8s.io/on-remove", "keep"),
        ("helm.sh/resource-policy", "keep"),
        ("kapp.k14s.io/delete-strategy", "orphan"),
        ("kluctl.io/skip-delete", "true"),
        ("fluxcd.io/ignore", "sync_only"),
        ("kustomize.toolkit.fluxcd.io/reconcile", "disabled"),
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        /// Mostly an object of ours, with one or a few things otherwise.
        #[test]
        fn only_what_a_second_formulation_lets_go_is_deleted(
            kind in prop_oneof![2 => Just("ConfigMap"), 1 => Just("Secret"), 1 => Just("Namespace")],
            namespace in prop_oneof![Just("demo"), Just("gitops-sync")],
            name in prop_oneof!["a", "used", "default", "gitops-sync", "kube-system", "gitops-sync-inventory-web"],
            label in prop_oneof![6 => Just(Some("web")), 1 => Just(Some("other")), 1 => Just(None)],
            identity in prop_oneof![6 => Just(Some("")), 1 => Just(Some("x")), 1 => Just(None)],
            mark in prop_oneof![6 => Just(None), 2 => proptest::option::of(0..KEPT.len())],
            mark_is_label: bool,
            is_ending in proptest::bool::weighted(0.1),
            owner in prop_oneof![8 => Just(None), 1 => Just(Some("git")), 1 => Just(Some("operator"))],
            was_kept in proptest::bool::weighted(0.1),
            uid_is_desired in proptest::bool::weighted(0.1),
        ) {
            let namespace = if kind == "Namespace" { "" } else { namespace };
            let mut object = json!({"kind": kind, "metadata": {"name": name, "uid": "u1"}});
            let meta = &mut object["metadata"];
            if !namespace.is_empty() {
                meta["namespace"] = json!(namespace);
            }
            if let Some(label) = label {
                meta["labels"][LABEL_APP] = json!(label);
            }
            if let Some(other) = identity {
                let text = format!("_web:/{kind}:{namespace}/{name}{other}");
                meta["annotations"]["gitops-sync.dev/id"] = json!(text);
            }
            if let Some((key, value)) = mark.map(|at| KEPT[at]) {
                meta[if mark_is_label { "labels" } else { "annotations" }][key] = json!(value);
            }
            if is_ending {
                meta["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            }
            if owner.is_some() {
                meta["ownerReferences"] = json!([{"kind": "Kafka", "name": "k", "uid": "u9"}]);
            }
            if owner == Some("git") {
                let fields = json!({"f:metadata": {"f:ownerReferences": {"k:{\"uid\":\"u9\"}": {}}}});
                meta["managedFields"] = json!([{"manager": "gitops-sync", "operation": "Apply", "fieldsV1": fields}]);
            }
            let app: AppId = "web".parse().unwrap();
            let desired = if uid_is_desired { "u1" } else { "u2" };
            let mut context = Context::new(app, "gitops-sync", "here".into(), [desired.to_owned()].into());
            context.stays(&ObjectId::new(GroupKind::new("", "Secret"), "used", "s"), None);
            let entry = Entry { keep: was_kept, ..Entry::default() };
            let id = ObjectId::new(GroupKind::new("", kind), namespace, &name);
            let verdict = context.verdict(&id, &entry, Some(&Live::from(&object)));
            let expected = may_go_naively(&object, was_kept, uid_is_desired);
            prop_assert_eq!(verdict == Verdict::Delete, expected, "{:?}", verdict);
        }
    }
}

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
    /// It is a namespace that still holds an object of the app.
    #[error("is a namespace that still holds an object of this app")]
    NamespaceInUse,
    /// It is a CRD of which the app still has an object.
    #[error("is the CRD of an object of this app: all objects of its kind would go with it")]
    KindInUse,
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

fn is_crd(id: &ObjectId) -> bool {
    Stage::of(&id.kind) == Stage::Definitions
}

/// The label selector that finds an app's objects.
pub fn selector(app: &AppId) -> String {
    format!("{LABEL_APP}={}", app.label())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::GroupKind;

    fn verdict(kind: (&str, &str), name: &str, change: impl Fn(&mut Live, &mut Entry)) -> Verdict {
        let app: AppId = "web".parse().unwrap();
        let id = ObjectId::new(GroupKind::new(kind.0, kind.1), "demo", name);
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
    }
}

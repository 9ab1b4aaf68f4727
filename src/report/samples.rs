//! Outcomes for tests.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use super::{Action, AppResource, Done, Failure, Outcome, Trigger};
use crate::api::GitOpsAppStatus;
use crate::cluster::events::Regarding;
use crate::object::marks::HashKey;
use crate::object::{AppId, GroupKind, Live, ObjectId};
use crate::plan::cause::Telling;
use crate::plan::desired::resolve;
use crate::plan::diff::{FieldDrift, Shown, Tool};
use crate::plan::guard::{self, Held};
use crate::plan::settings::Settings;
use crate::plan::{Cause, Kinds, Reach, Reaction, Resource, Scope, Step};
use crate::render::diagnostic::Problem;
use crate::render::{Content, Diagnostic, Origin, SourceFile, plain};
use crate::source::{Revision, SourceError};

/// The app of all samples.
pub(super) fn app() -> AppId {
    "app".parse().unwrap()
}

/// The `ConfigMap` of this name.
pub(super) fn id(name: &str) -> ObjectId {
    ObjectId::new(GroupKind::new("", "ConfigMap"), "demo", name)
}

/// What happened to the `ConfigMap` of this name.
pub(super) fn done(name: &str, action: Action) -> Done {
    let mut served = Kinds::default();
    served.insert(Resource {
        kind: GroupKind::new("", "ConfigMap"),
        version: "v1".into(),
        plural: "configmaps".into(),
        namespaced: true,
        listable: true,
    });
    let text = format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}}}");
    let content = Content::Read(text.into_bytes(), None);
    let rendered = plain(vec![SourceFile { path: format!("{name}.yaml"), content }]);
    let (key, namespace, reach) = (HashKey(vec![1]), "demo".into(), Reach::default());
    let (common, resources) = (Arc::default(), Arc::default());
    let settings = Settings { app: app(), key, namespace, reach, common, resources };
    let desired = resolve(&rendered.manifests, &served, &settings, &[]).0.remove(0);
    let live = Some(Arc::new(Live { uid: "u".into(), ..Live::default() }));
    let (cause, reaction, overridden) = (Cause::Drifted, Reaction::Act(String::new()), Vec::new());
    let predecessor = None;
    Done::of(&Step { desired, cause, reaction, live, overridden, predecessor }, action)
}

/// The same, told for the first time.
pub(super) fn told(name: &str, action: Action) -> Done {
    let (state, version, why) = (String::new(), String::new(), None);
    let telling = Telling { state, version, drifts: Arc::default(), why };
    Done { telling: Some(telling), ..done(name, action) }
}

/// A field that `kubectl` changed.
pub(super) fn field(path: &str) -> FieldDrift {
    let by = Tool {
        manager: "kubectl".into(),
        operation: "Update".into(),
        subresource: String::new(),
        time: "2026-01-01T00:00:00Z".into(),
    };
    let shown = |text: &str| Shown::Value(text.to_owned());
    FieldDrift {
        path: path.into(),
        wanted: shown("hunter2"),
        found: shown("hunter3"),
        by: Some(by),
    }
}

/// A commit.
pub(super) fn revision(commit: &str) -> Revision {
    Revision {
        name: Some("refs/heads/main".into()),
        commit: commit.into(),
        tree: "d".repeat(40),
        time: 1,
        author: "Ada".into(),
        subject: "Scale".into(),
        ..Revision::default()
    }
}

/// A pass over this commit, by the interval.
pub(super) fn pass(commit: &str, done: Vec<Done>) -> Outcome {
    Outcome { revision: Some(revision(commit)), done, ..Outcome::new(Trigger::Interval) }
}

/// What was put back between two passes.
pub(super) fn part(done: Vec<Done>) -> Outcome {
    Outcome { done, ..Outcome::new(Trigger::Drift) }
}

/// A resource of which nothing was told, and what is shown of its status.
pub(super) fn resource() -> (AppResource, watch::Receiver<GitOpsAppStatus>) {
    let (status, shown) = watch::channel(GitOpsAppStatus::default());
    (AppResource::new(app(), regarding(), 1, status), shown)
}

/// The resource that a status is of, as events name it.
pub(super) fn regarding() -> Regarding {
    let kind = GroupKind::new("gitops-sync.dev", "GitOpsApp");
    let id = ObjectId::new(kind, "team", "web");
    Regarding { id, version: "v1alpha1".into(), uid: Some("u".into()) }
}

/// Some seconds after the beginning.
pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// What is wrong with a manifest.
pub(super) fn diagnostic() -> Diagnostic {
    let origin = Origin { path: "bad.yaml".into(), line: 1, column: 1 };
    Diagnostic { origin, object: None, problem: Problem::BareList }
}

/// Objects that wait for a person's word.
pub(super) fn held(hash: &str, names: &[&str]) -> Held {
    let objects = names.iter().map(|name| id(name)).collect();
    Held { reason: guard::Reason::Everything, hash: hash.into(), objects }
}

/// A repository that does not answer.
pub(super) fn unreachable(why: &str) -> Failure {
    let (url, why) = ("https://git.example/a.git".into(), why.into());
    Failure::Source(SourceError::RepositoryUnreachable { url, why })
}

/// All `ConfigMap`s cannot be listed.
pub(super) fn unlisted() -> (Scope, String) {
    let kind = GroupKind::new("", "ConfigMap");
    (Scope { kind, namespace: String::new() }, "forbidden".into())
}

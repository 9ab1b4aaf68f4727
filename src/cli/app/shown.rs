//! A resource as people look at it, be it never so wrong.

use jiff::Timestamp;
use serde::Deserialize as _;
use serde_json::Value;

use crate::api::conditions::Condition;
use crate::api::{ConditionType, GitOpsAppStatus};
use crate::cluster::apps;
use crate::object::{ObjectId, fields};
use crate::plan::Controls;
use crate::source::error::display_url;

/// An app's resource.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The resource.
    pub id: ObjectId,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// What is wanted, by a number.
    pub generation: i64,
    /// URL of its repository, without credentials.
    pub repo: String,
    /// What of the repository is followed.
    pub revision: String,
    /// The folder with its manifests.
    pub path: String,
    /// Namespace of objects that name none.
    pub target_namespace: Option<String>,
    /// Whether its objects are in another cluster.
    pub is_remote: bool,
    /// Whether it is being deleted.
    pub is_deleting: bool,
    /// Whether a person wants it to be left alone.
    pub suspension: Option<Suspension>,
    /// What people ask of it.
    pub controls: Controls,
    /// How it fares.
    pub status: GitOpsAppStatus,
    /// The same as it is stored.
    pub raw_status: Value,
}

/// That a person wants an app to be left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suspension {
    /// Why, if that was said.
    pub reason: Option<String>,
    /// The tool that said it last: which person used it is nowhere.
    pub tool: Option<String>,
    /// When that was.
    pub time: Option<String>,
}

impl Shown {
    /// Reads a resource.
    pub fn of(app: &Value) -> Self {
        let (meta, spec) = (&app["metadata"], &app["spec"]);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let or = |value: &Value, default: &str| text(value).unwrap_or_else(|| default.to_owned());
        let name = |key: &str| meta[key].as_str().unwrap_or_default();
        let controls = Controls::of(app);
        Self {
            id: ObjectId::new(apps::kind(), name("namespace"), name("name")),
            created: meta["creationTimestamp"].as_str().and_then(|time| time.parse().ok()),
            generation: meta["generation"].as_i64().unwrap_or_default(),
            repo: display_url(&or(&spec["repoURL"], "")),
            revision: or(&spec["targetRevision"], "HEAD"),
            path: or(&spec["path"], "."),
            target_namespace: text(&spec["targetNamespace"]),
            is_remote: spec["kubeConfig"].is_object(),
            is_deleting: meta["deletionTimestamp"].is_string(),
            suspension: suspension(app, &controls),
            controls,
            status: GitOpsAppStatus::deserialize(&app["status"]).unwrap_or_default(),
            raw_status: app["status"].clone(),
        }
    }

    /// Whether its daemon has looked at it as it is now.
    pub fn is_seen(&self) -> bool {
        self.status.observed_generation == Some(self.generation)
    }

    /// The condition Ready, if it is about the app as it is now.
    pub fn ready(&self) -> Option<&Condition> {
        self.status.conditions.get(ConditionType::Ready).filter(|_| self.is_seen())
    }

    /// What there is to say while it has not been looked at as it is now.
    pub fn unseen(&self) -> String {
        let what = match self.status.observed_generation {
            None => "No daemon has looked at it yet".to_owned(),
            Some(seen) => {
                format!("Generation {} is not looked at yet, only {seen} is", self.generation)
            }
        };
        format!("{what}: gitops-sync run --watch-apps does, if it runs")
    }
}

/// Whether a resource is suspended, and what is known about it.
fn suspension(app: &Value, controls: &Controls) -> Option<Suspension> {
    if !controls.suspended && app["spec"]["suspend"] != true {
        return None;
    }
    let of_annotation = |set: &Value| {
        let annotations = &set["f:metadata"]["f:annotations"];
        annotations["f:gitops-sync.dev/suspend"].is_object()
            || annotations["f:gitops-sync.dev/suspend-reason"].is_object()
    };
    let says = |entry: &fields::Entry<'_>| {
        entry.fields()["f:spec"]["f:suspend"].is_object() || of_annotation(entry.fields())
    };
    let last = fields::entries(app).filter(says).max_by_key(|entry| entry.time());
    Some(Suspension {
        reason: controls.suspend_reason.clone(),
        tool: last.map(|entry| entry.manager().to_owned()),
        time: last.map(|entry| entry.time().to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn of_a_suspension_the_tool_and_the_time_are_known() {
        let entry = |manager: &str, time: &str, set: Value| json!({"manager": manager, "operation": "Update", "time": time, "fieldsV1": set});
        let check = |spec: Value, annotations: Value, expect: Option<Suspension>| {
            let app = json!({"spec": spec, "metadata": {"annotations": annotations, "managedFields": [
                entry("helm", "2026-01-03T00:00:00Z", json!({"f:spec": {"f:path": {}}})),
                entry("kubectl-edit", "2026-01-02T00:00:00Z", json!({"f:spec": {"f:suspend": {}}})),
            ]}});
            assert_eq!(Shown::of(&app).suspension, expect, "{spec} {annotations}");
        };
        let expect = |reason: Option<&str>| {
            Some(Suspension {
                reason: reason.map(str::to_owned),
                tool: Some("kubectl-edit".into()),
                time: Some("2026-01-02T00:00:00Z".into()),
            })
        };
        let reason = || json!({"gitops-sync.dev/suspend-reason": "incident 42"});
        check(json!({"suspend": true}), json!({}), expect(None));
        check(json!({"suspend": true}), reason(), expect(Some("incident 42")));
        check(json!({}), json!({"gitops-sync.dev/suspend": "true"}), expect(None));
        check(json!({"suspend": false}), reason(), None);
        check(json!(null), json!(null), None);
    }

    #[test]
    fn a_resource_that_makes_no_sense_is_shown_as_well() {
        let shown = Shown::of(&json!({"spec": {"repoURL": 5}, "status": "good"}));
        assert_eq!((shown.repo.as_str(), shown.path.as_str()), ("", "."));
        assert!(shown.ready().is_none() && shown.unseen().starts_with("No daemon"));
    }
}

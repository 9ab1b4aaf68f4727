//! Apps that an older definition let in and that make no sense to this daemon: each of them stalls, alone.

use serde_json::{Value, json};
use testbed::{ControlPlane, eventually};

use super::alone::{Alone, HOME};
use super::itself::definition;
use crate::support::{DEADLINE, Daemon, config_map};

/// The definition without any rule.
fn lax() -> Value {
    let mut crd = definition(None);
    let schema = crd.pointer_mut("/spec/versions/0/schema/openAPIV3Schema").unwrap();
    *schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    crd
}

fn resource(name: &str, rest: &Value) -> Value {
    let mut app = json!({
        "apiVersion": "gitops-sync.dev/v1alpha1", "kind": "GitOpsApp",
        "metadata": {"name": name, "namespace": HOME},
    });
    app.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    app
}

/// Waits for a condition as people and tools do, and checks what kstatus reads: Failed, of this very generation.
fn is_stalled(alone: &Alone, name: &str, field: &str) {
    let app = format!("gapp/{name}");
    for condition in ["Stalled", "Ready=false"] {
        let condition = format!("--for=condition={condition}");
        alone.kubectl(&["wait", &condition, "--timeout=180s", &app]);
    }
    eventually(DEADLINE, &format!("{name} to be observed"), || {
        let app: Value =
            serde_json::from_str(&alone.kubectl(&["get", &app, "-o", "json"])).unwrap();
        let status = &app["status"];
        let is_current = status["observedGeneration"] == app["metadata"]["generation"];
        let text = status["conditions"].to_string();
        let is_told = text.contains(field) && text.contains("InvalidSpec");
        assert!(!text.contains("hunter2"), "{text}");
        if is_current && is_told { Ok(Some(())) } else { Err(format!("{app:#}")) }
    })
    .unwrap_or_else(|error| panic!("{error}"));
}

/// A commit of this value goes live.
fn goes_live(alone: &Alone, value: &str, daemon: &Daemon) {
    alone.repo.write("apps/a.yaml", config_map("a", value)).unwrap();
    let commit = alone.repo.commit("Change").unwrap();
    alone.applied("good", &commit, daemon);
    assert_eq!(alone.field("configmap/a", ".data.key"), value);
}

#[test]
fn what_does_not_decode_stalls_and_disturbs_no_other() {
    let alone = Alone::on(ControlPlane::api_only().unwrap());
    alone.kubectl(&["create", "namespace", HOME]);
    alone.define(&lax());
    let url = alone.repo.url();
    let bad = [
        ("none", json!({}), "spec"),
        ("text", json!({"spec": "hunter2"}), "spec"),
        ("list", json!({"spec": []}), "spec"),
        ("homeless", json!({"spec": {"path": "apps"}}), "spec.repoURL"),
        ("soon", json!({"spec": {"repoURL": url, "interval": "hunter2"}}), "spec.interval"),
        ("typed", json!({"spec": {"repoURL": url, "interval": 5}}), "spec.interval"),
        ("policy", json!({"spec": {"repoURL": url, "drift": "hunter2"}}), "spec.drift"),
        ("retry", json!({"spec": {"repoURL": url, "retry": {"limit": -1}}}), "spec.retry.limit"),
        ("outside", json!({"spec": {"repoURL": url, "path": "../hunter2"}}), "spec.path"),
        ("nameless", json!({"spec": {"repoURL": url, "dependsOn": [{}]}}), "spec.dependsOn"),
        (
            "kinds",
            json!({"spec": {"repoURL": url, "pruneGuard": {"protectKinds": ["a b"]}}}),
            "spec.pruneGuard.protectKinds",
        ),
        (
            "secretive",
            json!({"spec": {"repoURL": "https://ada:hunter2@git.example/c"}}),
            "spec.repoURL",
        ),
    ];
    // A status that nobody can read belongs to a good one as well.
    let strange = json!({"status": {"conditions": "none", "history": 7}}).to_string();
    for (name, rest, _) in &bad {
        alone.apply(&resource(name, rest));
    }
    alone.apply(&alone.app("good", "apps", json!({"colour": "of an older version"})));
    alone.kubectl(&["patch", "gapp/good", "--subresource=status", "--type=merge", "-p", &strange]);
    alone.repo.write("apps/a.yaml", config_map("a", "0")).unwrap();
    alone.repo.write("turned/t.yaml", config_map("turned", "1")).unwrap();
    alone.repo.commit("Begin").unwrap();
    let daemon = alone.start(alone.plane.kubeconfig());
    goes_live(&alone, "1", &daemon);
    for (name, _, field) in &bad {
        is_stalled(&alone, name, field);
    }
    // They come and change while it watches.
    alone.apply(&resource("later", &json!({"spec": {"repoURL": ["hunter2"]}})));
    alone.apply(&resource("soon", &json!({"spec": {"repoURL": url, "interval": "hunter2 "}})));
    is_stalled(&alone, "later", "spec.repoURL");
    is_stalled(&alone, "soon", "spec.interval");
    goes_live(&alone, "2", &daemon);

    // One that turns bad keeps what it has, also when it is deleted: what cannot be read asks for nothing.
    let turned = alone.app("turned", "turned", json!({"deletionPolicy": "Delete"}));
    alone.apply(&turned);
    alone.kubectl(&["wait", "--for=condition=Ready", "--timeout=180s", "gapp/turned"]);
    let patch = json!({"spec": {"interval": "hunter2"}}).to_string();
    alone.kubectl(&["patch", "gapp/turned", "--type=merge", "-p", &patch]);
    is_stalled(&alone, "turned", "spec.interval");
    alone.kubectl(&["delete", "gapp/turned", "--timeout=180s"]);
    let left = alone.kubectl(&["get", "configmap/turned", "-o", "json", "--show-managed-fields"]);
    assert!(!left.contains("gitops-sync.dev"), "{left}");

    // Mended, it is synced, and no longer stalled.
    alone.apply(&alone.app("typed", "turned", json!({})));
    alone.kubectl(&["wait", "--for=condition=Ready", "--timeout=180s", "gapp/typed"]);
    let conditions = alone.field("gapp/typed", ".status.conditions[*].type");
    assert!(!conditions.contains("Stalled"), "{conditions}");

    // Under the rules of today they are what they were, and go when they are deleted.
    alone.define(&definition(None));
    goes_live(&alone, "3", &daemon);
    let names: Vec<_> =
        bad.iter().map(|(name, ..)| *name).filter(|name| *name != "typed").collect();
    alone.kubectl(&[&["delete", "gapp", "--timeout=180s", "later"], &names[..]].concat());
    goes_live(&alone, "4", &daemon);
}

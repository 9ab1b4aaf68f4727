//! Apps that go to another cluster by a kubeconfig of their tenant.

use std::fs;
use std::sync::LazyLock;

use serde_json::{Value, json};
use testbed::{ControlPlane, eventually};

use super::Attack;
use crate::support::{DEADLINE, config_map, plane};

/// The other cluster.
pub fn other() -> &'static ControlPlane {
    static OTHER: LazyLock<ControlPlane> = LazyLock::new(|| ControlPlane::api_only().unwrap());
    &OTHER
}

/// The kubeconfig of a cluster's administrator.
pub fn kubeconfig(cluster: &ControlPlane) -> Value {
    serde_json::from_str(&fs::read_to_string(cluster.kubeconfig()).unwrap()).unwrap()
}

/// Keeps a kubeconfig in a Secret of the tenant.
pub fn keep(attack: &Attack, kubeconfig: &Value) {
    attack.secret("other", json!({"value": kubeconfig.to_string()}));
}

/// What makes an app go there.
pub fn there(more: Value) -> Value {
    let mut there = json!({"kubeConfig": {"secretRef": {"name": "other"}}});
    there.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    there
}

/// A field of an object there, empty without one.
fn field(cluster: &ControlPlane, namespace: &str, object: &str, path: &str) -> String {
    let path = format!("-o=jsonpath={{{path}}}");
    cluster.kubectl(&["get", object, "-n", namespace, &path, "--ignore-not-found"]).unwrap()
}

fn expect(namespace: &str, object: &str, path: &str, value: &str) {
    eventually(DEADLINE, &format!("{object} there to be {value:?}"), || {
        let found = field(other(), namespace, object, path);
        if found == value { Ok(Some(())) } else { Err(found) }
    })
    .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn an_app_keeps_another_cluster_in_sync_and_ends_there() {
    let attack = Attack::new("other-cluster");
    let namespace = attack.tenant().to_owned();
    other().kubectl(&["create", "namespace", &namespace]).unwrap();
    attack
        .apps
        .test
        .commit(&[("web/a.yaml", &config_map("a", "1")), ("web/b.yaml", &config_map("b", "1"))]);
    keep(&attack, &kubeconfig(other()));
    let mark = plane().audit().mark().unwrap();
    attack.app("web", "web", there(json!({"deletionPolicy": "Delete"})));
    attack.apps.wait("web", "Ready");
    expect(&namespace, "configmap/a", ".data.key", "1");
    other()
        .kubectl(&["patch", "cm", "a", "-n", &namespace, "-p", "{\"data\":{\"key\":\"9\"}}"])
        .unwrap();
    expect(&namespace, "configmap/a", ".data.key", "1");
    attack.apps.test.repo.remove("web/b.yaml").unwrap();
    let commit = attack.apps.test.repo.commit("Remove").unwrap();
    attack.apps.applied("web", &commit);
    expect(&namespace, "configmap/b", ".metadata.name", "");
    // In this cluster nothing of it is left but what the daemon knows, and the Secret is read by the account.
    assert_eq!(attack.apps.test.field("configmap/a", ".metadata.name"), "");
    let sent = attack.sent(mark);
    let reads =
        sent.iter().filter(|r| r.resource == "secrets" && r.name == "other" && r.verb == "get");
    let whose: Vec<_> = reads.map(|r| r.impersonated.clone()).collect();
    assert!(!whose.is_empty() && whose.iter().all(|who| *who == attack.account()), "{whose:?}");
    assert!(sent.iter().all(|r| r.resource != "configmaps"), "{sent:#?}");
    // An object of the same name here, with all marks, has nothing to do with it.
    let marks = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"key": "here"},
        "metadata": {
            "name": "a", "labels": {"gitops-sync.dev/app": format!("{namespace}.web")},
            "annotations": {
                "gitops-sync.dev/id": format!("{}_{namespace}.web:/ConfigMap:{namespace}/a", attack.home),
            },
        },
    });
    attack.as_tenant(&marks).unwrap();
    let version = attack.apps.test.field("configmap/a", ".metadata.resourceVersion");
    attack.apps.test.kubectl(&["delete", "gapp", "web", "--timeout=180s"]);
    expect(&namespace, "configmap/a", ".metadata.name", "");
    assert_eq!(attack.apps.test.field("configmap/a", ".metadata.resourceVersion"), version);
    let left = plane().kubectl(&["get", "secrets", "-n", &attack.home, "-o", "name"]).unwrap();
    assert!(!left.contains("inventory"), "{left}");
}

#[test]
fn what_an_app_has_in_another_cluster_is_no_claim_on_this_one() {
    let attack = Attack::new("two-clusters");
    let victim = attack.victim.clone();
    attack.theirs.write("prize.yaml", config_map("prize", "mine")).unwrap();
    attack.theirs.write("other.yaml", config_map("other", "mine")).unwrap();
    attack.theirs.commit("Declare").unwrap();
    attack.victims_app(json!({}));
    other().kubectl(&["create", "namespace", &victim]).unwrap();
    keep(&attack, &kubeconfig(other()));
    attack.apps.test.commit(&[("web/prize.yaml", &config_map("prize", "theirs"))]);
    attack.app("web", "web", there(json!({"targetNamespace": victim})));
    attack.apps.wait("web", "Ready");
    expect(&victim, "configmap/prize", ".data.key", "theirs");
    let change = ["patch", "cm", "prize", "-n", &victim, "-p", "{\"data\":{\"key\":\"9\"}}"];
    other().kubectl(&change).unwrap();
    expect(&victim, "configmap/prize", ".data.key", "theirs");
    attack.apps.test.expect("gapp/web", ".status.lastDrifts[0].field", "data.key");
    // The owner of the one here gives it up: it goes, and the one there stays.
    attack.theirs.remove("prize.yaml").unwrap();
    attack.theirs.commit("Remove").unwrap();
    attack.kubectl(&["wait", "--for=delete", "configmap/prize", "--timeout=180s"]);
    attack.passes("web");
    expect(&victim, "configmap/prize", ".data.key", "theirs");
    let ready = attack.kubectl(&["get", "gapp", "web", "-o=jsonpath={.status.conditions}"]);
    assert!(!ready.contains("OwnershipConflict"), "{ready}");
    let events = attack.kubectl(&["get", "events", "-o", "wide"]);
    assert!(!events.contains("theirs") && !events.contains("DriftReverted"), "{events}");
}

#[test]
fn a_kubeconfig_that_changes_is_heeded_at_once() {
    let attack = Attack::new("rotated-cluster");
    let namespace = attack.tenant().to_owned();
    other().kubectl(&["create", "namespace", &namespace]).unwrap();
    attack.apps.test.commit(&[("web/a.yaml", &config_map("a", "1"))]);
    let good = kubeconfig(other());
    keep(&attack, &good);
    // Nothing but the change of the Secret wakes it.
    attack.app("web", "web", there(json!({"interval": "1h"})));
    attack.apps.wait("web", "Ready");
    let mut bad = good.clone();
    bad["users"][0]["user"]["token"] = json!("revoked");
    keep(&attack, &bad);
    attack.apps.wait("web", "Ready=false");
    keep(&attack, &good);
    attack.apps.wait("web", "Ready");
    other()
        .kubectl(&["patch", "cm", "a", "-n", &namespace, "-p", "{\"data\":{\"key\":\"9\"}}"])
        .unwrap();
    expect(&namespace, "configmap/a", ".data.key", "1");
    attack.apps.test.kubectl(&["delete", "secret", "other"]);
    let said = attack.apps.reason("web", "Ready", "SecretUnavailable");
    assert!(said.contains(&format!("there is no Secret {namespace}/other")), "{said}");
}

#[test]
fn an_app_whose_cluster_or_kubeconfig_is_gone_ends_all_the_same() {
    let attack = Attack::new("lost-cluster");
    let lost = ControlPlane::api_only().unwrap();
    attack.apps.test.commit(&[("web/a.yaml", &config_map("a", "1"))]);
    keep(&attack, &kubeconfig(&lost));
    let more = there(json!({"targetNamespace": "default", "deletionPolicy": "Delete"}));
    attack.app("web", "web", more.clone());
    attack.app("api", "api", more);
    attack.apps.wait("web", "Ready");
    assert_eq!(field(&lost, "default", "configmap/a", ".data.key"), "1");
    lost.stop_api().unwrap();
    attack.apps.test.kubectl(&["delete", "gapp", "web", "--timeout=180s"]);
    attack.apps.daemon.line(&["configmap/a", "could not be reached"]);
    attack.apps.test.kubectl(&["delete", "secret", "other"]);
    attack.apps.test.kubectl(&["delete", "gapp", "api", "--timeout=180s"]);
    attack.apps.daemon.line(&["could not be reached", "there is no Secret"]);
    let left = plane().kubectl(&["get", "secrets", "-n", &attack.home, "-o", "name"]).unwrap();
    assert!(!left.contains("inventory"), "{left}");
}

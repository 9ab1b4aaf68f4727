//! The finalizer of an app lets go, whatever is gone or forbidden by then.

use serde_json::{Value, json};
use testbed::eventually;

use super::{Apps, start, start_as};
use crate::support::{DEADLINE, Fixture, config_map, define_apps, plane};

/// A folder for each policy, with one object: `Abandon` and `Delete`.
const POLICIES: [(&str, &str); 2] = [("left", "Abandon"), ("goes", "Delete")];

/// A namespaced kind of a group.
fn definition(group: &str) -> String {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("gears.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"kind": "Gear", "plural": "gears", "singular": "gear"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {
                "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            }}],
        },
    })
    .to_string()
}

fn gear(group: &str, name: &str) -> String {
    json!({"apiVersion": format!("{group}/v1"), "kind": "Gear", "metadata": {"name": name}})
        .to_string()
}

/// Deletes all apps of the test, and waits until they are gone.
fn delete_all(apps: &Apps) {
    apps.test.kubectl(&["delete", "gapp", "--all", "--wait=false"]);
    for (name, _) in POLICIES {
        apps.gone(&format!("gapp/{name}"));
    }
}

/// Asserts that an object is there, without a mark of ours.
fn is_free(test: &Fixture, object: &str) {
    let found = test.kubectl(&["get", object, "-o", "json", "--show-managed-fields"]);
    assert!(!found.contains("gitops-sync"), "{found}");
}

#[test]
fn a_kind_that_is_gone_holds_up_nothing() {
    let apps = Apps::new("fin-crd");
    let group = format!("{}.example.com", apps.test.namespace);
    plane().kubectl_with_stdin(&["create", "-f", "-"], &definition(&group)).unwrap();
    let crd = format!("crd/gears.{group}");
    plane().wait_served(&format!("gears.{group}")).unwrap();
    for (name, policy) in POLICIES {
        apps.test.commit(&[
            (&format!("{name}/a.yaml"), &config_map(name, "1")),
            (&format!("{name}/g.yaml"), &gear(&group, name)),
        ]);
        apps.app(name, name, json!({"deletionPolicy": policy}));
        apps.wait(name, "Ready");
    }
    plane().kubectl(&["delete", &crd, "--timeout=180s"]).unwrap();
    delete_all(&apps);
    is_free(&apps.test, "configmap/left");
    apps.gone("configmap/goes");
}

#[test]
fn apps_that_were_deleted_while_no_daemon_ran_go_with_the_next_one() {
    let apps = Apps::new("fin-down");
    for (name, policy) in POLICIES {
        apps.test.commit(&[(&format!("{name}/a.yaml"), &config_map(name, "1"))]);
        apps.app(name, name, json!({"deletionPolicy": policy}));
        apps.wait(name, "Ready");
    }
    let Apps { test, daemon } = apps;
    drop(daemon);
    test.kubectl(&["delete", "gapp", "--all", "--wait=false"]);
    let apps = Apps { daemon: start(&test, &[]), test };
    delete_all(&apps);
    is_free(&apps.test, "configmap/left");
    apps.gone("configmap/goes");
}

#[test]
fn a_namespace_ends_with_the_apps_and_the_objects_in_it() {
    define_apps();
    let (home, test) = (Fixture::new("fin-home"), Fixture::new("fin-inside"));
    let daemon = start(&home, &["--namespaces", &test.namespace]);
    let apps = Apps { test, daemon };
    // An account that goes with the namespace, as its rights do.
    let (test, account) = (&apps.test, format!("{}:tenant", apps.test.namespace));
    test.kubectl(&["create", "serviceaccount", "tenant"]);
    let admin = ["create", "rolebinding", "tenant", "--clusterrole=admin", "--serviceaccount"];
    test.kubectl(&[&admin[..], &[&account]].concat());
    let away = json!(home.namespace);
    for (name, policy) in POLICIES {
        let (inside, outside) = (format!("{name}/in.yaml"), format!("{name}-out/out.yaml"));
        apps.test.commit(&[
            (&inside, &config_map(name, "1")),
            (&outside, &config_map(&format!("{name}-out"), "1")),
            (&format!("{name}-as/a.yaml"), &config_map(&format!("{name}-as"), "1")),
        ]);
        let more = json!({"deletionPolicy": policy, "serviceAccountName": "tenant"});
        apps.app(&format!("{name}-as"), &format!("{name}-as"), more);
        apps.app(name, name, json!({"deletionPolicy": policy}));
        let more = json!({"deletionPolicy": policy, "targetNamespace": away});
        apps.app(&format!("{name}-out"), &format!("{name}-out"), more);
    }
    for (name, _) in POLICIES {
        apps.wait(name, "Ready");
        apps.wait(&format!("{name}-out"), "Ready");
        apps.wait(&format!("{name}-as"), "Ready");
    }
    plane().kubectl(&["delete", "namespace", &apps.test.namespace, "--timeout=180s"]).unwrap();
    is_free(&home, "configmap/left-out");
    assert_eq!(home.field("configmap/goes-out", ".metadata.name"), "");
}

#[test]
fn the_namespace_of_the_daemon_ends_with_the_apps_in_it() {
    let apps = Apps::new("fin-own");
    for (name, policy) in POLICIES {
        apps.test.commit(&[(&format!("{name}/a.yaml"), &config_map(name, "1"))]);
        apps.app(name, name, json!({"deletionPolicy": policy}));
        apps.wait(name, "Ready");
    }
    // What the daemon remembers goes before the apps do, as it may when a namespace ends.
    apps.test.kubectl(&["delete", "secrets", "--all"]);
    plane().kubectl(&["delete", "namespace", &apps.test.namespace, "--timeout=180s"]).unwrap();
}

#[test]
fn an_inventory_that_cannot_be_read_is_told_and_the_app_goes_without_it() {
    let apps = Apps::new("fin-damaged");
    apps.test.commit(&[("web/a.yaml", &config_map("a", "1"))]);
    apps.app("web", "web", json!({"deletionPolicy": "Delete"}));
    apps.wait("web", "Ready");
    let secret = format!("secret/gitops-sync-inventory-{}.web", apps.test.namespace);
    let damage = json!({"data": {"inventory": "AAAA"}}).to_string();
    apps.test.kubectl(&["patch", &secret, "--type=merge", "-p", &damage]);
    apps.test.kubectl(&["delete", "gapp", "web", "--wait=false"]);
    let message = apps.reason("web", "Ready", "DeletionFailed");
    assert!(message.contains("restore it, or delete it"), "{message}");
    apps.test.kubectl(&["delete", &secret]);
    apps.gone("gapp/web");
    assert_eq!(apps.test.field("configmap/a", ".data.key"), "1");
}

/// Gives the account of a test these verbs on everything in its namespace.
fn grant(test: &Fixture, verbs: &[&str]) {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "sync", "namespace": test.namespace},
        "rules": [
            {"apiGroups": ["*"], "resources": ["*"], "verbs": verbs},
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["*"]},
        ],
    });
    plane().kubectl_with_stdin(&["apply", "-f", "-"], &role.to_string()).unwrap();
}

const ALL: [&str; 7] = ["get", "list", "watch", "create", "update", "patch", "delete"];

/// A daemon that may do everything in its namespace, and then no longer delete, with an app on one object.
fn without_deletion(name: &str, more: Value) -> Apps {
    define_apps();
    let test = Fixture::new(name);
    let (_, kubeconfig) = test.account();
    grant(&test, &ALL);
    let account = format!("{}:sync", test.namespace);
    test.kubectl(&["create", "rolebinding", "sync", "--role=sync", "--serviceaccount", &account]);
    let apps = Apps { daemon: start_as(&test, &kubeconfig, &[]), test };
    apps.test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let mut spec = apps.spec("apps", json!({"deletionPolicy": "Delete"}));
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    apps.apply("web", &spec);
    apps.wait("web", "Ready");
    grant(&apps.test, &ALL[..6]);
    apps
}

/// Waits for an event of the app with these words.
fn event(apps: &Apps, words: &[&str]) {
    let what = format!("an event with {words:?}");
    eventually(DEADLINE, &what, || {
        let all = apps.test.kubectl(&["get", "events", "-o", "wide"]);
        let has_all = |line: &str| words.iter().all(|word| line.contains(word));
        if all.lines().any(has_all) { Ok(Some(())) } else { Err(all) }
    })
    .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn what_may_not_be_deleted_is_told_and_deleted_once_it_may() {
    let apps = without_deletion("fin-refused", json!({"timeout": "1h"}));
    apps.test.kubectl(&["delete", "gapp", "web", "--wait=false"]);
    let message = apps.reason("web", "Ready", "DeletionFailed");
    for words in ["configmap/a", "forbidden", "deletionPolicy: Abandon"] {
        assert!(message.contains(words), "{message}");
    }
    event(&apps, &["DeletionFailed", "gitopsapp/web", "configmap/a"]);
    grant(&apps.test, &ALL);
    apps.gone("gapp/web");
    apps.gone("configmap/a");
}

#[test]
fn what_may_not_be_deleted_is_left_to_others_after_a_while_or_when_asked_to() {
    let apps = without_deletion("fin-late", json!({"timeout": "3s"}));
    apps.test.commit(&[("asked/b.yaml", &config_map("b", "1"))]);
    apps.app("asked", "asked", json!({"deletionPolicy": "Delete", "timeout": "1h"}));
    apps.wait("asked", "Ready");
    apps.test.kubectl(&["delete", "gapp", "--all", "--wait=false"]);
    apps.gone("gapp/web");
    is_free(&apps.test, "configmap/a");
    event(&apps, &["Abandoned", "gitopsapp/web", "configmap/a"]);
    apps.reason("asked", "Ready", "DeletionFailed");
    let patch = json!({"spec": {"deletionPolicy": "Abandon"}}).to_string();
    apps.test.kubectl(&["patch", "gapp", "asked", "--type=merge", "-p", &patch]);
    apps.gone("gapp/asked");
    is_free(&apps.test, "configmap/b");
}

#[test]
fn who_takes_the_finalizer_away_finds_it_put_back() {
    let apps = Apps::new("fin-back");
    apps.test.commit(&[("app/a.yaml", &config_map("a", "1"))]);
    apps.app("app", "app", json!({}));
    apps.wait("app", "Ready");
    let finalizers =
        || apps.test.kubectl(&["get", "gapp/app", "-o", "jsonpath={.metadata.finalizers}"]);
    let ours = finalizers();
    assert!(ours.contains("gitops-sync.dev/finalizer"), "{ours}");
    for others in [json!(null), json!(["example.com/other"])] {
        let patch = json!({"metadata": {"finalizers": others}}).to_string();
        apps.test.kubectl(&["patch", "gapp/app", "--type=merge", "-p", &patch]);
        eventually(DEADLINE, "our finalizer, beside those of others", || {
            let now = finalizers();
            let is_back = now.contains("gitops-sync.dev/finalizer");
            let is_kept = others.is_null() || now.contains("example.com/other");
            if is_back && is_kept { Ok(Some(())) } else { Err(now) }
        })
        .unwrap();
    }
    let mine = json!({"metadata": {"finalizers": ["gitops-sync.dev/finalizer"]}}).to_string();
    apps.test.kubectl(&["patch", "gapp/app", "--type=merge", "-p", &mine]);
}

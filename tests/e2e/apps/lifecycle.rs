//! From a resource to objects, and back to its status.

use serde_json::json;
use testbed::ApiFault;

use super::Apps;
use crate::crd::{crd, gear, version};
use crate::support::{Daemon, Fixture, config_map, define_apps, plane, program};

#[test]
fn a_resource_of_five_lines_is_synced_and_says_so() {
    let apps = Apps::new("lifecycle");
    let first = apps.test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    apps.app("web", "apps", json!({}));
    apps.wait("web", "Ready");
    apps.test.expect("configmap/a", ".data.key", "1");
    apps.applied("web", &first);
    let app = apps.get("web");
    let status = &app["status"];
    assert_eq!(status["observedGeneration"], app["metadata"]["generation"], "{status:#}");
    assert_eq!(status["lastAppliedRevision"]["subject"], "Change", "{status:#}");
    assert_eq!(status["objects"]["synced"], 1, "{status:#}");
    assert_eq!(status["history"].as_array().unwrap().len(), 1, "{status:#}");
    let columns = apps.test.kubectl(&["get", "gapp", "web"]);
    assert!(columns.contains("True") && columns.contains(&first[..8]), "{columns}");
    // A commit goes live, and drift is put back.
    let second = apps.test.commit(&[("apps/a.yaml", &config_map("a", "2"))]);
    apps.test.expect("configmap/a", ".data.key", "2");
    apps.applied("web", &second);
    apps.test.kubectl(&["patch", "configmap", "a", "-p", "{\"data\":{\"key\":\"9\"}}"]);
    apps.test.expect("configmap/a", ".data.key", "2");
    apps.test.expect("gapp/web", ".status.lastDrifts[0].field", "data.key");
    apps.test.expect("gapp/web", ".status.history[1].revision", &first);
}

#[test]
fn at_rest_nothing_is_sent_and_the_status_is_not_written() {
    let apps = Apps::new("apps-rest");
    apps.test.commit(&[("a/a.yaml", &config_map("a", "1")), ("b/b.yaml", &config_map("b", "1"))]);
    for name in ["a", "b"] {
        apps.app(name, name, json!({}));
        apps.wait(name, "Ready");
    }
    let versions =
        || apps.test.kubectl(&["get", "gapp", "-o=jsonpath={.items[*].metadata.resourceVersion}"]);
    passes(&apps, 2);
    let (before, mark) = (versions(), plane().audit().mark().unwrap());
    passes(&apps, 4);
    let sent = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
    let is_own = |r: &&testbed::ApiRequest| r.namespace == apps.test.namespace && r.verb != "watch";
    let sent: Vec<_> = sent.iter().filter(is_own).collect();
    assert!(sent.is_empty(), "{sent:#?}");
    assert_eq!(versions(), before);
}

/// Waits for so many passes of both apps.
fn passes(apps: &Apps, number: usize) {
    for _ in 0..number {
        for app in ["a", "b"] {
            let name = format!("app={}/{app}}}", apps.test.namespace);
            apps.daemon.line_after(apps.daemon.mark(), &["Synced", &name]);
        }
    }
}

#[test]
fn one_that_makes_no_sense_stalls_alone() {
    let apps = Apps::new("stalled");
    apps.test
        .commit(&[("apps/a.yaml", &config_map("a", "1")), ("bad/b.yaml", &config_map("b", "1"))]);
    // No rule of a schema can see the namespace of an object.
    let itself = json!([{"name": "bad", "namespace": apps.test.namespace}]);
    apps.app("bad", "bad", json!({"dependsOn": itself}));
    let message = apps.reason("bad", "Stalled", "InvalidSpec");
    assert!(message.contains("spec.dependsOn"), "{message}");
    apps.wait("bad", "Ready=false");
    apps.app("good", "apps", json!({}));
    apps.wait("good", "Ready");
    // Mended, it goes on.
    apps.app("bad", "bad", json!({"dependsOn": []}));
    apps.reason("bad", "Ready", "Synced");
}

#[test]
fn a_suspended_app_is_left_alone_until_it_is_resumed() {
    let apps = Apps::new("apps-suspended");
    apps.test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    apps.app("web", "apps", json!({}));
    apps.wait("web", "Ready");
    apps.app("web", "apps", json!({"suspend": true}));
    apps.reason("web", "Ready", "Suspended");
    apps.test.kubectl(&["patch", "configmap", "a", "-p", "{\"data\":{\"key\":\"9\"}}"]);
    apps.test.commit(&[("apps/b.yaml", &config_map("b", "1"))]);
    // Another app shows that the commit was there to be seen.
    apps.app("other", "apps2", json!({}));
    apps.test.commit(&[("apps2/c.yaml", &config_map("c", "1"))]);
    apps.wait("other", "Ready");
    assert_eq!(apps.test.field("configmap/a", ".data.key"), "9");
    assert_eq!(apps.test.field("configmap/b", ".data.key"), "");
    apps.app("web", "apps", json!({"suspend": false}));
    apps.test.expect("configmap/b", ".data.key", "1");
    apps.test.expect("configmap/a", ".data.key", "1");
    apps.wait("web", "Ready");
}

#[test]
fn who_asks_for_a_sync_gets_one_at_once() {
    let apps = Apps::new("requested");
    apps.test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    apps.app("web", "apps", json!({"interval": "1h"}));
    apps.wait("web", "Ready");
    for (key, value) in
        [("gitops-sync.dev/requested-at", "2"), ("reconcile.fluxcd.io/requestedAt", "3")]
    {
        let commit = apps.test.commit(&[("apps/a.yaml", &config_map("a", value))]);
        apps.test.kubectl(&[
            "annotate",
            "--overwrite",
            "gapp/web",
            "gitops-sync.dev/requested-at-",
        ]);
        apps.test.kubectl(&["annotate", "--overwrite", "gapp/web", &format!("{key}={value}")]);
        apps.applied("web", &commit);
        apps.test.expect("gapp/web", ".status.lastHandledReconcileAt", value);
    }
}

#[test]
fn a_restart_changes_nothing() {
    let apps = Apps::new("apps-restart");
    apps.test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    apps.app("web", "apps", json!({}));
    apps.wait("web", "Ready");
    let Apps { test, daemon } = apps;
    drop(daemon);
    let version = || {
        test.kubectl(&[
            "get",
            "configmap/a",
            "gapp/web",
            "-o=jsonpath={.items[*].metadata.resourceVersion}",
        ])
    };
    let (before, mark) = (version(), plane().audit().mark().unwrap());
    let daemon = super::start(&test, &[]);
    for _ in 0..2 {
        daemon.line_after(daemon.mark(), &["INFO", ": Synced"]);
    }
    assert_eq!(version(), before);
    let sent = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
    let is_write = |r: &&testbed::ApiRequest| {
        r.namespace == test.namespace && !matches!(r.verb.as_str(), "get" | "list" | "watch")
    };
    let writes: Vec<_> = sent.iter().filter(is_write).collect();
    assert!(writes.is_empty(), "{writes:#?}");
}

#[test]
fn one_that_is_synced_by_hand_says_what_it_would_do() {
    let apps = Apps::new("manual");
    apps.test
        .commit(&[("apps/a.yaml", &config_map("a", "1")), ("apps/b.yaml", &config_map("b", "1"))]);
    apps.app("web", "apps", json!({"syncPolicy": "manual"}));
    let message = apps.reason("web", "Ready", "OutOfSync");
    assert!(message.contains("would create 2, change 0 and delete 0"), "{message}");
    assert_eq!(apps.test.kubectl(&["get", "configmaps", "-l=gitops-sync.dev/app", "-o=name"]), "");
    let ask = |value: &str| {
        let annotation = format!("gitops-sync.dev/requested-at={value}");
        apps.test.kubectl(&["annotate", "--overwrite", "gapp/web", &annotation]);
        apps.test.expect("gapp/web", ".status.lastHandledReconcileAt", value);
    };
    ask("1");
    apps.wait("web", "Ready");
    assert_eq!(apps.test.field("configmap/a", ".data.key"), "1");
    // Neither a commit nor a foreign change leads to a write.
    apps.test.repo.remove("apps/b.yaml").unwrap();
    apps.test.commit(&[("apps/a.yaml", &config_map("a", "2"))]);
    let message = apps.reason("web", "Ready", "OutOfSync");
    assert!(message.contains("would create 0, change 1 and delete 1"), "{message}");
    apps.test.kubectl(&["delete", "configmap", "a"]);
    apps.test.kubectl(&["patch", "configmap", "b", "-p", "{\"data\":{\"key\":\"9\"}}"]);
    passes_of(&apps, "web", 3);
    assert_eq!(apps.test.field("configmap/a", ".data.key"), "");
    assert_eq!(apps.test.field("configmap/b", ".data.key"), "9");
    ask("2");
    apps.wait("web", "Ready");
    assert_eq!(apps.test.field("configmap/a", ".data.key"), "2");
    apps.gone("configmap/b");
}

/// Waits until the app has looked at its repository so many times.
fn passes_of(apps: &Apps, _name: &str, number: usize) {
    let looks = || apps.test.git.requests().iter().filter(|r| r.contains("info/refs")).count();
    let before = looks();
    testbed::eventually(crate::support::DEADLINE, "looks at the repository", || {
        let seen = looks() - before;
        if seen > number { Ok(Some(())) } else { Err(format!("{seen} looks")) }
    })
    .unwrap();
}

#[test]
fn one_that_was_made_again_unseen_is_synced() {
    define_apps();
    let (test, proxy) = (Fixture::new("made-again"), plane().proxy().unwrap());
    let daemon = super::start_as(&test, proxy.kubeconfig(), &[]);
    let apps = Apps { test, daemon };
    apps.test.commit(&[("a/a.yaml", &config_map("a", "1")), ("b/b.yaml", &config_map("b", "1"))]);
    apps.app("web", "a", json!({}));
    apps.wait("web", "Ready");
    proxy.set_fault(ApiFault::status(503));
    proxy.cut_connections();
    apps.test.kubectl(&["delete", "gapp", "web", "--wait=false"]);
    let nobody_waits = "{\"metadata\":{\"finalizers\":null}}";
    apps.test.kubectl(&["patch", "gapp", "web", "--type=merge", "-p", nobody_waits]);
    apps.gone("gapp/web");
    apps.app("web", "b", json!({}));
    proxy.set_fault(ApiFault::None);
    apps.wait("web", "Ready");
    apps.test.expect("configmap/b", ".data.key", "1");
}

#[test]
fn one_that_is_synced_by_hand_is_not_planned_again_at_once() {
    define_apps();
    let test = Fixture::new("manual-kind");
    // Kinds are not of one namespace: it works in the whole cluster, for its own apps alone.
    let mut command = program();
    let selector = format!("of={}", test.namespace);
    command.args(["run", "--watch-apps", "--watch-label-selector", &selector]);
    command.args(["--listen", "127.0.0.1:0", "--namespace", &test.namespace]);
    command.arg("--kubeconfig").arg(plane().kubeconfig());
    command.arg("--data-dir").arg(test.data.path());
    let apps = Apps { daemon: Daemon::start(command), test };
    let group = format!("{}.example", apps.test.namespace);
    let crd = crd(&group, &version("v1", true, true));
    let gear = gear(&group, "v1", 1);
    apps.test.commit(&[
        ("apps/a.yaml", &crd),
        ("apps/b.yaml", &gear),
        ("other/c.yaml", &config_map("c", "1")),
    ]);
    apps.app("web", "apps", json!({"syncPolicy": "manual", "interval": "1h"}));
    apps.app("clock", "other", json!({}));
    apps.test.kubectl(&["label", "gapp", "--all", &selector]);
    apps.reason("web", "Ready", "OutOfSync");
    apps.wait("clock", "Ready");
    let tick = || {
        let name = format!("app={}/clock}}", apps.test.namespace);
        apps.daemon.line_after(apps.daemon.mark(), &["Synced", &name]);
    };
    tick();
    let mark = plane().audit().mark().unwrap();
    (0..5).for_each(|_| tick());
    let sent = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
    let is_ours = |r: &&testbed::ApiRequest| r.name.contains(&group) || r.group.contains(&group);
    let sent: Vec<_> = sent.iter().filter(is_ours).collect();
    assert!(sent.is_empty(), "{sent:#?}");
}

//! Objects that two apps declare, or that move from one to the other; apps of apps.

use serde_json::json;

use super::Apps;
use crate::support::{config_map, plane};

#[test]
fn an_object_that_moves_to_another_app_is_never_deleted() {
    let apps = Apps::new("apps-move");
    let other = config_map("other", "1");
    apps.test.commit(&[
        ("a/m.yaml", &config_map("moved", "1")),
        ("a/o.yaml", &other),
        ("b/o.yaml", &config_map("third", "1")),
    ]);
    apps.app("a", "a", json!({}));
    apps.app("b", "b", json!({}));
    apps.wait("a", "Ready");
    apps.wait("b", "Ready");
    let uid = apps.test.field("configmap/moved", ".metadata.uid");
    apps.test.repo.remove("a/m.yaml").unwrap();
    let commit = apps.test.commit(&[("b/m.yaml", &config_map("moved", "2"))]);
    apps.test.expect("configmap/moved", ".data.key", "2");
    let id = format!("{}_{}.b", apps.test.namespace, apps.test.namespace);
    let owner = ".metadata.annotations.gitops-sync\\.dev/id";
    let wanted = format!("{id}:/ConfigMap:{}/moved", apps.test.namespace);
    apps.test.expect("configmap/moved", owner, &wanted);
    apps.applied("a", &commit);
    apps.applied("b", &commit);
    assert_eq!(apps.test.field("configmap/moved", ".metadata.uid"), uid);
}

#[test]
fn two_that_claim_one_object_do_not_flap_and_both_say_it() {
    let apps = Apps::new("apps-claim");
    apps.test
        .commit(&[("a/m.yaml", &config_map("one", "a")), ("b/m.yaml", &config_map("one", "b"))]);
    apps.app("a", "a", json!({}));
    apps.wait("a", "Ready");
    apps.app("b", "b", json!({}));
    let message = apps.reason("b", "Ready", "OwnershipConflict");
    assert!(message.contains("one"), "{message}");
    let version = apps.test.field("configmap/one", ".metadata.resourceVersion");
    for name in ["a", "b"] {
        let events = || apps.test.kubectl(&["get", "events", "-o", "wide"]);
        let app = format!("gitopsapp/{name}");
        let deadline = crate::support::DEADLINE;
        testbed::eventually(deadline, "both to say it", || {
            let all = events();
            let is_said = |line: &str| line.contains("OwnershipConflict") && line.contains(&app);
            if all.lines().any(is_said) { Ok(Some(())) } else { Err(all) }
        })
        .unwrap();
    }
    assert_eq!(apps.test.field("configmap/one", ".metadata.resourceVersion"), version);
    assert_eq!(apps.test.field("configmap/one", ".data.key"), "a");
    // Once the first one gives it up, it is the second one's.
    apps.test.repo.remove("a/m.yaml").unwrap();
    apps.test.commit(&[("a/x.yaml", &config_map("x", "a"))]);
    apps.test.expect("configmap/one", ".data.key", "b");
    apps.wait("b", "Ready");
}

#[test]
fn apps_of_apps_work_and_outlive_their_parent() {
    let apps = Apps::new("app-of-apps");
    let child = |name: &str| {
        json!({
            "apiVersion": "gitops-sync.dev/v1alpha1", "kind": "GitOpsApp",
            "metadata": {"name": name},
            "spec": {"repoURL": apps.test.repo.url(), "path": name, "interval": "1s"},
        })
        .to_string()
    };
    apps.test.commit(&[
        ("parent/one.yaml", &child("one")),
        ("parent/two.yaml", &child("two")),
        ("one/a.yaml", &config_map("a", "1")),
        ("two/b.yaml", &config_map("b", "1")),
    ]);
    apps.app("parent", "parent", json!({}));
    apps.wait("parent", "Ready");
    for name in ["one", "two"] {
        apps.wait(name, "Ready");
    }
    apps.test.expect("configmap/a", ".data.key", "1");
    // The status of a child is no drift.
    let mark = plane().audit().mark().unwrap();
    let commit = apps.test.commit(&[("two/b.yaml", &config_map("b", "2"))]);
    apps.applied("two", &commit);
    apps.applied("parent", &commit);
    let sent = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
    let is_apply = |r: &&testbed::ApiRequest| {
        r.namespace == apps.test.namespace
            && r.resource == "gitopsapps"
            && r.subresource.is_empty()
            && r.verb == "patch"
    };
    assert_eq!(sent.iter().find(is_apply), None);
    // A child that leaves git goes, and leaves its objects.
    apps.test.repo.remove("parent/two.yaml").unwrap();
    apps.test.commit(&[("one/a.yaml", &config_map("a", "2"))]);
    apps.gone("gapp/two");
    assert_eq!(apps.test.field("configmap/b", ".data.key"), "2");
    apps.test.kubectl(&["delete", "gapp", "parent", "--timeout=180s"]);
    apps.test.commit(&[("one/a.yaml", &config_map("a", "3"))]);
    apps.test.expect("configmap/a", ".data.key", "3");
}

#[test]
fn what_leaves_git_goes_as_soon_as_the_other_apps_have_looked() {
    let apps = Apps::new("apps-prune");
    apps.test.commit(&[
        ("a/a.yaml", &config_map("a", "1")),
        ("a/gone.yaml", &config_map("gone", "1")),
        ("b/b.yaml", &config_map("b", "1")),
    ]);
    for name in ["a", "b"] {
        apps.app(name, name, json!({"interval": "30m"}));
        apps.wait(name, "Ready");
    }
    apps.test.repo.remove("a/gone.yaml").unwrap();
    apps.test.commit(&[("b/b.yaml", &config_map("b", "2"))]);
    apps.test.kubectl(&["annotate", "gapp/a", "gitops-sync.dev/requested-at=1"]);
    apps.gone("configmap/gone");
    apps.test.expect("configmap/b", ".data.key", "2");
}

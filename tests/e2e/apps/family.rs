//! Apps of apps: children that make no sense, that move, and that leave with or without their parents.

use serde_json::{Value, json};

use super::Apps;
use crate::support::config_map;

/// A child on a folder of its own name.
fn child(apps: &Apps, name: &str, more: Value) -> String {
    let spec = apps.spec(name, more);
    json!({
        "apiVersion": "gitops-sync.dev/v1alpha1", "kind": "GitOpsApp",
        "metadata": {"name": name}, "spec": spec,
    })
    .to_string()
}

fn uid(apps: &Apps, object: &str) -> String {
    let uid = apps.test.field(object, ".metadata.uid");
    assert!(!uid.is_empty(), "no {object}");
    uid
}

#[test]
fn a_child_that_makes_no_sense_disturbs_neither_parent_nor_siblings() {
    let apps = Apps::new("family-bad");
    let itself = json!([{"name": "senseless", "namespace": apps.test.namespace}]);
    let commit = apps.test.commit(&[
        ("parent/good.yaml", &child(&apps, "good", json!({}))),
        ("parent/refused.yaml", &child(&apps, "refused", json!({"interval": "soon"}))),
        ("parent/senseless.yaml", &child(&apps, "senseless", json!({"dependsOn": itself}))),
        ("good/a.yaml", &config_map("a", "1")),
    ]);
    apps.app("parent", "parent", json!({}));
    apps.applied("good", &commit);
    apps.wait("senseless", "Stalled");
    let message = apps.reason("parent", "Ready", "ApplyFailed");
    assert!(message.contains("refused") && message.contains("spec.interval"), "{message}");
    let mended = [
        ("parent/refused.yaml", child(&apps, "refused", json!({"path": "good2"}))),
        ("parent/senseless.yaml", child(&apps, "senseless", json!({"path": "good3"}))),
        ("good2/b.yaml", config_map("b", "1")),
        ("good3/c.yaml", config_map("c", "1")),
    ];
    let mended = mended.each_ref().map(|(path, text)| (*path, text.as_str()));
    apps.test.commit(&mended);
    for name in ["parent", "refused", "senseless"] {
        apps.reason(name, "Ready", "Synced");
    }
}

#[test]
fn a_child_moves_from_parent_to_parent_with_all_it_has() {
    let apps = Apps::new("family-move");
    let kid = child(&apps, "kid", json!({"deletionPolicy": "Delete"}));
    apps.test.commit(&[
        ("one/kid.yaml", &kid),
        ("one/c.yaml", &config_map("one", "1")),
        ("two/c.yaml", &config_map("two", "1")),
        ("kid/a.yaml", &config_map("a", "1")),
    ]);
    for name in ["one", "two"] {
        apps.app(name, name, json!({"deletionPolicy": "Delete"}));
    }
    apps.wait("one", "Ready");
    apps.wait("kid", "Ready");
    let before = (uid(&apps, "gapp/kid"), uid(&apps, "configmap/a"));
    let is_of = |parent: &str| {
        let id = format!("{0}_{0}.{parent}:gitops-sync.dev/GitOpsApp:{0}/kid", apps.test.namespace);
        apps.test.expect("gapp/kid", ".metadata.annotations.gitops-sync\\.dev/id", &id);
    };
    for (from, to) in [("one", "two"), ("two", "one")] {
        is_of(from);
        apps.test.repo.remove(&format!("{from}/kid.yaml")).unwrap();
        let commit = apps.test.commit(&[(&format!("{to}/kid.yaml"), &kid)]);
        is_of(to);
        apps.applied(from, &commit);
        apps.applied(to, &commit);
    }
    // The parent that it has left takes nothing of it along.
    apps.test.kubectl(&["delete", "gapp", "two", "--timeout=180s"]);
    apps.gone("configmap/two");
    assert_eq!((uid(&apps, "gapp/kid"), uid(&apps, "configmap/a")), before);
    apps.wait("kid", "Ready");
}

#[test]
fn with_a_parent_that_deletes_children_go_each_by_its_own_policy() {
    let apps = Apps::new("family-end");
    apps.test.commit(&[
        ("parent/goes.yaml", &child(&apps, "goes", json!({"deletionPolicy": "Delete"}))),
        ("parent/left.yaml", &child(&apps, "left", json!({}))),
        ("goes/a.yaml", &config_map("goes", "1")),
        ("left/a.yaml", &config_map("left", "1")),
    ]);
    apps.app("parent", "parent", json!({"deletionPolicy": "Delete"}));
    for name in ["parent", "goes", "left"] {
        apps.wait(name, "Ready");
    }
    apps.test.kubectl(&["delete", "gapp", "parent", "--timeout=180s"]);
    for object in ["gapp/goes", "gapp/left", "configmap/goes"] {
        apps.gone(object);
    }
    let left = apps.test.kubectl(&["get", "configmap/left", "-o", "json", "--show-managed-fields"]);
    assert!(!left.contains("gitops-sync"), "{left}");
}

#[test]
fn children_that_leave_all_at_once_wait_for_a_person() {
    let apps = Apps::new("family-guard");
    apps.test.repo.write("parent/c.yaml", config_map("stays", "1")).unwrap();
    for n in 0..12 {
        let name = format!("kid{n}");
        let kid = child(&apps, &name, json!({"deletionPolicy": "Delete"}));
        apps.test.repo.write(&format!("parent/{name}.yaml"), kid).unwrap();
        apps.test.repo.write(&format!("{name}/a.yaml"), config_map(&name, "1")).unwrap();
    }
    apps.test.repo.commit("Twelve").unwrap();
    apps.app("parent", "parent", json!({}));
    apps.wait("parent", "Ready");
    (0..12).for_each(|n| apps.wait(&format!("kid{n}"), "Ready"));
    for n in 0..12 {
        apps.test.repo.remove(&format!("parent/kid{n}.yaml")).unwrap();
    }
    apps.test.repo.commit("A slip of the hand").unwrap();
    let message = apps.reason("parent", "Ready", "PruneHeld");
    assert!(message.contains("12 of 13 objects"), "{message}");
    let names = || apps.test.kubectl(&["get", "gapp,configmap", "-o", "name"]);
    assert_eq!(names().matches("/kid").count(), 24);
    let hash = apps.test.field("gapp/parent", ".status.held[0].hash");
    apps.test.repo.write("parent/c.yaml", config_map("stays", "2")).unwrap();
    apps.test.repo.commit(&format!("Let them go\n\nGitOps-Prune: {hash}")).unwrap();
    for n in 0..12 {
        apps.gone(&format!("gapp/kid{n}"));
    }
    assert_eq!(names().matches("/kid").count(), 0, "{}", names());
}

//! What becomes of the objects when an app is deleted.

use serde_json::json;

use super::Apps;
use crate::support::config_map;

/// An app with two objects, of which one asks to be kept.
fn apps(name: &str, policy: &str) -> Apps {
    let apps = Apps::new(name);
    let kept = config_map("kept", "1").replace(
        "metadata:\n",
        "metadata:\n  annotations: {kustomize.toolkit.fluxcd.io/prune: disabled}\n",
    );
    apps.test.commit(&[("apps/a.yaml", &config_map("a", "1")), ("apps/kept.yaml", &kept)]);
    apps.app("web", "apps", json!({"deletionPolicy": policy}));
    apps.wait("web", "Ready");
    apps
}

/// Asserts that an object is there without any mark of ours.
fn is_free(apps: &Apps, name: &str) {
    let object =
        apps.test.kubectl(&["get", "configmap", name, "-o", "json", "--show-managed-fields"]);
    assert!(!object.contains("gitops-sync"), "{object}");
}

/// Asserts that nothing is remembered of the app.
fn is_forgotten(apps: &Apps) {
    let secrets = apps.test.kubectl(&["get", "secrets", "-o", "name"]);
    assert!(!secrets.contains("inventory"), "{secrets}");
    let register = apps.test.field("secret/gitops-sync-key", ".data");
    assert!(!register.contains("app."), "{register}");
    assert!(!apps.daemon.metrics().contains(&format!("{}.web", apps.test.namespace)));
}

#[test]
fn by_default_they_are_left_to_others() {
    let apps = apps("abandoned", "Abandon");
    apps.test.kubectl(&["delete", "gapp", "web", "--timeout=180s"]);
    is_free(&apps, "a");
    is_free(&apps, "kept");
    is_forgotten(&apps);
    apps.daemon.line(&["App deleted", "policy=\"Abandon\"", "abandoned=2"]);
}

#[test]
fn they_go_where_the_app_says_so_but_for_what_is_to_be_kept() {
    let apps = apps("deleted", "Delete");
    apps.test.kubectl(&["delete", "gapp", "web", "--timeout=180s"]);
    apps.gone("configmap/a");
    is_free(&apps, "kept");
    is_forgotten(&apps);
    apps.daemon.line(&["App deleted", "policy=\"Delete\"", "deleted=1"]);
}

#[test]
fn a_repository_that_is_gone_holds_up_nothing() {
    let apps = apps("no-repository", "Delete");
    apps.test.git.set_fault(testbed::Fault::Status(500));
    apps.reason("web", "Ready", "RepositoryUnreachable");
    apps.test.kubectl(&["delete", "gapp", "web", "--timeout=180s"]);
    apps.gone("configmap/a");
}

#[test]
fn of_a_suspended_app_nothing_is_deleted() {
    let apps = apps("suspended-end", "Delete");
    apps.app("web", "apps", json!({"suspend": true, "deletionPolicy": "Delete"}));
    apps.reason("web", "Ready", "Suspended");
    apps.test.kubectl(&["delete", "gapp", "web", "--timeout=180s"]);
    is_free(&apps, "a");
}

#[test]
fn one_that_was_never_synced_goes_at_once() {
    let apps = Apps::new("never-synced");
    let spec = json!({"repoURL": "http://127.0.0.1:1/none.git", "deletionPolicy": "Delete"});
    apps.apply("web", &spec);
    apps.reason("web", "Ready", "RepositoryUnreachable");
    apps.test.kubectl(&["delete", "gapp", "web", "--timeout=180s"]);
}

#[test]
fn one_that_comes_back_takes_its_objects_again() {
    let apps = apps("comes-back", "Abandon");
    let uid = apps.test.field("configmap/a", ".metadata.uid");
    apps.test.kubectl(&["delete", "gapp", "web", "--timeout=180s"]);
    apps.app("web", "apps", json!({}));
    apps.wait("web", "Ready");
    assert_eq!(apps.test.field("configmap/a", ".metadata.uid"), uid);
    let id = apps.test.field("configmap/a", ".metadata.annotations.gitops-sync\\.dev/id");
    assert!(id.contains(&format!("{}.web", apps.test.namespace)), "{id}");
}

//! `gitops-sync run --app FILE`: one app by a file with a GitOpsApp, without a resource in the cluster.

use std::fs;

use serde_json::{Value, json};

use crate::render::substitute::declare;
use crate::support::{Daemon, Finished, Fixture, config_map, plane, program};

/// Writes a file with an app of the test's repository.
fn write(test: &Fixture, spec: &Value) -> String {
    let mut app = json!({
        "apiVersion": "gitops-sync.dev/v1alpha1", "kind": "GitOpsApp",
        "metadata": {"name": "shop", "namespace": test.namespace}, "spec": spec,
    });
    app["spec"]["repoURL"] = json!(test.repo.url());
    let file = test.data.path().join("app.yaml");
    fs::write(&file, app.to_string()).unwrap();
    file.display().to_string()
}

/// The daemon with a file, not started yet. Its own Secrets are elsewhere than what the app refers to.
fn run(test: &Fixture, file: &str, arguments: &[&str]) -> std::process::Command {
    let mut command = program();
    command.args(["run", "--listen", "127.0.0.1:0", "--namespace", "default", "--app", file]);
    command.arg("--kubeconfig").arg(plane().kubeconfig());
    command.arg("--data-dir").arg(test.data.path());
    command.args(arguments);
    command
}

#[test]
fn an_app_in_a_file_is_what_its_resource_would_be() {
    let test = Fixture::new("app-file");
    declare(&test, "Secret", "names", &[("who", "Ada")]);
    test.commit(&[
        ("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
        (
            "web/templates/cm.yaml",
            &config_map("{{ .Release.Name }}", "{{ .Values.greeting }} ${who}"),
        ),
        ("prod.yaml", "greeting: hello\n"),
    ]);
    let spec = json!({
        "path": "web", "targetRevision": "main", "interval": "1s",
        "commonLabels": {"team": "a"},
        "render": {"helm": {"valuesFiles": ["../prod.yaml"]}},
        "postBuild": {"substituteFrom": [{"kind": "Secret", "name": "names"}]},
    });
    let daemon = Daemon::start(run(&test, &write(&test, &spec), &[]));
    test.expect("configmap/shop", ".data.key", "hello Ada");
    test.expect("configmap/shop", ".metadata.labels.team", "a");
    declare(&test, "Secret", "names", &[("who", "Grace")]);
    test.expect("configmap/shop", ".data.key", "hello Grace");
    // Its prune is the resource's, on by default, and so is its guard.
    test.commit(&[("web/templates/cm.yaml", "")]);
    daemon.line(&["Prune held", "--name shop"]);
}

#[test]
fn what_a_file_and_flags_both_say_and_what_needs_a_resource_is_refused() {
    let test = Fixture::new("app-file-no");
    let check = |spec: &Value, arguments: &[&str], expect: &[&str]| {
        let file = write(&test, spec);
        let run = Finished::of(run(&test, &file, arguments).output().unwrap());
        assert_ne!(run.code, Some(0));
        for expect in expect {
            assert!(run.stderr.contains(expect), "{}", run.stderr);
        }
    };
    let none = json!({});
    check(&none, &["--branch", "main"], &["'--app <FILE>' cannot be used with '--branch <NAME>'"]);
    check(&none, &["--prune"], &["cannot be used with", "--prune"]);
    check(&none, &["--repo", "x"], &["cannot be used with", "--repo"]);
    let secret =
        json!({"secretRef": {"name": "login"}, "valueFiles": [], "dependsOn": [{"name": "a"}]});
    check(&secret, &[], &["app.yaml:1:", "spec.valueFiles: is no field of GitOpsApps"]);
    let secret = json!({"secretRef": {"name": "login"}, "dependsOn": [{"name": "a"}]});
    check(
        &secret,
        &[],
        &["spec.secretRef is not read", "--git-password-file", "spec.dependsOn needs"],
    );
}

//! What becomes of an object that is there already when git comes.

use testbed::eventually;

use crate::support::{DEADLINE, DEPLOYMENT, Daemon, Fixture, config_map, plane};

/// The requests of ours for objects of a test, since a mark.
fn requests(test: &Fixture, mark: testbed::Mark, resource: &str) -> Vec<String> {
    let requests = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
    let own = requests.iter().filter(|r| r.namespace == test.namespace && r.resource == resource);
    own.filter(|r| !matches!(r.verb.as_str(), "list" | "watch")).map(|r| r.verb.clone()).collect()
}

fn apply(test: &Fixture, manifest: &str) {
    plane().kubectl_with_stdin(&["-n", &test.namespace, "apply", "-f", "-"], manifest).unwrap();
}

fn count(daemon: &Daemon, words: &str) -> usize {
    daemon.0.lines().iter().filter(|line| line.contains(words)).count()
}

#[test]
fn what_is_new_takes_one_request_and_what_is_there_is_read_first() {
    let test = Fixture::new("onlynew");
    let mark = plane().audit().mark().unwrap();
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=1"]);
    assert_eq!(requests(&test, mark, "configmaps"), ["patch"]);
    test.kubectl(&["create", "configmap", "b", "--from-literal=key=theirs"]);
    let mark = plane().audit().mark().unwrap();
    test.commit(&[("apps/b.yaml", &config_map("b", "git"))]);
    daemon.line(&["INFO Synced", "configured=1"]);
    assert_eq!(requests(&test, mark, "configmaps"), ["patch", "get", "patch"]);
    test.expect("configmap/b", ".data.key", "git");
}

#[test]
fn a_dry_run_tells_what_is_there_from_what_is_new() {
    let test = Fixture::new("dryadopt");
    test.kubectl(&["create", "configmap", "b", "--from-literal=key=theirs"]);
    let folder = tempfile::TempDir::new().unwrap();
    for name in ["a", "b"] {
        let path = folder.path().join(format!("{name}.yaml"));
        std::fs::write(path, config_map(name, "git")).unwrap();
    }
    let done = test.sync(&["--manifests", folder.path().to_str().unwrap()]);
    done.has_line(&format!("configmap/a created (namespace {})", test.namespace));
    done.has_line(&format!("configmap/b configured (namespace {})", test.namespace));
    assert_eq!(test.field("configmap/b", ".data.key"), "theirs");
    assert_eq!(test.field("configmap/a", ".metadata.name"), "");
}

#[test]
fn a_mark_on_what_is_there_keeps_our_hands_off() {
    let test = Fixture::new("handsoff");
    test.kubectl(&["create", "configmap", "b", "--from-literal=key=theirs"]);
    test.kubectl(&["annotate", "configmap/b", "gitops-sync.dev/reconcile=disabled"]);
    test.commit(&[("apps/b.yaml", &config_map("b", "git"))]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "objects=1", "unchanged=1"]);
    daemon.next_sync();
    let mark = plane().audit().mark().unwrap();
    daemon.next_sync();
    assert_eq!(requests(&test, mark, "configmaps"), [""; 0]);
    assert_eq!(test.field("configmap/b", ".data.key"), "theirs");
    // A commit is a reason to look again.
    test.kubectl(&["annotate", "configmap/b", "gitops-sync.dev/reconcile-"]);
    test.commit(&[("apps/b.yaml", &config_map("b", "git 2"))]);
    test.expect("configmap/b", ".data.key", "git 2");
}

#[test]
fn what_kubectl_applied_and_git_does_not_set_goes_at_once() {
    let test = Fixture::new("csa");
    let before = DEPLOYMENT
        .replace("{name: web}\nspec", "{name: web, labels: {team: old, app: web}}\nspec")
        .replace(
            "image: 'registry.example/web:1'",
            "image: 'registry.example/web:1', env: [{name: OLD, value: x}]",
        );
    assert!(before.contains("OLD") && before.contains("team"));
    apply(&test, &before);
    // What others added stays.
    test.kubectl(&["label", "deploy/web", "by=hand"]);
    test.expect("deploy/web", ".status.observedGeneration", "1");
    test.commit(&[("apps/web.yaml", DEPLOYMENT)]);
    let daemon = test.run(&[]);
    daemon.line(&[
        "Taken over: removed what git does not set",
        "containers[name=web].env",
        "kubectl-client-side-apply",
    ]);
    daemon.line(&[
        "Taken over: removed what git does not set",
        "metadata.labels.team",
        "found=\"old\"",
    ]);
    daemon.line(&["INFO Synced", "configured=1"]);
    let labels = test.field("deploy/web", ".metadata.labels");
    assert!(!labels.contains("team") && labels.contains("by"), "{labels}");
    assert_eq!(test.field("deploy/web", ".spec.template.spec.containers[0].env"), "");
    let annotations = test.field("deploy/web", ".metadata.annotations");
    assert!(!annotations.contains("last-applied"), "{annotations}");
    let managers = test.kubectl(&[
        "get",
        "deploy/web",
        "--show-managed-fields",
        "-o",
        "jsonpath={.metadata.managedFields[*].manager}",
    ]);
    assert!(managers.contains("gitops-sync"), "{managers}");
    // One rollout, and nothing after it.
    test.expect("deploy/web", ".metadata.annotations.deployment\\.kubernetes\\.io/revision", "2");
    let mark = plane().audit().mark().unwrap();
    daemon.next_sync();
    assert_eq!(requests(&test, mark, "deployments"), [""; 0]);
    assert_eq!(
        (count(&daemon, "Drift"), count(&daemon, "Addition")),
        (0, 0),
        "{:#?}",
        daemon.0.lines()
    );
    // A client-side apply on what is ours by now is drift like any other.
    apply(&test, &DEPLOYMENT.replace("web:1", "web:2"));
    daemon.line(&[
        "Drift reverted",
        "image",
        "found=\"registry.example/web:2\"",
        "kubectl-client-side-apply",
    ]);
}

#[test]
fn what_a_merge_would_keep_is_not_taken_over() {
    let test = Fixture::new("csamerge");
    let before = DEPLOYMENT.replace("{name: web}\nspec", "{name: web, labels: {team: old}}\nspec");
    apply(&test, &before);
    test.commit(&[("apps/web.yaml", DEPLOYMENT)]);
    let daemon = test.run(&["--additions", "ignore"]);
    daemon.line(&["INFO Synced", "configured=1"]);
    daemon.next_sync();
    assert_eq!(test.field("deploy/web", ".metadata.labels.team"), "old");
}

#[test]
fn what_was_applied_before_ownership_was_kept_is_taken_over() {
    let test = Fixture::new("before");
    let before = config_map("a", "1") + "  old: x\n";
    apply(&test, &before);
    let wipe = r#"[{"op":"replace","path":"/metadata/managedFields","value":[{}]}]"#;
    test.kubectl(&["patch", "configmap", "a", "--type", "json", "-p", wipe]);
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "configured=1"]);
    eventually(DEADLINE, "the old entry to go", || {
        let data = test.field("configmap/a", ".data");
        if data.contains("old") { Err(data) } else { Ok(Some(())) }
    })
    .unwrap();
    let annotations = test.field("configmap/a", ".metadata.annotations");
    assert!(!annotations.contains("last-applied"), "{annotations}");
    daemon.next_sync();
    assert_eq!(count(&daemon, "Drift"), 0, "{:#?}", daemon.0.lines());
}

#[test]
fn an_addition_whose_removal_failed_for_the_moment_is_removed_later() {
    let test = Fixture::new("passing");
    let name = format!("passing-{}", test.namespace);
    // Nobody answers for it, and it is asked about the removal alone.
    let hook = format!(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {{name: {name}}}\nwebhooks:\n\
         - name: passing.example.com\n  failurePolicy: Fail\n  sideEffects: None\n  timeoutSeconds: 1\n  admissionReviewVersions: [v1]\n  \
           namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {namespace}}}}}\n  \
           clientConfig: {{service: {{name: none, namespace: {namespace}}}}}\n  \
           rules: [{{apiGroups: [''], apiVersions: [v1], operations: [UPDATE], resources: [configmaps]}}]\n  \
           matchConditions: [{{name: removal, expression: 'has(oldObject.data.more) && !has(object.data.more)'}}]\n",
        namespace = test.namespace
    );
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=1"]);
    plane().kubectl_with_stdin(&["apply", "-f", "-"], &hook).unwrap();
    test.kubectl(&["create", "configmap", "probe", "--from-literal=more=x"]);
    let removal = r#"{"data":{"more":null}}"#;
    let dry = [
        "-n",
        &test.namespace,
        "patch",
        "configmap/probe",
        "--type=merge",
        "--dry-run=server",
        "-p",
        removal,
    ];
    eventually(DEADLINE, "the webhook to be in force", || {
        Ok::<_, String>(plane().kubectl(&dry).is_err().then_some(()))
    })
    .unwrap();
    test.kubectl(&["patch", "configmap/a", "-p", r#"{"data":{"more":"x"}}"#]);
    daemon.line(&["configmap/a", "failed calling webhook"]);
    plane().kubectl(&["delete", "validatingwebhookconfiguration", &name]).unwrap();
    test.expect("configmap/a", ".data.more", "");
}

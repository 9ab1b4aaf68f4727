//! What is done about foreign changes where the app, the object or a peer's annotation says so.

use testbed::{ApiFault, eventually};

use crate::support::{DEADLINE, DEPLOYMENT, Daemon, Fixture, config_map, plane};

/// A manifest with one more annotation.
fn annotated(manifest: &str, name: &str, annotation: &str) -> String {
    let plain = format!("  name: {name}\n");
    let more = format!("  name: {name}\n  annotations: {{{annotation}}}\n");
    assert!(manifest.contains(&plain));
    manifest.replacen(&plain, &more, 1)
}

fn patch(test: &Fixture, name: &str, value: &str) {
    let patch = format!("{{\"data\":{{\"key\":{value:?}}}}}");
    test.kubectl(&["patch", "configmap", name, "-p", &patch]);
}

fn count(daemon: &Daemon, words: &str) -> usize {
    daemon.0.lines().iter().filter(|line| line.contains(words)).count()
}

#[test]
fn drift_that_is_only_told_is_told_once_and_stays_until_a_commit() {
    let test = Fixture::new("warn");
    let reverted = annotated(&config_map("r", "1"), "r", "gitops-sync.dev/drift: revert");
    let ignored = annotated(&config_map("i", "1"), "i", "gitops-sync.dev/drift: ignore");
    test.commit(&[
        ("apps/a.yaml", &config_map("a", "1")),
        ("apps/gone.yaml", &config_map("gone", "1")),
        ("apps/r.yaml", &reverted),
        ("apps/i.yaml", &ignored),
    ]);
    let daemon = test.run(&["--drift", "warn"]);
    daemon.line(&["INFO Synced", "created=4"]);
    patch(&test, "i", "ignored");
    patch(&test, "a", "2");
    daemon.line(&[
        "Drift left as it is",
        "configmap/a",
        "wanted=\"1\" found=\"2\"",
        "kubectl-patch",
    ]);
    patch(&test, "r", "2");
    daemon.line(&["Drift reverted", "configmap/r"]);
    test.kubectl(&["delete", "configmap", "gone"]);
    daemon.line(&["Drift left as it is", "configmap/gone", "the object was deleted"]);
    let mark = plane().audit().mark().unwrap();
    daemon.next_sync();
    let line = daemon.next_sync();
    assert!(line.contains("drifted=2") && line.contains("trigger=\"interval\""), "{line}");
    assert_eq!(count(&daemon, "Drift left as it is"), 2);
    assert!(daemon.metrics().contains("state=\"drifted\"} 2"), "{}", daemon.metrics());
    let requests = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
    let sent: Vec<_> = requests
        .iter()
        .filter(|r| {
            r.namespace == test.namespace && r.resource == "configmaps" && r.verb != "watch"
        })
        .collect();
    assert!(sent.is_empty(), "{sent:#?}");
    assert_eq!(test.field("configmap/a", ".data.key"), "2");
    assert_eq!(test.field("configmap/i", ".data.key"), "ignored");
    assert_eq!(count(&daemon, "configmap/i"), 1, "only its creation: {:#?}", daemon.0.lines());
    let commit = test.commit(&[("apps/a.yaml", &config_map("a", "3"))]);
    daemon.line(&["INFO Synced", &commit, "drifted=1"]);
    test.expect("configmap/a", ".data.key", "3");
}

#[test]
fn additions_are_reverted_reported_or_ignored() {
    let test = Fixture::new("additions");
    let ignored = DEPLOYMENT.replace(
        "{name: web}\nspec",
        "{name: other, annotations: {gitops-sync.dev/additions: ignore}}\nspec",
    );
    test.commit(&[("apps/web.yaml", DEPLOYMENT), ("apps/other.yaml", &ignored)]);
    let daemon = test.run(&["--additions", "report"]);
    daemon.line(&["INFO Synced", "created=2"]);
    for name in ["deploy/other", "deploy/web"] {
        test.kubectl(&["set", "env", name, "ADDED=x"]);
    }
    daemon.line(&["Addition left as it is", "deployment.apps/web", "env", "kubectl-set"]);
    daemon.next_sync();
    daemon.next_sync();
    assert_eq!(count(&daemon, "Addition left as it is"), 1);
    assert_eq!(count(&daemon, "apps/other"), 1);
    drop(daemon);
    let daemon = test.run(&[]);
    daemon.line(&["Drift reverted", "deployment.apps/web", "env", "found=[{"]);
    let env = ".spec.template.spec.containers[0].env[0].name";
    test.expect("deploy/web", env, "");
    assert_eq!(test.field("deploy/other", env), "ADDED");
    // Nothing is left that would be taken for an addition again.
    let mark = daemon.mark();
    daemon.next_sync();
    assert!(!daemon.0.lines()[mark..].iter().any(|line| line.contains("Drift")));
}

#[test]
fn what_kubectl_applied_is_taken_over_with_what_git_does_not_have() {
    let test = Fixture::new("takeover");
    let before = DEPLOYMENT.replace("  replicas: 5\n", "  replicas: 5\n  minReadySeconds: 7\n");
    plane().kubectl_with_stdin(&["-n", &test.namespace, "apply", "-f", "-"], &before).unwrap();
    test.commit(&[("apps/web.yaml", DEPLOYMENT)]);
    let daemon = test.run(&[]);
    daemon.line(&[
        "Taken over: removed what git does not set",
        "spec.minReadySeconds",
        "found=7",
        "kubectl-client-side-apply",
    ]);
    test.expect("deploy/web", ".spec.minReadySeconds", "");
    daemon.next_sync();
    assert_eq!(count(&daemon, "Taken over"), 1, "{:#?}", daemon.0.lines());
}

#[test]
fn an_addition_that_cannot_be_removed_is_told_once() {
    let test = Fixture::new("stuck");
    // A claim's class cannot be changed any more.
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c}\nspec:\n  \
                 accessModes: [ReadWriteOnce]\n  resources: {requests: {storage: 1Gi}}\n";
    let classed = format!("{claim}  storageClassName: manual\n");
    plane().kubectl_with_stdin(&["-n", &test.namespace, "create", "-f", "-"], &classed).unwrap();
    test.commit(&[("apps/c.yaml", claim)]);
    let daemon = test.run(&[]);
    daemon.line(&[
        "Addition left as it is",
        "persistentvolumeclaim/c",
        "spec.storageClassName",
        "kubectl-create",
    ]);
    daemon.line(&["Its removal was refused", "persistentvolumeclaim/c", "immutable"]);
    daemon.next_sync();
    let mark = plane().audit().mark().unwrap();
    daemon.next_sync();
    let requests = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
    assert!(!requests.iter().any(|r| r.namespace == test.namespace && r.verb == "patch"));
    let told = "Addition left as it is object=persistentvolumeclaim/c";
    assert_eq!(count(&daemon, told), 2, "one line for each field: {:#?}", daemon.0.lines());
}

#[test]
fn replicas_under_an_autoscaler_never_leave_what_they_are() {
    let test = Fixture::new("scaled");
    test.commit(&[("apps/web.yaml", DEPLOYMENT)]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=1"]);
    // The controller writes each number through to the ReplicaSet.
    let path = "jsonpath={.items[*].metadata.generation}";
    let generation = || test.kubectl(&["get", "replicasets", "-o", path]);
    eventually(DEADLINE, "the ReplicaSet", || Ok::<_, String>((generation() == "1").then_some(())))
        .unwrap();
    let before = generation();
    // The usual commit: an autoscaler comes, and the number leaves git.
    let hpa = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec:\n  \
               maxReplicas: 9\n  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}\n";
    let without = DEPLOYMENT.replace("  replicas: 5\n", "");
    let commit = test.commit(&[("apps/hpa.yaml", hpa), ("apps/web.yaml", &without)]);
    daemon.line(&["INFO Synced", &commit]);
    assert_eq!((test.field("deploy/web", ".spec.replicas"), generation()), ("5".into(), before));
    // The autoscaler scales; a change of something else leaves that alone.
    let scale = ["patch", "deploy/web", "--subresource=scale", "--type=merge"];
    let by = ["--field-manager=kube-controller-manager", "-p", "{\"spec\":{\"replicas\":7}}"];
    test.kubectl(&[&scale[..], &by[..]].concat());
    let numbered = DEPLOYMENT.replace("web:1", "web:2");
    let commit = test.commit(&[("apps/web.yaml", &numbered)]);
    daemon.line(&["INFO Synced", &commit]);
    test.expect("deploy/web", ".spec.template.spec.containers[0].image", "registry.example/web:2");
    assert_eq!(test.field("deploy/web", ".spec.replicas"), "7");
    assert_eq!(count(&daemon, "Drift"), 0, "{:#?}", daemon.0.lines());
    // Without the autoscaler in git and with nobody scaling, the number is git's again.
    test.repo.remove("apps/hpa.yaml").unwrap();
    let commit = test.repo.commit("No autoscaler").unwrap();
    daemon.line(&["INFO Synced", &commit]);
    test.kubectl(&["scale", "deploy/web", "--replicas=3"]);
    daemon.next_sync();
}

#[test]
fn what_was_scaled_before_it_came_to_git_stays_scaled() {
    let test = Fixture::new("adopted");
    plane().kubectl_with_stdin(&["-n", &test.namespace, "apply", "-f", "-"], DEPLOYMENT).unwrap();
    let scale = ["patch", "deploy/web", "--subresource=scale", "--type=merge"];
    let by = ["--field-manager=kube-controller-manager", "-p", "{\"spec\":{\"replicas\":7}}"];
    test.kubectl(&[&scale[..], &by[..]].concat());
    let path = "jsonpath={.items[*].metadata.generation}";
    let generation = || test.kubectl(&["get", "replicasets", "-o", path]);
    eventually(DEADLINE, "the ReplicaSet", || Ok::<_, String>((generation() == "2").then_some(())))
        .unwrap();
    test.commit(&[("apps/web.yaml", DEPLOYMENT)]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "configured=1"]);
    daemon.next_sync();
    assert_eq!(
        (test.field("deploy/web", ".spec.replicas"), generation()),
        ("7".into(), "2".into())
    );
    assert_eq!(count(&daemon, "Drift"), 0, "{:#?}", daemon.0.lines());
}

#[test]
fn ignored_fields_keep_the_value_that_others_gave_them() {
    let test = Fixture::new("ignored");
    let map = |value: &str, rest: &str| {
        let map = config_map("a", value) + rest;
        annotated(&map, "a", "gitops-sync.dev/ignore-fields: /data/key")
    };
    test.commit(&[("apps/a.yaml", &map("initial", "  other: '1'\n"))]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=1"]);
    assert_eq!(test.field("configmap/a", ".data.key"), "initial");
    // What only we own stays as it is while git says otherwise.
    let commit = test.commit(&[("apps/a.yaml", &map("changed", "  other: '2'\n"))]);
    daemon.line(&["INFO Synced", &commit]);
    test.expect("configmap/a", ".data.other", "2");
    assert_eq!(test.field("configmap/a", ".data.key"), "initial");
    patch(&test, "a", "theirs");
    let commit = test.commit(&[("apps/a.yaml", &map("changed", "  other: '3'\n"))]);
    daemon.line(&["INFO Synced", &commit]);
    test.expect("configmap/a", ".data.other", "3");
    assert_eq!(test.field("configmap/a", ".data.key"), "theirs");
    assert_eq!(count(&daemon, "Drift"), 0, "{:#?}", daemon.0.lines());
    // No longer ignored, it is git's.
    test.commit(&[("apps/a.yaml", &config_map("a", "git"))]);
    test.expect("configmap/a", ".data.key", "git");
}

#[test]
fn annotations_of_peers_mean_what_they_mean_there() {
    let test = Fixture::new("peers");
    test.kubectl(&["create", "configmap", "theirs", "--from-literal=key=theirs"]);
    let with = |name: &str, annotation: &str| annotated(&config_map(name, "1"), name, annotation);
    test.commit(&[
        ("apps/a.yaml", &config_map("a", "1")),
        ("apps/never.yaml", &with("never", "kustomize.toolkit.fluxcd.io/reconcile: disabled")),
        ("apps/once.yaml", &with("once", "kustomize.toolkit.fluxcd.io/ssa: IfNotPresent")),
        ("apps/theirs.yaml", &with("theirs", "client.lifecycle.config.k8s.io/mutation: ignore")),
        ("apps/local.yaml", &with("local", "config.kubernetes.io/local-config: 'true'")),
        ("apps/bad.yaml", &with("bad", "gitops-sync.dev/drift: maybe")),
    ]);
    let daemon = test.run(&[]);
    daemon.line(&[
        "bad.yaml:1",
        "configmap/bad",
        "gitops-sync.dev/drift",
        "revert, warn or ignore",
    ]);
    daemon.line(&["created=2", "failed=1"]);
    let names = test.kubectl(&["get", "configmaps", "-o", "jsonpath={.items[*].metadata.name}"]);
    assert_eq!(names, "a kube-root-ca.crt once theirs");
    patch(&test, "once", "2");
    assert_eq!(test.field("configmap/theirs", ".data.key"), "theirs");
    // A mark on the object itself counts as well.
    test.kubectl(&["annotate", "configmap", "a", "gitops-sync.dev/reconcile=disabled"]);
    patch(&test, "a", "2");
    let commit = test.commit(&[("apps/a.yaml", &config_map("a", "3"))]);
    daemon.line(
        &[&commit, "INFO Synced"].map(|word| if word == "INFO Synced" { "Synced" } else { word }),
    );
    assert_eq!(test.field("configmap/a", ".data.key"), "2");
    assert_eq!(test.field("configmap/once", ".data.key"), "2");
    test.kubectl(&["annotate", "configmap", "a", "gitops-sync.dev/reconcile-"]);
    test.expect("configmap/a", ".data.key", "3");
    test.kubectl(&["delete", "configmap", "once"]);
    test.expect("configmap/once", ".data.key", "1");
}

/// Writes under our own name.
fn forge(test: &Fixture, name: &str) {
    let object = test.kubectl(&["get", "configmap", name, "-o", "json"]);
    let mut object: serde_json::Value = serde_json::from_str(&object).unwrap();
    for field in ["managedFields", "resourceVersion", "uid", "creationTimestamp"] {
        object["metadata"].as_object_mut().unwrap().remove(field);
    }
    object["data"]["key"] = "forged".into();
    let apply = ["-n", &test.namespace, "apply", "--server-side", "--force-conflicts"];
    let by = ["--field-manager=gitops-sync", "-f", "-"];
    plane().kubectl_with_stdin(&[&apply[..], &by[..]].concat(), &object.to_string()).unwrap();
}

/// The time of an entry has seconds: within the same one nothing tells but the sweep.
fn next_second(test: &Fixture, name: &str) {
    eventually(DEADLINE, "the next second", || {
        let now = jiff::Timestamp::now().as_second();
        let path = "jsonpath={.metadata.managedFields[0].time}";
        let applied = test.kubectl(&["get", "configmap", name, "-o", path]);
        let applied: jiff::Timestamp = applied.parse().unwrap();
        Ok::<_, String>((now > applied.as_second()).then_some(()))
    })
    .unwrap();
}

#[test]
fn a_write_under_our_own_name_that_cannot_be_put_back_is_not_forgotten() {
    let test = Fixture::new("denied");
    let name = format!("deny-{}", test.namespace);
    let policy = format!(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata: {{name: {name}}}\nspec:\n  \
         failurePolicy: Fail\n  matchConstraints:\n    \
         namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {namespace}}}}}\n    \
         resourceRules: [{{apiGroups: [''], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}}]\n  \
         validations: [{{expression: \"object.data.key != '1'\", message: denied by the test}}]\n---\n\
         apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nmetadata: {{name: {name}}}\n\
         spec: {{policyName: {name}, validationActions: [Deny]}}\n",
        namespace = test.namespace
    );
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=1"]);
    plane().kubectl_with_stdin(&["apply", "-f", "-"], &policy).unwrap();
    let probe = config_map("probe", "1");
    let dry = ["-n", &test.namespace, "create", "--dry-run=server", "-f", "-"];
    eventually(DEADLINE, "the policy to be in force", || {
        Ok::<_, String>(plane().kubectl_with_stdin(&dry, &probe).is_err().then_some(()))
    })
    .unwrap();
    next_second(&test, "a");
    forge(&test, "a");
    daemon.line(&["Cannot apply", "configmap/a", "denied by the test"]);
    let mark = daemon.mark();
    daemon.next_pass();
    let lines = daemon.0.lines();
    assert!(!lines[mark..].iter().any(|line| line.contains("INFO Synced")), "{lines:#?}");
    plane()
        .kubectl(&["delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", &name])
        .unwrap();
    test.expect("configmap/a", ".data.key", "1");
}

#[test]
fn what_is_written_under_our_own_name_is_found_and_put_back() {
    let test = Fixture::new("forged");
    test.commit(&[("apps/a.yaml", &config_map("a", "1")), ("apps/b.yaml", &config_map("b", "1"))]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=2"]);
    next_second(&test, "a");
    forge(&test, "a");
    daemon.line(&["Drift reverted", "configmap/a", "data.key", "found=\"forged\""]);
    test.expect("configmap/a", ".data.key", "1");
    drop(daemon);
    forge(&test, "b");
    let daemon = test.run(&["--sweep", "1s"]);
    daemon.line(&["Drift reverted", "configmap/b", "data.key", "found=\"forged\""]);
    test.expect("configmap/b", ".data.key", "1");
}

#[test]
fn a_write_under_our_own_name_that_is_only_told_stays_drift() {
    let test = Fixture::new("toldforged");
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&["--drift", "warn"]);
    daemon.line(&["INFO Synced", "created=1"]);
    // From now on a pass knows that nothing changed.
    daemon.next_sync();
    next_second(&test, "a");
    forge(&test, "a");
    daemon.line(&["Drift left as it is", "configmap/a", "found=\"forged\""]);
    for _ in 0..2 {
        let line = daemon.next_sync();
        assert!(line.contains("drifted=1"), "{line}");
    }
}

#[test]
fn an_addition_hides_no_write_under_our_own_name() {
    let test = Fixture::new("both");
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=1"]);
    next_second(&test, "a");
    // It sees both at once.
    daemon.0.signal(testbed::Signal::STOP).unwrap();
    forge(&test, "a");
    test.kubectl(&["patch", "configmap", "a", "-p", "{\"data\":{\"more\":\"x\"}}"]);
    daemon.0.signal(testbed::Signal::CONT).unwrap();
    test.expect("configmap/a", ".data.more", "");
    test.expect("configmap/a", ".data.key", "1");
}

#[test]
fn what_admission_overrides_is_named_and_not_fought() {
    let test = Fixture::new("overridden");
    let name = format!("mirror-{}", test.namespace);
    let policy = format!(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingAdmissionPolicy\nmetadata: {{name: {name}}}\nspec:\n  \
         failurePolicy: Fail\n  reinvocationPolicy: Never\n  matchConstraints:\n    \
         namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {namespace}}}}}\n    \
         resourceRules: [{{apiGroups: [''], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}}]\n  \
         mutations:\n  - patchType: ApplyConfiguration\n    applyConfiguration:\n      \
         expression: 'Object{{data: {{\"key\": \"mirrored\"}}}}'\n---\n\
         apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingAdmissionPolicyBinding\nmetadata: {{name: {name}}}\n\
         spec: {{policyName: {name}}}\n",
        namespace = test.namespace
    );
    plane().kubectl_with_stdin(&["apply", "-f", "-"], &policy).unwrap();
    let probe = config_map("probe", "x");
    eventually(DEADLINE, "the policy to be in force", || {
        let dry = [
            "-n",
            &test.namespace,
            "create",
            "--dry-run=server",
            "-o",
            "jsonpath={.data.key}",
            "-f",
            "-",
        ];
        plane().kubectl_with_stdin(&dry, &probe).map(|v| (v == "mirrored").then_some(()))
    })
    .unwrap();
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&["--sweep", "2s"]);
    daemon.line(&[
        "Overridden by admission",
        "configmap/a",
        "data.key: wanted \"1\", found \"mirrored\"",
    ]);
    daemon.line(&["INFO Synced", "overridden=1"]);
    daemon.next_sync();
    assert_eq!(count(&daemon, "Overridden"), 1);
    assert!(daemon.metrics().contains("state=\"overridden\"} 1"), "{}", daemon.metrics());
    // After a restart it is still known.
    drop(daemon);
    let daemon = test.run(&["--sweep", "2s"]);
    daemon.line(&["Overridden by admission", "configmap/a"]);
    daemon.line(&["INFO Synced", "unchanged=1", "overridden=1"]);
    assert_eq!(count(&daemon, "Drift"), 0);
    // Without the policy, the sweep finds that git's value is possible again.
    plane()
        .kubectl(&["delete", "mutatingadmissionpolicy,mutatingadmissionpolicybinding", &name])
        .unwrap();
    test.expect("configmap/a", ".data.key", "1");
    assert_eq!(count(&daemon, "Drift"), 0, "{:#?}", daemon.0.lines());
}

#[test]
fn a_suspect_that_changes_while_it_is_put_back_is_no_failure() {
    let test = Fixture::new("busy");
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let proxy = plane().proxy().unwrap();
    let daemon = test.run_as(proxy.kubeconfig(), &[]);
    daemon.line(&["INFO Synced", "created=1"]);
    next_second(&test, "a");
    let seen = proxy.calls().len();
    proxy.set_faults(|call| {
        let is_apply = call.method == "PATCH" && call.uri.contains("configmaps/a?");
        if is_apply && !call.uri.contains("dryRun") { ApiFault::Hang } else { ApiFault::None }
    });
    forge(&test, "a");
    eventually(DEADLINE, "the apply", || {
        let calls = proxy.calls();
        let is_sent = calls[seen..].iter().any(|call| call.fault == ApiFault::Hang);
        Ok::<_, String>(is_sent.then_some(()))
    })
    .unwrap();
    test.kubectl(&["label", "configmap/a", "note=theirs"]);
    proxy.set_fault(ApiFault::None);
    test.expect("configmap/a", ".data.key", "1");
    assert_eq!(count(&daemon, "Cannot apply"), 0, "{:#?}", daemon.0.lines());
}

#[test]
fn what_is_left_as_it_is_counts_as_no_apply() {
    let test = Fixture::new("uncounted");
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&["--drift", "warn"]);
    daemon.line(&["INFO Synced", "created=1"]);
    test.kubectl(&["patch", "configmap", "a", "-p", "{\"data\":{\"key\":\"2\"}}"]);
    daemon.line(&["Drift left as it is", "configmap/a"]);
    let applied = || {
        let metrics = daemon.metrics();
        let lines = metrics.lines().filter(|line| line.starts_with("gitops_sync_applied_total"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    daemon.next_sync();
    assert_eq!(applied().len(), 1, "{:#?}", applied());
    assert!(applied()[0].contains("created") && applied()[0].ends_with(" 1"), "{:#?}", applied());
}

//! What is done when others own fields that git declares otherwise: `--conflicts`.

use crate::support::{DEPLOYMENT, Daemon, Fixture, config_map, plane};

/// Applies a `ConfigMap` with one entry server-side, under another manager's name.
fn others(test: &Fixture, name: &str, value: &str) {
    let arguments =
        ["-n", &test.namespace, "apply", "--server-side", "--field-manager=operator", "-f", "-"];
    plane()
        .kubectl_with_stdin(
            &[&arguments[..], &["--force-conflicts"]].concat(),
            &config_map(name, value),
        )
        .unwrap();
}

fn policy(manifest: &str, name: &str, policy: &str) -> String {
    let more = format!("  name: {name}\n  annotations: {{gitops-sync.dev/conflicts: {policy}}}\n");
    manifest.replacen(&format!("  name: {name}\n"), &more, 1)
}

fn count(daemon: &Daemon, words: &str) -> usize {
    daemon.0.lines().iter().filter(|line| line.contains(words)).count()
}

fn sent(test: &Fixture, mark: testbed::Mark) -> Vec<String> {
    let requests = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
    let own = requests.iter().filter(|r| {
        r.namespace == test.namespace && r.resource != "secrets" && r.resource != "events"
    });
    own.filter(|r| !matches!(r.verb.as_str(), "list" | "watch"))
        .map(|r| format!("{} {}", r.verb, r.name))
        .collect()
}

#[test]
fn a_conflict_that_is_reported_is_told_once_and_leaves_the_object_as_it_is() {
    let test = Fixture::new("report");
    others(&test, "a", "theirs");
    let two = |value: &str| config_map("a", value) + "  more: x\n";
    test.commit(&[("apps/a.yaml", &two("git")), ("apps/gone.yaml", &config_map("gone", "1"))]);
    let daemon = test.run(&["--conflicts", "report", "--prune"]);
    let words = [
        "Conflict left as it is",
        "configmap/a",
        "data.key",
        "wanted=\"git\" found=\"theirs\"",
        "operator",
    ];
    daemon.line(&words);
    daemon.line(&["Synced in part", "created=1", "conflicted=1"]);
    daemon.next_pass();
    let mark = plane().audit().mark().unwrap();
    daemon.next_pass();
    assert_eq!(sent(&test, mark), [""; 0]);
    assert_eq!(count(&daemon, "Conflict left as it is"), 1);
    assert_eq!(test.field("configmap/a", ".data"), r#"{"key":"theirs"}"#);
    assert!(daemon.metrics().contains("state=\"conflicted\"} 1"), "{}", daemon.metrics());
    let events =
        test.kubectl(&["get", "events.events.k8s.io", "-o", "jsonpath={.items[*].reason}"]);
    assert!(events.contains("FieldConflict"), "{events}");
    // It holds back what else is to be deleted.
    test.repo.remove("apps/gone.yaml").unwrap();
    test.commit(&[("apps/b.yaml", &config_map("b", "1"))]);
    daemon.line(&["Not pruned: configmap/gone", "not every object is in sync"]);
    // A commit is another try: with the same values there is no conflict.
    test.commit(&[("apps/a.yaml", &two("theirs"))]);
    daemon.line(&["INFO Synced", "pruned=1"]);
    assert_eq!(test.field("configmap/a", ".data.more"), "x");
}

#[test]
fn drift_under_report_is_told_and_what_nobody_owns_is_put_back() {
    let test = Fixture::new("reportdrift");
    test.commit(&[
        ("apps/a.yaml", &config_map("a", "git")),
        ("apps/b.yaml", &policy(&config_map("b", "git"), "b", "force")),
    ]);
    let daemon = test.run(&["--conflicts", "report"]);
    daemon.line(&["INFO Synced", "created=2"]);
    for name in ["a", "b"] {
        test.kubectl(&["patch", "configmap", name, "-p", r#"{"data":{"key":"theirs"}}"#]);
    }
    daemon.line(&["Conflict left as it is", "configmap/a", "data.key", "kubectl-patch"]);
    daemon.line(&["Drift reverted", "configmap/b"]);
    daemon.next_pass();
    let mark = plane().audit().mark().unwrap();
    daemon.next_pass();
    assert_eq!(sent(&test, mark), [""; 0]);
    assert_eq!(test.field("configmap/a", ".data.key"), "theirs");
    assert_eq!(count(&daemon, "Conflict left as it is"), 1, "{:#?}", daemon.0.lines());
    // With the policy of the object, the next commit takes it back.
    test.commit(&[("apps/a.yaml", &policy(&config_map("a", "git"), "a", "force"))]);
    test.expect("configmap/a", ".data.key", "git");
    // A field that is removed has no owner to conflict with.
    test.commit(&[("apps/a.yaml", &config_map("a", "git"))]);
    daemon.next_sync();
    test.kubectl(&["patch", "configmap", "a", "--type=merge", "-p", r#"{"data":{"key":null}}"#]);
    test.expect("configmap/a", ".data.key", "git");
}

#[test]
fn fields_that_are_yielded_stay_with_their_owner_and_the_rest_is_applied() {
    let test = Fixture::new("yield");
    others(&test, "a", "theirs");
    let map = config_map("a", "git") + "  more: x\n";
    test.commit(&[
        ("apps/a.yaml", &map),
        ("apps/web.yaml", &DEPLOYMENT.replace("replicas: 5", "replicas: 0")),
    ]);
    let daemon = test.run(&["--conflicts", "yield"]);
    daemon.line(&["Given up", "configmap/a", "data.key", "operator"]);
    daemon.line(&["INFO Synced", "created=1 configured=1"]);
    assert_eq!(test.field("configmap/a", ".data"), r#"{"key":"theirs","more":"x"}"#);
    // Whoever takes a field of ours keeps it.
    test.kubectl(&["set", "image", "deploy/web", "web=registry.example/other:9"]);
    daemon.line(&[
        "Given up",
        "deployment.apps/web",
        "spec.template.spec.containers[name=web].image",
        "kubectl-set",
    ]);
    daemon.next_sync();
    let mark = plane().audit().mark().unwrap();
    daemon.next_sync();
    assert_eq!(sent(&test, mark), [""; 0]);
    assert_eq!(count(&daemon, "Given up"), 2, "{:#?}", daemon.0.lines());
    // It is no addition either, which would be removed.
    test.kubectl(&["patch", "configmap", "a", "-p", r#"{"data":{"more":"theirs"}}"#]);
    daemon.line(&["Given up", "configmap/a", "data.more", "kubectl-patch"]);
    daemon.next_sync();
    assert_eq!(test.field("configmap/a", ".data.more"), "theirs");
    assert_eq!(count(&daemon, "Addition"), 0, "{:#?}", daemon.0.lines());
    // So it does when the rest changes.
    test.commit(&[(
        "apps/web.yaml",
        &DEPLOYMENT.replace("replicas: 5", "replicas: 0\n  minReadySeconds: 3"),
    )]);
    test.expect("deploy/web", ".spec.minReadySeconds", "3");
    daemon.next_sync();
    let image = ".spec.template.spec.containers[0].image";
    assert_eq!(test.field("deploy/web", image), "registry.example/other:9");
    assert_eq!(test.field("deploy/web", ".spec.replicas"), "0");
    // Their own changes are theirs.
    test.kubectl(&["set", "image", "deploy/web", "web=registry.example/other:10"]);
    daemon.next_sync();
    assert_eq!(test.field("deploy/web", image), "registry.example/other:10");
    assert_eq!(count(&daemon, "Drift"), 0, "{:#?}", daemon.0.lines());
}

#[test]
fn by_default_fields_of_others_are_taken_over() {
    let test = Fixture::new("force");
    others(&test, "a", "theirs");
    test.commit(&[("apps/a.yaml", &config_map("a", "git"))]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "configured=1"]);
    assert_eq!(test.field("configmap/a", ".data.key"), "git");
}

#[test]
fn what_is_none_of_our_business_is_no_conflict() {
    let test = Fixture::new("reportleft");
    for name in ["once", "never", "ending"] {
        others(&test, name, "theirs");
    }
    let once = "  name: once\n  annotations: {kustomize.toolkit.fluxcd.io/ssa: IfNotPresent}\n";
    let once = config_map("once", "git").replacen("  name: once\n", once, 1);
    test.kubectl(&["annotate", "configmap/never", "gitops-sync.dev/reconcile=disabled"]);
    let finalizers = "{\"metadata\":{\"finalizers\":[\"example.com/wait\"]}}";
    test.kubectl(&["patch", "configmap/ending", "-p", finalizers]);
    test.kubectl(&["delete", "configmap/ending", "--wait=false"]);
    test.commit(&[("mine/both.yaml", &config_map("both", "mine"))]);
    let first = test.run_app("first", "mine", &[]);
    first.line(&["INFO Synced", "created=1"]);
    test.commit(&[
        ("apps/once.yaml", &once),
        ("apps/never.yaml", &config_map("never", "git")),
        ("apps/ending.yaml", &config_map("ending", "git")),
        ("apps/both.yaml", &config_map("both", "git")),
    ]);
    let daemon = test.run(&["--conflicts", "report"]);
    daemon.line(&["Left to the app first", "configmap/both"]);
    daemon.line(&["Waiting with configmap/ending", "being deleted"]);
    daemon.next_pass();
    assert_eq!(count(&daemon, "Conflict left as it is"), 0, "{:#?}", daemon.0.lines());
    let line = daemon.line(&["Synced in part"]);
    assert!(line.contains("unchanged=2"), "{line}");
    let nothing = r#"{"metadata":{"finalizers":null}}"#;
    test.kubectl(&["patch", "configmap/ending", "--type=merge", "-p", nothing]);
    test.expect("configmap/ending", ".data.key", "git");
}

#[test]
fn what_cannot_be_changed_is_replaced_also_where_others_keep_fields() {
    let test = Fixture::new("yieldreplace");
    let map = |value: &str| {
        let annotations = "{gitops-sync.dev/replace: 'true'}";
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x, labels: {{by: git}}, annotations: {annotations}}}\n\
             immutable: true\ndata: {{k: {value}}}\n"
        )
    };
    test.commit(&[("apps/x.yaml", &map("one"))]);
    let daemon = test.run(&["--conflicts", "yield"]);
    daemon.line(&["INFO Synced", "created=1"]);
    test.kubectl(&["label", "configmap/x", "by=theirs", "--overwrite"]);
    daemon.line(&["Given up", "configmap/x", "metadata.labels.by", "kubectl-label"]);
    test.commit(&[("apps/x.yaml", &map("two"))]);
    daemon.line(&["Replaced", "configmap/x", "data"]);
    daemon.line(&["INFO Synced", "replaced=1"]);
    assert_eq!(test.field("configmap/x", ".data.k"), "two");
}

//! What others made before git came, and what git gives up, keeps what it must keep.

use crate::support::{DEPLOYMENT, Fixture, config_map, plane};

const HPA: &str = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec:\n  \
                   maxReplicas: 9\n  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}\n";

fn create(test: &Fixture, manifest: &str) {
    plane().kubectl_with_stdin(&["-n", &test.namespace, "apply", "-f", "-"], manifest).unwrap();
}

fn replicas(test: &Fixture) -> String {
    test.field("deploy/web", ".spec.replicas")
}

#[test]
fn replicas_that_kubectl_set_stay_where_git_says_none() {
    let test = Fixture::new("inherit");
    create(&test, DEPLOYMENT);
    let without = DEPLOYMENT.replace("  replicas: 5\n", "");
    test.commit(&[("apps/web.yaml", &without), ("apps/hpa.yaml", HPA)]);
    let daemon = test.run(&[]);
    daemon.next_sync();
    assert_eq!(replicas(&test), "5", "{:#?}", daemon.0.lines());
    // Nor does an edit by hand make the number a thing to remove.
    test.kubectl(&["patch", "deploy/web", "-p", r#"{"spec":{"replicas":6}}"#]);
    daemon.next_sync();
    assert_eq!(replicas(&test), "6", "{:#?}", daemon.0.lines());
}

#[test]
fn what_an_autoscaler_or_others_have_is_not_reset_when_git_takes_over() {
    let test = Fixture::new("adopt");
    create(&test, DEPLOYMENT);
    let scale = ["patch", "deploy/web", "--subresource=scale", "--type=merge"];
    let by = ["--field-manager=kube-controller-manager", "-p", "{\"spec\":{\"replicas\":7}}"];
    test.kubectl(&[&scale[..], &by[..]].concat());
    test.kubectl(&["create", "configmap", "a", "--from-literal=key=theirs"]);
    let map = config_map("a", "git").replace(
        "  name: a\n",
        "  name: a\n  annotations: {gitops-sync.dev/ignore-fields: /data/key}\n",
    );
    test.commit(&[("apps/web.yaml", DEPLOYMENT), ("apps/a.yaml", &map)]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "configured=2"]);
    daemon.next_sync();
    assert_eq!(replicas(&test), "7", "{:#?}", daemon.0.lines());
    assert_eq!(test.field("configmap/a", ".data.key"), "theirs");
}

#[test]
fn what_was_left_alone_and_is_git_s_again_is_created() {
    let test = Fixture::new("again");
    let with = |name: &str, annotation: &str| {
        let more = format!("  name: {name}\n  annotations: {{{annotation}}}\n");
        config_map(name, "1").replace(&format!("  name: {name}\n"), &more)
    };
    test.commit(&[
        ("apps/quiet.yaml", &with("quiet", "gitops-sync.dev/reconcile: disabled")),
        ("apps/loose.yaml", &with("loose", "gitops-sync.dev/drift: ignore")),
    ]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=1"]);
    test.kubectl(&["delete", "configmap", "loose"]);
    daemon.next_sync();
    daemon.next_sync();
    test.commit(&[
        ("apps/quiet.yaml", &config_map("quiet", "1")),
        ("apps/loose.yaml", &config_map("loose", "2")),
    ]);
    test.expect("configmap/quiet", ".data.key", "1");
    test.expect("configmap/loose", ".data.key", "2");
}

#[test]
fn our_marks_are_never_given_up() {
    let test = Fixture::new("marks");
    let map = |value: &str| {
        let all = "/metadata/annotations,/metadata/labels";
        let more = format!(
            "  name: a\n  annotations: {{note: {value:?}, gitops-sync.dev/ignore-fields: {all:?}}}\n"
        );
        config_map("a", value).replace("  name: a\n", &more)
    };
    test.commit(&[("apps/a.yaml", &map("1"))]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=1"]);
    let commit = test.commit(&[("apps/a.yaml", &map("2"))]);
    daemon.line(&["INFO Synced", &commit]);
    test.expect("configmap/a", ".data.key", "2");
    daemon.next_sync();
    let line = daemon.next_sync();
    assert!(line.contains("unchanged=1"), "{:#?}", daemon.0.lines());
    assert_eq!(test.field("configmap/a", ".metadata.annotations.note"), "1");
}

#[test]
fn what_was_told_to_be_gone_comes_back_with_a_commit_that_changes_it() {
    let test = Fixture::new("told");
    test.commit(&[("apps/gone.yaml", &config_map("gone", "1"))]);
    let daemon = test.run(&["--drift", "warn"]);
    daemon.line(&["INFO Synced", "created=1"]);
    test.kubectl(&["delete", "configmap", "gone"]);
    daemon.line(&["Drift left as it is", "configmap/gone"]);
    test.commit(&[("apps/gone.yaml", &config_map("gone", "2"))]);
    test.expect("configmap/gone", ".data.key", "2");
}

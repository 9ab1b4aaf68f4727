//! What `kubectl describe` and `kubectl get events` tell of what the daemon did.

use serde_json::Value;
use testbed::{ApiRequest, Signal, eventually};

use crate::object;
use crate::support::{DEADLINE, Fixture, config_map, plane};

/// The daemon's events in a namespace with this reason about the object of this name.
fn events(namespace: &str, reason: &str, name: &str) -> Vec<Value> {
    let is_it = |event: &&Value| {
        event["reportingController"] == "gitops-sync.dev/gitops-sync"
            && event["reason"] == reason
            && event["regarding"]["name"] == name
    };
    object::list(namespace, "events.events.k8s.io").into_iter().filter(|e| is_it(&e)).collect()
}

/// Waits for such an event whose note has all these words.
fn told(namespace: &str, reason: &str, name: &str, words: &[&str]) -> Value {
    let has_all = |event: &Value| words.iter().all(|w| event["note"].as_str().unwrap().contains(w));
    eventually(DEADLINE, &format!("an event {reason} on {name} with {words:?}"), || {
        let events = events(namespace, reason, name);
        let found = events.iter().find(|event| has_all(event)).cloned();
        found.map(Some).ok_or_else(|| format!("{events:#?}"))
    })
    .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn drift_is_told_on_the_object_by_field_and_tool() {
    let test = Fixture::new("told");
    let space = test.namespace.as_str();
    test.commit(&[("apps/a.yaml", &format!("{}  more: x\n", config_map("a", "1")))]);
    let daemon = test.run(&["--interval", "1h"]);
    daemon.line(&["INFO Synced", "created=1"]);
    test.kubectl(&["patch", "cm", "a", "-p", r#"{"data":{"key":"foreign","more":null}}"#]);
    let words = [
        "data.key: wanted \"1\", found \"foreign\", by kubectl-patch (Update, 20",
        "; data.more: wanted \"x\", found (absent), by unknown",
    ];
    let event = told(space, "DriftReverted", "a", &words);
    assert_eq!(events(space, "DriftReverted", "a").len(), 1, "one for all fields");
    assert_eq!(
        (event["type"].as_str(), event["action"].as_str()),
        (Some("Warning"), Some("Revert"))
    );
    let regarding = &event["regarding"];
    let field = |name: &str| regarding[name].as_str().unwrap_or_default();
    assert_eq!(
        [field("apiVersion"), field("kind"), field("namespace"), field("uid")],
        ["v1", "ConfigMap", space, &test.field("configmap/a", ".metadata.uid")]
    );
    let described = test.kubectl(&["describe", "configmap", "a"]);
    assert!(described.contains("DriftReverted") && described.contains("data.key"), "{described}");

    test.kubectl(&["delete", "configmap", "a"]);
    told(space, "DriftReverted", "a", &["had been deleted"]);
    let described = test.kubectl(&["describe", "configmap", "a"]);
    assert!(described.contains("had been deleted"), "{described}");
}

#[test]
fn a_restart_after_drift_writes_nothing_and_tells_nothing_again() {
    let test = Fixture::new("told-again");
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&["--interval", "1h"]);
    daemon.line(&["INFO Synced", "created=1"]);
    test.kubectl(&["patch", "cm", "a", "-p", r#"{"data":{"key":"foreign"}}"#]);
    // The event is the last that is sent of it, beside the syncing.
    told(&test.namespace, "DriftReverted", "a", &["data.key"]);
    daemon.0.kill().unwrap();
    let mark = plane().audit().mark().unwrap();
    let again = test.run(&["--interval", "1h"]);
    again.line(&["INFO Synced", "unchanged=1"]);
    // Events that wait are posted before it ends.
    again.0.signal(Signal::TERM).unwrap();
    assert!(again.0.wait_exit(DEADLINE).unwrap().success());
    let sent = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
    let is_read = |verb: &str| matches!(verb, "get" | "list" | "watch");
    let is_here = |r: &&ApiRequest| r.namespace == test.namespace;
    let writes: Vec<_> = sent.iter().filter(is_here).filter(|r| !is_read(&r.verb)).collect();
    assert!(writes.is_empty(), "{writes:#?}");
}

#[test]
fn a_secrets_values_are_in_no_event() {
    let test = Fixture::new("discreet");
    let space = test.namespace.as_str();
    let secret = |pin: &str| {
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{pin: {pin}}}\n")
    };
    let refused = "apiVersion: v1\nkind: Secret\nmetadata: {name: t}\ntype: [hunter3]\n";
    test.commit(&[("apps/s.yaml", &secret("hunter2")), ("apps/t.yaml", refused)]);
    let daemon = test.run(&[]);
    told(space, "ApplyFailed", "t", &["withheld"]);
    test.kubectl(&["patch", "secret", "s", "-p", r#"{"stringData":{"pin":"31337"}}"#]);
    told(space, "DriftReverted", "s", &["data.pin: wanted (hidden), found (hidden)"]);
    daemon.next_pass();
    let all = test.kubectl(&["get", "events.events.k8s.io", "-o", "yaml"]);
    for value in ["hunter", "aHVudGVyMg", "31337", "MzEzMzc"] {
        assert!(!all.contains(value), "{value} in {all}");
    }
}

#[test]
fn a_lasting_failure_is_told_once_and_on_the_object() {
    let test = Fixture::new("lasting");
    let space = test.namespace.as_str();
    let service = |port: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: s}}\nspec: {{ports: [{{port: {port}}}]}}\n"
        )
    };
    test.commit(&[("apps/s.yaml", &service("80"))]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=1"]);
    test.commit(&[("apps/s.yaml", &service("99999"))]);
    let event = told(space, "ApplyFailed", "s", &["apps/s.yaml:1", "between 1 and 65535"]);
    assert_eq!(event["regarding"]["uid"], test.field("service/s", ".metadata.uid"));
    (0..3).for_each(|_| daemon.next_pass());
    test.commit(&[("apps/s.yaml", &service("99998"))]);
    told(space, "ApplyFailed", "s", &["99998"]);
    assert_eq!(events(space, "ApplyFailed", "s").len(), 2);
}

#[test]
fn events_on_what_has_no_namespace_go_to_default() {
    let test = Fixture::new("wide");
    let name = format!("{}:reader", test.namespace);
    let role = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: '{name}'}}\n\
         rules: [{{apiGroups: [''], resources: [pods], verbs: [get]}}]\n"
    );
    test.commit(&[("apps/role.yaml", &role)]);
    let daemon = test.run(&["--interval", "1h"]);
    daemon.line(&["INFO Synced", "created=1"]);
    plane().kubectl(&["patch", "clusterrole", &name, "-p", r#"{"rules":[]}"#]).unwrap();
    let event = told("default", "DriftReverted", &name, &["rules: wanted", "kubectl-patch"]);
    assert_eq!(event["regarding"].get("namespace"), None);
}

#[test]
fn fights_and_prunes_are_told() {
    let test = Fixture::new("fought");
    let space = test.namespace.as_str();
    test.commit(&[("apps/a.yaml", &config_map("a", "1")), ("apps/b.yaml", &config_map("b", "1"))]);
    let daemon = test.run(&["--prune"]);
    daemon.line(&["INFO Synced", "created=2"]);
    let uid = test.field("configmap/b", ".metadata.uid");
    test.repo.remove("apps/b.yaml").unwrap();
    test.repo.commit("Remove one").unwrap();
    let event = told(space, "Pruned", "b", &["No longer in git"]);
    assert_eq!((&event["type"], &event["regarding"]["uid"]), (&"Normal".into(), &uid.into()));
    for round in 0..5 {
        let mark = daemon.mark();
        let patch = format!("{{\"data\":{{\"key\":\"other{round}\"}}}}");
        test.kubectl(&["patch", "configmap", "a", "-p", &patch]);
        daemon.line_after(mark, &["Drift reverted"]);
    }
    told(space, "Fight", "a", &["Changed by kubectl-patch: data.key, again each time"]);
    assert_eq!(events(space, "DriftReverted", "a").len(), 5);
    assert_eq!(events(space, "Fight", "a").len(), 1);
}

#[test]
fn what_is_queued_at_the_end_is_still_posted() {
    let test = Fixture::new("queued");
    for name in 0..24 {
        let path = format!("apps/{name}.yaml");
        test.repo.write(&path, config_map(&format!("c{name}"), "1")).unwrap();
    }
    test.repo.commit("As many as are told at once").unwrap();
    let daemon = test.run(&["--interval", "1h"]);
    daemon.line(&["INFO Synced", "created=24"]);
    let ours = format!("labelSelector=gitops-sync.dev/app={}", test.namespace);
    let all = format!("/api/v1/namespaces/{}/configmaps?{ours}", test.namespace);
    plane().kubectl(&["delete", "--raw", &all]).unwrap();
    daemon.line(&["had been deleted"]);
    daemon.0.signal(Signal::TERM).unwrap();
    assert!(daemon.0.wait_exit(DEADLINE).unwrap().success());
    for line in daemon.0.lines().iter().filter(|line| line.contains("had been deleted")) {
        let name = line.split("object=configmap/").nth(1).unwrap().split(' ').next().unwrap();
        assert_eq!(events(&test.namespace, "DriftReverted", name).len(), 1, "{line}");
    }
}

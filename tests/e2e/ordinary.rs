//! Manifests as people write them, with all that the API server writes back in another way: none of it
//! is drift, and none is taken for the work of admission.

use crate::support::{Fixture, plane};

/// Manifests that the API server normalises, defaults or completes. `NAME` stands for the test's own.
const MANIFESTS: &str = include_str!("ordinary.yaml");

#[test]
fn ordinary_manifests_are_neither_overridden_nor_drift() {
    let test = Fixture::new("ordinary");
    test.commit(&[("apps/all.yaml", &MANIFESTS.replace("NAME", &test.namespace))]);
    let daemon = test.run(&["--sweep", "1s"]);
    let line = daemon.line(&["Synced", "created="]);
    assert!(line.contains("failed=0"), "{:#?}", daemon.0.lines());
    // The control plane fills in the rules of an aggregated role.
    let role = format!("clusterrole/{}-whole", test.namespace);
    test.expect(&role, ".rules[0].verbs[0]", "get");
    for _ in 0..3 {
        daemon.next_sync();
    }
    let lines = daemon.0.lines();
    let said = |words: &str| lines.iter().any(|line| line.contains(words));
    assert!(!said("Overridden") && !said("Drift") && !said("Fight"), "{lines:#?}");
    let mark = plane().audit().mark().unwrap();
    daemon.next_sync();
    let sent = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
    let is_write = |verb: &str| matches!(verb, "patch" | "update" | "create" | "delete");
    let sent: Vec<_> = sent
        .into_iter()
        .filter(|r| r.namespace == test.namespace || r.name.contains(&test.namespace))
        .filter(|r| r.resource != "events" && is_write(&r.verb))
        .collect();
    assert!(sent.is_empty(), "{sent:#?}");
}

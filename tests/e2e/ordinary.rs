//! Manifests as people write them, with all that the API server writes back in another way: none of it
//! is drift, and none is taken for the work of admission.

use crate::support::{Fixture, assert_quiet, plane};

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
    daemon.next_sync();
    let (line, mark) = (daemon.mark(), plane().audit().mark().unwrap());
    assert_quiet(&test, &daemon, line, mark);
    let lines = daemon.0.lines();
    assert!(!lines.iter().any(|line| line.contains("Overridden")), "{lines:#?}");
}

//! Commit to cluster, drift, prune: what the daemon is for.

use crate::support::{Fixture, config_map, plane};

#[test]
fn an_unchanged_pass_writes_nothing_and_a_restart_neither() {
    let test = Fixture::new("rest");
    test.commit(&[("apps/a.yaml", &config_map("a", "1")), ("apps/b.yaml", &config_map("b", "1"))]);
    let daemon = test.run(&[]);
    daemon.line(&["Synced", "created=2"]);
    let mark = plane().audit().mark().unwrap();
    daemon.next_sync();
    drop(daemon);
    let again = test.run(&[]);
    again.line(&["Synced", "unchanged=2"]);
    let requests = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
    let writes: Vec<_> = requests
        .iter()
        .filter(|r| r.namespace == test.namespace && !matches!(r.verb.as_str(), "get" | "list"))
        .collect();
    assert!(writes.is_empty(), "{writes:#?}");
}

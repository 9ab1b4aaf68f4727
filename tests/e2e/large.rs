//! Twenty thousand objects of one app: held, approved, pruned, and its inventory in shards.

use std::fmt::Write as _;

use crate::guard::hash;
use crate::support::{Fixture, config_map};

/// Objects of the app.
const ALL: usize = 20_000;
/// Objects in one file.
const FILE: usize = 500;

fn file(at: usize) -> String {
    (at * FILE..(at + 1) * FILE).fold(String::new(), |mut text, n| {
        let _ = writeln!(text, "{}---", config_map(&format!("m{n}"), "1"));
        text
    })
}

fn shards(test: &Fixture) -> usize {
    test.named("secrets", "gitops-sync-shard-")
}

#[test]
#[ignore = "takes minutes: SOAK=1 cargo test -- --ignored"]
fn twenty_thousand_objects_are_held_approved_and_pruned() {
    let test = Fixture::new("large");
    for at in 0..ALL / FILE {
        test.repo.write(&format!("apps/f{at}.yaml"), file(at)).unwrap();
    }
    test.repo.commit("All").unwrap();
    let daemon = test.run(&["--prune"]);
    daemon.line_within(600, &["INFO Synced", "created=20000"]);
    assert_eq!(shards(&test), 15);
    for at in 0..ALL / FILE / 2 {
        test.repo.remove(&format!("apps/f{at}.yaml")).unwrap();
    }
    test.repo.commit("Half of it").unwrap();
    let line = daemon.line_within(120, &["Prune held: 10000 of 20000 objects"]);
    assert!(line.len() < 2000, "{line}");
    drop(daemon);
    let daemon = test.run(&["--prune", "--approve-prune", &hash(&line)]);
    daemon.line_within(600, &["INFO Synced", "pruned=10000"]);
    drop(daemon);
    let daemon = test.run(&["--prune"]);
    daemon.line_within(120, &["INFO Synced", "unchanged=10000", "pruned=0"]);
}

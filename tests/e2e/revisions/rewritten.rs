//! Branches that are rewritten or deleted, and repositories that go: the last good state stays.

use serde_json::json;

use crate::apps::Apps;
use crate::support::config_map;

/// The message of the event on the app with this reason.
fn event(apps: &Apps, app: &str, reason: &str) -> String {
    let found = testbed::eventually(crate::support::DEADLINE, reason, || {
        let selector = format!("involvedObject.name={app},reason={reason}");
        let output = ["-o", "jsonpath={.items[*].message}"];
        let found = apps
            .kubectl(&[&["get", "events", "--field-selector", &selector], &output[..]].concat());
        if found.is_empty() { Err("no event".to_owned()) } else { Ok(Some(found)) }
    });
    found.unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_rewritten_branch_is_followed_and_told_once() {
    let apps = Apps::new("rewritten");
    let write = |value: &str| apps.test.repo.write("apps/a.yaml", config_map("a", value)).unwrap();
    (0..3)
        .for_each(|n| drop(apps.test.commit(&[("apps/a.yaml", &config_map("a", &n.to_string()))])));
    apps.app("web", "apps", json!({}));
    apps.wait("web", "Ready");
    let before = apps.test.commit(&[("apps/a.yaml", &config_map("a", "before"))]);
    apps.applied("web", &before);
    let told = || {
        let lines = apps.daemon.0.lines();
        lines.iter().filter(|line| line.contains("BranchRewritten")).count()
    };
    assert_eq!(told(), 0);
    write("rewritten");
    let commit = apps.test.repo.force_push_rewritten("Rewritten").unwrap();
    apps.applied("web", &commit);
    apps.expect("configmap/a", ".data.key", "rewritten");
    let said = apps.daemon.line(&["WARN", "Branch rewritten: HEAD@", &before, "BranchRewritten"]);
    assert!(said.contains(&commit[..8]), "{said}");
    assert!(event(&apps, "web", "BranchRewritten").contains(&before));
    // Also one that shares nothing with what was there, and one that goes back.
    apps.test.repo.git(&["checkout", "--quiet", "--orphan", "fresh"]).unwrap();
    write("orphan");
    apps.test.repo.git(&["add", "--all"]).unwrap();
    apps.test.repo.git(&["commit", "--quiet", "--message", "Orphan"]).unwrap();
    apps.test.repo.git(&["push", "--quiet", "--force", "origin", "HEAD:main"]).unwrap();
    apps.applied("web", &apps.test.repo.head().unwrap());
    apps.test
        .repo
        .git(&["push", "--quiet", "--force", "origin", &format!("{before}:main")])
        .unwrap();
    apps.applied("web", &before);
    apps.expect("configmap/a", ".data.key", "before");
    assert_eq!(told(), 3);
}

#[test]
fn a_branch_or_a_repository_that_is_gone_leaves_all_in_place() {
    let apps = Apps::new("gone");
    let commit = apps.test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let spec = json!({"targetRevision": "main", "prune": true, "pruneGuard": {"allowEmpty": true}});
    apps.app("web", "apps", spec);
    apps.applied("web", &commit);
    let bare = apps.test.repo.path();
    let moved = bare.with_extension("moved");
    let push = |arguments: &[&str]| {
        apps.test.repo.git(&[&["push", "--quiet", "origin"], arguments].concat()).unwrap();
    };
    let metric = |reason: &str| {
        format!(
            "gitops_sync_failures_total{{app=\"{}.web\",reason=\"{reason}\"}}",
            apps.test.namespace
        )
    };
    let stays = |reason: &str| {
        apps.reason("web", "Ready", reason);
        assert!(apps.daemon.metrics().contains(&metric(reason)), "{}", apps.daemon.metrics());
        let status = apps.get("web")["status"].clone();
        assert_eq!(status["lastAppliedRevision"]["sha"], commit.as_str(), "{status}");
        // It is kept in place all the same.
        apps.kubectl(&["delete", "configmap", "a"]);
        apps.expect("configmap/a", ".data.key", "1");
    };
    apps.test
        .repo
        .git(&["-C", bare.to_str().unwrap(), "symbolic-ref", "HEAD", "refs/heads/other"])
        .unwrap();
    push(&["--delete", "main"]);
    stays("BranchNotFound");
    push(&["HEAD:main"]);
    apps.reason("web", "Ready", "Synced");
    std::fs::rename(bare, &moved).unwrap();
    stays("RepositoryNotFound");
    std::fs::rename(&moved, bare).unwrap();
    apps.reason("web", "Ready", "Synced");
    let next = apps.test.commit(&[("apps/a.yaml", &config_map("a", "2"))]);
    apps.applied("web", &next);
}

//! Branches, tags, refs, commits and ranges of versions.

use serde_json::{Value, json};
use testbed::{Fault, Repo};

use crate::apps::Apps;
use crate::support::Fixture;

/// A repository with a bit of everything, by the names of its commits.
struct History {
    /// First commit, tagged `v1.0.0`.
    first: String,
    /// Second, tagged `v1.4.2` with a message.
    second: String,
    /// Third, tagged `v2.0.0-rc.1`, head of `main`.
    third: String,
    /// Of a branch that is gone.
    lost: String,
    /// A tag of a file.
    blob: &'static str,
}

fn history(test: &Fixture) -> History {
    let commit = |text: &str| test.commit(&[("empty/readme.md", text)]);
    let git = |arguments: &[&str]| test.repo.git(arguments).unwrap();
    let first = commit("1");
    git(&["tag", "v1.0.0"]);
    let second = commit("2");
    git(&["tag", "-a", "-m", "Message", "v1.4.2"]);
    test.repo.branch("gone").unwrap();
    let lost = commit("lost");
    test.repo.branch("main").unwrap();
    let third = commit("3");
    git(&["tag", "v2.0.0-rc.1"]);
    git(&["tag", "file", "HEAD:empty/readme.md"]);
    git(&["push", "--quiet", "--tags", "origin"]);
    git(&["push", "--quiet", "origin", "--delete", "gone"]);
    History { first, second, third, lost, blob: "file" }
}

/// Has the server give commits by their names, or not.
fn gives_commits(repo: &Repo, yes: bool) {
    let (bare, yes) = (repo.path().to_str().unwrap(), if yes { "true" } else { "false" });
    repo.git(&["-C", bare, "config", "uploadpack.allowAnySHA1InWant", yes]).unwrap();
}

/// Declares one app for each way to name a revision, and checks what they find.
fn check_all(apps: &Apps, history: &History, prefix: &str, more: &Value) {
    let History { first, second, third, lost, blob } = history;
    let (tag, annotated, main) = ("refs/tags/v1.0.0", "refs/tags/v1.4.2", "refs/heads/main");
    let found = [
        ("HEAD", third, "HEAD"),
        ("main", third, main),
        ("refs/heads/main", third, main),
        ("v1.0.0", first, tag),
        ("v1.4.2", second, annotated),
        ("refs/tags/v1.4.2", second, annotated),
        (">=1.2 <2", second, annotated),
        ("1.x", second, annotated),
        ("^1, <1.4", first, tag),
        (">=2.0.0-0", third, "refs/tags/v2.0.0-rc.1"),
        (third, third, ""),
        (second, second, ""),
        (lost, lost, ""),
    ];
    let missing = "1".repeat(40);
    let wrong = [
        ("3.x", "VersionNotFound", "the newest are v2.0.0-rc.1, v1.4.2, v1.0.0"),
        ("release", "BranchNotFound", "no branch or tag \"release\""),
        (&second[..10], "CommitShortened", "all 40 characters"),
        (&missing, "CommitNotFound", "no commit 1111"),
        (blob, "NotACommit", "no commit but a file or folder"),
    ];
    let declare = |name: &str, revision: &str| {
        let mut spec = json!({"targetRevision": revision});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        apps.app(name, "empty", spec);
    };
    for (n, (revision, ..)) in found.iter().enumerate() {
        declare(&format!("{prefix}{n}"), revision);
    }
    for (n, (revision, ..)) in wrong.iter().enumerate() {
        declare(&format!("{prefix}-wrong{n}"), revision);
    }
    for (n, (_, commit, reference)) in found.iter().enumerate() {
        let name = format!("{prefix}{n}");
        apps.applied(&name, commit);
        let revision = apps.get(&name)["status"]["lastAppliedRevision"].clone();
        assert_eq!(revision["ref"].as_str().unwrap_or_default(), *reference);
        let tree = apps.test.repo.git(&["rev-parse", &format!("{commit}^{{tree}}")]).unwrap();
        assert_eq!(revision["tree"], tree, "{name}");
    }
    for (n, (_, reason, words)) in wrong.iter().enumerate() {
        let said = apps.reason(&format!("{prefix}-wrong{n}"), "Ready", reason);
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn each_way_to_name_a_revision_finds_its_commit() {
    let apps = Apps::new("references");
    let history = history(&apps.test);
    check_all(&apps, &history, "open", &json!({}));
    apps.daemon.line(&[": Synced", &format!("\"v1.4.2@{}\"", history.second)]);
    let pinned = apps.daemon.line(&[": Synced", &format!("\"{}\"", history.lost)]);
    assert!(!pinned.contains('@'), "{pinned}");
    apps.kubectl(&["delete", "gapp", "--all"]);
    // A lost commit cannot be had then; one that a branch leads to can.
    gives_commits(&apps.test.repo, false);
    let History { third, .. } = &history;
    let lost = ["commit-tree", "-m", "Lost", "-p", third, &format!("{third}^{{tree}}")];
    let lost = apps.test.repo.git(&lost).unwrap();
    let reached = apps.test.commit(&[("empty/readme.md", "reached")]);
    apps.test.commit(&[("empty/readme.md", "later")]);
    apps.app("reached", "empty", json!({"targetRevision": reached}));
    apps.app("lost", "empty", json!({"targetRevision": lost}));
    apps.applied("reached", &reached);
    apps.reason("lost", "Ready", "CommitNotFound");
    apps.test
        .repo
        .git(&["push", "--quiet", "origin", &format!("{lost}:refs/heads/found")])
        .unwrap();
    apps.applied("lost", &lost);
}

#[test]
fn the_same_with_credentials() {
    let apps = Apps::new("references-auth");
    let history = history(&apps.test);
    apps.test.git.set_fault(Fault::BasicAuth { user: "bob".into(), password: "hunter2".into() });
    apps.login("bob");
    let more = json!({"secretRef": {"name": "bob"}});
    check_all(&apps, &history, "auth", &more);
}

#[test]
fn a_commit_that_is_there_costs_no_request() {
    let apps = Apps::new("pinned");
    let history = history(&apps.test);
    apps.app("web", "empty", json!({"targetRevision": history.first, "interval": "1s"}));
    apps.applied("web", &history.first);
    let before = apps.test.git.requests().len();
    (0..3).for_each(|_| drop(apps.daemon.line_after(apps.daemon.mark(), &[": Synced"])));
    let requests = apps.test.git.requests().split_off(before);
    assert!(requests.is_empty(), "{requests:?}");
}

#[test]
fn a_newer_tag_is_taken_and_a_branch_that_is_gone_is_no_range() {
    let apps = Apps::new("newer");
    let history = history(&apps.test);
    let git = |arguments: &[&str]| apps.test.repo.git(arguments).unwrap();
    git(&["push", "--quiet", "origin", &format!("{}:refs/heads/2.x", history.first)]);
    apps.app("range", "empty", json!({"targetRevision": "^1"}));
    apps.app("branch", "empty", json!({"targetRevision": "2.x"}));
    apps.applied("range", &history.second);
    apps.applied("branch", &history.first);
    git(&["tag", "v1.5.0", &history.third]);
    git(&["tag", "2.5.0", &history.third]);
    git(&["push", "--quiet", "--tags", "origin"]);
    apps.applied("range", &history.third);
    git(&["push", "--quiet", "origin", "--delete", "2.x"]);
    let said = apps.reason("branch", "Ready", "BranchNotFound");
    assert!(said.contains("no branch or tag \"2.x\""), "{said}");
    apps.applied("branch", &history.first);
    git(&["push", "--quiet", "origin", &format!("{}:refs/heads/2.x", history.second)]);
    apps.applied("branch", &history.second);
}

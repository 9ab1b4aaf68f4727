//! The prune guard: what waits for a person's word, and the ways to give it.

use std::process::Command;
use std::time::Duration;

use testbed::{ApiFault, eventually};

use crate::support::{DEADLINE, Daemon, Fixture, config_map, plane, program};

/// A test's app of many `ConfigMap`s, synced and pruning.
pub fn many(name: &str, number: usize) -> (Fixture, Daemon) {
    let test = Fixture::new(name);
    for n in 0..number {
        let name = format!("m{n}");
        test.repo.write(&format!("apps/{name}.yaml"), config_map(&name, "1")).unwrap();
    }
    test.repo.commit("Many").unwrap();
    let daemon = test.run(&["--prune"]);
    daemon.line(&["INFO Synced", &format!("created={number}")]);
    (test, daemon)
}

/// Removes some of them.
pub fn remove(test: &Fixture, numbers: std::ops::Range<usize>, message: &str) -> String {
    for n in numbers {
        test.repo.remove(&format!("apps/m{n}.yaml")).unwrap();
    }
    test.repo.commit(message).unwrap()
}

/// How many of them there are.
pub fn left(test: &Fixture) -> usize {
    test.named("configmaps", "m")
}

/// Waits for so many.
pub fn expect_left(test: &Fixture, number: usize) {
    eventually(DEADLINE, &format!("{number} to be left"), || {
        let left = left(test);
        if left == number { Ok(Some(())) } else { Err(left) }
    })
    .unwrap_or_else(|error| panic!("{error}"));
}

/// The hash that a line about a held set names.
pub fn hash(line: &str) -> String {
    let rest = line.split("prune-approve ").nth(1).unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

/// A verb about the test's app.
pub fn ask(test: &Fixture, arguments: &[&str]) -> String {
    let mut command: Command = program();
    command.args(arguments).arg("--kubeconfig").arg(plane().kubeconfig());
    command.args(["--namespace", &test.namespace, "--name", &test.namespace]);
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// What the daemon tells of its apps.
pub fn api(daemon: &Daemon) -> String {
    testbed::http("GET", &format!("{}/api/v1/apps", daemon.url()), &[], b"").unwrap().1
}

#[test]
fn half_a_repository_deleted_in_one_commit_is_held_until_its_hash_is_approved() {
    let (test, daemon) = many("half", 24);
    remove(&test, 0..12, "Half of it");
    let line = daemon.line(&["Prune held: 12 of 24 objects are too many at once"]);
    assert!(line.contains("and 2 more"), "{line}");
    daemon.next_sync();
    assert_eq!(left(&test), 24);
    let held = api(&daemon);
    assert!(held.contains(&hash(&line)) && held.contains(r#""name":"m0""#), "{held}");
    assert!(
        daemon.metrics().contains(&format!(
            "gitops_sync_objects{{app=\"{}\",state=\"held\"}} 12",
            test.namespace
        ))
    );
    // Another set than the approved one waits again.
    let said = ask(&test, &["prune-approve", &hash(&line)]);
    assert!(said.contains("are deleted, if they are held"), "{said}");
    daemon.line(&["INFO Synced", "pruned=12"]);
    expect_left(&test, 12);
    let said = daemon.0.lines().iter().filter(|line| line.contains("Prune held")).count();
    assert_eq!(said, 1, "{:#?}", daemon.0.lines());
    remove(&test, 12..23, "All but one of the rest");
    let other = daemon.line(&["Prune held: 11 of 12"]);
    assert_ne!(hash(&other), hash(&line));
}

#[test]
fn an_approval_is_for_one_set_and_may_be_to_abandon() {
    let (test, daemon) = many("abandoned", 12);
    remove(&test, 0..11, "All but one");
    let first = hash(&daemon.line(&["Prune held: 11 of 12"]));
    test.repo.remove("apps/m11.yaml").unwrap();
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let second = hash(&daemon.line(&["Prune held: 12 of 12"]));
    ask(&test, &["prune-approve", &first]);
    daemon.next_sync();
    assert_eq!(left(&test), 12);
    ask(&test, &["prune-approve", "--abandon", &second]);
    daemon.line(&["Not pruned: configmap/m0", "approved to be abandoned", "no longer managed"]);
    daemon.next_sync();
    assert_eq!(left(&test), 12);
    assert_eq!(test.field("configmap/m0", ".metadata.labels"), "");
    assert!(api(&daemon).contains(r#""abandoned":[{"group":"","kind":"ConfigMap""#));
    // What is abandoned and declared again is taken over again.
    test.commit(&[("apps/m0.yaml", &config_map("m0", "2"))]);
    test.expect("configmap/m0", ".data.key", "2");
    daemon.next_sync();
    assert!(!api(&daemon).contains(r#""name":"m0""#));
}

#[test]
fn a_commit_trailer_approves_what_its_own_commit_removed_and_nothing_else() {
    let (test, daemon) = many("trailer", 40);
    // Approved and unapproved removals that arrive together.
    drop(daemon);
    remove(&test, 0..12, "Twelve go\n\nGitOps-Prune: all");
    remove(&test, 12..25, "Thirteen more, by accident");
    let daemon = test.run(&["--prune"]);
    let line = daemon.line(&["Prune held: 13 of 40 objects", "configmap/m12"]);
    expect_left(&test, 28);
    daemon.next_sync();
    assert_eq!(left(&test), 28);
    // `all` in a later commit does not reach back; the hash does.
    test.repo.write("apps/readme.md", "more").unwrap();
    let commit = test.repo.commit("Nothing removed\n\nGitOps-Prune: all").unwrap();
    daemon.line(&["INFO Synced", &commit, "held=13"]);
    assert_eq!(left(&test), 28);
    test.repo.write("apps/readme.md", "and more").unwrap();
    test.repo.commit(&format!("Let them go\n\nGitOps-Prune: {}", hash(&line))).unwrap();
    daemon.line(&["INFO Synced", "pruned=13"]);
    expect_left(&test, 15);
    // Half of the rest, and a restart in between: the daemon knows how far it came.
    drop(daemon);
    remove(&test, 25..37, "Twelve more\n\nGitOps-Prune: all");
    let daemon = test.run(&["--prune"]);
    daemon.line(&["INFO Synced", "pruned=12"]);
    expect_left(&test, 3);
}

#[test]
fn an_emptied_path_and_a_vanished_one_wait_for_approval_or_the_flag() {
    let (test, daemon) = many("emptied", 2);
    test.repo.write("apps/readme.md", "nothing").unwrap();
    remove(&test, 0..2, "Everything");
    let line = daemon.line(&["Prune held: the source declares nothing any more: 2 left"]);
    test.repo.remove("apps/readme.md").unwrap();
    test.repo.write("other/x", "y").unwrap();
    test.repo.commit("And the folder").unwrap();
    daemon.line(&["Sync failed: no folder \"apps\""]);
    assert_eq!(left(&test), 2);
    drop(daemon);
    let daemon = test.run(&["--prune", "--approve-prune", &hash(&line)]);
    daemon.line(&["Pruned", "configmap/m0"]);
    expect_left(&test, 0);

    let (test, daemon) = many("allowed", 2);
    drop(daemon);
    test.repo.write("apps/readme.md", "nothing").unwrap();
    remove(&test, 0..2, "Everything");
    let daemon = test.run(&["--prune", "--allow-empty"]);
    daemon.line(&["INFO Synced", "pruned=2"]);
    expect_left(&test, 0);
}

#[test]
fn a_namespace_waits_and_the_rest_goes_unless_it_says_it_may() {
    let test = Fixture::new("spaces");
    let space = |name: &str, more: &str| {
        format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {}-{name}{more}}}\n",
            test.namespace
        )
    };
    let preview = format!("{}-preview", test.namespace);
    let inside: String = (0..12)
        .map(|n| {
            let map = config_map(&format!("p{n}"), "1");
            map.replace("  name:", &format!("  namespace: {preview}\n  name:")) + "---\n"
        })
        .collect();
    let allow = ", annotations: {gitops-sync.dev/prune: allow}";
    test.commit(&[
        ("apps/keep.yaml", &config_map("keep", "1")),
        ("apps/other.yaml", &config_map("other", "1")),
        ("apps/space.yaml", &space("space", "")),
        ("apps/preview/ns.yaml", &space("preview", allow)),
        ("apps/preview/all.yaml", &inside),
    ]);
    let daemon = test.run(&["--prune"]);
    daemon.line(&["INFO Synced", "created=16"]);
    // A preview goes as a whole, without asking.
    test.repo.remove("apps/preview/ns.yaml").unwrap();
    test.repo.remove("apps/preview/all.yaml").unwrap();
    test.repo.commit("The preview is over").unwrap();
    daemon.line(&["INFO Synced", "pruned=13"]);
    // A namespace that does not say so waits alone.
    test.repo.remove("apps/space.yaml").unwrap();
    test.repo.remove("apps/other.yaml").unwrap();
    test.repo.commit("A namespace and another object").unwrap();
    let line = daemon.line(&["Prune held: objects of protected kinds: 1 left", "namespace/"]);
    daemon.line(&["Pruned", "configmap/other"]);
    ask(&test, &["prune-approve", &hash(&line)]);
    daemon.line(&["Pruned", "namespace/", "-space"]);
}

#[test]
fn everyday_changes_need_nobody() {
    let (test, daemon) = many("everyday", 2);
    remove(&test, 0..1, "One of two");
    daemon.line(&["INFO Synced", "pruned=1"]);
    // The only object of the app under another name.
    test.repo.remove("apps/m1.yaml").unwrap();
    test.commit(&[("apps/renamed.yaml", &config_map("renamed", "1"))]);
    daemon.line(&["INFO Synced", "created=1", "pruned=1"]);
    // Twenty generated objects whose names carry a hash of their content.
    let generated = |suffix: &str| -> String {
        (0..20).map(|n| config_map(&format!("g{n}-{suffix}"), suffix) + "---\n").collect()
    };
    test.commit(&[("apps/generated.yaml", &generated("2456789bcd"))]);
    daemon.line(&["INFO Synced", "created=20"]);
    test.commit(&[("apps/generated.yaml", &generated("hk2mt45678"))]);
    daemon.line(&["INFO Synced", "created=20", "pruned=20"]);
}

#[test]
fn a_suspended_app_does_nothing_at_all_until_it_is_resumed() {
    let (test, daemon) = many("suspended", 1);
    assert!(ask(&test, &["suspend", "--reason", "incident 42"]).contains("suspended"));
    daemon.line(&["Suspended: nothing is synced", "reason=\"incident 42\""]);
    let gauge =
        |value: &str| format!("gitops_sync_suspended{{app=\"{}\"}} {value}", test.namespace);
    assert!(daemon.metrics().contains(&gauge("1")));
    let mark = plane().audit().mark().unwrap();
    test.kubectl(&["patch", "configmap", "m0", "-p", r#"{"data":{"key":"by hand"}}"#]);
    test.commit(&[("apps/new.yaml", &config_map("new", "1"))]);
    // Also a daemon that starts meanwhile.
    let second = test.run(&["--prune"]);
    second.line(&["Suspended: nothing is synced"]);
    drop(second);
    let refused = test.sync(&["--repo", test.repo.url(), "--path", "apps", "--apply"]);
    let why = "suspended by the annotation gitops-sync.dev/suspend of its inventory (incident 42)";
    assert!(refused.code == Some(1) && refused.stderr.contains(why), "{refused:#?}");
    let requests = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
    let written = |verb: &str| !matches!(verb, "get" | "list" | "watch");
    let writes: Vec<_> =
        requests.iter().filter(|r| r.namespace == test.namespace && written(&r.verb)).collect();
    assert!(writes.is_empty(), "{writes:#?}");
    assert_eq!(test.field("configmap/m0", ".data.key"), "by hand");
    ask(&test, &["resume"]);
    daemon.line(&["Resumed"]);
    test.expect("configmap/m0", ".data.key", "1");
    test.expect("configmap/new", ".data.key", "1");
    assert!(daemon.metrics().contains(&gauge("0")));
}

#[test]
fn a_stale_pass_does_not_forget_where_approvals_begin() {
    let (test, daemon) = many("begin", 24);
    // Of a commit that was not applied as a whole, the rest follows while git is away.
    let space = format!("{}-late", test.namespace);
    let late =
        config_map("late", "1").replace("  name:", &format!("  namespace: {space}\n  name:"));
    let commit = test.commit(&[("apps/late.yaml", &late)]);
    daemon.line(&["Synced in part", &commit]);
    test.git.set_fault(testbed::Fault::Status(500));
    daemon.line(&["Sync failed: cannot"]);
    plane().kubectl(&["create", "namespace", &space]).unwrap();
    daemon.line(&["Applied", "configmap/late"]);
    remove(&test, 0..12, "Twelve go\n\nGitOps-Prune: all");
    test.commit(&[("apps/readme.md", "another commit")]);
    test.git.set_fault(testbed::Fault::None);
    daemon.line(&["INFO Synced", "pruned=12"]);
}

#[test]
fn a_pass_that_is_stopped_while_it_prunes_does_not_forget_what_was_approved() {
    let (test, daemon) = many("stopped", 12);
    drop(daemon);
    for n in 0..12 {
        let text =
            format!("apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: account{n}}}\n");
        test.repo.write(&format!("apps/account{n}.yaml"), text).unwrap();
    }
    test.repo.commit("Accounts").unwrap();
    let daemon = test.run(&["--prune"]);
    daemon.line(&["INFO Synced", "created=12"]);
    drop(daemon);
    (0..12).for_each(|n| test.repo.remove(&format!("apps/account{n}.yaml")).unwrap());
    remove(&test, 0..11, "All but one\n\nGitOps-Prune: all");
    let proxy = plane().proxy().unwrap();
    proxy.set_faults(|call| match call.method.as_str() {
        "DELETE" => ApiFault::Delay(Duration::from_secs(1)),
        _ => ApiFault::None,
    });
    let daemon = test.run_as(proxy.kubeconfig(), &["--prune"]);
    eventually(DEADLINE, "the first deletion", || {
        let is_delete = |call: &testbed::Call| call.method == "DELETE";
        Ok::<_, String>(proxy.calls().iter().any(is_delete).then_some(()))
    })
    .unwrap();
    daemon.0.signal(testbed::Signal::TERM).unwrap();
    daemon.0.wait_exit(DEADLINE).unwrap();
    assert_eq!(left(&test), 1);
    test.commit(&[("apps/readme.md", "another commit")]);
    let daemon = test.run(&["--prune"]);
    daemon.line(&["INFO Synced", "pruned=12"]);
}

#[test]
fn what_came_back_after_an_approved_removal_is_not_approved_again() {
    let (test, daemon) = many("came-back", 24);
    // While the daemon is away: an approved removal, its revert, and an accident.
    drop(daemon);
    let approved = remove(&test, 0..12, "Twelve go\n\nGitOps-Prune: all");
    test.repo.revert(&approved).unwrap();
    remove(&test, 0..12, "By accident");
    let daemon = test.run(&["--prune"]);
    daemon.line(&["Prune held: 12 of 24 objects are too many at once"]);
    daemon.next_sync();
    assert_eq!(left(&test), 24);
}

#[test]
fn a_path_that_vanishes_is_told_with_what_is_held() {
    let (test, daemon) = many("vanished", 2);
    test.repo.remove("apps").unwrap();
    test.repo.write("other/x", "y").unwrap();
    test.repo.commit("Moved by accident").unwrap();
    let line = daemon.line(&["Prune held: the source declares nothing any more: 2 left"]);
    daemon.line(&["Sync failed: no folder \"apps\""]);
    let shown = api(&daemon);
    assert!(shown.contains(&hash(&line)), "{shown}");
}

#[test]
fn approvals_at_the_same_time_all_count() {
    let (test, _daemon) = many("at-once", 1);
    let given: Vec<String> = (0..8).map(|n| format!("{n:012x}")).collect();
    std::thread::scope(|scope| {
        for hash in &given {
            scope.spawn(|| ask(&test, &["prune-approve", hash]));
        }
    });
    let secret = format!("secret/gitops-sync-inventory-{}", test.namespace);
    let found = test.field(&secret, ".metadata.annotations.gitops-sync\\.dev/approve-prune");
    for hash in &given {
        assert!(found.contains(hash), "{hash} in {found}");
    }
}

#[test]
fn a_suspension_in_the_middle_of_a_pass_keeps_it_from_deleting() {
    let (test, daemon) = many("midway", 3);
    drop(daemon);
    let proxy = plane().proxy().unwrap();
    let daemon = test.run_as(proxy.kubeconfig(), &["--prune"]);
    daemon.line(&["INFO Synced", "unchanged=3"]);
    let is_slow = |call: &testbed::Call| call.method == "PATCH" && call.uri.contains("/new");
    proxy.set_faults(move |call| {
        if is_slow(call) { ApiFault::Delay(Duration::from_secs(3)) } else { ApiFault::None }
    });
    test.repo.write("apps/new.yaml", config_map("new", "1")).unwrap();
    remove(&test, 0..1, "One comes and one goes");
    eventually(DEADLINE, "the middle of the pass", || {
        Ok::<_, String>(proxy.calls().iter().any(is_slow).then_some(()))
    })
    .unwrap();
    ask(&test, &["suspend"]);
    daemon.line(&["Applied", "configmap/new"]);
    daemon.line(&["Not pruned: configmap/m0", "the app is suspended"]);
    daemon.line(&["Suspended: nothing is synced"]);
    assert_eq!(left(&test), 3);
    ask(&test, &["resume"]);
    daemon.line(&["Pruned", "configmap/m0"]);
}

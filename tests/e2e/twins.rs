//! Two daemons of the same name and source, by mistake.

use std::path::Path;
use std::sync::atomic::Ordering;

use tempfile::TempDir;
use testbed::{ApiFault, eventually};

use crate::support::{DEADLINE, Daemon, Fixture, config_map, plane, program};

/// A daemon with a clone and a password file of its own. The server asks for no password, but without the
/// file nothing is fetched.
fn twin(test: &Fixture, data: &Path) -> Daemon {
    twin_at(test, data, plane().kubeconfig())
}

/// The same by way of a kubeconfig.
fn twin_at(test: &Fixture, data: &Path, kubeconfig: &Path) -> Daemon {
    let password = data.join("password");
    std::fs::write(&password, "unused").unwrap();
    let mut command = program();
    command.args(["run", "--repo", test.repo.url(), "--path", "apps", "--listen", "127.0.0.1:0"]);
    command.args(["--name", &test.namespace, "--namespace", &test.namespace]);
    command.args(["--target-namespace", &test.namespace, "--prune", "--interval", "500ms"]);
    command.arg("--kubeconfig").arg(kubeconfig).arg("--data-dir").arg(data);
    command.args(["--git-username", "x"]).arg("--git-password-file").arg(password);
    Daemon::start(command)
}

fn uids(test: &Fixture) -> String {
    test.kubectl(&["get", "configmaps", "-o=jsonpath={.items[*].metadata.uid}"])
}

#[test]
fn two_at_the_same_commits_converge_delete_nothing_wrongly_and_say_so() {
    let test = Fixture::new("twins");
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    for n in 0..20 {
        test.repo.write(&format!("apps/{n}.yaml"), config_map(&format!("c{n}"), "0")).unwrap();
    }
    test.repo.commit("Twenty").unwrap();
    let daemons = [twin(&test, one.path()), twin(&test, two.path())];
    let synced = |commit: &str| {
        for daemon in &daemons {
            daemon.line(&["INFO Synced", commit, "failed=0"]);
        }
    };
    synced("objects=20");
    let before = uids(&test);
    let mut commit = String::new();
    for round in 1..=6 {
        for n in [round, round + 6] {
            let text = config_map(&format!("c{n}"), &round.to_string());
            test.repo.write(&format!("apps/{n}.yaml"), text).unwrap();
        }
        test.repo
            .write(&format!("apps/new{round}.yaml"), config_map(&format!("new{round}"), "1"))
            .unwrap();
        if round > 1 {
            test.repo.remove(&format!("apps/new{}.yaml", round - 1)).unwrap();
        }
        commit = test.repo.commit("Again").unwrap();
        if round % 2 == 0 {
            synced(&commit);
        }
    }
    synced(&commit);
    let names = test.kubectl(&["get", "configmaps", "-l=gitops-sync.dev/app", "-o=name"]);
    assert_eq!(names.lines().filter(|name| !name.contains("/new")).count(), 20, "{names}");
    assert_eq!(
        names.lines().filter(|name| name.contains("/new")).collect::<Vec<_>>(),
        ["configmap/new6"]
    );
    let after = uids(&test);
    assert!(
        before.split(' ').all(|uid| after.contains(uid)),
        "something was deleted and made again"
    );
    // At rest both send nothing.
    let mark = plane().audit().mark().unwrap();
    for daemon in &daemons {
        daemon.next_sync();
    }
    let requests = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
    let is_write = |verb: &str| !matches!(verb, "get" | "list" | "watch");
    let writes: Vec<_> =
        requests.iter().filter(|r| r.namespace == test.namespace && is_write(&r.verb)).collect();
    assert!(writes.is_empty(), "{writes:#?}");
    // Whoever finds the other's writes says it: both, unless one of them was always the faster.
    let complains = |line: &String| {
        line.contains("was changed by another process: run one gitops-sync per --name")
    };
    let lines = daemons.each_ref().map(|daemon| daemon.0.lines());
    assert!(lines.iter().flatten().any(complains), "{lines:#?}");
    // The one that is behind for a moment may take what the other one prunes for deleted.
    let is_wrong = |line: &&String| line.contains("Drift") && !line.contains("configmap/new");
    assert_eq!(lines.iter().flatten().find(is_wrong), None, "{lines:#?}");
}

#[test]
fn one_that_is_behind_gives_way() {
    let test = Fixture::new("behind");
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    for name in ["a", "b", "d"] {
        test.repo.write(&format!("apps/{name}.yaml"), config_map(name, "1")).unwrap();
    }
    test.repo.commit("Three").unwrap();
    let (ahead, behind) = (twin(&test, one.path()), twin(&test, two.path()));
    ahead.line(&["INFO Synced", "unchanged=3"]);
    behind.line(&["INFO Synced", "unchanged=3"]);
    std::fs::remove_file(two.path().join("password")).unwrap();
    behind.line(&["Sync failed", "CredentialsUnreadable"]);
    test.repo.remove("apps/b.yaml").unwrap();
    let more = format!("{}  more: x\n", config_map("d", "1"));
    let commit = test.commit(&[
        ("apps/a.yaml", &config_map("a", "2")),
        ("apps/d.yaml", &more),
        ("apps/c.yaml", &config_map("c", "1")),
    ]);
    ahead.line(&["INFO Synced", &commit, "failed=0"]);
    let state = || {
        let values =
            ["a", "b", "c"].map(|name| test.field(&format!("configmap/{name}"), ".data.key"));
        (values, test.field("configmap/d", ".data.more"))
    };
    let wanted = (["2", "", "1"].map(str::to_owned), "x".to_owned());
    eventually(DEADLINE, "the new commit to stay", || {
        let mark = plane().audit().mark().unwrap();
        for daemon in [&ahead, &behind] {
            let line = daemon.mark();
            (0..2).for_each(|_| drop(daemon.line_after(line, &["Sync"])));
        }
        let requests = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
        let is_write = |r: &&testbed::ApiRequest| {
            r.namespace == test.namespace
                && matches!(r.verb.as_str(), "patch" | "delete" | "update")
        };
        let writes = requests.iter().filter(is_write).count();
        let found = state();
        if writes == 0 && found == wanted {
            Ok(Some(()))
        } else {
            Err(format!("{writes} writes, {found:?}"))
        }
    })
    .unwrap_or_else(|error| panic!("{error}\n{:#?}\n{:#?}", ahead.0.lines(), behind.0.lines()));
    behind.line(&["was changed by another process: run one gitops-sync per --name"]);
    // What others do is still put back, and once git can be read again both are one.
    test.kubectl(&["patch", "configmap", "a", "-p", "{\"data\":{\"key\":\"9\"}}"]);
    test.expect("configmap/a", ".data.key", "2");
    std::fs::write(two.path().join("password"), "unused").unwrap();
    behind.line(&["INFO Synced", &commit, "failed=0"]);
    assert_eq!(state(), wanted);
}

/// Between its deletion and the end of the pass that prunes it, an object is still in the inventory.
#[test]
fn what_the_one_ahead_is_pruning_the_one_behind_does_not_bring_back() {
    let test = Fixture::new("pruning");
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    for name in ["a", "b"] {
        test.repo.write(&format!("apps/{name}.yaml"), config_map(name, "1")).unwrap();
    }
    test.repo.commit("Two").unwrap();
    let behind = twin(&test, two.path());
    behind.line(&["INFO Synced", "created=2"]);
    let proxy = plane().proxy().unwrap();
    let ahead = twin_at(&test, one.path(), proxy.kubeconfig());
    ahead.line(&["INFO Synced", "unchanged=2"]);
    std::fs::remove_file(two.path().join("password")).unwrap();
    behind.line(&["Sync failed", "CredentialsUnreadable"]);
    // Once it has deleted, it gets no further.
    let has_deleted = std::sync::atomic::AtomicBool::new(false);
    proxy.set_faults(move |call| {
        let is_over = has_deleted.load(Ordering::SeqCst);
        has_deleted.fetch_or(call.method == "DELETE", Ordering::SeqCst);
        if is_over && call.is_write() { ApiFault::Hang } else { ApiFault::None }
    });
    test.repo.remove("apps/b.yaml").unwrap();
    let commit = test.repo.commit("Without b").unwrap();
    test.expect("configmap/b", ".metadata.name", "");
    for _ in 0..3 {
        behind.line_after(behind.mark(), &["Sync failed", "CredentialsUnreadable"]);
    }
    assert_eq!(test.field("configmap/b", ".metadata.name"), "", "{:#?}", behind.0.lines());
    proxy.set_fault(ApiFault::None);
    ahead.line(&["INFO Synced", &commit, "pruned=1"]);
    // What a person deletes still comes back.
    test.kubectl(&["delete", "configmap", "a"]);
    test.expect("configmap/a", ".data.key", "1");
    assert_eq!(test.field("configmap/b", ".metadata.name"), "", "{:#?}", behind.0.lines());
}

#[test]
fn what_only_looks_like_another_process_is_put_back_all_the_same() {
    let test = Fixture::new("forged");
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&["--interval", "1h"]);
    daemon.line(&["INFO Synced", "created=1"]);
    let patch = |value: &str| {
        let patch = format!(
            "{{\"data\":{{\"key\":\"{value}\"}},\"metadata\":{{\"annotations\":{{\"gitops-sync.dev/hash\":\"x{value}\"}}}}}}"
        );
        test.kubectl(&["patch", "configmap", "a", "-p", &patch]);
        test.expect("configmap/a", ".data.key", "1");
    };
    patch("8");
    patch("9");
}

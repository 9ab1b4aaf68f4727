//! git that fails in every way, and a clone that is damaged: it recovers by itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use testbed::Fault;

use crate::support::{Daemon, Fixture, config_map};

/// The clone of a test's only repository.
fn clone(test: &Fixture) -> PathBuf {
    let entries = fs::read_dir(test.data.path()).unwrap().flatten();
    entries.map(|e| e.path()).find(|path| path.is_dir()).unwrap()
}

/// A daemon that has synced one object.
fn synced(test: &Fixture) -> Daemon {
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&["--fetch-timeout", "3s"]);
    daemon.line(&["INFO Synced", "created=1"]);
    daemon
}

/// Commits a new value and waits for it to be live.
fn goes_on(test: &Fixture, daemon: &Daemon, value: &str) {
    let commit = test.commit(&[("apps/a.yaml", &config_map("a", value))]);
    daemon.line(&["INFO Synced", &commit]);
    assert_eq!(test.field("configmap/a", ".data.key"), value);
}

#[test]
fn an_unchanged_head_costs_one_small_request() {
    let test = Fixture::new("idle");
    let daemon = synced(&test);
    daemon.next_sync();
    let before = (test.git.requests().len(), test.git.bytes_served());
    daemon.next_sync();
    let requests = test.git.requests().split_off(before.0);
    assert!(requests.iter().all(|r| r.contains("info/refs")), "{requests:?}");
    let bytes = test.git.bytes_served() - before.1;
    assert!(bytes < 2_000 * requests.len() as u64, "{bytes} bytes in {} requests", requests.len());
}

#[test]
fn the_first_clone_over_http_is_shallow_and_history_may_be_rewritten() {
    let test = Fixture::new("shallow");
    for n in 0..5 {
        test.commit(&[("apps/a.yaml", &config_map("a", &n.to_string()))]);
    }
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=1"]);
    let shallow = fs::read_to_string(clone(&test).join("shallow")).unwrap();
    assert_eq!(shallow.trim(), test.repo.head().unwrap());
    goes_on(&test, &daemon, "incremental");
    test.repo.write("apps/a.yaml", config_map("a", "rewritten")).unwrap();
    let commit = test.repo.force_push_rewritten("Rewrite").unwrap();
    daemon.line(&["INFO Synced", &commit]);
    test.expect("configmap/a", ".data.key", "rewritten");
}

#[test]
fn a_local_repository_is_cloned_in_full() {
    let test = Fixture::new("local");
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    for url in [test.repo.file_url(), test.repo.path().display().to_string()] {
        let daemon = Daemon::start(test.run_command(&url));
        daemon.line(&["INFO Synced", "objects=1"]);
        goes_on(&test, &daemon, &format!("{}", url.len()));
    }
}

#[test]
fn a_damaged_clone_heals() {
    let test = Fixture::new("damaged");
    let daemon = synced(&test);
    let dir = clone(&test);
    type Damage = (&'static str, fn(&Path));
    let damages: [Damage; 5] = [
        ("stale locks", |dir| {
            for lock in
                ["HEAD.lock", "config.lock", "shallow.lock", "refs/remotes/origin/main.lock"]
            {
                fs::write(dir.join(lock), "").unwrap();
            }
        }),
        ("corrupt objects", |dir| corrupt(&dir.join("objects"))),
        ("a vanished clone", |dir| fs::remove_dir_all(dir).unwrap()),
        ("a clone that was never finished", |dir| fs::remove_file(dir.join("HEAD")).unwrap()),
        ("a broken HEAD", |dir| fs::write(dir.join("HEAD"), "nonsense").unwrap()),
    ];
    for (damage, make) in damages {
        make(&dir);
        goes_on(&test, &daemon, damage);
        let head = fs::read_to_string(dir.join("HEAD")).unwrap();
        assert_eq!(head.trim(), test.repo.head().unwrap(), "{damage}");
    }
}

#[test]
fn a_clone_does_not_grow_for_ever() {
    let test = Fixture::new("packs");
    let daemon = synced(&test);
    let packs = clone(&test).join("objects/pack");
    let count = || fs::read_dir(&packs).unwrap().count();
    let before = count();
    goes_on(&test, &daemon, "one more");
    assert!(count() > before, "each fetch adds a pack");
    for n in 0..100 {
        fs::write(packs.join(format!("pack-{n:040}.pack")), "").unwrap();
    }
    goes_on(&test, &daemon, "afresh");
    assert!(count() < 10, "{}", count());
}

#[test]
fn a_clone_with_a_work_tree_of_an_earlier_version_is_replaced() {
    let test = Fixture::new("worktree");
    drop(synced(&test));
    let dir = clone(&test);
    fs::remove_dir_all(&dir).unwrap();
    let cloned = Command::new("git").args(["clone", "-q", test.repo.url()]).arg(&dir).status();
    assert!(cloned.unwrap().success() && dir.join("apps/a.yaml").exists());
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "unchanged=1"]);
    assert!(!dir.join("apps").exists());
    goes_on(&test, &daemon, "after it");
}

/// Overwrites every object and pack of a repository.
fn corrupt(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        if entry.path().is_dir() {
            corrupt(&entry.path());
        } else {
            fs::remove_file(entry.path()).unwrap();
            fs::write(entry.path(), "corrupt").unwrap();
        }
    }
}

#[test]
fn objects_damaged_while_the_daemon_was_away_are_fetched_again() {
    let test = Fixture::new("offline");
    drop(synced(&test));
    corrupt(&clone(&test).join("objects"));
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "unchanged=1"]);
}

#[test]
fn a_server_that_hangs_cuts_or_fails_is_waited_out_and_drift_still_reverted() {
    let test = Fixture::new("faults");
    let daemon = synced(&test);
    let faults = [
        (Fault::Hang, "FetchTimedOut"),
        (Fault::Cut { after_bytes: 20 }, "RepositoryUnreachable"),
        (Fault::Status(500), "RepositoryUnreachable"),
    ];
    for (fault, reason) in faults {
        test.git.set_fault(fault);
        let mark = daemon.mark();
        daemon.line_after(mark, &["Sync failed", reason]);
        test.kubectl(&["delete", "configmap", "a"]);
        daemon.line_after(mark, &["Drift reverted", "configmap/a"]);
        test.git.set_fault(Fault::None);
        goes_on(&test, &daemon, reason);
    }
}

#[test]
fn a_first_clone_that_is_cut_leaves_nothing_in_the_way() {
    let test = Fixture::new("cut");
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    test.git.set_fault_for("git-upload-pack", Fault::Cut { after_bytes: 200 });
    let daemon = test.run(&["--fetch-timeout", "3s"]);
    daemon.line(&["Sync failed"]);
    test.git.set_fault(Fault::None);
    daemon.line(&["INFO Synced", "created=1"]);
}

#[test]
fn the_right_credentials_are_accepted_and_never_written_down() {
    let test = Fixture::new("creds");
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    test.git.set_fault(Fault::BasicAuth { user: "bob".into(), password: "hunter2".into() });
    let file = test.data.path().join("password");
    fs::write(&file, "hunter2\n").unwrap();
    let by_file = ["--git-username", "bob", "--git-password-file", file.to_str().unwrap()];
    let in_url = test.repo.url().replace("http://", "http://bob:hunter2@");
    for command in [
        test.run_command_at(test.repo.url(), "apps", &by_file),
        test.run_command_at(&in_url, "apps", &[]),
    ] {
        let daemon = Daemon::start(command);
        daemon.line(&["INFO Synced", "objects=1"]);
        assert!(daemon.0.lines().iter().all(|line| !line.contains("hunter2")));
    }
    fs::remove_file(&file).unwrap();
    let on_disk = Command::new("grep").args(["-r", "hunter2"]).arg(test.data.path()).output();
    assert_eq!(on_disk.unwrap().status.code(), Some(1), "the password is on disk");
}

//! Repositories that mean harm, or only look like it: what is right of them is applied, the rest is told.

use std::fs;

use serde_json::json;

use crate::apps::Apps;
use crate::support::{Daemon, Fixture, config_map};

/// Commits a tree that git itself would refuse to make, to `main`.
fn commit_raw(test: &Fixture, entries: &[(&str, &[u8], &str)]) -> String {
    let repository = git2::Repository::open_bare(test.repo.path()).unwrap();
    let odb = repository.odb().unwrap();
    let mut raw = Vec::new();
    for (mode, name, content) in entries {
        let id = repository.blob(content.as_bytes()).unwrap();
        raw.extend([mode.as_bytes(), b" ", name, b"\0", id.as_bytes()].concat());
    }
    let apps = odb.write(git2::ObjectType::Tree, &raw).unwrap();
    let root = [b"40000 apps\0".as_slice(), apps.as_bytes()].concat();
    let root = odb.write(git2::ObjectType::Tree, &root).unwrap();
    let who = git2::Signature::new("A", "a@example.com", &git2::Time::new(1, 0)).unwrap();
    let tree = repository.find_tree(root).unwrap();
    let parent = repository.find_reference("refs/heads/main").unwrap().peel_to_commit().unwrap();
    repository
        .commit(Some("refs/heads/main"), &who, &who, "Raw", &tree, &[&parent])
        .unwrap()
        .to_string()
}

#[test]
fn what_is_hostile_is_told_and_what_is_right_is_applied() {
    let test = Fixture::new("hostile");
    test.commit(&[
        ("apps/good.yaml", &config_map("a", "1")),
        ("apps/old.yaml", &config_map("old", "1")),
    ]);
    let daemon = test.run(&["--prune"]);
    daemon.line(&["INFO Synced", "created=2"]);
    let (good, evil) = (config_map("a", "2"), config_map("evil", "1"));
    let lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
    let entries: [(&str, &[u8], &str); 8] = [
        ("100644", b"..", &evil),
        ("100644", b"../evil.yaml", &evil),
        ("120000", b"etc.yaml", "/etc/passwd"),
        ("10644", b"fifo.yaml", &evil),
        ("100644", b"good.yaml", &good),
        ("100644", b"lfs.yaml", lfs),
        ("100644", b"z\x1b[2J\nINFO Synced.yaml", &evil),
        ("100644", b"zz.yaml", &good.replace("name: a", "name: b")),
    ];
    let commit = commit_raw(&test, &entries);
    daemon.line(&["WARN Synced in part", &commit, "failed=6"]);
    for said in [
        "apps/..: has a name that leads elsewhere",
        "has a name with a / in it",
        "apps/etc.yaml: is a link that leads out of the tree",
        "apps/fifo.yaml: has the mode of a pipe, socket or device",
        "apps/lfs.yaml: is a git LFS pointer",
        "apps/z\\u{1b}[2J\\nINFO Synced.yaml: has a name with control characters in it",
    ] {
        daemon.line(&["Bad manifest", said]);
    }
    let is_moving = |line: &String| line.contains("\u{1b}[2J") || line.starts_with("INFO Synced");
    assert!(!daemon.0.lines().iter().any(is_moving));
    test.expect("configmap/a", ".data.key", "2");
    test.expect("configmap/b", ".data.key", "2");
    assert_eq!(test.field("configmap/evil", ".metadata.name"), "");
    // What is not seen is not pruned.
    assert_eq!(test.field("configmap/old", ".data.key"), "1");
}

#[test]
fn what_is_ignored_from_now_on_is_pruned_as_if_it_were_removed() {
    let apps = Apps::new("ignored");
    let names: Vec<_> = (0..12).map(|n| format!("c{n}")).collect();
    for name in &names {
        apps.test.repo.write(&format!("apps/many/{name}.yaml"), config_map(name, "1")).unwrap();
    }
    apps.test.repo.write("apps/a.yaml", config_map("a", "1")).unwrap();
    apps.test.repo.write("apps/bad.yaml", "{").unwrap();
    apps.test.repo.write("apps/.sourceignore", "bad.yaml\n").unwrap();
    let first = apps.test.repo.commit("All").unwrap();
    apps.app("web", "apps", json!({"prune": true}));
    apps.applied("web", &first);
    let ignoring = |text: &str| apps.test.commit(&[(".sourceignore", text)]);
    ignoring("# one of them\nc3.yaml\n");
    apps.gone("configmap/c3");
    ignoring("many/\n");
    apps.reason("web", "Ready", "PruneHeld");
    apps.expect("configmap/c4", ".data.key", "1");
    let back = ignoring("");
    apps.applied("web", &back);
    apps.expect("configmap/c3", ".data.key", "1");
}

#[test]
fn a_submodule_is_said_to_be_one() {
    let test = Fixture::new("submodule");
    let commit = test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let entry = format!("160000,{commit},apps/module");
    test.repo.git(&["update-index", "--add", "--cacheinfo", &entry]).unwrap();
    test.repo.git(&["commit", "--quiet", "--message", "Module"]).unwrap();
    test.repo.git(&["push", "--quiet", "origin", "HEAD"]).unwrap();
    let daemon = test.run(&[]);
    daemon.line(&["apps/module: is a submodule, and submodules are not fetched"]);
    test.expect("configmap/a", ".data.key", "1");
}

#[test]
fn a_clone_that_is_too_large_is_made_anew() {
    let test = Fixture::new("toolarge");
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let daemon: Daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=1"]);
    let dirs = fs::read_dir(test.data.path()).unwrap().flatten().map(|entry| entry.path());
    let pack = dirs.filter(|path| path.is_dir()).last().unwrap().join("objects/pack/pack-0.pack");
    // It takes no room on disk.
    fs::File::create(&pack).unwrap().set_len(3 << 30).unwrap();
    let commit = test.commit(&[("apps/a.yaml", &config_map("a", "2"))]);
    daemon.line(&["INFO Synced", &commit]);
    assert!(!pack.exists());
}

//! What goes over the wire: the first clone is shallow, and what comes after it is what is new.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use serde_json::json;
use testbed::Repo;

use crate::apps::Apps;
use crate::support::config_map;

const MIB: u64 = 1 << 20;

/// Commits one file of so many random bytes after another, each in the place of the last.
fn import(repo: &Repo, commits: usize, size: usize) {
    let bare = repo.path().to_str().unwrap();
    for setting in ["core.bigFileThreshold=1m", "pack.compression=0", "core.compression=0"] {
        let (key, value) = setting.split_once('=').unwrap();
        repo.git(&["-C", bare, "config", key, value]).unwrap();
    }
    let mut git = Command::new("git");
    git.args(["-C", bare, "fast-import", "--quiet", "--force"]).stdin(Stdio::piped());
    let mut child = git.spawn().unwrap();
    let mut stream = child.stdin.take().unwrap();
    let mut random = File::open("/dev/urandom").unwrap();
    let mut blob = Vec::new();
    for n in 0..commits {
        blob.resize(size, 0);
        random.read_exact(&mut blob).unwrap();
        let map = config_map("a", &n.to_string());
        write!(
            stream,
            "commit refs/heads/main\ncommitter A <a@example.com> {n} +0000\ndata 1\n.\n"
        )
        .unwrap();
        write!(stream, "M 100644 inline apps/a.yaml\ndata {}\n{map}\n", map.len()).unwrap();
        write!(stream, "M 100644 inline big.bin\ndata {}\n", blob.len()).unwrap();
        stream.write_all(&blob).unwrap();
        stream.write_all(b"\n").unwrap();
    }
    drop(stream);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_hundred_megabytes_of_history_are_not_fetched() {
    let apps = Apps::new("bytes");
    import(&apps.test.repo, 50, 2 << 20);
    let served = |before: u64| apps.test.git.bytes_served() - before;
    let commit = |name: &str| {
        let bare = apps.test.repo.path().to_str().unwrap().to_owned();
        apps.test.repo.git(&["-C", &bare, "rev-parse", name]).unwrap()
    };
    apps.app("web", "apps", json!({}));
    apps.applied("web", &commit("main"));
    assert!(served(0) < 3 * MIB, "{} bytes for the first clone", served(0));
    // One small file.
    let before = apps.test.git.bytes_served();
    apps.test.repo.git(&["fetch", "--quiet", "--depth", "1", "origin", "main"]).unwrap();
    apps.test.repo.git(&["reset", "--quiet", "--hard", "FETCH_HEAD"]).unwrap();
    let next = apps.test.commit(&[("apps/a.yaml", &config_map("a", "next"))]);
    apps.applied("web", &next);
    assert!(served(before) < MIB / 10, "{} bytes for a small commit", served(before));
    // A branch that was rewritten, from before what is in the clone: all its history is not needed either.
    let before = apps.test.git.bytes_served();
    let bare = apps.test.repo.path().to_str().unwrap();
    apps.test.repo.git(&["-C", bare, "branch", "--force", "main", "main~10"]).unwrap();
    apps.applied("web", &commit("main"));
    apps.expect("configmap/a", ".data.key", "40");
    assert!(served(before) < 30 * MIB, "{} bytes after a rewrite", served(before));
    let before = apps.test.git.bytes_served();
    apps.test.repo.git(&["-C", bare, "branch", "--force", "main", "main~1"]).unwrap();
    apps.applied("web", &commit("main"));
    assert!(served(before) < 30 * MIB, "{} bytes after another", served(before));
}

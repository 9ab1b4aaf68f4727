//! How much memory trees take that are as large as may be, or larger.

use std::fs;

use git2::{Oid, Repository};

use crate::support::{Daemon, Fixture, config_map};

/// Kilobytes that a daemon may take for any tree.
const MOST: usize = 150 << 10;

/// What a server has, to which anything is committed that git can hold.
struct Bare(Repository);

impl Bare {
    fn of(test: &Fixture) -> Self {
        Self(Repository::open_bare(test.repo.path()).unwrap())
    }

    /// A folder with so many entries that are all the same.
    fn folder(&self, mode: &str, number: usize, id: Oid) -> Oid {
        let entry = |n| [format!("{mode} {n:06}.yaml\0").as_bytes(), id.as_bytes()].concat();
        let raw: Vec<u8> = (0..number).flat_map(entry).collect();
        self.0.odb().unwrap().write(git2::ObjectType::Tree, &raw).unwrap()
    }

    /// A folder of folders, each within the next and all the same.
    fn bomb(&self, file: Oid) -> Oid {
        let folder = self.folder("100644", 10, file);
        (0..9).fold(folder, |inner, _| self.folder("40000", 10, inner))
    }

    /// Commits this as the folder `apps` of `main`.
    fn commit(&self, apps: Oid) {
        let root = [b"40000 apps\0".as_slice(), apps.as_bytes()].concat();
        let root = self.0.odb().unwrap().write(git2::ObjectType::Tree, &root).unwrap();
        let who = git2::Signature::new("A", "a@example.com", &git2::Time::new(1, 0)).unwrap();
        let tree = self.0.find_tree(root).unwrap();
        self.0.commit(Some("refs/heads/main"), &who, &who, "Raw", &tree, &[]).unwrap();
    }
}

/// The most memory that a daemon had so far, in kilobytes.
fn peak(daemon: &Daemon) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.0.id())).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    most.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Runs a daemon on a tree until it says these words.
fn check(name: &str, words: &[&str], apps: impl FnOnce(&Bare) -> Oid) {
    let test = Fixture::new(name);
    let bare = Bare::of(&test);
    bare.commit(apps(&bare));
    let daemon = test.run(&[]);
    daemon.line(words);
    daemon.line_after(daemon.mark(), &["Synced"]);
    let peak = peak(&daemon);
    #[expect(clippy::print_stderr, reason = "a figure that people want to see")]
    {
        eprintln!("{name}: {} MiB", peak >> 10);
    }
    assert!(peak < MOST, "{peak} kB for {name}");
}

fn blob(bare: &Bare, text: &str) -> Oid {
    bare.0.blob(text.as_bytes()).unwrap()
}

#[test]
fn a_hundred_thousand_files_fit() {
    check("memory-files", &["Synced"], |bare| {
        bare.folder("100644", 100_000, blob(bare, "replicas: 1\n"))
    });
}

#[test]
fn a_hundred_thousand_times_the_same_object_fits() {
    check("memory-same", &["Synced"], |bare| {
        bare.folder("100644", 100_000, blob(bare, &config_map("a", "1")))
    });
}

#[test]
fn a_hundred_thousand_files_that_are_wrong_fit() {
    check("memory-wrong", &["Synced"], |bare| bare.folder("100644", 100_000, blob(bare, "a: [\n")));
}

#[test]
fn a_tree_that_is_a_bomb_fits() {
    check("memory-bomb", &["holds more than"], |bare| bare.bomb(blob(bare, "replicas: 1\n")));
}

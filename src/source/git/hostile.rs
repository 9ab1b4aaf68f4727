//! Trees that git would never write, in a real repository: refused or bounded, each with a clear word.

use git2::{ObjectType, Oid, Repository};
use tempfile::TempDir;

use super::tree::{Unread, read, scope};
use crate::api::Render;
use crate::render::Problem;
use crate::source::{Limits, Snapshot};

const FILE: &str = "100644";
const FOLDER: &str = "40000";
const LINK: &str = "120000";

/// A repository whose objects are written as they are given.
struct Raw {
    folder: TempDir,
    repository: Repository,
}

impl Raw {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let repository = Repository::init_bare(folder.path()).unwrap();
        Self { folder, repository }
    }

    fn blob(&self, content: &str) -> Oid {
        self.repository.blob(content.as_bytes()).unwrap()
    }

    fn tree(&self, entries: &[(&str, &[u8], Oid)]) -> Oid {
        let mut raw = Vec::new();
        for (mode, name, id) in entries {
            raw.extend([mode.as_bytes(), b" ", name, b"\0", id.as_bytes()].concat());
        }
        self.repository.odb().unwrap().write(ObjectType::Tree, &raw).unwrap()
    }

    /// A folder with one entry for each of these names, all the same.
    fn all(&self, mode: &str, names: impl Iterator<Item = String>, id: Oid) -> Oid {
        let names: Vec<_> = names.collect();
        let entries: Vec<_> = names.iter().map(|name| (mode, name.as_bytes(), id)).collect();
        self.tree(&entries)
    }

    fn commit(&self, tree: Oid) -> String {
        let who = "A <a@example.com> 1 +0000";
        let text = format!("tree {tree}\nauthor {who}\ncommitter {who}\n\nx");
        let odb = self.repository.odb().unwrap();
        odb.write(ObjectType::Commit, text.as_bytes()).unwrap().to_string()
    }

    fn read(&self, tree: Oid, path: &str) -> Option<Snapshot> {
        let commit = self.commit(tree);
        let snapshot = read(
            self.folder.path(),
            &commit,
            path,
            None,
            &Render::default(),
            Limits::default(),
            None,
        )
        .unwrap();
        assert!(scope(self.folder.path(), &commit, path, None).is_ok());
        snapshot
    }

    /// The files that are read of a tree, and what is said of it.
    fn shown(&self, tree: Oid) -> Vec<String> {
        let snapshot = self.read(tree, "").unwrap();
        let files = snapshot.files.into_iter().map(|file| file.path);
        files.chain(snapshot.diagnostics.iter().map(ToString::to_string)).collect()
    }
}

#[test]
fn entries_that_are_no_plain_files_are_refused_in_words() {
    let raw = Raw::new();
    let (file, link) = (raw.blob("a: 1"), raw.blob("../../etc/passwd"));
    let inner = raw.tree(&[(FILE, b"a.yaml", file)]);
    let absolute = raw.blob("/etc/passwd");
    let check = |mode: &str, name: &[u8], id: Oid, expect: &str| {
        let shown = raw.shown(raw.tree(&[(FILE, b"good.yaml", file), (mode, name, id)]));
        assert_eq!(shown[0], "good.yaml", "{name:?}: {shown:?}");
        let rest = shown[1..].join("; ");
        assert!(
            rest.contains(expect) && rest.is_empty() == expect.is_empty(),
            "{mode} {name:?}: {rest}"
        );
        assert!(!rest.chars().any(char::is_control), "{rest:?}");
    };
    check(LINK, b"l.yaml", link, "leads out of the tree");
    check(LINK, b"l.yaml", absolute, "leads out of the tree");
    check(LINK, b"l.yaml", raw.blob("l.yaml"), "leads in a circle");
    check(LINK, b"l.yaml", raw.blob("none"), "leads nowhere");
    check(LINK, b"l.yaml", raw.blob("good.yaml/x"), "leads nowhere");
    check(LINK, b"l.yaml", raw.blob(&"x/".repeat(4000)), "target is no path");
    check(LINK, b"l.yaml", raw.blob(&"../".repeat(1000)), "leads out of the tree");
    check(FILE, b"..", file, "name that leads elsewhere");
    check(FOLDER, b"..", inner, "name that leads elsewhere");
    check(FOLDER, b".", inner, "name that leads elsewhere");
    check(FILE, b"/etc/a.yaml", file, "a / in it");
    check(FILE, b"../a.yaml", file, "a / in it");
    check(
        FILE,
        b"a\nINFO Synced.yaml",
        file,
        "a\\nINFO Synced.yaml: has a name with control characters",
    );
    check(FILE, b"\x1b[2Ja.yaml", file, "control characters");
    check(FILE, "\u{202e}a.yaml".as_bytes(), file, "control characters");
    check(FILE, b"\xff.yaml", file, "not UTF-8");
    check("160000", b"sub", file, "is a submodule");
    check("10644", b"fifo.yaml", file, "pipe, socket or device");
    check("20644", b"char.yaml", file, "pipe, socket or device");
    check("60644", b"block.yaml", file, "pipe, socket or device");
    check("140644", b"socket.yaml", file, "pipe, socket or device");
    check("0", b"none.yaml", file, "pipe, socket or device");
    check(FOLDER, b"bad", file, "folder that git cannot read");
    check(FILE, b"good.yaml", raw.blob("b: 1"), "a second time");
    // What begins with a dot is never looked at.
    check(FOLDER, b".git", inner, "");
    check(FOLDER, b".GIT", inner, "");
    check(FILE, b".gitmodules", file, "");
}

#[test]
fn names_that_differ_in_case_are_two_files() {
    let raw = Raw::new();
    let (one, two) = (raw.blob("a: 1"), raw.blob("a: 2"));
    let tree = raw.tree(&[(FILE, b"A.yaml", one), (FILE, b"a.yaml", two)]);
    assert_eq!(raw.shown(tree), ["A.yaml", "a.yaml"]);
}

#[test]
fn a_folder_that_is_no_tree_is_said_and_a_path_through_it_leads_nowhere() {
    let raw = Raw::new();
    let odb = raw.repository.odb().unwrap();
    for bytes in
        [b"100644".as_slice(), b"100644 a.yaml\0short", b"\0\0\0", b"100644 \0aaaaaaaaaaaaaaaaaaaa"]
    {
        let bad = odb.write(ObjectType::Tree, bytes).unwrap();
        let shown = raw.shown(raw.tree(&[(FOLDER, b"bad", bad)]));
        assert_eq!(shown.len(), 1, "{shown:?}");
        assert!(shown[0].contains("so it is not read"), "{shown:?}");
        assert_eq!(raw.read(raw.tree(&[(FOLDER, b"bad", bad)]), "bad/x"), None);
    }
    let file = raw.tree(&[(FILE, b"a.yaml", raw.blob("x"))]);
    for path in ["a.yaml", "a.yaml/x", "..", "/a.yaml", "A.yaml", &"a/".repeat(10_000)] {
        assert_eq!(raw.read(file, path), None, "{path}");
    }
}

#[test]
fn trees_without_end_are_cut_off() {
    let raw = Raw::new();
    let file = raw.blob("a: 1");
    let names = |number: usize| (0..number).map(|n| format!("{n:06}.yaml"));
    let is_bounded = |what: &str, tree: Oid| {
        let snapshot = raw.read(tree, "").unwrap();
        let bounds = snapshot.diagnostics.iter();
        let bounds = bounds.filter(|d| matches!(d.problem, Problem::TooMuch(_))).count();
        assert_eq!((bounds, snapshot.diagnostics.len()), (1, 1), "{what}");
        snapshot.files.len()
    };
    // Files without end in one folder, and in a folder of folders that is the same one again and again.
    assert_eq!(is_bounded("files", raw.all(FILE, names(100_001), file)), 0);
    assert_eq!(raw.read(raw.all(FILE, names(100_000), file), "").unwrap().files.len(), 100_000);
    let long = |number: usize| (0..number).map(|n| format!("{n:06}{}", "x".repeat(100)));
    let list = raw.all(FOLDER, names(1), raw.all(FILE, long(150_000), file));
    let said = raw.shown(list);
    assert!(said[0].contains("is a folder of too many entries"), "{said:?}");
    assert_eq!(raw.read(list, "000000.yaml/000000"), None);
    let mut bomb = raw.all(FILE, names(10), file);
    for _ in 0..10 {
        bomb = raw.all(FOLDER, names(10), bomb);
    }
    assert!(is_bounded("a bomb", bomb) <= 100_000);
    let mut deep = raw.tree(&[(FILE, b"a.yaml", file)]);
    for _ in 0..10_000 {
        deep = raw.tree(&[(FOLDER, b"d", deep)]);
    }
    assert_eq!(is_bounded("depth", deep), 0);
    // As many bytes as nobody reads: one file, and many.
    let huge = raw.blob(&"x".repeat(9 << 20));
    let said = raw.shown(raw.tree(&[(FILE, b"huge.yaml", huge)]));
    assert!(said[0].contains("over the limit"), "{said:?}");
    let large = raw.blob(&"x".repeat(8 << 20));
    assert_eq!(is_bounded("bytes", raw.all(FILE, names(20), large)), 8);
}

#[test]
fn links_to_links_end() {
    let raw = Raw::new();
    let file = raw.blob("a: 1");
    // Each leads to the one before it.
    let links: Vec<_> = (0..100)
        .map(|n| (format!("l{n:03}.yaml"), raw.blob(&format!("l{:03}.yaml", n + 1))))
        .collect();
    let mut entries: Vec<_> = links.iter().map(|(name, id)| (LINK, name.as_bytes(), *id)).collect();
    entries.push((FILE, b"l100.yaml", file));
    let shown = raw.shown(raw.tree(&entries));
    assert_eq!(shown[0], "l100.yaml");
    assert_eq!(shown.len(), 1 + 36, "{shown:?}");
    assert!(shown[1].contains("leads in a circle"), "{shown:?}");
    // Each leads twice through the one before it.
    let mut entries = vec![("d00".to_owned(), FOLDER, raw.tree(&[(FILE, b"a.yaml", file)]))];
    for n in 1..60 {
        let through = format!("d{p:02}/../d{p:02}", p = n - 1);
        entries.push((format!("d{n:02}"), LINK, raw.blob(&through)));
    }
    let entries: Vec<_> =
        entries.iter().map(|(name, mode, id)| (*mode, name.as_bytes(), *id)).collect();
    let shown = raw.shown(raw.tree(&entries));
    assert_eq!(shown[0], "d00/a.yaml");
    assert!(shown[1..].iter().all(|said| said.contains("leads in a circle")), "{shown:?}");
}

#[test]
fn what_is_in_no_clone_is_never_taken_for_empty() {
    let raw = Raw::new();
    let modules = "[submodule \"s\"]\npath = libs/s\nurl = ../s.git\n";
    let gone = Oid::from_str(&"1".repeat(40)).unwrap();
    let libs = raw.tree(&[("160000", b"s", gone)]);
    let apps = raw.tree(&[(FILE, b"a.yaml", raw.blob("a: 1"))]);
    let modules = raw.blob(modules);
    let root = [(FILE, &b".gitmodules"[..], modules), (FOLDER, b"apps", apps)];
    let commit = raw.commit(raw.tree(&[&root[..], &[(FOLDER, b"libs", libs)]].concat()));
    let check = |path: &str, expect: bool| {
        let render = Render::default();
        let read =
            read(raw.folder.path(), &commit, path, Some(&[]), &render, Limits::default(), None);
        let is_refused = match read {
            Ok(Some(_)) => false,
            Err(Unread::Submodule(error)) => {
                let said = error.to_string();
                assert!(said.starts_with("submodule libs/s cannot be fetched"), "{said}");
                true
            }
            other => panic!("{path}: {other:?}"),
        };
        assert_eq!(is_refused, expect, "{path}");
    };
    check("apps", false);
    for path in ["", "libs", "libs/s", "libs/s/deep", "apps/../libs/s"] {
        check(path, true);
    }
}

//! Walks a tree of files, following links inside it: the same for a git commit and a folder.
//!
//! A tree is hostile input (design.md, rule 10): paths are resolved component by component and
//! never leave the tree, links are counted, sizes are bounded.

use std::collections::BTreeSet;

use crate::render::{Diagnostic, Origin, Problem, SourceFile};

use super::Snapshot;

/// Largest file that is read, in bytes. The largest object etcd takes is 1.5 MiB.
const FILE_LIMIT: u64 = 8 << 20;
/// Bytes read from one source at most.
const TOTAL_LIMIT: u64 = 64 << 20;
/// Entries of folders looked at in one source at most.
const COUNT_LIMIT: usize = 100_000;
/// Links and folders on the way to one file at most.
const DEPTH_LIMIT: usize = 64;

/// What stands at a place of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A file of this many bytes.
    File(u64),
    /// A folder.
    Folder,
    /// A link to this target, as written.
    Link(String),
    /// A submodule, socket, pipe or device: nothing to read.
    Other,
}

/// A tree of files. Paths are relative, with `/`, without `.`, `..` and links.
pub trait Tree {
    /// What stands at a path; `None` if nothing does.
    fn node(&self, path: &str) -> Result<Option<Node>, String>;
    /// The names in a folder.
    fn names(&self, path: &str) -> Result<Vec<String>, String>;
    /// The content of a file.
    fn content(&self, path: &str) -> Result<Vec<u8>, String>;
}

/// Reads the manifests below `path` of a tree, shown by their paths from the tree's root. `None` if
/// there is no such folder.
pub fn read(tree: &dyn Tree, path: &str) -> Result<Option<Snapshot>, String> {
    let mut walk =
        Walk { tree, seen: BTreeSet::new(), entries: 0, bytes: 0, snapshot: Snapshot::default() };
    let Place::At(root, Node::Folder) = resolve(tree, "", path)? else { return Ok(None) };
    walk.folder(&root, &root, 0)?;
    walk.snapshot.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Some(walk.snapshot))
}

/// Where a path leads once its links are followed.
enum Place {
    At(String, Node),
    Nowhere(&'static str),
}

/// Follows `path` from `base` (itself without links), one component at a time.
fn resolve(tree: &dyn Tree, base: &str, path: &str) -> Result<Place, String> {
    let mut at: Vec<String> =
        base.split('/').filter(|c| !c.is_empty()).map(str::to_owned).collect();
    let mut todo: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
    let mut links = 0;
    if path.starts_with('/') {
        return Ok(Place::Nowhere("leads out of the tree"));
    }
    while let Some(name) = todo.pop() {
        match name.as_str() {
            "" | "." => continue,
            ".." if at.pop().is_some() => continue,
            ".." => return Ok(Place::Nowhere("leads out of the tree")),
            _ => at.push(name),
        }
        match tree.node(&at.join("/"))? {
            None => return Ok(Place::Nowhere("leads nowhere")),
            Some(Node::Link(target)) => {
                links += 1;
                if target.starts_with('/') {
                    return Ok(Place::Nowhere("leads out of the tree"));
                }
                if links > DEPTH_LIMIT {
                    return Ok(Place::Nowhere("leads in a circle"));
                }
                at.pop();
                todo.extend(target.split('/').rev().map(str::to_owned));
            }
            Some(_) => {}
        }
    }
    let path = at.join("/");
    let node = if path.is_empty() { Some(Node::Folder) } else { tree.node(&path)? };
    Ok(node.map_or(Place::Nowhere("leads nowhere"), |node| Place::At(path, node)))
}

struct Walk<'a> {
    tree: &'a dyn Tree,
    /// Real paths read or entered, so that each is shown once.
    seen: BTreeSet<String>,
    entries: usize,
    bytes: u64,
    snapshot: Snapshot,
}

impl Walk<'_> {
    /// Walks the folder at the real path `real`, shown as `shown`.
    fn folder(&mut self, real: &str, shown: &str, depth: usize) -> Result<(), String> {
        if !self.seen.insert(real.to_owned()) {
            return Ok(());
        }
        if depth > DEPTH_LIMIT {
            self.problem(shown, Problem::TooMuch(format!("{DEPTH_LIMIT} folders in one another")));
            return Ok(());
        }
        let mut names = self.tree.names(real)?;
        self.entries += names.len();
        if self.is_too_much() {
            self.too_much(shown);
            return Ok(());
        }
        names.retain(|name| !name.starts_with('.'));
        names.sort_unstable();
        let (links, plain): (Vec<_>, Vec<_>) = names
            .into_iter()
            .partition(|name| matches!(self.tree.node(&join(real, name)), Ok(Some(Node::Link(_)))));
        // Links last: a file is shown under its own name where it has one.
        for name in plain.iter().chain(&links) {
            if self.is_too_much() {
                break;
            }
            self.entry(real, &join(shown, name), name, depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, folder: &str, shown: &str, name: &str, depth: usize) -> Result<(), String> {
        match resolve(self.tree, folder, name)? {
            Place::At(real, Node::Folder) => self.folder(&real, shown, depth + 1),
            Place::At(real, Node::File(size)) if is_manifest(name) => self.file(&real, shown, size),
            // Whatever is not read might hold manifests, and what is not seen must not be pruned.
            Place::At(_, Node::Other) => {
                self.problem(shown, Problem::NotAFile);
                Ok(())
            }
            Place::Nowhere(why) => {
                self.problem(shown, Problem::BadLink(why));
                Ok(())
            }
            Place::At(..) => Ok(()),
        }
    }

    fn file(&mut self, real: &str, shown: &str, size: u64) -> Result<(), String> {
        if !self.seen.insert(real.to_owned()) {
            return Ok(());
        }
        if size > FILE_LIMIT {
            self.problem(shown, Problem::TooLarge { size, limit: FILE_LIMIT });
            return Ok(());
        }
        self.bytes += size;
        if self.is_too_much() {
            self.too_much(shown);
            return Ok(());
        }
        let content = self.tree.content(real)?;
        self.snapshot.files.push(SourceFile { path: shown.to_owned(), content });
        Ok(())
    }

    fn is_too_much(&self) -> bool {
        self.bytes > TOTAL_LIMIT || self.entries > COUNT_LIMIT
    }

    /// Says once that the source is too large; what is beyond is not read.
    fn too_much(&mut self, shown: &str) {
        let said = |d: &Diagnostic| matches!(d.problem, Problem::TooMuch(_));
        if !self.snapshot.diagnostics.iter().any(said) {
            let limit = format!("{COUNT_LIMIT} entries or {} MiB", TOTAL_LIMIT >> 20);
            self.problem(shown, Problem::TooMuch(limit));
        }
    }

    fn problem(&mut self, shown: &str, problem: Problem) {
        self.snapshot.diagnostics.push(Diagnostic::at(Origin::file(shown), problem));
    }
}

fn is_manifest(name: &str) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end))
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// A tree in memory: `path -> content`, where `-> target` is a link.
    struct Memory(BTreeMap<&'static str, &'static str>);

    impl Tree for Memory {
        fn node(&self, path: &str) -> Result<Option<Node>, String> {
            let below = |p: &&&str| p.starts_with(&format!("{path}/"));
            Ok(match self.0.get(path).map(|content| content.split_once("-> ")) {
                Some(Some((_, target))) => Some(Node::Link(target.to_owned())),
                Some(None) => Some(Node::File(self.0[path].len() as u64)),
                None => self.0.keys().find(below).map(|_| Node::Folder),
            })
        }

        fn names(&self, path: &str) -> Result<Vec<String>, String> {
            let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
            let first = |p: &str| p.split('/').next().unwrap_or_default().to_owned();
            let names = self.0.keys().filter_map(|p| p.strip_prefix(prefix.as_str()).map(first));
            Ok(names.collect::<BTreeSet<_>>().into_iter().collect())
        }

        fn content(&self, path: &str) -> Result<Vec<u8>, String> {
            Ok(self.0[path].as_bytes().to_vec())
        }
    }

    #[test]
    fn what_is_not_read_is_said() {
        check(
            &[("a.d", "-> gone"), ("b.yaml", "")],
            "",
            &[
                "b.yaml",
                "a.d: is a link that leads nowhere: links may only lead to files of the same tree",
            ],
        );
        let deep = format!("{}/a.yaml", vec!["d"; 70].join("/"));
        let tree = Memory([(deep.leak() as &'static str, "")].into());
        let snapshot = read(&tree, "").unwrap().unwrap();
        assert!(snapshot.files.is_empty());
        assert!(matches!(snapshot.diagnostics[0].problem, Problem::TooMuch(_)));
    }

    fn check(files: &[(&'static str, &'static str)], path: &str, expect: &[&str]) {
        let tree = Memory(files.iter().copied().collect());
        let snapshot = read(&tree, path).unwrap().unwrap_or_default();
        let mut shown: Vec<_> = snapshot.files.into_iter().map(|f| f.path).collect();
        shown.extend(snapshot.diagnostics.iter().map(ToString::to_string));
        assert_eq!(shown, expect, "{path}");
    }

    #[test]
    fn manifests_are_found_and_hidden_names_are_not() {
        let files = [
            ("a.yaml", ""),
            ("b/c.yml", ""),
            ("b/d.json", ""),
            ("b/readme.md", ""),
            (".github/x.yaml", ""),
            ("b/.hidden.yaml", ""),
        ];
        check(&files, "", &["a.yaml", "b/c.yml", "b/d.json"]);
        check(&files, "b", &["b/c.yml", "b/d.json"]);
        check(&files, "./b/", &["b/c.yml", "b/d.json"]);
    }

    #[test]
    fn a_path_that_is_no_folder_is_none() {
        let tree = Memory([("a.yaml", "")].into());
        for path in ["x", "a.yaml", "../..", "a/../../..", "/"] {
            assert_eq!(read(&tree, path), Ok(None), "{path}");
        }
    }

    #[test]
    fn links_are_followed_inside_the_tree_and_each_file_shown_once() {
        let mounted =
            [("..2026/web.yaml", "x"), ("..data", "-> ..2026"), ("web.yaml", "-> ..data/web.yaml")];
        check(&mounted, "", &["web.yaml"]);
        let twice = [("base/a.yaml", ""), ("again", "-> base"), ("b.yaml", "-> base/a.yaml")];
        check(&twice, "", &["base/a.yaml"]);
        let beside = [("base/a.yaml", ""), ("prod/base", "-> ../base")];
        check(&beside, "prod", &["prod/base/a.yaml"]);
    }

    #[test]
    fn links_that_leave_or_circle_are_said() {
        let out =
            " is a link that leads out of the tree: links may only lead to files of the same tree";
        check(&[("a.yaml", "-> ../../etc/x.yaml")], "", &[&format!("a.yaml:{out}")]);
        check(&[("a.yaml", "-> /etc/x.yaml")], "", &[&format!("a.yaml:{out}")]);
        let circle =
            " is a link that leads in a circle: links may only lead to files of the same tree";
        check(
            &[("a.yaml", "-> b.yaml"), ("b.yaml", "-> a.yaml")],
            "",
            &[&format!("a.yaml:{circle}"), &format!("b.yaml:{circle}")],
        );
        check(&[("x/up", "-> .."), ("x/a.yaml", "")], "x", &["x/a.yaml"]);
    }
}

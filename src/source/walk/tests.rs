//! What of a tree is read, and what is said of the rest.

use super::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::render::{ContentId, plain};

/// A tree in memory: `path -> content`, where `-> target` is a link.
#[derive(Clone, Debug, Default)]
struct Memory(BTreeMap<String, String>);

impl Memory {
    fn new(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect())
    }

    fn node(&self, path: String) -> Option<Node<String>> {
        let inside = format!("{path}/");
        match self.0.get(&path) {
            Some(content) if content.starts_with("-> ") => Some(Node::Link(path)),
            Some(_) => Some(Node::File(path)),
            None if self.0.keys().any(|p| p.starts_with(&inside)) => Some(Node::Folder(path)),
            None => None,
        }
    }
}

impl Tree for Memory {
    type Id = String;

    fn root(&self) -> String {
        String::new()
    }

    fn list(&self, folder: &String) -> Result<Listing<String>, String> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let first = |p: &str| p.split('/').next().unwrap_or_default().to_owned();
        let names = self.0.keys().filter_map(|p| p.strip_prefix(prefix.as_str()).map(first));
        let names: BTreeSet<_> = names.collect();
        let node = |name: String| Some((name.clone(), self.node(join(folder, &name))?));
        Ok(Listing::Entries(names.into_iter().filter_map(node).collect()))
    }

    fn find(&self, folder: &String, name: &str) -> Result<Option<Node<String>>, String> {
        Ok(self.node(join(folder, name)))
    }

    fn target(&self, link: &String) -> Result<Option<String>, String> {
        Ok(self.0[link].strip_prefix("-> ").map(str::to_owned))
    }

    fn size(&self, file: &String) -> Result<u64, String> {
        Ok(self.0[file].len() as u64)
    }

    fn content(&self, file: &String) -> Result<Vec<u8>, String> {
        Ok(self.0[file].as_bytes().to_vec())
    }

    fn content_id(&self, file: &String) -> Option<ContentId> {
        Sha256::digest(&self.0[file]).first_chunk().copied().map(ContentId)
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
    let snapshot =
        read(&Memory::new(&[(&deep, "")]), "", &Selection::default(), None).unwrap().unwrap();
    assert!(snapshot.files.is_empty());
    assert!(matches!(snapshot.diagnostics[0].problem, Problem::TooMuch(_)));
}

fn check(files: &[(&str, &str)], path: &str, expect: &[&str]) {
    let snapshot =
        read(&Memory::new(files), path, &Selection::default(), None).unwrap().unwrap_or_default();
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
fn what_is_ignored_is_not_read() {
    let files = |ignore: &'static str| {
        [
            (".sourceignore", ignore),
            ("a.yaml", ""),
            ("b/a.yaml", ""),
            ("b/c/d.yaml", ""),
            ("b/c/gone", "-> nowhere"),
            ("l.yaml", "-> b/c/d.yaml"),
        ]
    };
    let gone =
        "b/c/gone: is a link that leads nowhere: links may only lead to files of the same tree";
    let check = |ignore: &'static str, path: &str, expect: &[&str]| {
        super::tests::check(&files(ignore), path, expect);
    };
    check("# nothing\n\n", "", &["a.yaml", "b/a.yaml", "b/c/d.yaml", gone]);
    check("a.yaml", "", &["b/c/d.yaml", gone]);
    check("/a.yaml\r\n", "", &["b/a.yaml", "b/c/d.yaml", gone]);
    check("a.yaml\n!b/a.yaml", "", &["b/a.yaml", "b/c/d.yaml", gone]);
    // Not even by a link.
    check("b/c/", "", &["a.yaml", "b/a.yaml"]);
    check("c/", "b", &["b/a.yaml"]);
    check("/b", "b", &[]);
    check("*\n!*.yaml", "", &["a.yaml"]);
    check("gone", "", &["a.yaml", "b/a.yaml", "b/c/d.yaml"]);
    check("\u{feff}b", "", &["a.yaml"]);
    check("l.yaml", "", &["a.yaml", "b/a.yaml", "b/c/d.yaml", gone]);
    check(
        "[z-a]\nb",
        "",
        &["a.yaml", ".sourceignore:1: has a pattern that means nothing: write it as a .gitignore"],
    );
}

#[test]
fn the_nearest_file_decides_what_is_ignored() {
    let files = [
        (".sourceignore", "*.json\nkeep/"),
        ("b/.sourceignore", "!a.json\n/x.yaml"),
        ("b/a.json", ""),
        ("b/c.json", ""),
        ("b/x.yaml", ""),
        ("b/c/x.yaml", ""),
        ("b/c/.sourceignore", "-> ../../a"),
        ("keep/.sourceignore", "!*"),
        ("keep/a.yaml", ""),
    ];
    let said = "b/c/.sourceignore: is no file: write it as a .gitignore";
    check(&files, "", &["b/a.json", "b/c/x.yaml", said]);
    check(&files, "b/c", &["b/c/x.yaml", said]);
}

#[test]
fn a_path_that_is_no_folder_is_none() {
    let tree = Memory::new(&[("a.yaml", "")]);
    for path in ["x", "a.yaml", "../..", "a/../../..", "/"] {
        assert_eq!(read(&tree, path, &Selection::default(), None), Ok(None), "{path}");
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
    let circle = " is a link that leads in a circle: links may only lead to files of the same tree";
    check(
        &[("a.yaml", "-> b.yaml"), ("b.yaml", "-> a.yaml")],
        "",
        &[&format!("a.yaml:{circle}"), &format!("b.yaml:{circle}")],
    );
    check(&[("x/up", "-> .."), ("x/a.yaml", "")], "x", &["x/a.yaml"]);
}

fn rendered(tree: &Memory, before: Option<&Rendered>) -> Rendered {
    let snapshot = read(tree, "", &Selection::default(), before).unwrap().unwrap_or_default();
    let mut rendered = plain(snapshot.files);
    rendered.diagnostics.extend(snapshot.diagnostics);
    rendered
}

#[test]
fn a_file_that_did_not_change_is_neither_read_nor_parsed_again() {
    let map = |name| format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}}}");
    let before = rendered(&Memory::new(&[("a.yaml", &map("a")), ("b.yaml", &map("b"))]), None);
    let after = Memory::new(&[("a.yaml", &map("a")), ("b.yaml", &map("c"))]);
    let after = rendered(&after, Some(&before));
    assert!(Arc::ptr_eq(&before.manifests[0], &after.manifests[0]));
    assert_eq!(after.manifests[1].id.name, "c");
    let moved = Memory::new(&[("c.yaml", &map("a"))]);
    let moved = rendered(&moved, Some(&after));
    assert_eq!(&*moved.manifests[0].origin.path, "c.yaml");
}

/// Few names and contents, so that files often collide, come back, or become links or folders.
fn trees() -> impl Strategy<Value = Memory> {
    let names = ["a.yaml", "b.yaml", "c.json", "d/a.yaml", "d/e.yaml", "f.yaml/a.yaml"];
    let map = "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\":";
    let contents = vec![
        format!("{map} \"x\"}}}}"),
        format!("{map} \"y\"}}}}"),
        format!("{map} \"x\"}}}}\n---\n{map} \"z\"}}}}"),
        "replicas: 1".to_owned(),
        "a: [".to_owned(),
        "-> a.yaml".to_owned(),
        "-> ../b.yaml".to_owned(),
        "-> d".to_owned(),
    ];
    let files = proptest::sample::subsequence(names.to_vec(), 0..=names.len());
    files.prop_flat_map(move |names| {
        let content = proptest::sample::select(contents.clone());
        let contents = proptest::collection::vec(content, names.len());
        contents.prop_map(move |contents| {
            Memory(names.iter().map(|name| (*name).to_owned()).zip(contents).collect())
        })
    })
}

proptest! {
    #[test]
    fn rendering_again_is_rendering_afresh(
        trees in proptest::collection::vec(trees(), 1..6),
    ) {
        let mut before = None;
        for tree in &trees {
            let again = rendered(tree, before.as_ref());
            prop_assert_eq!(&again, &rendered(tree, None));
            before = Some(again);
        }
    }
}

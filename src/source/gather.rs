//! Gathers files of a tree for a program that reads them by itself: each where it is, with the links between them.

use std::collections::{BTreeMap, BTreeSet};

use super::Snapshot;
use super::ignore::Ignores;
use super::tree::{
    Entry, Link, Listing, Node, Place, Resolved, Trail, Tree, folder, join, joined, resolve,
};
use super::walk::{DEPTH_LIMIT, flaw};
use crate::render::encrypted::Format;
use crate::render::{Content, Diagnostic, Origin, Problem, SourceFile};

/// Files that were gathered so far.
pub(super) struct Gather<'a, T: Tree> {
    tree: &'a T,
    /// Names on the way to the folder of the app.
    floor: usize,
    ignores: Ignores,
    /// Folders that were looked through, by their paths.
    folders: BTreeSet<String>,
    files: BTreeMap<String, SourceFile>,
    /// Those that something refers to.
    named: BTreeSet<String>,
    links: BTreeMap<String, Link>,
    entries: usize,
    bytes: u64,
    has_left: bool,
    diagnostics: Vec<Diagnostic>,
}

impl<'a, T: Tree> Gather<'a, T> {
    /// Nothing yet, for the app in this folder.
    pub fn new(tree: &'a T, root: &[Entry<T::Id>]) -> Self {
        Self {
            tree,
            floor: root.len(),
            ignores: Ignores::default(),
            folders: BTreeSet::new(),
            files: BTreeMap::new(),
            named: BTreeSet::new(),
            links: BTreeMap::new(),
            entries: 0,
            bytes: 0,
            has_left: false,
            diagnostics: Vec::new(),
        }
    }

    /// All that was gathered, but for encrypted files that nothing refers to: their keys are somebody else's.
    pub fn snapshot(mut self) -> Snapshot {
        let named = self.named;
        let is_encrypted = |path: &String, file: &SourceFile| {
            file.content.bytes().is_some_and(|bytes| Format::of(path, bytes).is_some())
        };
        self.files.retain(|path, file| named.contains(path) || !is_encrypted(path, file));
        let mut diagnostics = self.diagnostics;
        diagnostics.extend(self.ignores.diagnostics);
        Snapshot {
            files: self.files.into_values().collect(),
            links: self.links.into_values().collect(),
            has_left: self.has_left,
            diagnostics,
            ..Snapshot::default()
        }
    }

    /// The bytes of a file that was gathered.
    pub fn content(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path)?.content.bytes()
    }

    /// Has a file hold something else than in the tree, or a file that is not there.
    pub fn put(&mut self, path: String, bytes: Vec<u8>) {
        // A few bytes of YAML can come to millions.
        self.bytes += bytes.len() as u64;
        if self.is_too_much(&path) {
            return;
        }
        let content = Content::Read(bytes, None);
        self.files.insert(path.clone(), SourceFile { path, content });
    }

    /// Adds a link that is not in the tree.
    pub fn link(&mut self, link: Link) {
        self.links.insert(link.path.clone(), link);
    }

    /// Says what is wrong at a place.
    pub fn problem(&mut self, origin: Origin, problem: Problem) {
        Diagnostic::at(origin, problem).add_to(&mut self.diagnostics);
    }

    /// Follows a path from a place, gathering the links that it leads through.
    pub fn follow(
        &mut self,
        base: &[Entry<T::Id>],
        path: &str,
    ) -> Result<Result<Trail<T::Id>, &'static str>, String> {
        let Resolved { place, highest, steps, links } = resolve(self.tree, base, path)?;
        self.entries += steps;
        self.has_left |= highest < self.floor;
        Ok(match place {
            Place::At(at) => {
                self.links.extend(links.into_iter().map(|link| (link.path.clone(), link)));
                Ok(at)
            }
            Place::Nowhere(why) => Err(why),
        })
    }

    /// Gathers a file, or a folder with all that is below it, because something refers to it.
    pub fn take_named(&mut self, at: &mut Trail<T::Id>) -> Result<(), String> {
        self.named.insert(joined(at));
        self.take(at)
    }

    /// Gathers what is at a place without links: a file, or a folder with all that is below it.
    pub fn take(&mut self, at: &mut Trail<T::Id>) -> Result<(), String> {
        match at.last().map(|(_, node)| node.clone()) {
            None | Some(Node::Folder(_)) => self.folder(at),
            Some(Node::File(file)) => self.file(joined(at), &file),
            Some(Node::Link(_)) => Ok(()),
            Some(Node::Other(why)) => {
                self.problem(Origin::file(joined(at)), Problem::NotRead(why));
                Ok(())
            }
        }
    }

    fn folder(&mut self, at: &mut Trail<T::Id>) -> Result<(), String> {
        let path = joined(at);
        let Some(id) = folder(self.tree, at) else { return Ok(()) };
        if !self.folders.insert(path.clone()) || self.ignores.has(self.tree, at)? {
            return Ok(());
        }
        if at.len() > DEPTH_LIMIT {
            let problem = Problem::TooMuch(format!("{DEPTH_LIMIT} folders in one another"));
            self.problem(Origin::file(path), problem);
            return Ok(());
        }
        let entries = match self.tree.list(&id)? {
            Listing::Entries(entries) => entries,
            Listing::Unreadable(why) => {
                self.problem(Origin::file(path), Problem::NotRead(why));
                return Ok(());
            }
        };
        self.entries += entries.len();
        let rules = self.ignores.rules(self.tree, at)?;
        for (name, node) in entries {
            if self.is_too_much(&path) {
                break;
            }
            if let Some(why) = flaw(&name) {
                self.problem(Origin::file(join(&path, &name)), Problem::NotRead(why));
            } else if name != ".git" && !rules.ignore(at, &name, &node) {
                self.entry(at, name, node)?;
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        at: &mut Trail<T::Id>,
        name: String,
        node: Node<T::Id>,
    ) -> Result<(), String> {
        if !matches!(node, Node::Link(_)) {
            at.push((name, node));
            self.take(at)?;
            at.pop();
            return Ok(());
        }
        match self.follow(at, &name)? {
            Ok(mut to) if !self.ignores.has(self.tree, &to)? => self.take(&mut to),
            Ok(_) => Ok(()),
            Err(why) => {
                self.problem(Origin::file(join(&joined(at), &name)), Problem::BadLink(why));
                Ok(())
            }
        }
    }

    fn file(&mut self, path: String, file: &T::Id) -> Result<(), String> {
        if self.files.contains_key(&path) {
            return Ok(());
        }
        let size = self.tree.size(file)?;
        let limit = self.tree.limits().file;
        if size > limit {
            let problem = Problem::TooLarge { size, limit };
            self.problem(Origin::file(path), problem);
            return Ok(());
        }
        self.bytes += size;
        if !self.is_too_much(&path) {
            let content = Content::Read(self.tree.content(file)?, self.tree.content_id(file));
            self.files.insert(path.clone(), SourceFile { path, content });
        }
        Ok(())
    }

    /// Whether there is more than is read; that is said once.
    pub fn is_too_much(&mut self, path: &str) -> bool {
        if !self.tree.limits().are_exceeded(self.bytes, self.entries) {
            return false;
        }
        if !self.diagnostics.iter().any(|d| matches!(d.problem, Problem::TooMuch(_))) {
            let limit = self.tree.limits().shown();
            self.problem(Origin::file(path), Problem::TooMuch(limit));
        }
        true
    }
}

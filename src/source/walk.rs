//! Walks a tree of files, following links inside it: the same for a git commit and a folder.
//!
//! What is read is bounded in number, size and depth, whatever the tree holds.

use std::collections::HashSet;

use super::Snapshot;
use super::ignore::Ignores;
use super::select::Selection;
use super::tree::{
    Entry, Listing, Node, Place, Resolved, Trail, Tree, folder, is_link, join, joined, resolve,
};
use crate::render::{Content, Diagnostic, Origin, Problem, Rendered, SourceFile, text};

/// Folders in one another at most.
pub(super) const DEPTH_LIMIT: usize = 64;

/// Reads the manifests below `path` of a tree, shown by their paths from the tree's root. What was
/// rendered before is not read again. `None` if there is no such folder.
pub fn read<T: Tree>(
    tree: &T,
    path: &str,
    selection: &Selection,
    before: Option<&Rendered>,
) -> Result<Option<Snapshot>, String> {
    let Place::At(mut root) = resolve(tree, &[], path)?.place else { return Ok(None) };
    if folder(tree, &root).is_none() {
        return Ok(None);
    }
    let (snapshot, shown, floor) = (Snapshot::default(), joined(&root), root.len());
    let (seen, ignores) = (HashSet::new(), Ignores::default());
    let mut walk = Walk {
        tree,
        selection,
        top: shown.clone(),
        before,
        floor,
        ignores,
        next: 0,
        seen,
        entries: 0,
        bytes: 0,
        snapshot,
    };
    if !walk.ignores.has(tree, &root)? {
        walk.folder(&mut root, &shown, 0)?;
    }
    let Walk { ignores, mut snapshot, .. } = walk;
    snapshot.diagnostics.extend(ignores.diagnostics);
    snapshot.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Some(snapshot))
}

struct Walk<'a, T: Tree> {
    tree: &'a T,
    selection: &'a Selection,
    /// Path of the folder that is read.
    top: String,
    before: Option<&'a Rendered>,
    /// Names on the way to the folder that is read.
    floor: usize,
    ignores: Ignores,
    /// Where in what was rendered before the next file probably is.
    next: usize,
    /// Real paths read or entered, so that each is shown once.
    seen: HashSet<String>,
    entries: usize,
    bytes: u64,
    snapshot: Snapshot,
}

impl<T: Tree> Walk<'_, T> {
    /// Walks the folder at the place `at`, shown as `shown`.
    fn folder(&mut self, at: &mut Trail<T::Id>, shown: &str, depth: usize) -> Result<(), String> {
        if !self.seen.insert(joined(at)) {
            return Ok(());
        }
        if depth > DEPTH_LIMIT {
            self.problem(shown, Problem::TooMuch(format!("{DEPTH_LIMIT} folders in one another")));
            return Ok(());
        }
        let Some(folder) = folder(self.tree, at) else { return Ok(()) };
        let entries = match self.tree.list(&folder)? {
            Listing::Entries(entries) => entries,
            Listing::Unreadable(why) => {
                self.problem(shown, Problem::NotRead(why));
                return Ok(());
            }
        };
        self.entries += entries.len();
        if self.is_too_much() {
            self.too_much(shown);
            return Ok(());
        }
        for (name, node) in self.visible(at, entries, shown)? {
            if self.is_too_much() {
                break;
            }
            self.entry(at, name, node, shown, depth)?;
        }
        Ok(())
    }

    /// What of a folder is looked at, links last: a file is shown under its own name where it has one.
    fn visible(
        &mut self,
        at: &[Entry<T::Id>],
        entries: Vec<Entry<T::Id>>,
        shown: &str,
    ) -> Result<Vec<Entry<T::Id>>, String> {
        let rules = self.ignores.rules(self.tree, at)?;
        let mut visible: Vec<Entry<T::Id>> = Vec::new();
        for (name, node) in entries {
            if let Some(why) = flaw(&name) {
                self.problem(&join(shown, &name), Problem::NotRead(why));
                continue;
            }
            let path = join(shown, &name);
            let is_shown = self.selection.shows(self.below(&path), matches!(node, Node::Folder(_)));
            if is_shown && !name.starts_with('.') && !rules.ignore(at, &name, &node) {
                visible.push((name, node));
            }
        }
        visible.sort_unstable_by(|(a, x), (b, y)| (is_link(x), a).cmp(&(is_link(y), b)));
        Ok(visible)
    }

    /// Looks at an entry of the folder `at`.
    fn entry(
        &mut self,
        at: &mut Trail<T::Id>,
        name: String,
        node: Node<T::Id>,
        shown: &str,
        depth: usize,
    ) -> Result<(), String> {
        let shown = join(shown, &name);
        let has_manifest = is_manifest(&name) && self.selection.reads(self.below(&shown));
        if !is_link(&node) {
            at.push((name, node));
            self.visit(at, has_manifest, &shown, depth)?;
            at.pop();
            return Ok(());
        }
        let Resolved { place, highest, steps, .. } = resolve(self.tree, at, &name)?;
        self.entries += steps;
        self.snapshot.has_left |= highest < self.floor;
        match place {
            Place::At(mut to) if !self.ignores.has(self.tree, &to)? => {
                self.visit(&mut to, has_manifest, &shown, depth)?;
            }
            Place::At(_) => {}
            Place::Nowhere(why) => self.problem(&shown, Problem::BadLink(why)),
        }
        Ok(())
    }

    /// Takes in what stands at a place without links.
    fn visit(
        &mut self,
        at: &mut Trail<T::Id>,
        has_manifest: bool,
        shown: &str,
        depth: usize,
    ) -> Result<(), String> {
        match at.last().map(|(_, node)| node) {
            None | Some(Node::Folder(_)) => self.folder(at, shown, depth + 1),
            Some(Node::File(file)) if has_manifest => self.file(joined(at), file, shown),
            Some(Node::File(_) | Node::Link(_)) => Ok(()),
            // Whatever is not read might hold manifests, and what is not seen must not be pruned.
            Some(Node::Other(why)) => {
                self.problem(shown, Problem::NotRead(why));
                Ok(())
            }
        }
    }

    /// A path as seen from the folder that is read.
    fn below<'p>(&self, path: &'p str) -> &'p str {
        path.strip_prefix(&self.top).unwrap_or(path).trim_start_matches('/')
    }

    fn file(&mut self, real: String, file: &T::Id, shown: &str) -> Result<(), String> {
        if !self.seen.insert(real) {
            return Ok(());
        }
        let id = self.tree.content_id(file);
        let next = &mut self.next;
        let known = self.before.zip(id).and_then(|(before, id)| before.known(next, shown, id));
        let size = known.map_or_else(|| self.tree.size(file), |part| Ok(part.size))?;
        let limit = self.tree.limits().file;
        if size > limit {
            self.problem(shown, Problem::TooLarge { size, limit });
            return Ok(());
        }
        self.bytes += size;
        if self.is_too_much() {
            self.too_much(shown);
            return Ok(());
        }
        let content = match known {
            Some(part) => Content::Known(part.clone()),
            None => Content::Read(self.tree.content(file)?, id),
        };
        self.snapshot.files.push(SourceFile { path: shown.to_owned(), content });
        Ok(())
    }

    fn is_too_much(&self) -> bool {
        self.tree.limits().are_exceeded(self.bytes, self.entries)
    }

    /// Says once that the source is too large; what is beyond is not read.
    fn too_much(&mut self, shown: &str) {
        let said = |d: &Diagnostic| matches!(d.problem, Problem::TooMuch(_));
        if !self.snapshot.diagnostics.iter().any(said) {
            self.problem(shown, Problem::TooMuch(self.tree.limits().shown()));
        }
    }

    fn problem(&mut self, shown: &str, problem: Problem) {
        self.snapshot.diagnostics.push(Diagnostic::at(Origin::file(shown), problem));
    }
}

/// Why what has this name is not read, if so.
pub(super) fn flaw(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("has no name"),
        "." | ".." => Some("has a name that leads elsewhere"),
        name if name.contains('/') => Some("has a name with a / in it"),
        name if !name.chars().all(text::is_plain) => {
            Some("has a name with control characters in it")
        }
        _ => None,
    }
}

fn is_manifest(name: &str) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests;

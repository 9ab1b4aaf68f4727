//! What a source is not to show: `.sourceignore` files, which have the syntax of `.gitignore`.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::tree::{Entry, Node, Tree, folder, join, joined};
use crate::render::{Diagnostic, Origin, Problem};

/// Name of the files. One says what is ignored below the folder that it is in.
pub const NAME: &str = ".sourceignore";
/// Largest one that is read, in bytes.
const FILE_LIMIT: u64 = 64 << 10;
/// Bytes of all of them that are read at most.
const TOTAL_LIMIT: u64 = 1 << 20;

/// What the files of a tree say, as far as it was asked for.
#[derive(Default)]
pub struct Ignores {
    /// By the path of the folder.
    files: HashMap<String, Option<Arc<Gitignore>>>,
    bytes: u64,
    /// What is wrong with them.
    pub diagnostics: Vec<Diagnostic>,
}

/// What holds in one folder: the files on the way to it, each with the number of names on the way to itself.
pub struct Rules(Vec<(usize, Arc<Gitignore>)>);

impl Ignores {
    /// What holds in the folder at a place.
    pub fn rules<T: Tree>(&mut self, tree: &T, at: &[Entry<T::Id>]) -> Result<Rules, String> {
        let mut rules = Vec::new();
        for depth in 0..=at.len() {
            rules.extend(self.file(tree, &at[..depth])?.map(|file| (depth, file)));
        }
        Ok(Rules(rules))
    }

    /// Whether a place is ignored, or anything that it is in.
    pub fn has<T: Tree>(&mut self, tree: &T, at: &[Entry<T::Id>]) -> Result<bool, String> {
        for (depth, (name, node)) in at.iter().enumerate() {
            if self.rules(tree, &at[..depth])?.ignore(&at[..depth], name, node) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The file in the folder at a place.
    fn file<T: Tree>(
        &mut self,
        tree: &T,
        at: &[Entry<T::Id>],
    ) -> Result<Option<Arc<Gitignore>>, String> {
        let path = joined(at);
        if let Some(known) = self.files.get(&path) {
            return Ok(known.clone());
        }
        let found = folder(tree, at).map(|folder| tree.find(&folder, NAME)).transpose()?.flatten();
        let file = match found {
            None => None,
            Some(Node::File(file)) => self.read(tree, &file, &path)?,
            Some(_) => {
                self.problem(&path, 0, "is no file");
                None
            }
        };
        self.files.insert(path, file.clone());
        Ok(file)
    }

    fn read<T: Tree>(
        &mut self,
        tree: &T,
        file: &T::Id,
        folder: &str,
    ) -> Result<Option<Arc<Gitignore>>, String> {
        let size = tree.size(file)?;
        self.bytes = self.bytes.saturating_add(size);
        if size > FILE_LIMIT || self.bytes > TOTAL_LIMIT {
            self.problem(folder, 0, "is too long, or there are too many of them");
            return Ok(None);
        }
        let content = tree.content(file)?;
        let Ok(text) = std::str::from_utf8(&content) else {
            self.problem(folder, 0, "is not UTF-8");
            return Ok(None);
        };
        let mut builder = GitignoreBuilder::new("");
        for (line, number) in text.trim_start_matches('\u{feff}').lines().zip(1..) {
            if builder.add_line(None, line).is_err() {
                self.problem(folder, number, "has a pattern that means nothing");
            }
        }
        let built = builder.build();
        if built.is_err() {
            self.problem(folder, 0, "has patterns that are too large");
        }
        Ok(built.ok().map(Arc::new))
    }

    fn problem(&mut self, folder: &str, line: u32, why: &'static str) {
        let origin = Origin::file(join(folder, NAME)).line(line);
        self.diagnostics.push(Diagnostic::at(origin, Problem::BadIgnore(why)));
    }
}

impl Rules {
    /// Whether what has this name in the folder at a place is ignored: the nearest file that says anything of it
    /// decides, and in that the last line.
    pub fn ignore<Id>(&self, at: &[Entry<Id>], name: &str, node: &Node<Id>) -> bool {
        let is_folder = matches!(node, Node::Folder(_));
        for (depth, file) in self.0.iter().rev() {
            let path = join(&joined(&at[*depth..]), name);
            match file.matched(Path::new(&path), is_folder) {
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
                Match::None => {}
            }
        }
        false
    }
}

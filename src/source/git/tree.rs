//! A commit as a tree of files, read from its blobs.

use std::path::Path;

use git2::{ObjectType, Oid, Repository, TreeEntry};

use crate::render::{ContentId, Rendered};
use crate::source::Snapshot;
use crate::source::tree::{self, Entry, Node, Tree};

/// Mode of a symbolic link in a git tree.
const LINK: i32 = 0o120_000;

/// Longest target of a link, in bytes: `PATH_MAX` of Linux.
const LINK_LIMIT: u64 = 4096;

/// Reads the manifests below `path` of a commit, but for what was rendered before. `None` if the
/// commit has no such folder.
pub fn read(
    clone: &Path,
    commit: &str,
    path: &str,
    before: Option<&Rendered>,
) -> Result<Option<Snapshot>, String> {
    let commit_tree = || {
        let repository = Repository::open_bare(clone)?;
        let root = repository.find_commit(Oid::from_str(commit)?)?.tree_id();
        Ok(CommitTree { repository, root })
    };
    tree::read(&commit_tree().map_err(said)?, path, before)
}

struct CommitTree {
    repository: Repository,
    root: Oid,
}

impl Tree for CommitTree {
    type Id = Oid;

    fn root(&self) -> Oid {
        self.root
    }

    fn list(&self, folder: &Oid) -> Result<Vec<Entry<Oid>>, String> {
        let tree = self.repository.find_tree(*folder).map_err(said)?;
        Ok(tree.iter().map(|entry| named(&entry)).collect())
    }

    fn find(&self, folder: &Oid, name: &str) -> Result<Option<Node<Oid>>, String> {
        let tree = self.repository.find_tree(*folder).map_err(said)?;
        Ok(tree.get_name(name).map(|entry| node(&entry)))
    }

    fn target(&self, link: &Oid) -> Result<Option<String>, String> {
        if self.size(link)? > LINK_LIMIT {
            return Ok(None);
        }
        Ok(Some(String::from_utf8_lossy(&self.content(link)?).into_owned()))
    }

    fn size(&self, file: &Oid) -> Result<u64, String> {
        let header = self.repository.odb().and_then(|odb| odb.read_header(*file));
        header.map(|(size, _)| size as u64).map_err(said)
    }

    fn content(&self, file: &Oid) -> Result<Vec<u8>, String> {
        Ok(self.repository.find_blob(*file).map_err(said)?.content().to_vec())
    }

    fn content_id(&self, file: &Oid) -> Option<ContentId> {
        file.as_bytes().try_into().ok().map(ContentId)
    }
}

/// An entry with its name. One that is no name of a file is shown, but nothing to read.
fn named(entry: &TreeEntry<'_>) -> Entry<Oid> {
    match entry.name() {
        Ok(name) if !name.contains('/') => (name.to_owned(), node(entry)),
        _ => (String::from_utf8_lossy(entry.name_bytes()).into_owned(), Node::Other),
    }
}

fn node(entry: &TreeEntry<'_>) -> Node<Oid> {
    match entry.kind() {
        Some(ObjectType::Tree) => Node::Folder(entry.id()),
        Some(ObjectType::Blob) if entry.filemode() == LINK => Node::Link(entry.id()),
        Some(ObjectType::Blob) => Node::File(entry.id()),
        _ => Node::Other,
    }
}

fn said(error: git2::Error) -> String {
    error.message().to_owned()
}

//! A commit as a tree of files, read from its blobs.

use std::path::Path;

use git2::{ErrorCode, ObjectType, Odb, Oid, Repository};

use crate::source::Snapshot;
use crate::source::tree::{self, Node, Tree};

/// Mode of a symbolic link in a git tree.
const LINK: i32 = 0o120_000;

/// Longest target of a link, in bytes: `PATH_MAX` of Linux.
const LINK_LIMIT: usize = 4096;

/// Reads the manifests below `path` of a commit. `None` if the commit has no such folder.
pub fn read(clone: &Path, commit: &str, path: &str) -> Result<Option<Snapshot>, String> {
    let commit_tree = || {
        let repository = Repository::open(clone)?;
        let root = repository.find_commit(Oid::from_str(commit)?)?.tree_id();
        Ok((repository, root))
    };
    let (repository, root) = commit_tree().map_err(said)?;
    let odb = repository.odb().map_err(said)?;
    tree::read(&CommitTree { repository: &repository, odb, root }, path)
}

struct CommitTree<'r> {
    repository: &'r Repository,
    odb: Odb<'r>,
    root: Oid,
}

impl CommitTree<'_> {
    /// The object at a path with its mode.
    fn entry(&self, path: &str) -> Result<Option<(Oid, Option<ObjectType>, i32)>, git2::Error> {
        let root = self.repository.find_tree(self.root)?;
        match root.get_path(Path::new(path)) {
            Ok(entry) => Ok(Some((entry.id(), entry.kind(), entry.filemode()))),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn blob(&self, path: &str) -> Result<Vec<u8>, git2::Error> {
        let missing = || git2::Error::from_str("no such file");
        let (id, ..) = self.entry(path)?.ok_or_else(missing)?;
        Ok(self.repository.find_blob(id)?.content().to_vec())
    }
}

impl Tree for CommitTree<'_> {
    fn node(&self, path: &str) -> Result<Option<Node>, String> {
        let Some((id, kind, mode)) = self.entry(path).map_err(said)? else { return Ok(None) };
        Ok(Some(match kind {
            Some(ObjectType::Tree) => Node::Folder,
            Some(ObjectType::Blob) if mode == LINK => {
                let (size, _) = self.odb.read_header(id).map_err(said)?;
                if size > LINK_LIMIT {
                    return Ok(Some(Node::Other));
                }
                Node::Link(String::from_utf8_lossy(&self.blob(path).map_err(said)?).into_owned())
            }
            Some(ObjectType::Blob) => {
                let (size, _) = self.odb.read_header(id).map_err(said)?;
                Node::File(size as u64)
            }
            _ => Node::Other,
        }))
    }

    fn names(&self, path: &str) -> Result<Vec<String>, String> {
        let id = if path.is_empty() {
            self.root
        } else {
            self.entry(path).map_err(said)?.map_or(self.root, |(id, ..)| id)
        };
        let tree = self.repository.find_tree(id).map_err(said)?;
        Ok(tree.iter().map(|e| String::from_utf8_lossy(e.name_bytes()).into_owned()).collect())
    }

    fn content(&self, path: &str) -> Result<Vec<u8>, String> {
        self.blob(path).map_err(said)
    }
}

fn said(error: git2::Error) -> String {
    error.message().to_owned()
}

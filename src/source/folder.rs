//! A folder on disk as a tree.

use std::fs;
use std::path::{Path, PathBuf};

use super::tree::{Node, Tree};
use super::{Snapshot, SourceError, tree};

/// Reads the manifests in a folder. Links may not leave it.
pub fn read(folder: &Path) -> Result<Snapshot, SourceError> {
    let shown = folder.display().to_string();
    let not_found =
        || SourceError::PathNotFound { path: shown.clone(), place: "the file system".into() };
    if !folder.is_dir() {
        return Err(not_found());
    }
    let snapshot = tree::read(&Folder(folder.to_owned()), "");
    snapshot
        .map_err(|why| SourceError::FolderUnreadable { folder: folder.to_owned(), why })?
        .ok_or_else(not_found)
}

struct Folder(PathBuf);

impl Folder {
    fn at(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.0.clone() } else { self.0.join(path) }
    }
}

impl Tree for Folder {
    fn node(&self, path: &str) -> Result<Option<Node>, String> {
        let at = self.at(path);
        let meta = match fs::symlink_metadata(&at) {
            Ok(meta) => meta,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{path}: {error}")),
        };
        let kind = meta.file_type();
        Ok(Some(if kind.is_symlink() {
            let target = fs::read_link(&at).map_err(|error| format!("{path}: {error}"))?;
            Node::Link(target.to_string_lossy().into_owned())
        } else if kind.is_dir() {
            Node::Folder
        } else if kind.is_file() {
            Node::File(meta.len())
        } else {
            Node::Other
        }))
    }

    fn names(&self, path: &str) -> Result<Vec<String>, String> {
        let entries = fs::read_dir(self.at(path)).map_err(|error| format!("{path}: {error}"))?;
        let name = |entry: std::io::Result<fs::DirEntry>| {
            entry.map(|e| e.file_name().to_string_lossy().into_owned())
        };
        entries.map(name).collect::<Result<_, _>>().map_err(|error| format!("{path}: {error}"))
    }

    fn content(&self, path: &str) -> Result<Vec<u8>, String> {
        fs::read(self.at(path)).map_err(|error| format!("{path}: {error}"))
    }
}

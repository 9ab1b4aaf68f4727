//! A folder on disk as a tree.

use std::fs::{self, FileType};
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use crate::api::Render;
use crate::render::ContentId;

use super::tree::{Listing, Node, Tree};
use super::{Limits, Snapshot, SourceError, layout};

/// Reads what the app in a folder is made of. Links may not leave it.
pub fn read(folder: &Path, render: &Render, limits: Limits) -> Result<Snapshot, SourceError> {
    read_below(folder, "", render, limits)
}

/// Reads what the app at `path` of a folder is made of. Links may lead anywhere in the folder, and not out of it.
pub fn read_below(
    folder: &Path,
    path: &str,
    render: &Render,
    limits: Limits,
) -> Result<Snapshot, SourceError> {
    let shown = folder.join(path).display().to_string();
    let not_found =
        || SourceError::PathNotFound { path: shown.clone(), place: "the file system".into() };
    if !folder.is_dir() {
        return Err(not_found());
    }
    let snapshot = layout::read(&Folder(folder.to_owned(), limits), path, render, None);
    snapshot
        .map_err(|why| SourceError::FolderUnreadable { folder: folder.to_owned(), why })?
        .ok_or_else(not_found)
}

struct Folder(PathBuf, Limits);

impl Folder {
    /// An error with the path within the folder.
    fn said(&self, at: &Path, error: Error) -> String {
        format!("{}: {error}", at.strip_prefix(&self.0).unwrap_or(at).display())
    }
}

impl Tree for Folder {
    type Id = PathBuf;

    fn limits(&self) -> Limits {
        self.1
    }

    fn root(&self) -> PathBuf {
        self.0.clone()
    }

    fn list(&self, folder: &PathBuf) -> Result<Listing<PathBuf>, String> {
        let said = |error| self.said(folder, error);
        let mut all = Vec::new();
        for entry in fs::read_dir(folder).map_err(said)? {
            let entry = entry.map_err(said)?;
            let kind = entry.file_type().map_err(said)?;
            all.push(match entry.file_name().into_string() {
                Ok(name) => (name, node(kind, entry.path())),
                Err(name) => (
                    name.to_string_lossy().into_owned(),
                    Node::Other("has a name that is not UTF-8"),
                ),
            });
        }
        Ok(Listing::Entries(all))
    }

    fn find(&self, folder: &PathBuf, name: &str) -> Result<Option<Node<PathBuf>>, String> {
        let at = folder.join(name);
        match fs::symlink_metadata(&at) {
            Ok(meta) => Ok(Some(node(meta.file_type(), at))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.said(&at, error)),
        }
    }

    fn target(&self, link: &PathBuf) -> Result<Option<String>, String> {
        let target = fs::read_link(link).map_err(|error| self.said(link, error))?;
        Ok(Some(target.to_string_lossy().into_owned()))
    }

    fn size(&self, file: &PathBuf) -> Result<u64, String> {
        let meta = fs::symlink_metadata(file).map_err(|error| self.said(file, error))?;
        Ok(meta.len())
    }

    fn content(&self, file: &PathBuf) -> Result<Vec<u8>, String> {
        fs::read(file).map_err(|error| self.said(file, error))
    }

    fn content_id(&self, _: &PathBuf) -> Option<ContentId> {
        // Only reading it would tell.
        None
    }
}

fn node(kind: FileType, at: PathBuf) -> Node<PathBuf> {
    if kind.is_symlink() {
        Node::Link(at)
    } else if kind.is_dir() {
        Node::Folder(at)
    } else if kind.is_file() {
        Node::File(at)
    } else {
        Node::Other("is a pipe, socket or device")
    }
}

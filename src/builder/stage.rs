//! The private folder of one run of a program: what it may read, its home, and nothing else.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use tempfile::TempDir;

use crate::source::{Snapshot, SourceError};

/// What the names of such folders begin with.
const PREFIX: &str = "run-";
/// Held as long as the folder is in use.
const LOCK: &str = "lock";

/// A private folder, removed when it is dropped.
#[derive(Debug)]
pub(super) struct Stage {
    folder: TempDir,
    _lock: File,
}

impl Stage {
    /// Why there is none.
    pub fn failed(error: io::Error) -> SourceError {
        SourceError::StageFailed { why: error.to_string() }
    }

    /// An empty one.
    pub fn new(parent: &Path) -> io::Result<Self> {
        // It is there before it is held: until then the folder around it is.
        let around = File::open(parent)?;
        around.lock_shared()?;
        // Readable by nobody else.
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let lock = File::create(folder.path().join(LOCK))?;
        lock.lock()?;
        for name in ["tree", "home"] {
            fs::create_dir(folder.path().join(name))?;
        }
        Ok(Self { folder, _lock: lock })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the files of the snapshot are.
    pub fn tree(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    /// Where the program is at home.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Writes the files and links of a snapshot. Their paths have been looked at when they were gathered: none leads
    /// out of the tree.
    pub fn fill(&self, snapshot: &Snapshot) -> io::Result<()> {
        let tree = self.tree();
        for file in &snapshot.files {
            let at = place(&tree, &file.path)?;
            if let Some(bytes) = file.content.bytes() {
                fs::write(at, bytes)?;
            }
        }
        for link in &snapshot.links {
            let at = place(&tree, &link.path)?;
            std::os::unix::fs::symlink(&link.target, at)?;
        }
        Ok(())
    }
}

/// Makes the folders on the way to a place. Files are written before any link is there, and a link is gathered under
/// its real path, so no way leads over one.
fn place(tree: &Path, path: &str) -> io::Result<PathBuf> {
    // Whoever gathered it has looked at that. Nothing else that runs here is confined by less than this.
    if !Path::new(path).components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(io::Error::new(ErrorKind::InvalidInput, "a path leads out of the tree"));
    }
    let at = tree.join(path);
    if let Some(folder) = at.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(at)
}

/// Removes what processes left that were killed: folders that nobody holds. While another process makes one, that is
/// left to the next start.
pub(super) fn sweep(parent: &Path) {
    let (Ok(around), Ok(entries)) = (File::open(parent), fs::read_dir(parent)) else { return };
    if around.try_lock().is_err() {
        return;
    }
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if is_ours && !is_held(&entry.path()) {
            // What cannot be removed now is tried again at the next start.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_held(folder: &Path) -> bool {
    match File::open(folder.join(LOCK)) {
        Ok(lock) => lock.try_lock().is_err(),
        // It is half removed.
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::source::tree::Link;

    #[test]
    fn nothing_is_put_outside_of_the_tree() {
        let parent = tempfile::tempdir().unwrap();
        let stage = Stage::new(parent.path()).unwrap();
        for path in ["../a", "a/../../b", "/tmp/a", "a/../../../../b/c"] {
            let link = Link { path: path.to_owned(), target: "x".to_owned() };
            let snapshot = Snapshot { links: vec![link], ..Snapshot::default() };
            assert!(stage.fill(&snapshot).is_err(), "{path}");
        }
    }

    #[test]
    fn what_is_being_made_is_not_swept_away() {
        let parent = tempfile::tempdir().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| (0..1000).for_each(|_| sweep(parent.path())));
            let stages: Vec<_> = (0..200).map(|_| Stage::new(parent.path())).collect();
            let is_there =
                |made: &io::Result<Stage>| made.as_ref().is_ok_and(|made| made.home().exists());
            assert_eq!(stages.iter().filter(|made| !is_there(made)).count(), 0);
        });
    }

    #[test]
    fn only_what_nobody_holds_is_swept_away() {
        let parent = tempfile::tempdir().unwrap();
        let held = Stage::new(parent.path()).unwrap();
        let left = parent.path().join("run-left");
        fs::create_dir(&left).unwrap();
        fs::write(left.join(LOCK), "").unwrap();
        fs::create_dir(parent.path().join("other")).unwrap();
        sweep(parent.path());
        assert!(held.path().exists() && !left.exists() && parent.path().join("other").exists());
        let path = held.path().to_owned();
        drop(held);
        assert!(!path.exists());
    }
}

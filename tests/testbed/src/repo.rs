//! A bare repository, and a work clone to change it through.

use crate::{Error, git};
use std::{
    fs, io,
    os::unix::fs as unix,
    path::{Path, PathBuf},
};

/// A repository of a [`GitServer`](crate::GitServer). Changes are pushed past the server, by file
/// path: they work whatever its fault, and do not count as its requests.
pub struct Repo {
    bare: PathBuf,
    work: PathBuf,
    url: String,
}

impl Repo {
    /// Makes an empty repository whose first commit will be on `main`.
    pub(crate) fn create(bare: PathBuf, work: PathBuf, url: String) -> Result<Self, Error> {
        let root = Path::new("/");
        git::run(root, &["init", "--quiet", "--bare", "--initial-branch=main", &text(&bare)])?;
        for key in ["uploadpack.allowAnySHA1InWant", "uploadpack.allowFilter", "http.receivepack"] {
            git::run(&bare, &["config", key, "true"])?;
        }
        git::run(root, &["init", "--quiet", "--initial-branch=main", &text(&work)])?;
        git::run(&work, &["remote", "add", "origin", &text(&bare)])?;
        Ok(Self { bare, work, url })
    }

    /// The address to clone from.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address to clone from without the server.
    pub fn file_url(&self) -> String {
        format!("file://{}", self.bare.display())
    }

    /// The bare repository.
    pub fn path(&self) -> &Path {
        &self.bare
    }

    /// Writes a file into the work clone, folders included.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> Result<(), Error> {
        let file = self.work.join(path);
        make_parent(&file)
            .and_then(|()| fs::write(&file, content))
            .map_err(Error::io(format!("write {path}")))
    }

    /// Removes a file or a folder from the work clone.
    ///
    /// # Errors
    /// If it cannot be removed, such as for not being there.
    pub fn remove(&self, path: &str) -> Result<(), Error> {
        let victim = self.work.join(path);
        let remove =
            if victim.is_dir() { fs::remove_dir_all(victim) } else { fs::remove_file(victim) };
        remove.map_err(Error::io(format!("remove {path}")))
    }

    /// Makes a symbolic link at `path`; `target` is taken as it is.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn symlink(&self, path: &str, target: &str) -> Result<(), Error> {
        let link = self.work.join(path);
        make_parent(&link)
            .and_then(|()| unix::symlink(target, &link))
            .map_err(Error::io(format!("link {path}")))
    }

    /// Commits the work clone as it is, even unchanged, and pushes the branch.
    ///
    /// # Errors
    /// If git fails.
    pub fn commit(&self, message: &str) -> Result<String, Error> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message])?;
        self.push()
    }

    /// Puts the work clone as it is in the place of the last commit, and force-pushes the branch.
    ///
    /// # Errors
    /// If git fails.
    pub fn force_push_rewritten(&self, message: &str) -> Result<String, Error> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--allow-empty", "--amend", "--message", message])?;
        self.push()
    }

    /// Reverts a commit and pushes the branch.
    ///
    /// # Errors
    /// If git fails.
    pub fn revert(&self, sha: &str) -> Result<String, Error> {
        self.git(&["revert", "--no-edit", sha])?;
        self.push()
    }

    /// Switches the work clone to a branch, which begins here if it is new, and pushes it.
    ///
    /// # Errors
    /// If git fails.
    pub fn branch(&self, name: &str) -> Result<String, Error> {
        if self.git(&["switch", "--quiet", name]).is_err() {
            self.git(&["switch", "--quiet", "--create", name])?;
        }
        self.push()
    }

    /// The last commit of the work clone's branch.
    ///
    /// # Errors
    /// If there is none yet.
    pub fn head(&self) -> Result<String, Error> {
        self.git(&["rev-parse", "HEAD"])
    }

    /// Runs any git command in the work clone, whose `origin` is the bare repository.
    ///
    /// # Errors
    /// If git fails.
    pub fn git(&self, args: &[&str]) -> Result<String, Error> {
        git::run(&self.work, args)
    }

    fn push(&self) -> Result<String, Error> {
        self.git(&["push", "--quiet", "--force", "origin", "HEAD"])?;
        self.head()
    }
}

fn make_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

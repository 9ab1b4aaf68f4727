//! The folder that keeps the built programs, shared by all checkouts and test binaries of a user.

use crate::{Error, Tool, console, folders::env_folder, go};
use std::{
    fs::{self, File, TryLockError},
    path::PathBuf,
};

/// Overrides where programs are kept.
const VARIABLE: &str = "GITOPS_SYNC_TESTBED_CACHE";

/// Holds each program once, whole or not at all.
pub(crate) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The cache for exactly the pinned sources; its folder may not exist yet.
    pub(crate) fn open() -> Result<Self, Error> {
        let base = env_folder(VARIABLE)
            .or_else(|| Some(env_folder("XDG_CACHE_HOME")?.join("gitops-sync-testbed")))
            .or_else(|| Some(env_folder("HOME")?.join(".cache/gitops-sync-testbed")))
            .ok_or_else(|| {
                Error::Invalid(format!("no place to keep programs in: set {VARIABLE}"))
            })?;
        Ok(Self { folder: base.join(go::key()) })
    }

    pub(crate) fn path(&self, tool: Tool) -> PathBuf {
        self.folder.join(tool.name())
    }

    pub(crate) fn stage_file(&self) -> PathBuf {
        self.folder.join("stages.yaml")
    }

    pub(crate) fn holds(&self, tool: Tool) -> bool {
        self.path(tool).is_file()
    }

    /// Builds what is not there yet. Of several processes one builds and the others wait for it.
    pub(crate) fn fill(&self, tools: &[Tool]) -> Result<(), Error> {
        if self.is_filled(tools) {
            return Ok(());
        }
        fs::create_dir_all(&self.folder)
            .map_err(Error::io(format!("create {}", self.folder.display())))?;
        let _lock = self.lock()?;
        let missing: Vec<_> = tools.iter().copied().filter(|tool| !self.holds(*tool)).collect();
        if !missing.is_empty() {
            self.build(&missing)?;
        }
        if !self.stage_file().is_file() {
            self.write_stages()?;
        }
        Ok(())
    }

    fn is_filled(&self, tools: &[Tool]) -> bool {
        self.stage_file().is_file() && tools.iter().all(|tool| self.holds(*tool))
    }

    /// Held until the file is closed, also by a crash.
    fn lock(&self) -> Result<File, Error> {
        let doing = || format!("lock {}", self.folder.display());
        let file = File::create(self.folder.join(".lock")).map_err(Error::io(doing()))?;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {
                console::say("another process is building the control plane; waiting")
            }
            Err(TryLockError::Error(error)) => return Err(Error::io(doing())(error)),
        }
        file.lock().map_err(Error::io(doing()))?;
        Ok(file)
    }

    fn build(&self, tools: &[Tool]) -> Result<(), Error> {
        let doing = || format!("write to {}", self.folder.display());
        let unfinished = tempfile::tempdir_in(&self.folder).map_err(Error::io(doing()))?;
        go::build(tools, unfinished.path())?;
        for tool in tools {
            let built = unfinished.path().join(tool.built_as());
            fs::rename(built, self.path(*tool)).map_err(Error::io(doing()))?;
        }
        Ok(())
    }

    fn write_stages(&self) -> Result<(), Error> {
        let doing = || format!("write to {}", self.folder.display());
        let unfinished = self.folder.join(".stages.yaml");
        fs::write(&unfinished, go::stages()?).map_err(Error::io(doing()))?;
        fs::rename(unfinished, self.stage_file()).map_err(Error::io(doing()))
    }
}

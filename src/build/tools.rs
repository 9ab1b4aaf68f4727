//! With what objects are built.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::stage;
use crate::lanes::Lanes;

/// Programs that run side by side where the machine has fewer cores.
const LANES: usize = 2;
/// A program that takes longer holds up no others.
const QUICK: Duration = Duration::from_secs(10);

/// With what objects are built, and within which bounds.
#[derive(Clone, Debug)]
pub struct Tools {
    /// This program, which confines the others.
    pub(super) program: PathBuf,
    /// Folder for the folders that they run in.
    pub(super) dir: PathBuf,
    /// Longest time that one may run.
    pub(super) timeout: Duration,
    /// Whether sops may use the daemon's own access to key management services.
    pub(super) kms: bool,
    /// Where they begin.
    pub(super) lanes: Lanes,
}

impl Tools {
    /// Those of a process that keeps its data in this folder. What a killed one left there is removed.
    pub fn new(program: &Path, data_dir: &Path, timeout: Duration) -> Self {
        let dir = data_dir.join("build");
        stage::sweep(&dir);
        let cores = std::thread::available_parallelism().map_or(LANES, usize::from);
        Self {
            program: program.to_owned(),
            dir,
            timeout,
            kms: false,
            lanes: Lanes::new(cores.max(LANES), QUICK),
        }
    }

    /// The same, and sops may use the daemon's own access to key management services, if `allowed`.
    #[must_use]
    pub fn with_kms(self, allowed: bool) -> Self {
        Self { kms: allowed, ..self }
    }

    /// The folder that folders for programs are made in.
    pub(super) fn folder(&self) -> std::io::Result<&Path> {
        fs::create_dir_all(&self.dir)?;
        Ok(&self.dir)
    }
}

//! With what objects are built.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::charts::{self, Charts};
use super::stage::{self, Stage};
use super::{blocking, default_memory};
use crate::lanes::Lanes;
use crate::source::SourceError;

/// Programs that begin side by side, by how many cores there are.
const LANES: RangeInclusive<usize> = 2..=4;
/// Slow ones that run beside them. What all of them may take together has to be somewhere.
const SLOW: usize = 2;
/// Objects that an app may have.
pub const OBJECTS: usize = 50_000;
/// The folder with charts.
const CHARTS: &str = "charts";
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
    /// Bytes of memory that one may take.
    pub(super) memory: u64,
    /// Objects that an app may have.
    pub(super) objects: usize,
    /// Whether sops may use the daemon's own access to key management services.
    pub(super) kms: bool,
    /// Folders that they are looked for in, as in `PATH`.
    pub(super) path: OsString,
    /// Where they begin.
    pub(super) lanes: Lanes,
    /// Charts that were fetched.
    pub(super) charts: Charts,
}

impl Tools {
    /// Those of a process that keeps its data in this folder. What a killed one left there is removed.
    pub fn new(program: &Path, data_dir: &Path, timeout: Duration) -> Self {
        let dir = data_dir.join("build");
        stage::sweep(&dir);
        charts::sweep(&dir.join(CHARTS));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let number = cores.clamp(*LANES.start(), *LANES.end());
        Self {
            program: program.to_owned(),
            dir,
            timeout,
            memory: default_memory(),
            objects: OBJECTS,
            kms: false,
            path: env::var_os("PATH").unwrap_or_default(),
            lanes: Lanes::new(number, QUICK).at_most(number + SLOW),
            charts: Charts::default(),
        }
    }

    /// The same, within other bounds: bytes of memory that a program may take, and objects that an app may have.
    #[must_use]
    pub fn within(self, memory: u64, objects: usize) -> Self {
        Self { memory, objects, ..self }
    }

    /// The folder that charts are kept in.
    pub(super) fn charts(&self) -> io::Result<PathBuf> {
        let folder = self.dir.join(CHARTS);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// A private folder for one run of a program, with what `fill` puts into it.
    pub(super) async fn stage(
        &self,
        fill: impl FnOnce(&Stage) -> io::Result<()> + Send + 'static,
    ) -> Result<Stage, SourceError> {
        let tools = self.clone();
        let made = move || {
            let stage = Stage::new(tools.folder()?)?;
            fill(&stage)?;
            Ok(stage)
        };
        blocking(made).await?.map_err(Stage::failed)
    }

    /// The same, and sops may use the daemon's own access to key management services, if `allowed`.
    #[must_use]
    pub fn with_kms(self, allowed: bool) -> Self {
        Self { kms: allowed, ..self }
    }

    /// The same, with programs from these folders, written as `PATH` is.
    #[must_use]
    pub fn with_path(self, path: OsString) -> Self {
        Self { path, ..self }
    }

    /// The folder that folders for programs are made in.
    pub(super) fn folder(&self) -> io::Result<&Path> {
        fs::create_dir_all(&self.dir)?;
        Ok(&self.dir)
    }
}

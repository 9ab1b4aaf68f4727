//! Where things are kept: the target folder, and a folder per run that disappears with it.

use crate::Error;
use rustix::process::{Pid, test_kill_process};
use std::{
    env, fs,
    path::{self, Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A folder for the files of one control plane or git server, removed on drop. What a killed
/// process left behind, the next one removes.
pub(crate) struct RunFolder(PathBuf);

impl RunFolder {
    pub(crate) fn create() -> Result<Self, Error> {
        let all = target_folder().unwrap_or_else(env::temp_dir).join("gitops-sync-testbed-run");
        sweep(&all);
        let folder =
            all.join(format!("{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir_all(&folder).map_err(Error::io(format!("create {}", folder.display())))?;
        Ok(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file into the folder and gives its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf, Error> {
        let path = self.0.join(name);
        fs::write(&path, content).map_err(Error::io(format!("write {}", path.display())))?;
        Ok(path)
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The folder that an environment variable names.
pub(crate) fn env_folder(variable: &str) -> Option<PathBuf> {
    // An empty value is no path, and fails.
    path::absolute(env::var_os(variable)?).ok()
}

/// The target folder that the running executable was built into: the one that cargo tagged.
pub(crate) fn target_folder() -> Option<PathBuf> {
    let exe = env::current_exe().ok()?;
    exe.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).map(Path::to_owned)
}

fn sweep(all: &Path) {
    let Ok(entries) = fs::read_dir(all) else { return };
    for entry in entries.flatten() {
        if owner(&entry.file_name().to_string_lossy()).is_some_and(is_dead) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn owner(name: &str) -> Option<Pid> {
    Pid::from_raw(name.split('-').next()?.parse().ok()?)
}

fn is_dead(pid: Pid) -> bool {
    test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
}

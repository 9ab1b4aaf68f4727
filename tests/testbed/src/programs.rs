//! Where the pinned programs are.

use crate::{Error, Tool, cache::Cache, console, folders::env_folder};
use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

/// The pinned programs, each of them present.
pub struct Programs {
    elsewhere: BTreeMap<Tool, PathBuf>,
    cache: Cache,
}

impl Programs {
    /// Finds each program: in `KUBEBUILDER_ASSETS` if the API server there has the pinned version,
    /// in the cache, on `PATH` if it has the pinned version; else builds it into the cache, which
    /// takes minutes, once.
    ///
    /// # Errors
    /// If Go is missing or a build fails.
    pub fn locate() -> Result<Self, Error> {
        let cache = Cache::open()?;
        let mut elsewhere = assets();
        let absent: Vec<_> = Tool::ALL
            .into_iter()
            .filter(|tool| !elsewhere.contains_key(tool) && !cache.holds(*tool))
            .collect();
        elsewhere.extend(absent.iter().filter_map(|tool| Some((*tool, on_path(*tool)?))));
        let cached: Vec<_> =
            Tool::ALL.into_iter().filter(|tool| !elsewhere.contains_key(tool)).collect();
        cache.fill(&cached)?;
        Ok(Self { elsewhere, cache })
    }

    /// The path of a program.
    pub fn path(&self, tool: Tool) -> PathBuf {
        self.elsewhere.get(&tool).cloned().unwrap_or_else(|| self.cache.path(tool))
    }

    /// A command that runs a program.
    pub fn command(&self, tool: Tool) -> Command {
        Command::new(self.path(tool))
    }

    /// A value for `PATH` that finds the pinned programs before any others.
    pub fn search_path(&self) -> OsString {
        let own = Tool::ALL.iter().filter_map(|tool| self.path(*tool).parent().map(Path::to_owned));
        let mut folders: Vec<_> = own.collect();
        folders.dedup();
        let inherited = env::var_os("PATH").unwrap_or_default();
        // Only a folder with a colon in its name cannot be joined.
        env::join_paths(folders.into_iter().chain(env::split_paths(&inherited)))
            .unwrap_or(inherited)
    }

    /// kwok's configuration, which makes nodes and pods ready at once.
    pub fn stage_file(&self) -> PathBuf {
        self.cache.stage_file()
    }
}

/// The programs in `KUBEBUILDER_ASSETS`, or none if it holds another version of Kubernetes.
fn assets() -> BTreeMap<Tool, PathBuf> {
    let Some(folder) = env_folder("KUBEBUILDER_ASSETS") else { return BTreeMap::new() };
    let server = folder.join(Tool::KubeApiserver.name());
    if !has_pinned_version(Tool::KubeApiserver, &server) {
        let version = Tool::KubeApiserver.version();
        let place = server.display();
        console::say(format_args!("ignoring KUBEBUILDER_ASSETS: {place} is not version {version}"));
        return BTreeMap::new();
    }
    let present =
        |tool: Tool| Some((tool, folder.join(tool.name()))).filter(|(_, path)| path.is_file());
    Tool::ALL.into_iter().filter_map(present).collect()
}

fn on_path(tool: Tool) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    let candidates = env::split_paths(&folders).map(|folder| folder.join(tool.name()));
    candidates.into_iter().find(|path| path.is_absolute() && has_pinned_version(tool, path))
}

fn has_pinned_version(tool: Tool, path: &Path) -> bool {
    let output = Command::new(path).args(tool.version_args()).output();
    output.is_ok_and(|output| tool.is_pinned_version(&String::from_utf8_lossy(&output.stdout)))
}

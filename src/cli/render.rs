//! How files become objects, as the command line says it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::common::duration;
use crate::builder::{KeySource, OBJECTS, Recipe, Tools, default_memory};
use crate::source::Limits;

/// Within which bounds objects are built.
#[derive(Debug, Args)]
pub(super) struct BuildArguments {
    /// Longest time that kustomize, helm or sops may run
    #[arg(long, env = "GITOPS_SYNC_BUILD_TIMEOUT", default_value = "2m", value_name = "TIME", value_parser = duration)]
    build_timeout: Duration,
    /// Memory in MiB that kustomize, helm or sops may take [default: a third of what the container may, from 128 to 1024]
    #[arg(long, env = "GITOPS_SYNC_BUILD_MEMORY_MIB", value_name = "MIB", value_parser = clap::value_parser!(u64).range(64..))]
    build_memory_mib: Option<u64>,
    /// Objects that an app may have
    #[arg(long, env = "GITOPS_SYNC_MAX_OBJECTS", default_value_t = OBJECTS, value_name = "N")]
    max_objects: usize,
    /// MiB that are read for an app, and an eighth of it of one file
    #[arg(long, env = "GITOPS_SYNC_MAX_SOURCE_MIB", default_value_t = Limits::default().total >> 20, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1024))]
    max_source_mib: u64,
    /// Files and folders that are looked at for an app
    #[arg(long, env = "GITOPS_SYNC_MAX_SOURCE_ENTRIES", default_value_t = Limits::default().entries, value_name = "N")]
    max_source_entries: usize,
    /// Let sops use what the environment says of AWS, Azure, Google Cloud and Vault, for all apps that decrypt
    #[arg(long, env = "GITOPS_SYNC_SOPS_KMS", value_parser = BoolishValueParser::new())]
    sops_kms: bool,
}

impl BuildArguments {
    /// What builds them.
    pub(super) fn tools(&self, program: &Path, data_dir: &Path) -> Tools {
        let memory = self.build_memory_mib.map_or_else(default_memory, |mib| mib << 20);
        let tools = Tools::new(program, data_dir, self.build_timeout);
        tools.within(memory, self.max_objects).with_kms(self.sops_kms)
    }

    /// How much of a source is read.
    pub(super) fn limits(&self) -> Limits {
        let total = self.max_source_mib << 20;
        Limits { file: total / 8, total, entries: self.max_source_entries }
    }
}

/// How the files of one app become objects.
#[derive(Debug, Args)]
pub(super) struct RenderArguments {
    /// Files, or folders of them, with the keys that decrypt: *.agekey, *.asc, or sops.vault-token with
    /// sops.vault-address
    #[arg(long, env = "GITOPS_SYNC_DECRYPTION_KEYS", value_name = "FILES", value_delimiter = ',')]
    decryption_keys: Vec<PathBuf>,
}

impl RenderArguments {
    /// Whether these give keys.
    pub(super) fn has_keys(&self) -> bool {
        !self.decryption_keys.is_empty()
    }

    /// What decrypts, whatever an app says, if these say so. Where sops may ask others for keys, it needs none here.
    pub(super) fn keys(&self, build: &BuildArguments) -> Option<KeySource> {
        match self.decryption_keys.as_slice() {
            [] => build.sops_kms.then(|| KeySource::Given(Arc::default())),
            files => Some(KeySource::Files(files.to_vec())),
        }
    }

    /// The same recipe, with what these say.
    pub(super) fn applied_to(&self, recipe: &Recipe, build: &BuildArguments) -> Recipe {
        let recipe = recipe.clone();
        Recipe { keys: self.keys(build).or(recipe.keys), ..recipe }
    }
}

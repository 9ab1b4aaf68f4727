//! How files become objects, as the command line says it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::common::duration;
use crate::build::{KeySource, Recipe, Tools};

/// Within which bounds objects are built.
#[derive(Debug, Args)]
pub(super) struct BuildArguments {
    /// Longest time that kustomize, helm or sops may run
    #[arg(long, env = "GITOPS_SYNC_BUILD_TIMEOUT", default_value = "2m", value_name = "TIME", value_parser = duration)]
    build_timeout: Duration,
    /// Let sops use what the environment says of AWS, Azure, Google Cloud and Vault, for all apps that decrypt
    #[arg(long, env = "GITOPS_SYNC_SOPS_KMS", value_parser = BoolishValueParser::new())]
    sops_kms: bool,
}

impl BuildArguments {
    /// What builds them.
    pub(super) fn tools(&self, program: &Path, data_dir: &Path) -> Tools {
        Tools::new(program, data_dir, self.build_timeout).with_kms(self.sops_kms)
    }
}

/// How the files of one app become objects.
#[derive(Debug, Args)]
pub(super) struct RenderArguments {
    /// Files, or folders of them, with the keys that decrypt: *.agekey, *.asc, or sops.vault-token
    #[arg(long, env = "GITOPS_SYNC_DECRYPTION_KEYS", value_name = "FILES", value_delimiter = ',')]
    decryption_keys: Vec<PathBuf>,
}

impl RenderArguments {
    /// The same recipe, with what these say.
    pub(super) fn applied_to(&self, recipe: &Recipe) -> Recipe {
        let files = &self.decryption_keys;
        let keys = (!files.is_empty()).then(|| KeySource::Files(files.clone()));
        Recipe { keys, ..recipe.clone() }
    }
}

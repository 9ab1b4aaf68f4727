//! Whose commits are taken, as the command line says it.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use clap::builder::{BoolishValueParser, PossibleValuesParser, TypedValueParser as _};
use strum::VariantNames as _;

use crate::source::verify::Mode;
use crate::source::{Keys, Verification};

/// Whose commits are taken.
#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    /// What has to be signed: HEAD (the commit), Tag, TagAndHEAD, or Range (every commit since the last one)
    #[arg(
        long,
        env = "GITOPS_SYNC_VERIFY",
        value_name = "MODE",
        value_parser = PossibleValuesParser::new(Mode::VARIANTS).try_map(|text| text.parse::<Mode>()),
        hide_possible_values = true,
        requires = "verify_keys"
    )]
    verify: Option<Mode>,
    /// Files, or folders of them, with the public keys of those who may sign: OpenPGP, SSH, or lines of `allowed_signers`
    #[arg(long, env = "GITOPS_SYNC_VERIFY_KEYS", value_name = "FILES", value_delimiter = ',')]
    verify_keys: Vec<PathBuf>,
    /// Refuse a commit that does not descend from the one that was applied last
    #[arg(long, env = "GITOPS_SYNC_NO_ROLLBACK", value_parser = BoolishValueParser::new())]
    no_rollback: bool,
}

impl VerifyArguments {
    /// What has to be true of a commit, if anything has.
    pub(super) fn rules(&self) -> Option<Arc<Verification>> {
        let mode = self.verify.or((!self.verify_keys.is_empty()).then_some(Mode::Head));
        let signed = mode.map(|mode| (mode, Keys::Files(self.verify_keys.clone())));
        let is_wanted = signed.is_some() || self.no_rollback;
        is_wanted.then(|| Arc::new(Verification { signed, no_rollback: self.no_rollback }))
    }
}

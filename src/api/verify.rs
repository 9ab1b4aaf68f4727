//! Whose commits an app takes, as it says it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reference::SecretReference;

/// What has to be signed.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    strum::EnumString,
    strum::VariantNames,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub enum Mode {
    /// The commit that is applied.
    #[default]
    #[serde(rename = "HEAD")]
    #[strum(serialize = "HEAD")]
    Head,
    /// The annotated tag that is followed.
    Tag,
    /// Both.
    #[serde(rename = "TagAndHEAD")]
    #[strum(serialize = "TagAndHEAD")]
    TagAndHead,
    /// Every commit since the one that was applied last.
    Range,
}

impl Mode {
    /// Whether a tag has to be signed.
    pub fn wants_tag(self) -> bool {
        matches!(self, Self::Tag | Self::TagAndHead)
    }

    /// Whether the commit has to be signed itself.
    pub fn wants_head(self) -> bool {
        self != Self::Tag
    }
}

/// Whose commits are applied. All others change nothing in the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "has(self.secretRef) || has(self.keys) || !has(self.mode)",
        "message": "needs secretRef or keys, which say who may sign",
        "fieldPath": ".mode",
    },
    {
        "rule": "has(self.secretRef) || has(self.keys) || (has(self.noRollback) && self.noRollback)",
        "message": "must have one of secretRef, keys and noRollback",
    },
]))]
pub struct Verify {
    /// What has to be signed: HEAD, the commit that is applied; Tag, the annotated tag that is followed; TagAndHEAD,
    /// both; Range, every commit since the one that was applied last. Without it, HEAD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Name of a Secret of which each entry holds public keys of those who may sign: armored OpenPGP keys, SSH
    /// keys, or lines of allowed_signers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretReference>,
    /// Public keys of those who may sign, of the same sorts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 32),
        inner(length(min = 1, max = 32768)),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub keys: Option<Vec<String>>,
    /// Whether a commit is refused that does not descend from the one that was applied last. A revert on top of it
    /// does.
    #[serde(default)]
    pub no_rollback: bool,
}

impl Verify {
    /// What has to be signed, if anything has.
    pub fn wanted(&self) -> Option<Mode> {
        let has_keys = self.secret_ref.is_some() || self.keys.is_some();
        self.mode.or(has_keys.then_some(Mode::Head))
    }
}

//! How an app's encrypted files are decrypted, as it says it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reference::SecretReference;

/// What encrypted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// SOPS.
    #[default]
    Sops,
}

/// How files and objects that are encrypted are decrypted. Without it, none is applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decryption {
    /// What encrypted them: sops.
    #[serde(default)]
    pub provider: Provider,
    /// Name of a Secret with the keys: entries that end with .agekey hold age keys, those that end with .asc OpenPGP
    /// keys, and sops.vault-token a token for the Vault at sops.vault-address. Without it, only the daemon's own access
    /// to a key management service is used, if its operator allows that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretReference>,
}

//! Whether a commit or a tag is signed by somebody who may say what runs. Pure: what was signed, the signature,
//! the keys and the time go in, and who signed comes out, or why it does not count.

pub mod keys;
mod openpgp;
pub mod refused;
pub mod signed;
mod ssh;

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use keys::{BadKeys, Keyring};
pub use refused::Refused;
pub use signed::Signed;

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

/// The key that signed, as people compare it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Key {
    /// Fingerprint of an OpenPGP certificate, or what a signature says of one that is not known.
    OpenPgp(String),
    /// Fingerprint of an SSH key.
    Ssh(String),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenPgp(fingerprint) => write!(f, "OpenPGP key {fingerprint}"),
            Self::Ssh(fingerprint) => write!(f, "SSH key {fingerprint}"),
        }
    }
}

/// Who signed this, if that is one of the keys and counts now.
pub fn signer(signed: &Signed, keys: &Keyring, now: Timestamp) -> Result<Key, Refused> {
    let is = |begin: &str| signed.signature.starts_with(begin.as_bytes());
    if is(signed::OPENPGP) || is(signed::OPENPGP_MESSAGE) {
        openpgp::signer(signed, keys.certificates(), now)
    } else if is(signed::SSH) {
        ssh::signer(signed, keys.signers(), now)
    } else if is(signed::X509) {
        Err(Refused::Unreadable { why: "it is of X.509, and OpenPGP or SSH is needed".to_owned() })
    } else {
        Err(Refused::Unreadable { why: "it is neither of OpenPGP nor of SSH".to_owned() })
    }
}

#[cfg(test)]
mod tests;

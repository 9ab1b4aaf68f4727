//! Whether a commit or a tag is signed by somebody who may say what runs. Pure: what was signed, the signature,
//! the keys and the time go in, and who signed comes out, or why it does not count.

pub mod keys;
mod openpgp;
pub mod refused;
pub mod signed;
mod ssh;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use keys::{BadKeys, Keyring};
pub use refused::Refused;
pub use signed::Signed;

pub use crate::api::verify::Mode;

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

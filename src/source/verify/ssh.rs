//! Signatures of SSH keys, as `git` makes them by `ssh-keygen -Y sign`.

use jiff::Timestamp;
use ssh_key::public::KeyData;
use ssh_key::{Error, HashAlg, PublicKey, SshSig};

use super::refused::words;
use super::{Key, Refused, Signed};

/// What signatures of git are made for.
const NAMESPACE: &str = "git";
/// Flag of a hardware key's signature: somebody has touched it.
const TOUCHED: u8 = 1;
/// Bytes at the end of such a signature: flags and a counter.
const TRAILER: usize = 5;

/// A key that may sign, as a line of `allowed_signers` says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedSigner {
    /// The key.
    pub key: PublicKey,
    /// From when on.
    pub after: Option<Timestamp>,
    /// Until when.
    pub before: Option<Timestamp>,
    /// What it may sign; anything if that is not said.
    pub namespaces: Option<Vec<String>>,
}

/// Who signed this, if that is one of these.
pub fn signer(signed: &Signed, signers: &[AllowedSigner], now: Timestamp) -> Result<Key, Refused> {
    let signature = SshSig::from_pem(trimmed(&signed.signature));
    let signature = signature.map_err(|error| Refused::unreadable(&error))?;
    let key = Key::Ssh(signature.public_key().fingerprint(HashAlg::Sha256).to_string());
    let known: Vec<_> =
        signers.iter().filter(|known| known.key.key_data() == signature.public_key()).collect();
    let Some(first) = known.first() else { return Err(Refused::UnknownKey { key }) };
    check(first, signed, &signature, &key)?;
    // The time of a commit is its maker's own word.
    let made = Timestamp::from_second(signed.time).unwrap_or(Timestamp::MAX);
    let mut found = Err(Refused::UnknownKey { key: key.clone() });
    for known in known {
        found = allowed(known, &key, [made, now]);
        if found.is_ok() {
            break;
        }
    }
    found.map(|()| key)
}

/// The signature as the crate reads it: git leaves an empty line after it.
fn trimmed(signature: &[u8]) -> &[u8] {
    signature.trim_ascii_end()
}

/// Whether the signature fits.
fn check(
    signer: &AllowedSigner,
    signed: &Signed,
    signature: &SshSig,
    key: &Key,
) -> Result<(), Refused> {
    let key = || key.clone();
    match signer.key.verify(NAMESPACE, &signed.payload, signature) {
        Ok(()) if is_touched(signature) => Ok(()),
        Ok(()) => Err(Refused::unfit(key(), &"the hardware key was not touched")),
        Err(Error::Namespace) => {
            Err(Refused::OtherPurpose { key: key(), purpose: words(signature.namespace()) })
        }
        Err(Error::AlgorithmUnknown | Error::AlgorithmUnsupported { .. }) => {
            Err(Refused::unfit(key(), &"its algorithm is not supported, or no longer safe"))
        }
        Err(_) => Err(Refused::Altered { key: key() }),
    }
}

/// Whether somebody has touched the hardware key that made the signature, if one did.
fn is_touched(signature: &SshSig) -> bool {
    let is_hardware =
        matches!(signature.public_key(), KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_));
    let bytes = signature.signature_bytes();
    let flags = bytes.len().checked_sub(TRAILER).and_then(|at| bytes.get(at));
    !is_hardware || flags.is_some_and(|flags| flags & TOUCHED != 0)
}

/// Whether a line lets the key sign commits, at all of these times.
fn allowed(signer: &AllowedSigner, key: &Key, times: [Timestamp; 2]) -> Result<(), Refused> {
    let key = || key.clone();
    let is_git = |pattern: &String| matches!(pattern.as_str(), NAMESPACE | "*");
    if !signer.namespaces.as_ref().is_none_or(|all| all.iter().any(is_git)) {
        return Err(Refused::unfit(key(), &"its namespaces do not have git"));
    }
    if times.iter().any(|time| signer.before.is_some_and(|before| *time > before)) {
        return Err(Refused::Expired { key: key() });
    }
    if times.iter().any(|time| signer.after.is_some_and(|after| *time < after)) {
        return Err(Refused::NotYetValid { key: key() });
    }
    Ok(())
}

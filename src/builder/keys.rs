//! The keys that decrypt an app's files.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sequoia_openpgp::cert::CertParser;
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::serialize::SerializeInto as _;
use sha2::{Digest as _, Sha256};

use crate::source::{SourceError, mounted};

/// Where the keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// Here.
    Given(Arc<Keys>),
    /// In files, or folders of them, which are read anew each time.
    Files(Vec<PathBuf>),
}

impl KeySource {
    /// The keys as they are now.
    pub fn read(&self) -> Result<Arc<Keys>, SourceError> {
        let places = match self {
            Self::Given(keys) => return Ok(keys.clone()),
            Self::Files(places) => places,
        };
        let mut entries = BTreeMap::new();
        for place in places {
            for file in mounted::files(place).map_err(|error| unreadable(place, &error))? {
                let text = mounted::text(&file).map_err(|error| unreadable(&file, &error))?;
                let mut name = file.display().to_string();
                // A file that is given itself may have any name, as sops' own keys.txt has.
                if file == *place && is_age(&text) {
                    name.push_str(AGE_END);
                }
                entries.insert(name, text);
            }
        }
        let unusable = |bad: BadKeys| SourceError::DecryptionKeysUnusable { why: bad.to_string() };
        Keys::of(&entries).map(Arc::new).map_err(unusable)
    }
}

/// The end of the names of entries with age keys.
const AGE_END: &str = ".agekey";

/// Whether a text holds an age key.
fn is_age(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.contains("AGE-SECRET-KEY-"))
}

fn unreadable(place: &Path, error: &io::Error) -> SourceError {
    SourceError::DecryptionKeysUnusable { why: format!("{}: {error}", place.display()) }
}

/// Keys that decrypt, and what else gives access to such. Never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// Keys of age, a line each.
    pub(super) age: String,
    /// Secret keys of OpenPGP, as a ring of the old format.
    pub(super) pgp: Vec<u8>,
    /// Token for Vault.
    pub(super) vault_token: Option<String>,
    /// Addresses of Vaults that it is for.
    pub(super) vault_address: Option<String>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

/// Why keys cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKeys {
    /// An entry is no such key.
    #[error("the entry {name} holds no {what}")]
    NotAKey {
        /// Its name.
        name: String,
        /// What it should hold.
        what: &'static str,
    },
    /// A key that is not taken for one.
    #[error(
        "the entry {name} holds an age key, but only entries that end with .agekey are read as such: rename it"
    )]
    Misnamed {
        /// Its name.
        name: String,
    },
    /// There are none.
    #[error(
        "it holds no keys: entries that end with .agekey hold age keys, those that end with .asc OpenPGP keys, and sops.vault-token a token for the Vault at sops.vault-address"
    )]
    None,
}

impl Keys {
    /// The keys in the entries of a Secret, or in files of such names. (The names are those that users of Flux have.)
    pub fn of(entries: &BTreeMap<String, Vec<u8>>) -> Result<Self, BadKeys> {
        let mut keys = Self::default();
        for (name, content) in entries {
            keys.add(name, content)?;
        }
        if keys != Self::default() {
            return Ok(keys);
        }
        let misnamed = entries.iter().find(|(_, content)| is_age(content));
        Err(misnamed.map_or(BadKeys::None, |(name, _)| BadKeys::Misnamed { name: name.clone() }))
    }

    fn add(&mut self, name: &str, content: &[u8]) -> Result<(), BadKeys> {
        let bad = |what| BadKeys::NotAKey { name: name.to_owned(), what };
        let text = std::str::from_utf8(content).map(str::trim);
        let end = Path::new(name).extension().and_then(|end| end.to_str());
        if end == Some("agekey") {
            let text = text.ok().filter(|text| is_age(text.as_bytes()));
            let text = text.ok_or_else(|| bad("AGE-SECRET-KEY"))?;
            self.age.extend([text, "\n"]);
        } else if end == Some("asc") {
            self.pgp.extend(ring(content).ok_or_else(|| bad("armored secret OpenPGP key"))?);
        } else if name.ends_with("sops.vault-token") {
            self.vault_token = Some(text.map_err(|_| bad("token"))?.to_owned());
        } else if name.ends_with("sops.vault-address") {
            self.vault_address = Some(text.map_err(|_| bad("address"))?.to_owned());
        }
        Ok(())
    }

    /// Tells these keys from any others.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let mut all = Sha256::new();
        for part in [
            self.age.as_bytes(),
            &self.pgp,
            self.vault_token.as_deref().unwrap_or_default().as_bytes(),
            self.vault_address.as_deref().unwrap_or_default().as_bytes(),
        ] {
            all.update((part.len() as u64).to_le_bytes());
            all.update(part);
        }
        all.finalize().into()
    }
}

/// Armored secret keys as sops reads them, which knows only the binary form.
fn ring(armored: &[u8]) -> Option<Vec<u8>> {
    let mut ring = Vec::new();
    for cert in CertParser::from_bytes(armored).ok()? {
        let cert = cert.ok().filter(sequoia_openpgp::Cert::is_tsk)?;
        ring.extend(cert.as_tsk().to_vec().ok()?);
    }
    (!ring.is_empty()).then_some(ring)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_by_the_names_of_their_entries() {
        let check = |name: &str, content: &str, expect: &str| {
            let found = Keys::of(&BTreeMap::from([(name.to_owned(), content.into())]));
            let said = found.map_or_else(|bad| bad.to_string(), |keys| format!("{keys:?}"));
            assert!(said.contains(expect), "{name}: {said}");
            assert!(!said.contains("hunter2"), "{said}");
        };
        check("a.agekey", "# made\nAGE-SECRET-KEY-1HUNTER2\n", "Keys(..)");
        check("a.agekey", "hunter2", "a.agekey holds no AGE-SECRET-KEY");
        check("a.asc", "hunter2", "a.asc holds no armored secret OpenPGP key");
        check("sops.vault-token", "hunter2", "Keys(..)");
        check("identity", "hunter2", "it holds no keys");
        check("age.key", "AGE-SECRET-KEY-1HUNTER2", "the entry age.key holds an age key, but only");
    }

    #[test]
    fn a_file_that_is_given_itself_may_have_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.txt");
        std::fs::write(&file, "AGE-SECRET-KEY-1HUNTER2").unwrap();
        let check = |place: &Path, is_read: bool| {
            let read = KeySource::Files(vec![place.to_owned()]).read();
            assert_eq!(read.is_ok(), is_read, "{}", place.display());
        };
        check(&file, true);
        check(folder.path(), false);
        std::fs::write(&file, "hunter2").unwrap();
        check(&file, false);
    }
}

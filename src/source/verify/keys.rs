//! The keys that may sign: OpenPGP certificates, SSH keys, and lines of `allowed_signers`, told apart by what
//! they look like.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use jiff::civil::DateTime;
use jiff::{Timestamp, tz::TimeZone};
use sequoia_openpgp::cert::CertParser;
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::{Cert, Fingerprint};
use sha2::{Digest, Sha256};
use ssh_key::public::KeyData;
use ssh_key::{Algorithm, PublicKey};

use super::ssh::AllowedSigner;

/// Begin of an armored OpenPGP certificate.
const CERTIFICATE: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
/// Bits of an RSA key that is too short to be trusted.
const SHORT: usize = 2048;

/// The keys that may sign.
#[derive(Clone, Debug)]
pub struct Keyring {
    certificates: Vec<Cert>,
    signers: Vec<AllowedSigner>,
    /// Tells these keys from any others.
    pub id: [u8; 32],
}

/// Why keys cannot be used. It quotes nothing of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKeys {
    /// There are none.
    #[error("{place} has no key: put the public keys there of those who may sign")]
    None {
        /// Where they are looked for.
        place: String,
    },
    /// One is private.
    #[error(
        "{place} has a private key: put its public key there, and replace it, for others may have seen it"
    )]
    Private {
        /// Where it is.
        place: String,
    },
    /// It looks like no key.
    #[error(
        "{place} is neither an armored OpenPGP public key, nor an SSH public key, nor a line of allowed_signers"
    )]
    Unreadable {
        /// Where it is.
        place: String,
    },
    /// It is a key that would say less than it should.
    #[error("{place} cannot be used: {why}")]
    Unsupported {
        /// Where it is.
        place: String,
        /// What is the matter.
        why: &'static str,
    },
}

impl Keyring {
    /// The keys in these texts, each with the name of the place that it is from.
    pub fn parse<'a>(
        texts: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        place: &str,
    ) -> Result<Self, BadKeys> {
        let mut all = Self { certificates: Vec::new(), signers: Vec::new(), id: [0; 32] };
        let mut hash = Sha256::new();
        for (place, text) in texts {
            hash.update(text.len().to_be_bytes());
            hash.update(text);
            all.add(place, text)?;
        }
        all.id = hash.finalize().into();
        all.certificates = merged(all.certificates);
        let is_empty = all.certificates.is_empty() && all.signers.is_empty();
        if is_empty { Err(BadKeys::None { place: place.to_owned() }) } else { Ok(all) }
    }

    /// The keys of all of these.
    #[must_use]
    pub fn joined(keyrings: Vec<Self>) -> Self {
        let mut hash = Sha256::new();
        let (mut certificates, mut signers) = (Vec::new(), Vec::new());
        for mut keyring in keyrings {
            hash.update(keyring.id);
            certificates.append(&mut keyring.certificates);
            signers.append(&mut keyring.signers);
        }
        Self { certificates: merged(certificates), signers, id: hash.finalize().into() }
    }

    /// Certificates of OpenPGP.
    pub fn certificates(&self) -> &[Cert] {
        &self.certificates
    }

    /// SSH keys.
    pub fn signers(&self) -> &[AllowedSigner] {
        &self.signers
    }

    fn add(&mut self, place: &str, text: &[u8]) -> Result<(), BadKeys> {
        let place = || place.to_owned();
        let text = str::from_utf8(text).map_err(|_| BadKeys::Unreadable { place: place() })?;
        if text.contains("PRIVATE KEY") {
            return Err(BadKeys::Private { place: place() });
        }
        let before = self.certificates.len() + self.signers.len();
        let (lines, armored) = text.split_at(text.find(CERTIFICATE).unwrap_or(text.len()));
        for (number, line) in (1..).zip(lines.lines()) {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                self.signers.push(signer(line, || format!("{}, line {number},", place()))?);
            }
        }
        for block in armored.split(CERTIFICATE).skip(1) {
            self.add_certificates(&place(), &format!("{CERTIFICATE}{block}"))?;
        }
        let is_more = self.certificates.len() + self.signers.len() > before;
        if is_more { Ok(()) } else { Err(BadKeys::None { place: place() }) }
    }

    fn add_certificates(&mut self, place: &str, armored: &str) -> Result<(), BadKeys> {
        let place = || place.to_owned();
        let unreadable = |_| BadKeys::Unreadable { place: place() };
        for cert in CertParser::from_bytes(armored.as_bytes()).map_err(unreadable)? {
            let cert = cert.map_err(unreadable)?;
            if cert.is_tsk() {
                return Err(BadKeys::Private { place: place() });
            }
            self.certificates.push(cert);
        }
        Ok(())
    }
}

/// Copies of one certificate as one that says what any of them says: beside an older copy, one that was revoked is
/// revoked, and one that was extended goes on.
fn merged(certificates: Vec<Cert>) -> Vec<Cert> {
    let mut all: BTreeMap<Fingerprint, Cert> = BTreeMap::new();
    for cert in certificates {
        let whole = match all.remove(&cert.fingerprint()) {
            Some(known) => known.clone().merge_public(cert).unwrap_or(known),
            None => cert,
        };
        all.insert(whole.fingerprint(), whole);
    }
    all.into_values().collect()
}

/// A line of `allowed_signers`, or a public key as `ssh-keygen` writes it.
fn signer(line: &str, place: impl Fn() -> String) -> Result<AllowedSigner, BadKeys> {
    let unreadable = || BadKeys::Unreadable { place: place() };
    let unsupported = |why| BadKeys::Unsupported { place: place(), why };
    let words = words(line).ok_or_else(unreadable)?;
    // A principal such as bob@example.com could be the name of an algorithm that is not known.
    let is_kind = |word: &&str| {
        Algorithm::from_str(word).is_ok_and(|kind| !matches!(kind, Algorithm::Other(_)))
    };
    let at = words.iter().position(is_kind).ok_or_else(unreadable)?;
    let [kind, key] =
        words.get(at..at + 2).and_then(|two| two.try_into().ok()).ok_or_else(unreadable)?;
    let key = PublicKey::from_openssh(&format!("{kind} {key}")).map_err(|_| unreadable())?;
    if !is_supported(key.key_data()) {
        return Err(unsupported("use a key of ed25519, ecdsa, or rsa with 2048 bits or more"));
    }
    let mut signer = AllowedSigner { key, after: None, before: None, namespaces: None };
    match at {
        // Of the principals git takes whichever there are.
        0 | 1 => {}
        2 => {
            for option in split(words[1], ',').ok_or_else(unreadable)? {
                apply(option, &mut signer).map_err(unsupported)?;
            }
        }
        _ => return Err(unreadable()),
    }
    Ok(signer)
}

/// Takes over an option of a line. One that is not known may be a restriction.
fn apply(option: &str, signer: &mut AllowedSigner) -> Result<(), &'static str> {
    let (name, value) = option.split_once('=').unwrap_or((option, ""));
    let value = value.trim_matches('"');
    let time = || moment(value).ok_or("write times as YYYYMMDD or YYYYMMDDHHMM[SS], in UTC");
    match name.to_ascii_lowercase().as_str() {
        "valid-after" => signer.after = Some(time()?),
        "valid-before" => signer.before = Some(time()?),
        "namespaces" if value.contains('!') => {
            return Err("it has a namespace with ! before it: name those that the key may sign");
        }
        "namespaces" => {
            signer.namespaces = Some(value.split(',').map(|name| name.trim().to_owned()).collect());
        }
        "cert-authority" => {
            return Err("certificates of SSH are not supported: name the keys themselves");
        }
        _ => return Err("it has an option other than namespaces, valid-after and valid-before"),
    }
    Ok(())
}

/// A time as `ssh-keygen` writes it. Without a time zone it would be that of the machine, which is UTC here.
fn moment(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if !matches!(text.len(), 8 | 12 | 14) {
        return None;
    }
    let time = DateTime::strptime("%Y%m%d%H%M%S", format!("{text:0<14}")).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn is_supported(key: &KeyData) -> bool {
    match key {
        KeyData::Ed25519(_)
        | KeyData::Ecdsa(_)
        | KeyData::SkEd25519(_)
        | KeyData::SkEcdsaSha2NistP256(_) => true,
        KeyData::Rsa(key) => {
            key.n.as_positive_bytes().is_some_and(|bytes| bytes.len() * 8 >= SHORT)
        }
        _ => false,
    }
}

/// The words of a line, of which quotes hold together what has blanks.
fn words(line: &str) -> Option<Vec<&str>> {
    let words = split(line, ' ')?;
    Some(words.into_iter().map(str::trim).filter(|word| !word.is_empty()).collect())
}

/// Splits a text outside of quotes. `None` if they do not end.
fn split(text: &str, at: char) -> Option<Vec<&str>> {
    let mut is_quoted = false;
    let parts = text
        .split(|c: char| {
            is_quoted ^= c == '"';
            !is_quoted && (c == at || at == ' ' && c == '\t')
        })
        .collect();
    (!is_quoted).then_some(parts)
}

//! Signatures of OpenPGP. What a key may do, and when, is judged by Sequoia's standard policy.

use std::time::SystemTime;

use jiff::Timestamp;
use sequoia_openpgp::cert::amalgamation::key::ValidErasedKeyAmalgamation;
use sequoia_openpgp::cert::amalgamation::{ValidAmalgamation as _, ValidateAmalgamation as _};
use sequoia_openpgp::packet::key::PublicParts;
use sequoia_openpgp::packet::signature::subpacket::CLOCK_SKEW_TOLERANCE;
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::parse::stream::{
    DetachedVerifierBuilder, GoodChecksum, MessageLayer, MessageStructure, VerificationError,
    VerificationHelper,
};
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::types::RevocationStatus;
use sequoia_openpgp::{Cert, KeyHandle};

use super::{Key, Refused, Signed};

/// Who signed this, if that is one of these certificates, counted when it was made and still does.
pub fn signer(signed: &Signed, certificates: &[Cert], now: Timestamp) -> Result<Key, Refused> {
    let policy = StandardPolicy::new();
    let now = SystemTime::from(now);
    let judge = Judge { certificates, policy: &policy, now, verdict: Err(Refused::Unsigned) };
    // The clock of whoever has signed it may be ahead of ours.
    let until = now + CLOCK_SKEW_TOLERANCE;
    let verifier = DetachedVerifierBuilder::from_bytes(&signed.signature)
        .and_then(|builder| builder.with_policy(&policy, until, judge));
    let mut verifier = verifier.map_err(|error| Refused::unreadable(&error))?;
    verifier.verify_bytes(&signed.payload).map_err(|error| Refused::unreadable(&error))?;
    verifier.into_helper().verdict
}

struct Judge<'a> {
    certificates: &'a [Cert],
    policy: &'a StandardPolicy<'a>,
    now: SystemTime,
    verdict: Result<Key, Refused>,
}

impl VerificationHelper for Judge<'_> {
    fn get_certs(&mut self, _: &[KeyHandle]) -> sequoia_openpgp::Result<Vec<Cert>> {
        Ok(self.certificates.to_vec())
    }

    /// Of several signatures one that counts is enough.
    fn check(&mut self, structure: MessageStructure<'_>) -> sequoia_openpgp::Result<()> {
        for layer in structure {
            let MessageLayer::SignatureGroup { results } = layer else { continue };
            for result in results {
                let verdict = match result {
                    Ok(GoodChecksum { ka, .. }) => self.still(&ka),
                    Err(error) => Err(refused(error)),
                };
                if self.verdict.is_err() {
                    self.verdict = verdict;
                }
            }
        }
        Ok(())
    }
}

impl Judge<'_> {
    /// The key, if it counts now as it did when it was used: that time is the signer's own word.
    fn still(&self, used: &ValidErasedKeyAmalgamation<'_, PublicParts>) -> Result<Key, Refused> {
        let key = named(used.cert());
        let now = used.with_policy(self.policy, self.now);
        let now = now.map_err(|error| Refused::unfit(key.clone(), &error))?;
        match obstacle(&now) {
            Some(refused) => Err(refused),
            None if now.for_signing() => Ok(key),
            None => Err(Refused::unfit(key, &"it is not for signing")),
        }
    }
}

fn named(cert: &Cert) -> Key {
    Key::OpenPgp(cert.fingerprint().to_hex())
}

/// What keeps a key from being used at a time.
fn obstacle(at: &ValidErasedKeyAmalgamation<'_, PublicParts>) -> Option<Refused> {
    let (key, cert) = (named(at.cert()), at.valid_cert());
    let is_revoked = |status| matches!(status, RevocationStatus::Revoked(_));
    if is_revoked(cert.revocation_status()) || is_revoked(at.revocation_status()) {
        return Some(Refused::Revoked { key });
    }
    let error = cert.alive().and_then(|()| at.alive()).err()?;
    match error.downcast_ref() {
        Some(sequoia_openpgp::Error::Expired(_)) => Some(Refused::Expired { key }),
        Some(sequoia_openpgp::Error::NotYetLive(_)) => Some(Refused::NotYetValid { key }),
        _ => Some(Refused::unfit(key, &error)),
    }
}

fn refused(error: VerificationError<'_>) -> Refused {
    match error {
        VerificationError::MissingKey { sig } => {
            let issuer = sig.get_issuers().first().map(KeyHandle::to_hex);
            let key = Key::OpenPgp(issuer.unwrap_or_else(|| "of no name".to_owned()));
            Refused::UnknownKey { key }
        }
        VerificationError::UnboundKey { cert, error, .. } => Refused::unfit(named(cert), &error),
        VerificationError::BadKey { ka, error, .. } => {
            obstacle(&ka).unwrap_or_else(|| Refused::unfit(named(ka.cert()), &error))
        }
        VerificationError::BadSignature { ka, error, .. } => bad(named(ka.cert()), &error),
        VerificationError::MalformedSignature { error, .. } => Refused::unreadable(&error),
        VerificationError::UnknownSignature { sig } => Refused::unreadable(sig.error()),
        other => Refused::unreadable(&other),
    }
}

/// A signature that does not fit, or is made in a way that is no longer safe.
fn bad(key: Key, error: &sequoia_openpgp::anyhow::Error) -> Refused {
    use sequoia_openpgp::Error::{BadSignature, ManipulatedMessage};
    match error.downcast_ref() {
        Some(BadSignature(_) | ManipulatedMessage) => Refused::Altered { key },
        _ => Refused::unfit(key, error),
    }
}

//! Keys that are made for the test sign, and every reason why that may not count.

use std::io::Write as _;
use std::time::{Duration, SystemTime};

use sequoia_openpgp::Cert;
use sequoia_openpgp::cert::CertBuilder;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::SerializeInto as _;
use sequoia_openpgp::serialize::stream::{Armorer, Message, Signer};
use sequoia_openpgp::types::{HashAlgorithm, ReasonForRevocation};
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{HashAlg, LineEnding, PrivateKey};

use super::*;

/// When keys are made, in seconds since 1970.
const MADE: i64 = 1_767_225_600;
const DAY: i64 = 86_400;

fn at(day: i64) -> SystemTime {
    Timestamp::from_second(MADE + day * DAY).unwrap().into()
}

/// A certificate that is good for ten days, with a subkey for signing.
fn certificate(name: &str) -> Cert {
    let built = CertBuilder::general_purpose([format!("{name} <{name}@example.com>")])
        .set_creation_time(at(0))
        .set_validity_period(Duration::from_hours(240))
        .generate();
    built.unwrap().0
}

/// The certificate without its secrets, as text.
fn armored(cert: &Cert) -> Vec<u8> {
    cert.clone().strip_secret_key_material().armored().to_vec().unwrap()
}

fn revoked(cert: &Cert, day: i64, why: ReasonForRevocation) -> Cert {
    let policy = StandardPolicy::new();
    let primary = cert.primary_key().key().clone().parts_into_secret().unwrap();
    let signature = sequoia_openpgp::cert::CertRevocationBuilder::new()
        .set_reason_for_revocation(why, b"")
        .unwrap()
        .set_signature_creation_time(at(day))
        .unwrap()
        .build(&mut primary.into_keypair().unwrap(), cert, None);
    assert!(cert.with_policy(&policy, at(1)).is_ok());
    cert.clone().insert_packets(signature.unwrap()).unwrap().0
}

/// The same with nothing but its subkey for signing revoked.
fn subkey_revoked(cert: &Cert, day: i64, why: ReasonForRevocation) -> Cert {
    let policy = StandardPolicy::new();
    let primary = cert.primary_key().key().clone().parts_into_secret().unwrap();
    let mut subkeys = cert.keys().subkeys().with_policy(&policy, at(1)).for_signing();
    let subkey = subkeys.next().unwrap();
    let signature = sequoia_openpgp::cert::SubkeyRevocationBuilder::new()
        .set_reason_for_revocation(why, b"")
        .unwrap()
        .set_signature_creation_time(at(day))
        .unwrap()
        .build(&mut primary.into_keypair().unwrap(), cert, subkey.key(), None);
    cert.clone().insert_packets(signature.unwrap()).unwrap().0
}

/// A signature of this day.
fn signed(cert: &Cert, payload: &str, day: i64, hash: HashAlgorithm) -> Signed {
    let policy = StandardPolicy::new();
    let keys = cert.keys().with_policy(&policy, at(1)).secret().for_signing();
    let pair = keys.map(|key| key.key().clone().into_keypair().unwrap()).next().unwrap();
    let mut signature = Vec::new();
    let message = Armorer::new(Message::new(&mut signature))
        .kind(sequoia_openpgp::armor::Kind::Signature)
        .build()
        .unwrap();
    let signer = Signer::new(message, pair).unwrap().detached().creation_time(at(day));
    let mut signer = signer.hash_algo(hash).unwrap().build().unwrap();
    signer.write_all(payload.as_bytes()).unwrap();
    signer.finalize().unwrap();
    Signed { payload: payload.into(), signature, time: MADE + day * DAY }
}

/// The word of a verdict.
fn word(verdict: Result<Key, Refused>) -> String {
    match verdict {
        Ok(_) => "valid".to_owned(),
        Err(refused) => {
            let word = format!("{refused:?}");
            word.split([' ', '{']).next().unwrap_or_default().to_owned()
        }
    }
}

fn keyring(texts: &[&[u8]]) -> Keyring {
    Keyring::parse(texts.iter().map(|text| ("key", *text)), "keys").unwrap()
}

#[test]
fn openpgp_counts_while_the_key_does() {
    let (ada, bob) = (certificate("ada"), certificate("bob"));
    let hash = HashAlgorithm::SHA512;
    let good = signed(&ada, "commit", 2, hash);
    let check = |keys: &[&Cert], signed: &Signed, day: i64, expect: &str| {
        let texts: Vec<_> = keys.iter().map(|cert| armored(cert)).collect();
        let texts: Vec<_> = texts.iter().map(Vec::as_slice).collect();
        let now = Timestamp::try_from(at(day)).unwrap();
        let verdict = signer(signed, &keyring(&texts), now);
        assert_eq!(word(verdict.clone()), expect, "{verdict:?}");
    };
    check(&[&ada], &good, 3, "valid");
    check(&[&bob, &ada], &good, 3, "valid");
    check(&[&bob], &good, 3, "UnknownKey");
    check(&[&ada], &Signed { payload: "other".into(), ..good.clone() }, 3, "Altered");
    // Made in time, and late: when it was made is the signer's own word.
    check(&[&ada], &good, 11, "Expired");
    check(&[&ada], &signed(&ada, "commit", 12, hash), 13, "Expired");
    check(&[&ada], &signed(&ada, "commit", -1, hash), 3, "Unfit");
    check(&[&ada], &signed(&ada, "commit", 5, hash), 3, "Unfit");
    check(&[&ada], &signed(&ada, "commit", 2, HashAlgorithm::SHA1), 3, "Unfit");
    for why in [ReasonForRevocation::KeyCompromised, ReasonForRevocation::KeyRetired] {
        check(&[&revoked(&ada, 4, why)], &good, 5, "Revoked");
        check(&[&subkey_revoked(&ada, 4, why)], &good, 5, "Revoked");
    }
    // An older copy beside it does not bring it back.
    let gone = revoked(&ada, 4, ReasonForRevocation::KeyCompromised);
    check(&[&ada, &gone], &good, 5, "Revoked");
    check(&[&gone, &ada], &good, 5, "Revoked");
    // A key that is retired tomorrow is good today.
    check(&[&revoked(&ada, 4, ReasonForRevocation::KeyRetired)], &good, 3, "valid");
    check(
        &[&ada],
        &Signed { signature: good.signature[..90].to_vec(), ..good.clone() },
        3,
        "Unreadable",
    );
}

#[test]
fn a_clock_that_is_a_little_ahead_does_not_matter() {
    let ada = certificate("ada");
    let (keys, good) =
        (keyring(&[&armored(&ada)]), signed(&ada, "commit", 2, HashAlgorithm::SHA512));
    let check = |ahead: i64, expect: &str| {
        let now = Timestamp::from_second(MADE + 2 * DAY - ahead).unwrap();
        assert_eq!(word(signer(&good, &keys, now)), expect, "{ahead}");
    };
    check(0, "valid");
    check(60, "valid");
    check(3600, "Unfit");
}

#[test]
fn keys_of_several_places_are_one_ring() {
    let ada = certificate("ada");
    let good = signed(&ada, "commit", 2, HashAlgorithm::SHA512);
    let gone = revoked(&ada, 4, ReasonForRevocation::KeyCompromised);
    let rings = [&ada, &gone].map(|cert| keyring(&[&armored(cert)]));
    let now = Timestamp::try_from(at(5)).unwrap();
    assert_eq!(word(signer(&good, &Keyring::joined(rings.into()), now)), "Revoked");
}

fn ssh(seed: u8) -> PrivateKey {
    PrivateKey::new(KeypairData::Ed25519(Ed25519Keypair::from_seed(&[seed; 32])), "c").unwrap()
}

fn ssh_signed(key: &PrivateKey, namespace: &str, payload: &str, day: i64) -> Signed {
    let signature = key.sign(namespace, HashAlg::Sha512, payload.as_bytes()).unwrap();
    let signature = signature.to_pem(LineEnding::LF).unwrap().into_bytes();
    Signed { payload: payload.into(), signature, time: MADE + day * DAY }
}

#[test]
fn ssh_counts_while_the_line_says_so() {
    let (ada, bob) = (ssh(1), ssh(2));
    let public = |key: &PrivateKey| key.public_key().to_openssh().unwrap();
    let (ada_line, bob_line) = (public(&ada), public(&bob));
    let good = ssh_signed(&ada, "git", "commit", 2);
    let check = |lines: &str, signed: &Signed, day: i64, expect: &str| {
        let now = Timestamp::from_second(MADE + day * DAY).unwrap();
        let verdict = signer(signed, &keyring(&[lines.as_bytes()]), now);
        assert_eq!(word(verdict.clone()), expect, "{lines}: {verdict:?}");
    };
    check(&ada_line, &good, 3, "valid");
    check(&format!("# Both\n\n{bob_line}\n{ada_line}\n"), &good, 3, "valid");
    check(&bob_line, &good, 3, "UnknownKey");
    check(&ada_line, &Signed { payload: "other".into(), ..good.clone() }, 3, "Altered");
    check(&ada_line, &ssh_signed(&ada, "file", "commit", 2), 3, "OtherPurpose");
    let line = |options: &str| format!("a@example.com,\"b c@example.com\" {options} {ada_line}");
    check(&line(""), &good, 3, "valid");
    check(&line("namespaces=\"file,git\""), &good, 3, "valid");
    check(&line("namespaces=\"file\""), &good, 3, "Unfit");
    // 2026-01-03 is the day 2.
    check(&line("valid-after=\"20260102\",valid-before=\"20260105Z\""), &good, 3, "valid");
    check(&line("valid-before=\"20260105\""), &good, 5, "Expired");
    check(&line("valid-before=\"202601021200\""), &good, 3, "Expired");
    check(&line("VALID-AFTER=\"20260103000001\""), &good, 3, "NotYetValid");
    // One line that lets it sign is enough.
    let both = format!("{}\n{}", line("valid-before=\"20200101\""), line("namespaces=\"git\""));
    check(&both, &good, 3, "valid");
    let mut cut = good.clone();
    cut.signature.truncate(100);
    check(&ada_line, &cut, 3, "Unreadable");
    let other = |begin: &str| Signed { signature: begin.into(), ..good.clone() };
    check(&ada_line, &other(signed::X509), 3, "Unreadable");
    check(&ada_line, &other("x"), 3, "Unreadable");
    // Keys of one sort say nothing of signatures of the other.
    let openpgp = signed(&certificate("ada"), "commit", 2, HashAlgorithm::SHA512);
    check(&ada_line, &openpgp, 3, "UnknownKey");
}

#[test]
fn what_is_no_key_is_said_and_not_shown() {
    let ada = ssh(1);
    let line = ada.public_key().to_openssh().unwrap();
    let cert = certificate("ada");
    let check = |text: &[u8], expect: &str| {
        let found = Keyring::parse([("ada.pub", text)], "Secret a/keys");
        let shown = match &found {
            Ok(keys) => format!("{} + {}", keys.certificates().len(), keys.signers().len()),
            Err(bad) => format!("{bad:?}: {bad}"),
        };
        assert!(shown.contains(expect), "{shown}, not {expect}");
        assert!(found.is_ok() || !shown.contains("AAAA"), "{shown}");
    };
    let public = String::from_utf8(armored(&cert)).unwrap();
    check(line.as_bytes(), "0 + 1");
    check(format!("{line}\r\n{public}\n{public}").as_bytes(), "1 + 1");
    check(b"", "None");
    check(b"# nothing\n", "ada.pub has no key");
    check(&cert.as_tsk().armored().to_vec().unwrap(), "Private");
    check(ada.to_openssh(LineEnding::LF).unwrap().as_bytes(), "Private");
    check(b"\n\nhunter2", "ada.pub, line 3, is neither");
    check(b"ssh-ed25519 AAAA", "Unreadable");
    check(b"bob@example.com hunter2", "Unreadable");
    check(b"\xff\xfe", "Unreadable");
    check(format!("a b c {line}").as_bytes(), "Unreadable");
    check(format!("a cert-authority {line}").as_bytes(), "certificates of SSH");
    check(format!("a no-touch-required {line}").as_bytes(), "other than");
    check(format!("a valid-after=soon {line}").as_bytes(), "YYYYMMDD");
    check(format!("a namespaces=\"git {line}").as_bytes(), "Unreadable");
    check(format!("a namespaces=\"*,!git\" {line}").as_bytes(), "with ! before it");
    check(&public.as_bytes()[..200], "Unreadable");
    let none: [(&str, &[u8]); 0] = [];
    let bad = Keyring::parse(none, "Secret a/keys").unwrap_err();
    assert!(bad.to_string().starts_with("Secret a/keys has no key"), "{bad}");
    let id = |text: &str| keyring(&[text.as_bytes()]).id;
    assert_ne!(id(&line), id(&format!("{line}\n")));
}

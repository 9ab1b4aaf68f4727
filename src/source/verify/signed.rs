//! What of a commit or an annotated tag was signed, and the signature: as git itself takes them apart.
//!
//! libgit2's own function for it takes a line of the message for a signature, and joins what begins like one: what
//! it says was signed need not be what the commit says.

use super::Refused;

/// Begin of a detached OpenPGP signature.
pub(super) const OPENPGP: &str = "-----BEGIN PGP SIGNATURE-----";
/// Begin of one as some programs write it.
pub(super) const OPENPGP_MESSAGE: &str = "-----BEGIN PGP MESSAGE-----";
/// Begin of an SSH signature.
pub(super) const SSH: &str = "-----BEGIN SSH SIGNATURE-----";
/// Begin of an X.509 signature.
pub(super) const X509: &str = "-----BEGIN SIGNED MESSAGE-----";

/// Header of a commit that holds its signature.
const HEADER: &[u8] = b"gpgsig ";

/// What was signed, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// What was signed.
    pub payload: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
    /// When it was made, by whoever made it, in seconds since 1970.
    pub time: i64,
}

impl Signed {
    /// The parts of a commit, given as the text that its name is the hash of.
    pub fn commit(raw: &[u8], time: i64) -> Result<Self, Refused> {
        let end = position(raw, b"\n\n").map_or(raw.len(), |at| at + 1);
        let (headers, message) = raw.split_at(end);
        let (mut payload, mut signature) = (Vec::with_capacity(raw.len()), Vec::new());
        let mut is_inside = false;
        for line in headers.split_inclusive(|byte| *byte == b'\n') {
            is_inside &= line.starts_with(b" ");
            if let Some(first) = line.strip_prefix(HEADER) {
                if !signature.is_empty() {
                    return Err(Refused::unreadable(&"there are two"));
                }
                signature.extend_from_slice(first);
                is_inside = true;
            } else if is_inside {
                signature.extend_from_slice(&line[1..]);
            } else {
                payload.extend_from_slice(line);
            }
        }
        payload.extend_from_slice(message);
        if signature.is_empty() {
            Err(Refused::Unsigned)
        } else {
            Ok(Self { payload, signature, time })
        }
    }

    /// The parts of an annotated tag, whose signature is the end of its message.
    pub fn tag(raw: &[u8], time: i64) -> Result<Self, Refused> {
        let is_begin = |line: &[u8]| {
            [OPENPGP, OPENPGP_MESSAGE, SSH, X509].iter().any(|it| line.starts_with(it.as_bytes()))
        };
        let (mut at, mut begin) = (0, None);
        for line in raw.split_inclusive(|byte| *byte == b'\n') {
            if is_begin(line) {
                begin = Some(at);
            }
            at += line.len();
        }
        let (payload, signature) = raw.split_at(begin.ok_or(Refused::Unsigned)?);
        Ok(Self { payload: payload.to_vec(), signature: signature.to_vec(), time })
    }
}

fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_header_of_a_commit_is_its_signature() {
        let check = |raw: &str, expect: Result<(&str, &str), Refused>| {
            let found = Signed::commit(raw.as_bytes(), 0);
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
            let found = found.map(|signed| (text(signed.payload), text(signed.signature)));
            let expect = expect.map(|(a, b)| (a.to_owned(), b.to_owned()));
            assert_eq!(found, expect, "{raw}");
        };
        check(
            "tree t\ngpgsig A\n B\n \n C\nencoding x\n\ntext\n",
            Ok(("tree t\nencoding x\n\ntext\n", "A\nB\n\nC\n")),
        );
        // Headers of others go over several lines as well.
        check(
            "tree t\nmergetag m\n gpgsig A\ngpgsig B\n\n",
            Ok(("tree t\nmergetag m\n gpgsig A\n\n", "B\n")),
        );
        check("tree t\n\ngpgsig A\n", Err(Refused::Unsigned));
        check("tree t\ngpgsigtree A\n\n", Err(Refused::Unsigned));
        check("tree t\n\n", Err(Refused::Unsigned));
        check("", Err(Refused::Unsigned));
        check("tree t\ngpgsig A\ngpgsig B\n\n", Err(Refused::unreadable(&"there are two")));
    }

    #[test]
    fn the_last_signature_of_a_tag_is_the_one() {
        let check = |raw: &str, expect: Result<usize, Refused>| {
            let found = Signed::tag(raw.as_bytes(), 0).map(|signed| signed.payload.len());
            assert_eq!(found, expect, "{raw}");
        };
        check(&format!("object o\n\ntext\n{SSH}\nA\n"), Ok(15));
        check(&format!("object o\n\n{OPENPGP}\nA\n{SSH}\nB\n"), Ok(42));
        check(&format!("object o\n\ntext {SSH}\n"), Err(Refused::Unsigned));
    }
}

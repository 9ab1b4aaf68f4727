//! The file `known_hosts` of OpenSSH: which keys servers have.
//!
//! Keys are compared as they are sent, byte by byte, so that none has to be understood.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::hmac;
use sha2::{Digest, Sha256};

/// What `known_hosts` says of a key that a server shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the server's.
    Known,
    /// The server has other keys.
    Changed,
    /// It must not be used any more.
    Revoked,
    /// Nothing is said of the server but that an authority signs its keys.
    Certified,
    /// Nothing is said of the server.
    Unknown,
}

/// A line.
struct Line<'a> {
    marker: Option<&'a str>,
    hosts: &'a str,
    kind: &'a str,
    key: &'a str,
}

/// The lines that say something of a server. `port` is 22 where none is given.
fn lines<'a>(text: &'a str, host: &str, port: u16) -> impl Iterator<Item = Line<'a>> {
    let host = host.to_ascii_lowercase();
    let name = if port == 22 { host } else { format!("[{host}]:{port}") };
    text.lines().filter_map(parse).filter(move |line| names(line.hosts, &name))
}

/// What is said of a key of this server.
pub fn verdict(text: &str, host: &str, port: u16, key: &[u8]) -> Verdict {
    let key = STANDARD.encode(key);
    let (mut has_key, mut has_others, mut has_authority) = (false, false, false);
    for line in lines(text, host, port) {
        let is_same = line.key.trim_end_matches('=') == key.trim_end_matches('=');
        match line.marker {
            Some("@revoked") if is_same => return Verdict::Revoked,
            Some("@cert-authority") => has_authority = true,
            Some(_) => {}
            None if is_same => has_key = true,
            None => has_others = true,
        }
    }
    match (has_key, has_others, has_authority) {
        (true, ..) => Verdict::Known,
        (_, true, _) => Verdict::Changed,
        (.., true) => Verdict::Certified,
        _ => Verdict::Unknown,
    }
}

/// The lines about a server as libssh2 reads them, by which it asks for a kind of key that is known.
pub fn preferred(text: &str, host: &str, port: u16) -> String {
    let is_kind = |line: &Line<'_>| {
        line.kind == "ssh-rsa" || line.kind == "ssh-ed25519" || line.kind.starts_with("ecdsa-sha2-")
    };
    let known = lines(text, host, port).filter(|line| line.marker.is_none() && is_kind(line));
    let known = known.map(|line| format!("[{host}]:{port} {} {}", line.kind, line.key));
    known.chain([String::new()]).collect::<Vec<_>>().join("\n")
}

/// A key's fingerprint, as OpenSSH shows it.
pub fn fingerprint(key: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(key)))
}

fn parse(line: &str) -> Option<Line<'_>> {
    let mut words = line.split_whitespace();
    let first = words.next().filter(|word| !word.starts_with('#'))?;
    let marker = Some(first).filter(|word| word.starts_with('@'));
    let hosts = if marker.is_some() { words.next()? } else { first };
    let (kind, key) = (words.next()?, words.next()?);
    Some(Line { marker, hosts, kind, key })
}

/// Whether a list of names has this one: names, patterns, patterns that it must not be, or one that is hashed.
fn names(hosts: &str, name: &str) -> bool {
    if let Some(hashed) = hosts.strip_prefix("|1|") {
        return is_hash_of(hashed, name).unwrap_or(false);
    }
    let mut found = false;
    for pattern in hosts.split(',') {
        let (is_not, pattern) = pattern.strip_prefix('!').map_or((false, pattern), |it| (true, it));
        if glob(pattern.to_ascii_lowercase().as_bytes(), name.as_bytes()) {
            if is_not {
                return false;
            }
            found = true;
        }
    }
    found
}

fn is_hash_of(hashed: &str, name: &str) -> Option<bool> {
    let (salt, hash) = hashed.split_once('|')?;
    let (salt, hash) = (STANDARD.decode(salt).ok()?, STANDARD.decode(hash).ok()?);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
    Some(hmac::verify(&key, name.as_bytes(), &hash).is_ok())
}

/// Whether a name is like a pattern with `*` and `?`.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=name.len()).any(|at| glob(rest, &name[at..])),
        (Some((b'?', rest)), Some((_, name))) => glob(rest, name),
        (Some((p, rest)), Some((n, name))) => p == n && glob(rest, name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_the_lines_of_its_server() {
        let key = STANDARD.encode("key");
        let check = |lines: &[&str], host: &str, port: u16, expect: Verdict| {
            let text = lines.join("\n").replace("KEY", &key);
            assert_eq!(verdict(&text, host, port, b"key"), expect, "{text}");
        };
        let known = "git.example ssh-ed25519 KEY comment";
        check(&[known], "git.example", 22, Verdict::Known);
        check(&[known], "Git.Example", 22, Verdict::Known);
        check(&["  git.example\tssh-ed25519   KEY"], "git.example", 22, Verdict::Known);
        check(&[known], "git.example", 2222, Verdict::Unknown);
        check(&[known], "other.example", 22, Verdict::Unknown);
        check(&["# git.example ssh-ed25519 KEY", ""], "git.example", 22, Verdict::Unknown);
        check(&["[git.example]:2222 ssh-ed25519 KEY"], "git.example", 2222, Verdict::Known);
        check(&["a,git.example,10.0.0.1 ssh-rsa KEY"], "10.0.0.1", 22, Verdict::Known);
        check(&["*.example ssh-rsa KEY"], "git.example", 22, Verdict::Known);
        check(&["g?t.example ssh-rsa KEY"], "git.example", 22, Verdict::Known);
        check(&["*.example,!git.example ssh-rsa KEY"], "git.example", 22, Verdict::Unknown);
        check(&["*.example,!git.example ssh-rsa KEY"], "a.example", 22, Verdict::Known);
        check(&["git.example ssh-rsa b3RoZXI="], "git.example", 22, Verdict::Changed);
        check(&["git.example ssh-rsa b3RoZXI=", known], "git.example", 22, Verdict::Known);
        check(&[known, "@revoked * ssh-ed25519 KEY"], "git.example", 22, Verdict::Revoked);
        check(&[known, "@revoked * ssh-ed25519 b3RoZXI="], "git.example", 22, Verdict::Known);
        let authority = "@cert-authority *.example ssh-ed25519 KEY";
        check(&[authority], "git.example", 22, Verdict::Certified);
        check(&[authority, known], "git.example", 22, Verdict::Known);
        check(&["git.example"], "git.example", 22, Verdict::Unknown);
    }

    #[test]
    fn names_may_be_hashed() {
        // Made by ssh-keygen -H.
        let line = "|1|0Bz47oQLSBdzI5OQ7wLvvDnOaVM=|qvgNvNUY9SjJ6lPY0ByCdbVdmxc= ssh-ed25519 a2V5";
        let salt = STANDARD.decode("0Bz47oQLSBdzI5OQ7wLvvDnOaVM=").unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
        let hash = STANDARD.encode(hmac::sign(&key, b"[git.example]:2222"));
        let line = line.replace("qvgNvNUY9SjJ6lPY0ByCdbVdmxc=", &hash);
        assert_eq!(verdict(&line, "git.example", 2222, b"key"), Verdict::Known);
        assert_eq!(verdict(&line, "git.example", 22, b"key"), Verdict::Unknown);
        assert_eq!(verdict("|1|x|y ssh-rsa a2V5", "git.example", 22, b"key"), Verdict::Unknown);
    }

    #[test]
    fn libssh2_is_told_of_this_server_alone() {
        let text = "*.example ssh-rsa a2V5\nother ssh-rsa a2V5\n@revoked git.example ssh-rsa eA==\n\
                    git.example sk-ssh-ed25519@openssh.com a2V5\n";
        assert_eq!(preferred(text, "git.example", 22), "[git.example]:22 ssh-rsa a2V5\n");
    }

    #[test]
    fn a_fingerprint_is_as_ssh_shows_it() {
        assert_eq!(fingerprint(b"key"), "SHA256:LHDhK3oGRvkiefQnx7OOczTY5Tic/xZ6HcMOc/gmtoM");
    }
}

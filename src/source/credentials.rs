//! Credentials for a repository, from a Secret: kept in memory, shown to nobody.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Who reads a repository.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Credentials {
    /// Name and password, or a token in its place.
    Basic {
        /// The name.
        username: String,
        /// The password.
        password: String,
    },
    /// A token that is sent as `Authorization: Bearer`.
    Bearer(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Basic(…)",
            Self::Bearer(_) => "Bearer(…)",
        })
    }
}

/// Why a Secret holds no credentials for a repository. Names keys, never what is in them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCredentials {
    /// A key whose meaning is known, and not supported.
    #[error(
        "the key {key} is not supported yet ({what}): use username and password, or bearerToken, with a URL of https"
    )]
    Unsupported {
        /// The key.
        key: &'static str,
        /// What it is for.
        what: &'static str,
    },
    /// Two ways at once.
    #[error("it has bearerToken beside username and password: leave one of the two")]
    Both,
    /// A key is missing.
    #[error("it has no {0}: set username and password, or bearerToken")]
    Missing(&'static str),
    /// A value that cannot be sent.
    #[error("the value of {0} has to be text on one line, and not empty")]
    Bad(&'static str),
}

const SSH: &str = "keys for ssh";
const TLS: &str = "certificates for TLS";
const APP: &str = "GitHub Apps";

/// Keys that Flux knows as well and that mean something else would happen.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("identity", SSH),
    ("identity.pub", SSH),
    ("known_hosts", SSH),
    ("ssh-privatekey", SSH),
    ("sshPrivateKey", SSH),
    ("ca.crt", TLS),
    ("caFile", TLS),
    ("tls.crt", TLS),
    ("tls.key", TLS),
    ("certFile", TLS),
    ("keyFile", TLS),
    ("githubAppID", APP),
    ("githubAppInstallationID", APP),
    ("githubAppPrivateKey", APP),
];

/// Name that is sent with a password of no name: servers that take tokens take any.
const ANYONE: &str = "git";

impl Credentials {
    /// The credentials in the data of a Secret, under the keys that Flux uses.
    pub fn from_secret(data: &BTreeMap<String, Vec<u8>>) -> Result<Self, BadCredentials> {
        if let Some((key, what)) = UNSUPPORTED.iter().find(|(key, _)| data.contains_key(*key)) {
            return Err(BadCredentials::Unsupported { key, what });
        }
        let username = text(data, "username")?;
        let password = text(data, "password")?;
        match (text(data, "bearerToken")?, username, password) {
            (Some(token), None, None) if !token.contains(' ') => Ok(Self::Bearer(token)),
            (Some(_), None, None) => Err(BadCredentials::Bad("bearerToken")),
            (Some(_), _, _) => Err(BadCredentials::Both),
            (None, username, Some(password)) => Ok(Self::basic(username, password)),
            (None, Some(_), None) => Err(BadCredentials::Missing("password")),
            (None, None, None) => Err(BadCredentials::Missing("credentials")),
        }
    }

    /// A password, with a name where that matters.
    pub fn basic(username: Option<String>, password: String) -> Self {
        let username = username.unwrap_or_else(|| ANYONE.to_owned());
        Self::Basic { username, password }
    }

    /// The header that they are sent in, if it is for the daemon to make.
    pub(super) fn header(&self) -> Option<String> {
        match self {
            Self::Basic { .. } => None,
            Self::Bearer(token) => Some(format!("Authorization: Bearer {token}")),
        }
    }
}

/// A value without the line break at its end that editors leave.
fn text(
    data: &BTreeMap<String, Vec<u8>>,
    key: &'static str,
) -> Result<Option<String>, BadCredentials> {
    let Some(value) = data.get(key) else { return Ok(None) };
    let text = str::from_utf8(value).unwrap_or_default().trim_end_matches(['\r', '\n']);
    let is_text = !text.is_empty() && !text.contains(|c: char| c.is_control());
    let is_sent_whole = key != "bearerToken" || text.is_ascii();
    (is_text && is_sent_whole).then(|| Some(text.to_owned())).ok_or(BadCredentials::Bad(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_flux_are_read_and_nothing_is_shown() {
        let check = |data: &[(&str, &str)], expect: &str| {
            let data =
                data.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()));
            let found = Credentials::from_secret(&data.collect());
            let shown = match &found {
                Ok(Credentials::Basic { username, password }) => format!("{username}:{password}"),
                Ok(Credentials::Bearer(token)) => format!("bearer {token}"),
                Err(bad) => bad.to_string(),
            };
            assert!(shown.contains(expect), "{shown}");
            assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
            assert!(found.is_ok() || !shown.contains("hunter2"), "{shown}");
        };
        let (user, password) = (("username", "bob"), ("password", "hunter2"));
        check(&[user, password], "bob:hunter2");
        check(&[user, ("password", "hunter2 x\n")], "bob:hunter2 x");
        check(&[password], "git:hunter2");
        check(&[("bearerToken", "hunter2\r\n")], "bearer hunter2");
        check(&[("note", "x"), password], "git:hunter2");
        check(&[user], "no password");
        check(&[], "no credentials");
        check(&[("note", "hunter2")], "no credentials");
        check(&[("bearerToken", "hunter2"), password], "leave one");
        check(&[("bearerToken", "hunter2\r\nHost: evil")], "value of bearerToken");
        check(&[("bearerToken", "hunter2 x")], "value of bearerToken");
        check(&[("bearerToken", "hunter2ü")], "value of bearerToken");
        check(&[("bearerToken", "hunter2\0")], "value of bearerToken");
        check(&[("password", "hunter2\nx")], "value of password");
        check(&[("password", "\n")], "value of password");
        check(&[("username", ""), password], "value of username");
        check(
            &[("identity", "hunter2"), ("known_hosts", "x")],
            "identity is not supported yet (keys for ssh)",
        );
        check(&[user, password, ("caFile", "hunter2")], "caFile is not supported yet");
        check(&[("githubAppID", "hunter2")], "githubAppID");
        let bytes = BTreeMap::from([("password".to_owned(), vec![0xff])]);
        assert_eq!(Credentials::from_secret(&bytes), Err(BadCredentials::Bad("password")));
    }
}

//! ssh: whose key is used, and which servers are trusted.

use std::fs;
use std::path::Path;

use git2::cert::Cert;
use git2::{CertificateCheckStatus, Cred, CredentialType, ErrorClass, ErrorCode};

use super::trouble::Note;
use crate::source::credentials::Ssh;
use crate::source::error::display_url;
use crate::source::known_hosts::{Verdict, fingerprint, preferred, verdict};
use crate::source::way::ssh_host;
use crate::source::{Credentials, SourceError};

/// A server, and what is known of it.
#[derive(Clone)]
pub struct Host {
    name: String,
    port: u16,
    url: String,
    ssh: Ssh,
    note: Note,
}

/// Name on servers where a URL has none.
const ANYONE: &str = "git";

impl Host {
    /// The server of a URL, if there are keys for it.
    pub fn of(
        url: &str,
        credentials: Option<&Credentials>,
        note: &Note,
    ) -> Result<Self, SourceError> {
        let shown = display_url(url);
        let refused =
            |why: &str| SourceError::CredentialsRefused { url: shown.clone(), why: why.to_owned() };
        let ssh = credentials.and_then(|found| found.ssh.clone());
        let ssh = ssh.ok_or_else(|| refused("ssh wants a private key and known_hosts"))?;
        let (name, port) = ssh_host(url).ok_or_else(|| refused("its URL names no host"))?;
        Ok(Self { name, port, url: shown, ssh, note: note.clone() })
    }

    /// Writes down what libgit2 reads to ask for a kind of key that is known: of several keys of a server,
    /// `known_hosts` may have only one.
    pub fn prepare(&self, home: &Path) -> std::io::Result<()> {
        let folder = home.join(".ssh");
        fs::create_dir_all(&folder)?;
        let known = preferred(&self.ssh.known_hosts, &self.name, self.port);
        fs::write(folder.join("known_hosts"), known)
    }

    /// Whether the key that the server shows is its own.
    pub fn check(&self, shown: &Cert<'_>) -> Result<CertificateCheckStatus, git2::Error> {
        let key = shown.as_hostkey().and_then(git2::cert::CertHostkey::hostkey).unwrap_or_default();
        let (url, fingerprint) = (self.url.clone(), fingerprint(key));
        let error = match verdict(&self.ssh.known_hosts, &self.name, self.port, key) {
            Verdict::Known => return Ok(CertificateCheckStatus::CertificateOk),
            Verdict::Changed => SourceError::HostKeyChanged { url, fingerprint },
            Verdict::Revoked => SourceError::HostKeyRevoked { url, fingerprint },
            Verdict::Certified => SourceError::HostKeyCertified { url, fingerprint },
            Verdict::Unknown => SourceError::HostKeyUnknown { url, fingerprint },
        };
        Err(self.note.put(error))
    }

    /// What logs in.
    pub fn login(&self, user: Option<&str>, allowed: CredentialType) -> Result<Cred, git2::Error> {
        let user = user.unwrap_or(ANYONE);
        if allowed.contains(CredentialType::USERNAME) {
            return Cred::username(user);
        }
        match &self.ssh.key {
            Some(key) if allowed.contains(CredentialType::SSH_MEMORY) => {
                let passphrase = key.passphrase.as_ref().map(|it| it.0.as_str());
                Cred::ssh_key_from_memory(user, None, &key.private.0, passphrase)
            }
            None if allowed.contains(CredentialType::SSH_KEY) => Cred::ssh_key_from_agent(user),
            _ => Err(refusal("it takes no keys")),
        }
    }
}

/// A refusal of credentials.
pub fn refusal(why: &str) -> git2::Error {
    git2::Error::new(ErrorCode::Auth, ErrorClass::Callback, why)
}

//! Keys for ssh.

use serde::{Deserialize, Serialize};

use super::values::Values;
use super::{BadCredentials, Hidden};

/// Who reads a repository by ssh, and which servers it trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ssh {
    /// The key; without one, the agent's.
    pub key: Option<SshKey>,
    /// Keys of servers, as in the file `known_hosts` of OpenSSH.
    pub known_hosts: String,
}

/// A private key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshKey {
    /// The key, in the format of OpenSSH or as PEM.
    pub private: Hidden,
    /// What it is encrypted with.
    pub passphrase: Option<Hidden>,
}

/// Names of the private key: Flux's, that of Secrets of the type kubernetes.io/ssh-auth, and Argo CD's.
pub(super) const IDENTITY: &[&str] = &["identity", "ssh-privatekey", "sshPrivateKey"];

/// How the keys of a server are found.
const SCAN: &str = "the keys of the server, as ssh-keyscan prints them: compare them with those that its operator publishes";

impl Ssh {
    /// A key, and the servers that it may be used for.
    pub(super) fn from_values(values: Values<'_>) -> Result<Self, BadCredentials> {
        let no_key =
            BadCredentials::Missing("identity", "set a private key for ssh, and known_hosts");
        let (_, private) = values.pem(IDENTITY, "PRIVATE KEY")?.ok_or(no_key)?;
        let passphrase = values.line("password")?.map(Hidden);
        let key = Some(SshKey { private: Hidden(private), passphrase });
        let known_hosts = values.text(&["known_hosts"])?;
        let (_, known_hosts) = known_hosts.ok_or(BadCredentials::Missing("known_hosts", SCAN))?;
        Ok(Self { key, known_hosts })
    }
}

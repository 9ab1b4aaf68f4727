//! Flags that say how a repository is reached.

use std::path::PathBuf;

use clap::Args;

use crate::source::credentials::Files;
use crate::source::way::Way;

/// Who reads the repository, whom it trusts, and which proxy is between. Files are read anew for each fetch.
#[derive(Debug, Args)]
pub(super) struct AccessArguments {
    /// User name for the repository
    #[arg(long = "git-username", env = "GITOPS_SYNC_GIT_USERNAME", value_name = "NAME")]
    username: Option<String>,
    /// File with the password or token for the repository
    #[arg(long = "git-password-file", env = "GITOPS_SYNC_GIT_PASSWORD_FILE", value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// File with a token for the repository, sent as "Authorization: Bearer"
    #[arg(long = "git-token-file", env = "GITOPS_SYNC_GIT_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// File with the certificates of the authorities that are trusted for https [default: the system's]
    #[arg(long = "git-ca-file", env = "GITOPS_SYNC_GIT_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// File with a client certificate for https
    #[arg(long = "git-cert-file", env = "GITOPS_SYNC_GIT_CERT_FILE", value_name = "FILE")]
    cert_file: Option<PathBuf>,
    /// File with the key of the client certificate
    #[arg(long = "git-key-file", env = "GITOPS_SYNC_GIT_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// File with the private key for ssh [default: the agent's keys]
    #[arg(long = "git-ssh-key-file", env = "GITOPS_SYNC_GIT_SSH_KEY_FILE", value_name = "FILE")]
    ssh_key_file: Option<PathBuf>,
    /// File with the passphrase of that key
    #[arg(
        long = "git-ssh-passphrase-file",
        env = "GITOPS_SYNC_GIT_SSH_PASSPHRASE_FILE",
        value_name = "FILE"
    )]
    ssh_passphrase_file: Option<PathBuf>,
    /// File with the keys of servers for ssh [default with an agent: its user's]
    #[arg(
        long = "git-known-hosts-file",
        env = "GITOPS_SYNC_GIT_KNOWN_HOSTS_FILE",
        value_name = "FILE"
    )]
    known_hosts_file: Option<PathBuf>,
    /// Proxy to the repository: http://, https:// or socks5:// with HOST:PORT [default: the environment's]
    #[arg(
        long = "git-proxy",
        env = "GITOPS_SYNC_GIT_PROXY",
        value_name = "URL",
        hide_env_values = true
    )]
    proxy: Option<String>,
    /// User name for the proxy
    #[arg(
        long = "git-proxy-username",
        env = "GITOPS_SYNC_GIT_PROXY_USERNAME",
        value_name = "NAME"
    )]
    proxy_username: Option<String>,
    /// File with the password for the proxy
    #[arg(
        long = "git-proxy-password-file",
        env = "GITOPS_SYNC_GIT_PROXY_PASSWORD_FILE",
        value_name = "FILE"
    )]
    proxy_password_file: Option<PathBuf>,
}

impl AccessArguments {
    /// Whether these say who reads the repository.
    pub(super) fn has_login(&self) -> bool {
        let files = [
            &self.password_file,
            &self.token_file,
            &self.cert_file,
            &self.ssh_key_file,
            &self.ca_file,
        ];
        files.into_iter().any(Option::is_some)
    }

    /// Whether these say which proxy is between.
    pub(super) fn has_proxy(&self) -> bool {
        self.proxy.is_some()
    }

    /// Where the credentials for a URL are.
    pub(super) fn files(&self, url: &str) -> Files {
        let password = match Way::of(url) {
            Way::Ssh => self.ssh_passphrase_file.as_ref(),
            Way::Http | Way::Other => self.password_file.as_ref(),
        };
        let files = [
            ("password", password),
            ("bearerToken", self.token_file.as_ref()),
            ("ca.crt", self.ca_file.as_ref()),
            ("tls.crt", self.cert_file.as_ref()),
            ("tls.key", self.key_file.as_ref()),
            ("identity", self.ssh_key_file.as_ref()),
            ("known_hosts", self.known_hosts_file.as_ref()),
        ];
        let named = |(key, file): (&str, Option<&PathBuf>)| Some((key.to_owned(), file?.clone()));
        Files {
            username: self.username.clone(),
            values: files.into_iter().filter_map(named).collect(),
            proxy: self.proxy.clone(),
            proxy_username: self.proxy_username.clone(),
            proxy_password: self.proxy_password_file.clone(),
            agent: true,
        }
    }
}

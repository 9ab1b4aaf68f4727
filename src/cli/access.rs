//! Flags that say how a repository is reached.

use std::path::PathBuf;

use clap::Args;

use crate::source::credentials::Files;
use crate::source::way::Way;

/// Who reads the repository, whom it trusts, and which proxy is between. Files are read anew for each fetch.
#[derive(Debug, Args)]
pub(super) struct AccessArguments {
    /// User name for the repository
    #[arg(long, env = "GITOPS_SYNC_GIT_USERNAME", value_name = "NAME")]
    git_username: Option<String>,
    /// File with the password or token for the repository
    #[arg(long, env = "GITOPS_SYNC_GIT_PASSWORD_FILE", value_name = "FILE")]
    git_password_file: Option<PathBuf>,
    /// File with a token for the repository, sent as "Authorization: Bearer"
    #[arg(long, env = "GITOPS_SYNC_GIT_TOKEN_FILE", value_name = "FILE")]
    git_token_file: Option<PathBuf>,
    /// File with the certificates of the authorities that are trusted for https [default: the system's]
    #[arg(long, env = "GITOPS_SYNC_GIT_CA_FILE", value_name = "FILE")]
    git_ca_file: Option<PathBuf>,
    /// File with a client certificate for https
    #[arg(long, env = "GITOPS_SYNC_GIT_CERT_FILE", value_name = "FILE")]
    git_cert_file: Option<PathBuf>,
    /// File with the key of the client certificate
    #[arg(long, env = "GITOPS_SYNC_GIT_KEY_FILE", value_name = "FILE")]
    git_key_file: Option<PathBuf>,
    /// File with the private key for ssh [default: the agent's keys]
    #[arg(long, env = "GITOPS_SYNC_GIT_SSH_KEY_FILE", value_name = "FILE")]
    git_ssh_key_file: Option<PathBuf>,
    /// File with the passphrase of that key
    #[arg(long, env = "GITOPS_SYNC_GIT_SSH_PASSPHRASE_FILE", value_name = "FILE")]
    git_ssh_passphrase_file: Option<PathBuf>,
    /// File with the keys of servers for ssh [default with an agent: ~/.ssh/known_hosts]
    #[arg(long, env = "GITOPS_SYNC_GIT_KNOWN_HOSTS_FILE", value_name = "FILE")]
    git_known_hosts_file: Option<PathBuf>,
    /// Proxy to the repository: http://HOST:PORT or socks5://HOST:PORT [default: the environment's]
    #[arg(long, env = "GITOPS_SYNC_GIT_PROXY", value_name = "URL")]
    git_proxy: Option<String>,
    /// User name for the proxy
    #[arg(long, env = "GITOPS_SYNC_GIT_PROXY_USERNAME", value_name = "NAME")]
    git_proxy_username: Option<String>,
    /// File with the password for the proxy
    #[arg(long, env = "GITOPS_SYNC_GIT_PROXY_PASSWORD_FILE", value_name = "FILE")]
    git_proxy_password_file: Option<PathBuf>,
}

impl AccessArguments {
    /// Where the credentials for a URL are.
    pub(super) fn files(&self, url: &str) -> Files {
        let password = match Way::of(url) {
            Way::Ssh => self.git_ssh_passphrase_file.as_ref(),
            Way::Http | Way::Other => self.git_password_file.as_ref(),
        };
        let files = [
            ("password", password),
            ("bearerToken", self.git_token_file.as_ref()),
            ("ca.crt", self.git_ca_file.as_ref()),
            ("tls.crt", self.git_cert_file.as_ref()),
            ("tls.key", self.git_key_file.as_ref()),
            ("identity", self.git_ssh_key_file.as_ref()),
            ("known_hosts", self.git_known_hosts_file.as_ref()),
        ];
        let named = |(key, file): (&str, Option<&PathBuf>)| Some((key.to_owned(), file?.clone()));
        Files {
            username: self.git_username.clone(),
            values: files.into_iter().filter_map(named).collect(),
            proxy: self.git_proxy.clone(),
            proxy_username: self.git_proxy_username.clone(),
            proxy_password: self.git_proxy_password_file.clone(),
            agent: true,
        }
    }
}

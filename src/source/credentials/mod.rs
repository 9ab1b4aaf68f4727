//! How a repository is reached, from a Secret or from files: kept in memory, shown to nobody.

mod bad;
mod docker;
mod files;
mod github;
mod hidden;
mod login;
mod proxy;
mod ssh;
mod tls;
mod values;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use bad::BadCredentials;
pub use files::Files;
pub use github::{AppToken, GithubApp, Installation};
pub use hidden::Hidden;
pub use login::Login;
pub use proxy::Proxy;
pub use ssh::{Ssh, SshKey};
pub use tls::{Client, Tls};

use super::way::Way;
use bad::LOGINS;
use values::Values;

/// Who reads a repository, whom they trust, and which proxy is between.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// Who logs in by http.
    pub login: Option<Login>,
    /// Certificates for https.
    pub tls: Tls,
    /// Keys for ssh.
    pub ssh: Option<Ssh>,
    /// The proxy, in place of those that the environment names.
    pub proxy: Option<Proxy>,
}

impl Credentials {
    /// The credentials for a URL in the data of a Secret, under the keys that Flux uses.
    pub fn from_secret(
        data: &BTreeMap<String, Vec<u8>>,
        url: &str,
    ) -> Result<Self, BadCredentials> {
        let values = Values(data);
        if Way::of(url) == Way::Ssh {
            return Ok(Self { ssh: Some(Ssh::from_values(values)?), ..Self::default() });
        }
        let (login, tls) = (Login::from_values(values, url)?, Tls::from_values(values)?);
        if login.is_none() && tls == Tls::default() {
            let key = ssh::IDENTITY.iter().find(|key| values.has(key));
            return Err(key.map_or(BadCredentials::Missing("credentials", LOGINS), |key| {
                BadCredentials::OnlySsh(key)
            }));
        }
        Ok(Self { login, tls, ..Self::default() })
    }

    /// The same by a proxy.
    pub fn by(self, proxy: Proxy, url: &str) -> Result<Self, BadCredentials> {
        if Way::of(url) == Way::Ssh {
            return Err(BadCredentials::SshByProxy);
        }
        Ok(Self { proxy: Some(proxy), ..self })
    }

    /// Credentials by which someone logs in by http.
    pub fn of(login: Login) -> Self {
        Self { login: Some(login), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTTPS: &str = "https://git.example/a.git";
    const SSH: &str = "git@git.example:a.git";
    const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n";
    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nx\n";

    fn data(entries: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        let entry = |(key, value): &(&str, &str)| ((*key).to_owned(), value.as_bytes().to_vec());
        entries.iter().map(entry).collect()
    }

    /// What is read, for the eyes of tests.
    fn shown(found: &Credentials) -> String {
        let mut parts = Vec::new();
        match &found.login {
            Some(Login::Basic { username, password }) => {
                parts.push(format!("{username}:{}", password.0));
            }
            Some(Login::Identity(token)) => parts.push(format!("identity {}", token.0)),
            Some(Login::Bearer(token)) => parts.push(format!("bearer {}", token.0)),
            Some(Login::App(app)) => {
                let installation = match &app.installation {
                    Installation::Number(number) => number.clone(),
                    Installation::Owner(owner) => format!("of {owner}"),
                };
                parts.push(format!("app {} {installation} {}", app.id, app.base));
            }
            None => {}
        }
        parts.extend(found.tls.ca.as_ref().map(|_| "ca".to_owned()));
        parts.extend(found.tls.client.as_ref().map(|_| "client".to_owned()));
        if let Some(Ssh { key: Some(key), known_hosts }) = &found.ssh {
            parts.push(format!("ssh {known_hosts}"));
            parts.extend(key.passphrase.as_ref().map(|phrase| phrase.0.clone()));
        }
        parts.join(", ")
    }

    #[test]
    fn the_keys_of_flux_are_read_and_nothing_is_shown() {
        let check = |url: &str, entries: &[(&str, &str)], expect: &str| {
            let found = Credentials::from_secret(&data(entries), url);
            let said = found.as_ref().map_or_else(ToString::to_string, shown);
            assert!(said.contains(expect), "{said}");
            assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
            assert!(found.is_ok() || !said.contains("hunter2"), "{said}");
        };
        let (user, password) = (("username", "bob"), ("password", "hunter2"));
        check(HTTPS, &[user, password], "bob:hunter2");
        check(HTTPS, &[user, ("password", "hunter2 x\n")], "bob:hunter2 x");
        check(HTTPS, &[password], "git:hunter2");
        check(HTTPS, &[("bearerToken", "hunter2\r\n")], "bearer hunter2");
        check(HTTPS, &[("note", "x"), password], "git:hunter2");
        check(HTTPS, &[user], "no password");
        check(HTTPS, &[], "no credentials");
        check(HTTPS, &[("note", "hunter2")], "no credentials");
        check(HTTPS, &[("bearerToken", "hunter2"), password], "bearerToken beside password");
        check(HTTPS, &[("bearerToken", "hunter2\r\nHost: evil")], "value of bearerToken");
        check(HTTPS, &[("bearerToken", "hunter2 x")], "value of bearerToken");
        check(HTTPS, &[("bearerToken", "hunter2ü")], "value of bearerToken");
        check(HTTPS, &[("bearerToken", "hunter2\0")], "value of bearerToken");
        check(HTTPS, &[("password", "hunter2\nx")], "value of password");
        check(HTTPS, &[("password", "\n")], "value of password");
        check(HTTPS, &[("username", ""), password], "value of username");
        let bytes = BTreeMap::from([("password".to_owned(), vec![0xff])]);
        let bad = Credentials::from_secret(&bytes, HTTPS);
        assert_eq!(bad, Err(BadCredentials::Bad("password")));

        let (certificate, key) = (("tls.crt", CERTIFICATE), ("tls.key", KEY));
        check(HTTPS, &[("ca.crt", CERTIFICATE)], "ca");
        check(HTTPS, &[("caFile", CERTIFICATE), password], "git:hunter2, ca");
        check(HTTPS, &[certificate, key], "client");
        check(HTTPS, &[("certFile", CERTIFICATE), ("keyFile", KEY)], "client");
        check(HTTPS, &[certificate], "no tls.key");
        check(HTTPS, &[key], "no tls.crt");
        check(HTTPS, &[("ca.crt", "hunter2")], "ca.crt has to be a certificate");
        check(HTTPS, &[certificate, ("tls.key", CERTIFICATE)], "tls.key has to be a private key");

        let (identity, hosts) = (("identity", KEY), ("known_hosts", "git.example x y"));
        check(SSH, &[identity, hosts], "ssh git.example x y");
        check(SSH, &[("sshPrivateKey", KEY), hosts, password], "ssh git.example x y, hunter2");
        check(SSH, &[("ssh-privatekey", KEY), hosts], "ssh git.example x y");
        check("ssh://git@git.example/a", &[identity], "no known_hosts");
        check(SSH, &[hosts, password], "no identity");
        check(SSH, &[("identity", "hunter2"), hosts], "identity has to be a private key");
        check(HTTPS, &[identity, hosts], "identity is for a URL of ssh");
        check(HTTPS, &[identity, hosts, ("bearerToken", "hunter2")], "bearer hunter2");

        let (id, installation) = (("githubAppID", "1"), ("githubAppInstallationID", "2"));
        let key = ("githubAppPrivateKey", KEY);
        check(HTTPS, &[id, installation, key], "app 1 2 https://api.github.com");
        let base = ("githubAppBaseURL", "https://git.example:8443/api/v3/");
        check(HTTPS, &[id, installation, key, base], "app 1 2 https://git.example:8443/api/v3");
        let base = ("githubAppBaseURL", "https://api.git.example");
        check(HTTPS, &[id, installation, key, base], "app 1 2 https://api.git.example");
        let owner = ("githubAppInstallationOwner", "team");
        check(HTTPS, &[id, owner, key], "app 1 of team https://api.github.com");
        check(HTTPS, &[id, owner, installation, key], "beside githubAppInstallationOwner");
        check(HTTPS, &[id, key], "no githubAppInstallationID");
        check(HTTPS, &[id, installation], "no githubAppPrivateKey");
        check(HTTPS, &[("githubAppID", "1/hunter2"), installation, key], "has to be a number");
        check(HTTPS, &[id, installation, key, password], "password beside githubAppID");
        for bad in [
            "https://bob:hunter2@git.example",
            "https://internal.example/api/v3",
            "https://git.example.evil.example",
            "ftp://git.example",
            "git.example",
        ] {
            let keys = [id, installation, key, ("githubAppBaseURL", bad)];
            check(HTTPS, &keys, "githubAppBaseURL has to be");
        }
    }

    #[test]
    fn a_proxy_has_an_address_and_hides_its_password() {
        let check = |entries: &[(&str, &str)], url: &str, expect: &str| {
            let found = Proxy::from_secret(&data(entries));
            let found = found.and_then(|proxy| Credentials::default().by(proxy, url));
            let said = format!(
                "{found:?} {}",
                found.as_ref().err().map_or(String::new(), ToString::to_string)
            );
            assert!(said.contains(expect) && !said.contains("hunter2"), "{said}");
        };
        let address = ("address", "http://proxy.example:3128");
        check(&[address], HTTPS, "proxy.example:3128");
        check(&[address, ("username", "bob"), ("password", "hunter2")], HTTPS, "bob");
        check(&[("address", "socks5://proxy.example:1080")], HTTPS, "socks5");
        check(&[("address", "https://proxy.example:3128")], HTTPS, "https://proxy");
        check(&[address], SSH, "ssh does not go through a proxy");
        check(&[], HTTPS, "no address");
        check(&[("address", "proxy.example:3128")], HTTPS, "address has to be");
        check(&[("address", "ftp://proxy.example")], HTTPS, "address has to be");
        check(&[("address", "http://bob:hunter2@proxy.example")], HTTPS, "keys of their own");
    }

    #[test]
    fn a_token_is_used_for_its_app_until_shortly_before_its_end() {
        let app = |id: &str| GithubApp {
            id: id.to_owned(),
            installation: Installation::Number("2".to_owned()),
            key: Hidden("key".to_owned()),
            base: "https://api.github.com".to_owned(),
        };
        let value = Hidden("hunter2".to_owned());
        let token = AppToken { value, expires: 3600, app: app("1").digest() };
        assert!(token.is_of(&app("1"), 0) && token.is_of(&app("1"), 3299));
        assert!(!token.is_of(&app("1"), 3300) && !token.is_of(&app("3"), 0));
    }
}

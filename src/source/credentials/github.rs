//! Apps of GitHub, which get a token for an hour with a key.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

use super::values::Values;
use super::{BadCredentials, Hidden};

/// An app of GitHub where it is installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GithubApp {
    /// Number of the app.
    pub id: String,
    /// Where it is installed.
    pub installation: Installation,
    /// Its private key, RSA as PEM.
    pub key: Hidden,
    /// URL of GitHub's API.
    pub base: String,
}

/// An installation of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Installation {
    /// The one of this number.
    Number(String),
    /// The one at this organization or user.
    Owner(String),
}

/// A token of an installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppToken {
    /// The token.
    pub value: Hidden,
    /// Its end, seconds since 1970.
    pub expires: i64,
    /// [`GithubApp::digest`] of the app that it is for.
    pub app: String,
}

/// Where GitHub's API is for those who run no GitHub of their own.
const PUBLIC: &str = "https://api.github.com";
/// Seconds before its end from which a token is not used any more.
const MARGIN: i64 = 5 * 60;

const ID: &str = "githubAppID";
const INSTALLATION: &str = "githubAppInstallationID";
const OWNER: &str = "githubAppInstallationOwner";
const KEY: &str = "githubAppPrivateKey";
const BASE: &str = "githubAppBaseURL";
const ALL: &str = "an app of GitHub takes githubAppID, githubAppInstallationID (or githubAppInstallationOwner) and githubAppPrivateKey";

impl GithubApp {
    /// Keys that only an app has.
    pub(super) const KEYS: &[&str] = &[ID, INSTALLATION, OWNER, KEY, BASE];

    /// The app for a repository.
    pub(super) fn from_values(values: Values<'_>, url: &str) -> Result<Self, BadCredentials> {
        if values.has(INSTALLATION) && values.has(OWNER) {
            return Err(BadCredentials::Both(INSTALLATION, OWNER));
        }
        let number = |key| {
            let number = values.line(key)?.ok_or(BadCredentials::Missing(key, ALL))?;
            // It becomes part of a URL.
            let is_id = number.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
            if is_id { Ok(number) } else { Err(BadCredentials::Not(key, "a number")) }
        };
        let id = number(ID)?;
        let installation = match values.line(OWNER)? {
            Some(owner) => Installation::Owner(owner),
            None => Installation::Number(number(INSTALLATION)?),
        };
        let key = values.pem(&[KEY], "PRIVATE KEY")?.ok_or(BadCredentials::Missing(KEY, ALL))?;
        let base = values.line(BASE)?;
        if base.as_ref().is_some_and(|base| !is_base(base, url)) {
            let what =
                "a plain URL of http or https on the repository's own host, or on api. before it";
            return Err(BadCredentials::Not(BASE, what));
        }
        let base = base.unwrap_or_else(|| PUBLIC.to_owned());
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self { id, installation, key: Hidden(key.1), base })
    }

    /// Tells apps and keys apart, and nothing about them.
    pub fn digest(&self) -> String {
        let mut digest = Sha256::new();
        let (kind, installation) = match &self.installation {
            Installation::Number(number) => ("number", number.as_str()),
            Installation::Owner(owner) => ("owner", owner.as_str()),
        };
        for part in [self.id.as_str(), kind, installation, &self.key.0, &self.base] {
            digest.update(part);
            digest.update([0]);
        }
        hex::encode(digest.finalize())
    }
}

impl AppToken {
    /// Whether it is this app's, and good for a while.
    pub fn is_of(&self, app: &GithubApp, now: i64) -> bool {
        self.app == app.digest() && now + MARGIN < self.expires
    }
}

/// Whether a URL may be that of the API beside a repository: no other host is to be made to get requests.
fn is_base(base: &str, repository: &str) -> bool {
    let host = |url: &str| Some(Url::parse(url).ok()?.host_str()?.to_owned());
    let rest = base.strip_prefix("https://").or_else(|| base.strip_prefix("http://"));
    let is_plain = rest.is_some_and(|rest| !rest.contains(['@', '?', '#', ' ', '\\']));
    let (api, repository) = (host(base), host(repository));
    is_plain
        && repository.is_some()
        && (api == repository || api == repository.map(|host| format!("api.{host}")))
}

//! Apps of GitHub, which get a token for an hour with a key.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::values::Values;
use super::{BadCredentials, Hidden};

/// An app of GitHub where it is installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GithubApp {
    /// Number of the app.
    pub id: String,
    /// Number of its installation.
    pub installation: String,
    /// Its private key, RSA as PEM.
    pub key: Hidden,
    /// URL of GitHub's API.
    pub base: String,
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
const KEY: &str = "githubAppPrivateKey";
const BASE: &str = "githubAppBaseURL";
const ALL: &str =
    "an app of GitHub takes githubAppID, githubAppInstallationID and githubAppPrivateKey";

impl GithubApp {
    /// Keys that only an app has.
    pub(super) const KEYS: &[&str] = &[ID, INSTALLATION, KEY, BASE];

    pub(super) fn from_values(values: Values<'_>) -> Result<Self, BadCredentials> {
        let number = |key| {
            let number = values.line(key)?.ok_or(BadCredentials::Missing(key, ALL))?;
            // It becomes part of a URL.
            let is_id = number.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
            if is_id { Ok(number) } else { Err(BadCredentials::Not(key, "a number")) }
        };
        let (id, installation) = (number(ID)?, number(INSTALLATION)?);
        let key = values.pem(&[KEY], "PRIVATE KEY")?.ok_or(BadCredentials::Missing(KEY, ALL))?;
        let base = values.line(BASE)?.unwrap_or_else(|| PUBLIC.to_owned());
        if !is_base(&base) {
            return Err(BadCredentials::Not(BASE, "a URL of http or https without a user"));
        }
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self { id, installation, key: Hidden(key.1), base })
    }

    /// Tells apps and keys apart, and nothing about them.
    pub fn digest(&self) -> String {
        let mut digest = Sha256::new();
        for part in [&self.id, &self.installation, &self.key.0, &self.base] {
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

fn is_base(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['@', '?', '#', ' ']))
}

//! Tokens for an app of GitHub where it is installed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::json;

use super::http::Shared;
use crate::source::SourceError;
use crate::source::credentials::{AppToken, GithubApp, Hidden, Installation, Login};
use crate::source::error::display_url;

/// Seconds that an app's clock may be ahead of GitHub's.
const SKEW: i64 = 60;
/// Seconds for which an app vouches for itself; GitHub takes ten minutes at most.
const LIFE: i64 = 9 * 60;
/// Name that goes with a token in place of a password.
const USER: &str = "x-access-token";

/// Installations that GitHub tells at once, and how often it is asked.
const PAGE: usize = 100;
const PAGES: usize = 20;

/// Where an app is installed.
#[derive(Deserialize)]
struct Installed {
    id: u64,
    account: Account,
}

/// An organization or user.
#[derive(Deserialize)]
struct Account {
    login: String,
}

/// What GitHub answers.
#[derive(Deserialize)]
struct Minted {
    token: String,
    expires_at: Timestamp,
}

/// Gets a new token.
pub fn mint(app: &GithubApp, requests: &Shared) -> Result<AppToken, SourceError> {
    let refused =
        |why: String| SourceError::CredentialsRefused { url: display_url(&app.base), why };
    let vouched = vouch(app, Timestamp::now().as_second());
    let vouched = vouched.map_err(|why| refused(why.to_owned()))?;
    let installation = installation(app, requests, &vouched)?;
    let url = format!("{}/app/installations/{installation}/access_tokens", app.base);
    let reply = requests.post(&url, &vouched)?;
    if reply.status != 201 {
        let keys = "githubAppID, githubAppInstallationID and githubAppPrivateKey";
        return Err(no_answer(app, "gives the app no token", reply.status, keys));
    }
    let minted: Minted = serde_json::from_slice(&reply.body)
        .map_err(|_| refused("GitHub's answer has no token".to_owned()))?;
    let (value, expires) = (Hidden(minted.token), minted.expires_at.as_second());
    Ok(AppToken { value, expires, app: app.digest() })
}

/// The number of the installation, which may have to be looked for.
fn installation(app: &GithubApp, requests: &Shared, vouched: &str) -> Result<String, SourceError> {
    let owner = match &app.installation {
        Installation::Number(number) => return Ok(number.clone()),
        Installation::Owner(owner) => owner,
    };
    let refused =
        |why: String| SourceError::CredentialsRefused { url: display_url(&app.base), why };
    for page in 1..=PAGES {
        let url = format!("{}/app/installations?per_page={PAGE}&page={page}", app.base);
        let reply = requests.get(&url, vouched)?;
        if reply.status != 200 {
            let keys = "githubAppID and githubAppPrivateKey";
            return Err(no_answer(app, "tells the app no installations", reply.status, keys));
        }
        let all: Vec<Installed> = serde_json::from_slice(&reply.body)
            .map_err(|_| refused("GitHub's answer has no installations".to_owned()))?;
        let found = all.iter().find(|it| it.account.login.eq_ignore_ascii_case(owner));
        if let Some(found) = found {
            return Ok(found.id.to_string());
        }
        if all.len() < PAGE {
            break;
        }
    }
    Err(refused("the app is not installed at githubAppInstallationOwner".to_owned()))
}

/// What it means that GitHub does not do what it is asked for: while it is down, no key is wrong.
fn no_answer(app: &GithubApp, what: &str, status: u32, keys: &str) -> SourceError {
    let (url, why) = (display_url(&app.base), format!("GitHub {what}, status code {status}"));
    match status {
        429 | 500.. => SourceError::RepositoryUnreachable { url, why },
        _ => SourceError::CredentialsRefused { url, why: format!("{why}: check {keys}") },
    }
}

/// Who logs in with a token.
pub fn login(token: &AppToken) -> Login {
    Login::basic(Some(USER.to_owned()), token.value.0.clone())
}

/// What an app says of itself, signed: a JSON Web Token (RFC 7519) with RS256.
fn vouch(app: &GithubApp, now: i64) -> Result<String, &'static str> {
    const BAD: &str = "githubAppPrivateKey is no RSA key that can be read";
    let key = PrivateKeyDer::from_pem_slice(app.key.0.as_bytes()).map_err(|_| BAD)?;
    let key = match &key {
        PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
        _ => return Err(BAD),
    };
    let key = key.map_err(|_| BAD)?;
    let header = json!({"alg": "RS256", "typ": "JWT"});
    let claims = json!({"iat": now - SKEW, "exp": now + LIFE, "iss": app.id});
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let text = format!("{header}.{claims}");
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
        .map_err(|_| BAD)?;
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_github_is_down_no_key_is_called_wrong() {
        let app = GithubApp {
            id: "1".to_owned(),
            installation: Installation::Number("2".to_owned()),
            key: Hidden("key".to_owned()),
            base: "https://api.github.com".to_owned(),
        };
        let check = |status: u32, is_refused: bool| {
            let error = no_answer(&app, "gives no token", status, "githubAppID");
            let said = error.to_string();
            let is_it = matches!(error, SourceError::CredentialsRefused { .. });
            assert_eq!((is_it, said.contains("githubAppID")), (is_refused, is_refused), "{said}");
            assert!(said.contains(&status.to_string()), "{said}");
        };
        for status in [401, 403, 404, 422] {
            check(status, true);
        }
        for status in [429, 500, 502, 503] {
            check(status, false);
        }
    }
}

//! Logins for registries, as `docker login` and `kubectl create secret docker-registry` write them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::values::Values;
use super::{BadCredentials, Hidden, Login};
use crate::source::oci::Address;

/// The key of Secrets of the type `kubernetes.io/dockerconfigjson`.
pub(super) const KEY: &str = ".dockerconfigjson";
/// The registry of Docker, which goes by several names.
const DOCKER: (&str, [&str; 2]) = ("docker.io", ["index.docker.io", "registry-1.docker.io"]);

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    username: Option<String>,
    password: Option<String>,
    /// Both, joined by a colon, as base64.
    auth: Option<String>,
    registrytoken: Option<String>,
    identitytoken: Option<String>,
}

/// Who logs in to the registry of a URL: by the longest name of it that is there.
pub(super) fn login(values: Values<'_>, url: &str) -> Result<Option<Login>, BadCredentials> {
    let Some((_, text)) = values.text(&[KEY])? else { return Ok(None) };
    let bad = BadCredentials::Not(KEY, "what docker login writes");
    let config: Config = serde_json::from_str(&text).map_err(|_| bad.clone())?;
    let address = Address::of(url).unwrap_or_default();
    let found = config.auths.into_iter().filter(|(name, _)| is_of(name, &address));
    let found = found.max_by_key(|(name, _)| plain(name).len());
    let (_, auth) =
        found.ok_or(BadCredentials::Missing(KEY, "none for the registry of repoURL"))?;
    auth.login().map(Some).ok_or(bad)
}

impl Entry {
    fn login(self) -> Option<Login> {
        let is_given = |text: &String| !text.is_empty();
        // It stands beside a name without a password.
        if let Some(token) = self.identitytoken.filter(is_given) {
            return Some(Login::Identity(Hidden(token)));
        }
        if let Some(token) = self.registrytoken.filter(is_given) {
            return Some(Login::Bearer(Hidden(token)));
        }
        if let (Some(username), Some(password)) = (self.username, self.password.filter(is_given)) {
            return Some(Login::basic(Some(username), password));
        }
        let joined = String::from_utf8(STANDARD.decode(self.auth?.trim()).ok()?).ok()?;
        let (username, password) = joined.split_once(':')?;
        Some(Login::basic(Some(username.to_owned()), password.to_owned()))
    }
}

/// Whether a name of `auths` stands for a repository: it is its registry, or a part of its path from there on.
fn is_of(name: &str, address: &Address) -> bool {
    let (registry, path) = split(plain(name));
    let is_below = address.repository.strip_prefix(path);
    let is_below =
        is_below.is_some_and(|rest| path.is_empty() || rest.is_empty() || rest.starts_with('/'));
    usual(registry) == usual(&address.registry) && is_below
}

/// A name without what some programs write around it.
fn plain(name: &str) -> &str {
    let name =
        name.strip_prefix("https://").or_else(|| name.strip_prefix("http://")).unwrap_or(name);
    let name = name.trim_end_matches('/');
    name.strip_suffix("/v1").or_else(|| name.strip_suffix("/v2")).unwrap_or(name)
}

fn split(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or((name, ""))
}

/// One name for those of one registry.
fn usual(registry: &str) -> String {
    let registry = registry.to_ascii_lowercase();
    if DOCKER.1.contains(&registry.as_str()) { DOCKER.0.to_owned() } else { registry }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_of_a_registry_logs_in() {
        let auth = STANDARD.encode("bob:pass:word");
        let config = |auths: &str| format!("{{\"auths\": {{{auths}}}}}");
        let check = |text: &str, url: &str, expect: &str| {
            let data = BTreeMap::from([(KEY.to_owned(), text.as_bytes().to_vec())]);
            let shown = match login(Values(&data), url) {
                Ok(Some(Login::Basic { username, password })) => {
                    format!("{username} {}", password.0)
                }
                Ok(Some(Login::Identity(token))) => format!("identity {}", token.0),
                Ok(Some(Login::Bearer(token))) => format!("bearer {}", token.0),
                Ok(other) => format!("{other:?}"),
                Err(bad) => bad.to_string(),
            };
            assert!(shown.contains(expect), "{text}: {shown}");
        };
        let url = "oci://r.example:5000/team/app";
        let one = |name: &str| config(&format!("\"{name}\": {{\"auth\": \"{auth}\"}}"));
        check(&one("r.example:5000"), url, "bob pass:word");
        check(&one("https://R.example:5000/v2/"), url, "bob pass:word");
        check(&one("r.example:5000/team"), url, "bob pass:word");
        check(&one("r.example:5000/team/app"), url, "bob pass:word");
        for other in [
            "r.example",
            "r.example:5000/tea",
            "r.example:5000/other",
            "r.example:5000.evil.example",
        ] {
            check(&one(other), url, "no .dockerconfigjson: none for the registry");
        }
        check(&one("https://index.docker.io/v1/"), "oci://docker.io/org/app", "bob pass:word");
        let two = r#""r.example:5000": {"username": "a", "password": "1"},
            "r.example:5000/team": {"username": "b", "password": "2"}"#;
        check(&config(two), url, "b 2");
        check(&config(two), "oci://r.example:5000/other", "a 1");
        check(&config(r#""r.example:5000": {"registrytoken": "t"}"#), url, "bearer t");
        let empty = STANDARD.encode("00000000-0000-0000-0000-000000000000:");
        let identity = format!(r#""r.example:5000": {{"auth": "{empty}", "identitytoken": "t"}}"#);
        check(&config(&identity), url, "identity t");
        check(&config(r#""r.example:5000": {"auth": "!"}"#), url, "has to be what docker login");
        check(
            &config(r#""r.example:5000": {"username": "a"}"#),
            url,
            "has to be what docker login",
        );
        check("{}", url, "none for the registry");
        check("hunter2", url, "has to be what docker login writes");
    }
}

//! Who logs in by http.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::bad::LOGINS;
use super::values::Values;
use super::{BadCredentials, GithubApp, Hidden, docker};
use crate::source::oci::Address;

/// Who logs in by http.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Login {
    /// Name and password, or a token in its place.
    Basic {
        /// The name.
        username: String,
        /// The password.
        password: Hidden,
    },
    /// A token that is sent as `Authorization: Bearer`.
    Bearer(Hidden),
    /// A token of Docker's configuration that tokens are to be had for.
    Identity(Hidden),
    /// An app of GitHub, which gets a token for itself.
    App(GithubApp),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Basic(…)",
            Self::Bearer(_) => "Bearer(…)",
            Self::Identity(_) => "Identity(…)",
            Self::App(_) => "App(…)",
        })
    }
}

/// Name that is sent with a password of no name: servers that take tokens take any.
const ANYONE: &str = "git";

impl Login {
    /// A password, with a name where that matters.
    pub fn basic(username: Option<String>, password: String) -> Self {
        let username = username.unwrap_or_else(|| ANYONE.to_owned());
        Self::Basic { username, password: Hidden(password) }
    }

    /// Who logs in, by the keys of Flux.
    pub(super) fn from_values(
        values: Values<'_>,
        url: &str,
    ) -> Result<Option<Self>, BadCredentials> {
        let password = ["username", "password"].into_iter().find(|key| values.has(key));
        let token = Some("bearerToken").filter(|key| values.has(key));
        let app = GithubApp::KEYS.iter().copied().find(|key| values.has(key));
        // In any other Secret it is of no use.
        let docker = Some(docker::KEY).filter(|key| values.has(key) && Address::is_in(url));
        let mut ways = [token, password, app, docker].into_iter().flatten();
        if let (Some(one), Some(other)) = (ways.next(), ways.next()) {
            return Err(BadCredentials::Both(one, other));
        }
        if docker.is_some() {
            return docker::login(values, url);
        }
        if app.is_some() {
            return GithubApp::from_values(values, url).map(|app| Some(Self::App(app)));
        }
        if let Some(token) = values.line("bearerToken")? {
            let is_token = token.bytes().all(|byte| byte.is_ascii_graphic());
            let bad =
                BadCredentials::Not("bearerToken", "a token: plain characters without spaces");
            return if is_token { Ok(Some(Self::Bearer(Hidden(token)))) } else { Err(bad) };
        }
        match (values.line("username")?, values.line("password")?) {
            (username, Some(password)) => Ok(Some(Self::basic(username, password))),
            (Some(_), None) => Err(BadCredentials::Missing("password", LOGINS)),
            (None, None) => Ok(None),
        }
    }
}

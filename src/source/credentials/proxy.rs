//! A proxy between the daemon and a repository.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::values::Values;
use super::{BadCredentials, Hidden};

/// A proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxy {
    /// Its URL.
    pub address: String,
    /// A user of it.
    pub username: Option<String>,
    /// The user's password.
    pub password: Option<Hidden>,
}

const SCHEMES: &[&str] = &["http", "https", "socks5", "socks5h"];

impl Proxy {
    /// The proxy in the data of a Secret, under the keys that Flux uses.
    pub fn from_secret(data: &BTreeMap<String, Vec<u8>>) -> Result<Self, BadCredentials> {
        let values = Values(data);
        let address = values.line("address")?;
        let address = address.ok_or(BadCredentials::Missing("address", "set the proxy's URL"))?;
        if !is_proxy(&address) {
            let what =
                "a URL of http, https or socks5, with user and password under keys of their own";
            return Err(BadCredentials::Not("address", what));
        }
        let (username, password) = (values.line("username")?, values.line("password")?);
        Ok(Self { address, username, password: password.map(Hidden) })
    }
}

fn is_proxy(address: &str) -> bool {
    let Some((scheme, host)) = address.split_once("://") else { return false };
    SCHEMES.contains(&scheme) && !host.is_empty() && !host.contains(['@', '?', '#', ' '])
}

//! Credentials in files, for the app that flags describe.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Credentials, Proxy, Ssh};
use crate::source::SourceError;
use crate::source::way::Way;

/// Where credentials are, and what may be said in the open. Files are read anew for each fetch.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// Name to log in with.
    pub username: Option<String>,
    /// Files, each by the key of a Secret that holds the same.
    pub values: BTreeMap<String, PathBuf>,
    /// URL of a proxy.
    pub proxy: Option<String>,
    /// User of the proxy.
    pub proxy_username: Option<String>,
    /// File with the password of that user.
    pub proxy_password: Option<PathBuf>,
    /// Whether the keys of this process's ssh agent may be offered: they are not every app's.
    pub agent: bool,
}

impl Files {
    /// What the files hold for a URL, if there are any.
    pub fn read(&self, url: &str) -> Result<Option<Credentials>, SourceError> {
        let found = match self.data()? {
            data if Way::of(url) == Way::Ssh && !data.contains_key("identity") => {
                self.by_agent(data)
            }
            data if data.is_empty() => None,
            data => Some(Credentials::from_secret(&data, url).map_err(unusable)?),
        };
        let Some(address) = &self.proxy else { return Ok(found) };
        let mut data = BTreeMap::from([("address".to_owned(), address.clone().into_bytes())]);
        data.extend(self.proxy_username.clone().map(|name| ("username".to_owned(), name.into())));
        if let Some(file) = &self.proxy_password {
            data.insert("password".to_owned(), contents(file)?);
        }
        let proxy = Proxy::from_secret(&data).map_err(unusable)?;
        found.unwrap_or_default().by(proxy, url).map(Some).map_err(unusable)
    }

    /// What a Secret would hold.
    fn data(&self) -> Result<BTreeMap<String, Vec<u8>>, SourceError> {
        let read = |(key, file): (&String, &PathBuf)| Ok((key.clone(), contents(file)?));
        let mut data = self.values.iter().map(read).collect::<Result<BTreeMap<_, _>, _>>()?;
        let username = self.username.clone().filter(|_| data.contains_key("password"));
        data.extend(username.map(|name| ("username".to_owned(), name.into())));
        Ok(data)
    }

    /// The agent's keys, and the servers that its user knows.
    fn by_agent(&self, mut data: BTreeMap<String, Vec<u8>>) -> Option<Credentials> {
        if !self.agent {
            return None;
        }
        let known_hosts = match (data.remove("known_hosts"), std::env::var_os("HOME")) {
            (Some(known_hosts), _) => known_hosts,
            (None, Some(home)) => {
                std::fs::read(Path::new(&home).join(".ssh/known_hosts")).unwrap_or_default()
            }
            (None, None) => Vec::new(),
        };
        let known_hosts = String::from_utf8_lossy(&known_hosts).into_owned();
        let ssh = Some(Ssh { key: None, known_hosts });
        Some(Credentials { ssh, ..Credentials::default() })
    }
}

fn contents(file: &Path) -> Result<Vec<u8>, SourceError> {
    std::fs::read(file).map_err(|error| SourceError::CredentialsUnreadable {
        file: file.to_owned(),
        why: error.to_string(),
    })
}

fn unusable(bad: super::BadCredentials) -> SourceError {
    SourceError::CredentialsUnusable { why: bad.to_string() }
}

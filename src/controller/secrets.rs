//! The Secrets that an app is made of.

use std::fmt;

use crate::cluster::Cluster;
use crate::cluster::secret::{SecretData, SecretError, Version};
use crate::report::Notice;

/// A Secret that an app was made of, or for want of which it was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// Its name.
    pub name: String,
    /// What there was of it.
    pub version: Version,
}

/// Reads the Secrets of a namespace with the rights of an account, and notes which: an app is made anew when one of
/// them changes.
pub struct Secrets<'a> {
    own: &'a Cluster,
    namespace: &'a str,
    used: &'a mut Vec<Used>,
}

impl<'a> Secrets<'a> {
    /// Those of a namespace.
    pub fn new(own: &'a Cluster, namespace: &'a str, used: &'a mut Vec<Used>) -> Self {
        Self { own, namespace, used }
    }

    /// The namespace.
    pub fn namespace(&self) -> &'a str {
        self.namespace
    }

    /// Reads one.
    pub async fn read(&mut self, name: &str) -> Result<SecretData, Notice> {
        let read = self.own.secret(self.namespace, name).await;
        let version = match &read {
            Ok(secret) => Some(Version::At(secret.version.clone())),
            Err(SecretError::Missing { .. }) => Some(Version::Missing),
            // That it may be read again is no change of it.
            Err(_) => None,
        };
        self.used.extend(version.map(|version| Used { name: name.to_owned(), version }));
        read.map_err(|error| Notice::SecretUnavailable(error.to_string()))
    }

    /// Why what one holds cannot be used.
    pub fn unusable(&self, name: &str, why: impl fmt::Display) -> Notice {
        Notice::SecretUnavailable(format!("Secret {}/{name}: {why}", self.namespace))
    }
}

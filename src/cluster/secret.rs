//! Secrets that apps refer to.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::Cluster;
use super::follow::Sight;
use super::list::{Content, Target, version_of};
use super::store::secrets;
use crate::object::ObjectId;

/// What a Secret holds.
pub struct SecretData {
    /// Its version.
    pub version: String,
    /// Its entries.
    pub data: BTreeMap<String, Vec<u8>>,
}

/// Why a Secret cannot be used. It quotes nothing of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is none.
    #[error("there is no Secret {namespace}/{name}")]
    Missing {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Whoever asks may not read it.
    #[error("{who} may not read Secret {namespace}/{name}: grant get on it")]
    Forbidden {
        /// Who asks.
        who: String,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// It cannot be read now.
    #[error("cannot read Secret {namespace}/{name}: {why}")]
    Unreadable {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Why.
        why: String,
    },
}

impl Cluster {
    /// Reads a Secret, with the rights of whom this handle acts as.
    pub async fn secret(&self, namespace: &str, name: &str) -> Result<SecretData, SecretError> {
        let resource = secrets();
        let id = ObjectId::new(resource.kind.clone(), namespace, name);
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        match self.get(&resource, &id).await {
            Ok(Some(secret)) => {
                Ok(SecretData { version: version_of(&secret), data: entries(&secret) })
            }
            Ok(None) => Err(SecretError::Missing { namespace, name }),
            Err(error) if error.code() == 403 => {
                Err(SecretError::Forbidden { who: self.who(), namespace, name })
            }
            Err(error) => {
                Err(SecretError::Unreadable { namespace, name, why: error.shown(&id.kind) })
            }
        }
    }

    /// Waits until a Secret is another than at this version. Only its metadata is looked at.
    pub async fn secret_changed(self, namespace: String, name: String, version: String) {
        let target = Target {
            resource: secrets(),
            namespace,
            labels: String::new(),
            fields: format!("metadata.name={name}"),
            content: Content::Metadata,
        };
        let is_same = move |seen: &String| *seen == version;
        let listen = move |sight: Sight<String>| {
            let is_changed = match sight {
                Sight::Listed(versions) => !versions.iter().all(&is_same) || versions.is_empty(),
                Sight::Seen(version) => !is_same(&version),
                Sight::Gone(_) => true,
                // Nothing is known, and it is most likely the same.
                Sight::Lost(_) => false,
            };
            if is_changed { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        self.follow(target, version_of, listen).await;
    }

    fn who(&self) -> String {
        match self.account() {
            Some(account) => account.to_string(),
            None => "gitops-sync".to_owned(),
        }
    }
}

fn entries(secret: &Value) -> BTreeMap<String, Vec<u8>> {
    let entries = secret["data"].as_object().into_iter().flatten();
    let decoded = |(key, value): (&String, &Value)| {
        Some((key.clone(), STANDARD.decode(value.as_str()?).ok()?))
    };
    entries.filter_map(decoded).collect()
}

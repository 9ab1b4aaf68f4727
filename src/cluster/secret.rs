//! Secrets and ConfigMaps that apps refer to.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::Cluster;
use super::follow::Sight;
use super::list::{Content, Target, version_of};
use super::store::secrets;
use crate::api::reference::ReferenceKind;
use crate::object::{GroupKind, ObjectId};
use crate::plan::Resource;

impl ReferenceKind {
    /// Its kind.
    pub fn kind(self) -> GroupKind {
        self.resource().kind
    }

    /// What such an object holds.
    pub fn entries(self, object: &Value) -> BTreeMap<String, Vec<u8>> {
        entries(object, self)
    }

    fn resource(self) -> Resource {
        let (kind, plural) = match self {
            Self::Secret => return secrets(),
            Self::ConfigMap => (GroupKind::new("", "ConfigMap"), "configmaps".to_owned()),
        };
        Resource { kind, version: "v1".to_owned(), plural, namespaced: true, listable: true }
    }
}

/// What a Secret or ConfigMap holds.
pub struct SecretData {
    /// Its version.
    pub version: String,
    /// Its entries.
    pub data: BTreeMap<String, Vec<u8>>,
}

/// What there is of a Secret or ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Version {
    /// One of this `resourceVersion`.
    At(String),
    /// None.
    Missing,
}

/// Why a Secret or ConfigMap cannot be used. It quotes nothing of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is none.
    #[error("there is no {kind} {namespace}/{name}")]
    Missing {
        /// What it is.
        kind: ReferenceKind,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Whoever asks may not read it.
    #[error("{who} may not read {kind} {namespace}/{name}: grant get on it")]
    Forbidden {
        /// What it is.
        kind: ReferenceKind,
        /// Who asks.
        who: String,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// It cannot be read now.
    #[error("cannot read {kind} {namespace}/{name}: {why}")]
    Unreadable {
        /// What it is.
        kind: ReferenceKind,
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
        self.referent(ReferenceKind::Secret, namespace, name).await
    }

    /// Reads a Secret or ConfigMap, with the rights of whom this handle acts as.
    pub async fn referent(
        &self,
        kind: ReferenceKind,
        namespace: &str,
        name: &str,
    ) -> Result<SecretData, SecretError> {
        let resource = kind.resource();
        let id = ObjectId::new(resource.kind.clone(), namespace, name);
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        match self.get(&resource, &id).await {
            Ok(Some(secret)) => {
                Ok(SecretData { version: version_of(&secret), data: entries(&secret, kind) })
            }
            Ok(None) => Err(SecretError::Missing { kind, namespace, name }),
            Err(error) if error.code() == 403 => {
                Err(SecretError::Forbidden { kind, who: self.who(), namespace, name })
            }
            Err(error) => {
                Err(SecretError::Unreadable { kind, namespace, name, why: error.shown(&id.kind) })
            }
        }
    }

    /// Waits until a Secret is another than this, or comes. Only its metadata is looked at.
    pub async fn secret_changed(self, namespace: String, name: String, version: Version) {
        let target = metadata_of(secrets(), namespace, &name);
        let listen = move |sight: Sight<String>| match seen(sight) {
            Some(now) if now != version => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        self.follow(target, version_of, listen).await;
    }

    /// Tells of each change of a Secret or ConfigMap from now on. Only its metadata is looked at.
    pub async fn watch_referent(
        self,
        kind: ReferenceKind,
        namespace: String,
        name: String,
        mut tell: impl FnMut() + Send,
    ) {
        let target = metadata_of(kind.resource(), namespace, &name);
        let mut known: Option<Version> = None;
        let listen = move |sight: Sight<String>| {
            let now = seen(sight);
            if known.is_some() && now.is_some() && known != now {
                tell();
            }
            known = now.or_else(|| known.take());
            ControlFlow::<()>::Continue(())
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

/// The metadata of one object.
fn metadata_of(resource: Resource, namespace: String, name: &str) -> Target {
    let (labels, fields) = (String::new(), format!("metadata.name={name}"));
    Target { resource, namespace, labels, fields, content: Content::Metadata }
}

/// What there is of the one object that is followed. `None` if nothing is known: it is most likely as it was.
fn seen(sight: Sight<String>) -> Option<Version> {
    match sight {
        Sight::Listed(versions) => {
            Some(versions.into_iter().next().map_or(Version::Missing, Version::At))
        }
        Sight::Seen(version) => Some(Version::At(version)),
        Sight::Gone(_) => Some(Version::Missing),
        Sight::Lost(_) => None,
    }
}

fn entries(object: &Value, kind: ReferenceKind) -> BTreeMap<String, Vec<u8>> {
    let entries = object["data"].as_object().into_iter().flatten();
    let decoded = |(key, value): (&String, &Value)| {
        let text = value.as_str()?;
        let bytes = match kind {
            ReferenceKind::Secret => STANDARD.decode(text).ok()?,
            ReferenceKind::ConfigMap => text.as_bytes().to_vec(),
        };
        Some((key.clone(), bytes))
    };
    entries.filter_map(decoded).collect()
}

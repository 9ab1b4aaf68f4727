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

    /// Tells of each change of a Secret or ConfigMap from now on. Only its metadata is looked at.
    pub async fn watch_referent(
        self,
        kind: ReferenceKind,
        namespace: String,
        name: String,
        mut tell: impl FnMut() + Send,
    ) {
        let target = Target {
            resource: kind.resource(),
            namespace,
            labels: String::new(),
            fields: format!("metadata.name={name}"),
            content: Content::Metadata,
        };
        let mut known: Option<Option<String>> = None;
        let listen = move |sight: Sight<String>| {
            let now = match sight {
                Sight::Listed(versions) => versions.into_iter().next(),
                Sight::Seen(version) => Some(version),
                Sight::Gone(_) => None,
                // Nothing is known, and it is most likely the same.
                Sight::Lost(_) => return ControlFlow::Continue(()),
            };
            if known.as_ref().is_some_and(|known| *known != now) {
                tell();
            }
            known = Some(now);
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

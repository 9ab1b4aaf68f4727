//! What the daemon keeps in Secrets of its own namespace: inventories and the hash key.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::api::PostParams;
use rand::RngExt as _;
use serde_json::{Value, json};

use super::{ApiError, Cluster, client};
use crate::object::marks::{HashKey, MANAGER};
use crate::object::{AppId, GroupKind, ObjectId};
use crate::plan::{Inventory, Resource};

/// Name of the Secret with the hash key.
const KEY: &str = "gitops-sync-key";
/// Largest Secret that the API server takes, with room for metadata, in bytes.
const SECRET_LIMIT: usize = 1_000_000;

/// Why the store could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The API server refused or was away.
    #[error("cannot {verb} Secret {namespace}/{name}: {source}")]
    Api {
        /// What was tried.
        verb: &'static str,
        /// Namespace of the Secret.
        namespace: String,
        /// Name of the Secret.
        name: String,
        /// The request's failure.
        source: ApiError,
    },
    /// Someone else writes the same inventory.
    #[error(
        "Secret {namespace}/{name} was changed by another process: run one gitops-sync per --name; retrying"
    )]
    Conflict {
        /// Namespace of the Secret.
        namespace: String,
        /// Name of the Secret.
        name: String,
    },
    /// The Secret holds something else.
    #[error(
        "Secret {namespace}/{name} cannot be read ({why}): restore it, or delete it to start an empty one; nothing is deleted meanwhile"
    )]
    Damaged {
        /// Namespace of the Secret.
        namespace: String,
        /// Name of the Secret.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// There are more objects than one Secret can hold.
    #[error("the inventory of {objects} objects does not fit into a Secret: split the app")]
    TooLarge {
        /// Objects of the app.
        objects: usize,
    },
}

impl StoreError {
    /// Whether the API server was away.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Api { source, .. } if source.is_outage())
    }
}

/// An inventory as it was loaded or last saved.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// The inventory.
    pub inventory: Arc<Inventory>,
    /// The Secret's version, for optimistic locking; `None` while there is no Secret.
    version: Option<String>,
}

/// The Secrets of one namespace.
#[derive(Clone)]
pub struct Store {
    cluster: Cluster,
    namespace: String,
}

impl Store {
    /// The store in a namespace.
    pub fn new(cluster: Cluster, namespace: &str) -> Self {
        Self { cluster, namespace: namespace.to_owned() }
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Reads an app's inventory; an app without one has an empty one.
    pub async fn load(&self, app: &AppId) -> Result<Loaded, StoreError> {
        let name = inventory_name(app);
        let Some(secret) = self.read(&name).await? else { return Ok(Loaded::default()) };
        let bytes = data(&secret, "inventory").unwrap_or_default();
        let inventory = Inventory::decode(&bytes).map_err(|error| StoreError::Damaged {
            namespace: self.namespace.clone(),
            name,
            why: error.to_string(),
        })?;
        Ok(Loaded { inventory: inventory.into(), version: version(&secret) })
    }

    /// Checks that an app's inventory is still the one that was loaded.
    pub async fn check(&self, app: &AppId, loaded: &Loaded) -> Result<(), StoreError> {
        let name = inventory_name(app);
        let secret = self.read(&name).await?;
        if secret.as_ref().and_then(version) == loaded.version {
            return Ok(());
        }
        Err(StoreError::Conflict { namespace: self.namespace.clone(), name })
    }

    /// Writes an app's inventory, unless it is stored already.
    pub async fn save(
        &self,
        app: &AppId,
        loaded: &mut Loaded,
        inventory: &Arc<Inventory>,
    ) -> Result<(), StoreError> {
        // Of one and the same inventory this looks at no entry.
        if loaded.inventory == *inventory && loaded.version.is_some() {
            return Ok(());
        }
        let name = inventory_name(app);
        let too_large = StoreError::TooLarge { objects: inventory.entries.len() };
        let bytes = inventory.encode().unwrap_or_default();
        if bytes.is_empty() || bytes.len() > SECRET_LIMIT {
            return Err(too_large);
        }
        let secret = self.write(&name, "inventory", &bytes, loaded.version.as_deref()).await?;
        *loaded = Loaded { inventory: inventory.clone(), version: version(&secret) };
        Ok(())
    }

    /// Reads the hash key; `None` if there is none yet.
    pub async fn key(&self) -> Result<Option<HashKey>, StoreError> {
        let secret = self.read(KEY).await?;
        Ok(secret.and_then(|secret| data(&secret, "key")).map(HashKey))
    }

    /// Reads the hash key, and makes one if there is none.
    pub async fn key_or_new(&self) -> Result<HashKey, StoreError> {
        if let Some(key) = self.key().await? {
            return Ok(key);
        }
        let key: [u8; 32] = rand::rng().random();
        match self.write(KEY, "key", &key, None).await {
            // Another process was first.
            Err(StoreError::Conflict { .. }) => {}
            other => return other.map(|_| HashKey(key.to_vec())),
        }
        let (namespace, name) = (self.namespace.clone(), KEY.to_owned());
        let why = "it has no key".to_owned();
        self.key().await?.ok_or(StoreError::Damaged { namespace, name, why })
    }

    async fn read(&self, name: &str) -> Result<Option<Value>, StoreError> {
        let read = self.cluster.get(&secrets(), &self.id(name)).await;
        read.map_err(|source| self.failed("read", name, source))
    }

    /// Creates a Secret (without a version) or replaces exactly that version of it.
    async fn write(
        &self,
        name: &str,
        key: &str,
        bytes: &[u8],
        version: Option<&str>,
    ) -> Result<Value, StoreError> {
        let mut secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "gitops-sync.dev/state",
            "metadata": {"name": name, "namespace": self.namespace,
                         "labels": {"app.kubernetes.io/managed-by": MANAGER}},
            "data": {key: STANDARD.encode(bytes)},
        });
        if let Some(version) = version {
            secret["metadata"]["resourceVersion"] = json!(version);
        }
        let requests = client::requests(&secrets(), &self.id(name));
        let (params, body) = (PostParams::default(), secret.to_string().into_bytes());
        let (verb, request) = match version {
            None => ("create", requests.create(&params, body)),
            Some(_) => ("update", requests.replace(name, &params, body)),
        };
        let sent = match request {
            Ok(request) => self.cluster.send(verb, request).await,
            Err(error) => Err(ApiError::BadRequest(error)),
        };
        sent.map(|(_, secret)| secret).map_err(|source| self.failed(verb, name, source))
    }

    fn failed(&self, verb: &'static str, name: &str, source: ApiError) -> StoreError {
        let (namespace, name) = (self.namespace.clone(), name.to_owned());
        match source.code() {
            409 => StoreError::Conflict { namespace, name },
            _ => StoreError::Api { verb, namespace, name, source },
        }
    }

    fn id(&self, name: &str) -> ObjectId {
        ObjectId::new(secrets().kind, &self.namespace, name)
    }
}

fn inventory_name(app: &AppId) -> String {
    format!("gitops-sync-inventory-{app}")
}

fn secrets() -> Resource {
    Resource {
        kind: GroupKind::new("", "Secret"),
        version: "v1".to_owned(),
        plural: "secrets".to_owned(),
        namespaced: true,
        listable: true,
    }
}

fn data(secret: &Value, key: &str) -> Option<Vec<u8>> {
    STANDARD.decode(secret["data"][key].as_str()?).ok()
}

fn version(secret: &Value) -> Option<String> {
    secret["metadata"]["resourceVersion"].as_str().map(str::to_owned)
}

//! What the daemon keeps in Secrets of its own namespace: inventories and the hash key.

mod follow;
pub mod inbox;
mod register;

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::try_join_all;
use http::Request;
use kube::api::{DeleteParams, PostParams};
use rand::RngExt as _;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use self::register::Register;
use crate::cluster::{ApiError, Cluster, Fence, Term, client};
use crate::object::marks::{HashKey, MANAGER};
use crate::object::{AppId, GroupKind, ObjectId};
use crate::plan::shards::{self, KEY, Shard};
use crate::plan::{Controls, Inventory, Resource};

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
    /// There is nothing to annotate.
    #[error(
        "there is no Secret {namespace}/{name}: check --name and --namespace, gitops-sync makes it with its first sync"
    )]
    NoInventory {
        /// Namespace of the Secret.
        namespace: String,
        /// Name of the Secret.
        name: String,
    },
    /// A shard holds more than a Secret can.
    #[error("what is to be remembered does not fit into Secret {namespace}/{name}: split the app")]
    TooLarge {
        /// Namespace of the Secret.
        namespace: String,
        /// Name of the Secret.
        name: String,
    },
}

impl StoreError {
    /// Whether we may not.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Api { source, .. } if source.code() == 403)
    }

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
    /// What people ask of the app.
    pub controls: Controls,
    /// The Secrets of its shards; none while there is no inventory.
    shards: Vec<Stored>,
    /// Shards that hold what is no longer theirs, since a write of them was cut off.
    surplus: BTreeSet<usize>,
}

impl Loaded {
    /// Whether there is an inventory, be it an empty one.
    pub fn exists(&self) -> bool {
        !self.shards.is_empty()
    }
}

/// One shard's Secret as it was read or written last.
#[derive(Debug, Clone, Default)]
struct Stored {
    /// Its version, for optimistic locking; `None` while there is no Secret.
    version: Option<String>,
    /// Its annotations, which people make.
    annotations: Value,
    /// Hash of its data: people's annotations change the version alone.
    digest: Vec<u8>,
}

impl Stored {
    fn of(secret: &Value) -> Self {
        let version = secret["metadata"]["resourceVersion"].as_str().map(str::to_owned);
        let digest = Sha256::digest(secret["data"].to_string()).to_vec();
        Self { version, annotations: secret["metadata"]["annotations"].clone(), digest }
    }
}

/// The Secrets of one namespace.
#[derive(Clone)]
pub struct Store {
    cluster: Cluster,
    namespace: String,
    register: Register,
    /// The hash key, once it is known.
    key: Arc<OnceCell<HashKey>>,
}

impl Store {
    /// The store in a namespace. Whatever the cluster's handle acts as, what is stored is the daemon's own.
    pub fn new(cluster: Cluster, namespace: &str) -> Self {
        let (cluster, namespace) = (cluster.in_own_name(), namespace.to_owned());
        Self { cluster, namespace, register: Register::default(), key: Arc::default() }
    }

    /// The same, written to only while the fence is open.
    #[must_use]
    pub fn fenced(&self, fence: Arc<Fence>) -> Self {
        Self { cluster: self.cluster.fenced(fence), ..self.clone() }
    }

    /// The same, written to only in this term of its fence.
    #[must_use]
    pub fn in_term(&self, term: Term) -> Self {
        Self { cluster: self.cluster.in_term(term), ..self.clone() }
    }

    /// The store in another namespace.
    #[must_use]
    pub fn within(&self, namespace: &str) -> Self {
        Self::new(self.cluster.clone(), namespace)
    }

    /// Whether it is in this cluster.
    pub fn is_in(&self, cluster: &Cluster) -> bool {
        self.cluster.is_same(cluster)
    }

    /// The cluster that it is in.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Reads an app's inventory; an app without one has an empty one.
    pub async fn load(&self, app: &AppId) -> Result<Loaded, StoreError> {
        let name = shards::name(app, 0);
        let Some(secret) = self.read(&name).await? else { return Ok(Loaded::default()) };
        let first = self.decode(&name, &secret)?;
        let others = (1..first.shards()).map(|number| self.load_shard(app, number));
        let others = try_join_all(others).await?;
        let (mut stored, mut shards) = (vec![Stored::of(&secret)], vec![first]);
        for (secret, shard) in others {
            stored.push(secret);
            shards.push(shard);
        }
        let (inventory, surplus) = shards::join(shards);
        let controls = Controls::of(&secret);
        Ok(Loaded { inventory: inventory.into(), controls, shards: stored, surplus })
    }

    async fn load_shard(&self, app: &AppId, number: usize) -> Result<(Stored, Shard), StoreError> {
        let name = shards::name(app, number);
        match self.read(&name).await? {
            Some(secret) => Ok((Stored::of(&secret), self.decode(&name, &secret)?)),
            // What it held is no longer ours to delete, and taken over again where git declares it.
            None => Ok((Stored::default(), Shard::default())),
        }
    }

    /// How inventories name a cluster: empty for the one that they are in.
    pub fn place(&self, cluster: &Cluster) -> String {
        if self.is_in(cluster) { String::new() } else { cluster.address().to_owned() }
    }

    /// Whether an app's inventory has an object of a cluster; so it is said as well of one that may not be read.
    pub async fn lists(
        &self,
        app: &AppId,
        id: &ObjectId,
        cluster: &str,
    ) -> Result<bool, StoreError> {
        let listed = async {
            let name = shards::name(app, 0);
            let Some(secret) = self.read(&name).await? else { return Ok(false) };
            let first = self.decode(&name, &secret)?;
            if first.cluster() != cluster {
                return Ok(false);
            }
            match shards::place(id, first.shards()) {
                0 => Ok(first.has(id)),
                at => Ok(self.load_shard(app, at).await?.1.has(id) || first.has(id)),
            }
        };
        match listed.await {
            Err(error) if StoreError::is_forbidden(&error) => Ok(true),
            listed => listed,
        }
    }

    fn decode(&self, name: &str, secret: &Value) -> Result<Shard, StoreError> {
        let bytes = data(secret, "inventory").unwrap_or_default();
        Shard::decode(&bytes).map_err(|error| StoreError::Damaged {
            namespace: self.namespace.clone(),
            name: name.to_owned(),
            why: error.to_string(),
        })
    }

    /// Checks that the shards of some objects are still those that were loaded. Says what people ask of the
    /// app by now.
    pub async fn check(
        &self,
        app: &AppId,
        loaded: &Loaded,
        ids: &[ObjectId],
    ) -> Result<Controls, StoreError> {
        let number = loaded.shards.len();
        let places: BTreeSet<_> =
            ids.iter().map(|id| shards::place(id, number)).chain([0]).collect();
        let check = async |at: usize| {
            let name = shards::name(app, at);
            let secret = self.read(&name).await?;
            let known = loaded.shards.get(at).map(|stored| &stored.digest);
            if secret.as_ref().map(|secret| Stored::of(secret).digest).as_ref() == known {
                return Ok(secret.as_ref().map(Controls::of).unwrap_or_default());
            }
            Err(StoreError::Conflict { namespace: self.namespace.clone(), name })
        };
        // The first shard's are the app's.
        Ok(try_join_all(places.into_iter().map(check)).await?.swap_remove(0))
    }

    /// Writes an app's inventory, unless it is stored already.
    pub async fn save(
        &self,
        app: &AppId,
        loaded: &mut Loaded,
        inventory: &Arc<Inventory>,
    ) -> Result<(), StoreError> {
        // Of one and the same inventory this looks at no entry.
        if loaded.inventory == *inventory && loaded.exists() {
            return Ok(());
        }
        let (number, surplus) = (loaded.shards.len(), &loaded.surplus);
        let writes = shards::writes(&loaded.inventory, number, inventory, surplus);
        loaded.shards.resize(writes.shards, Stored::default());
        for round in &writes.rounds {
            let write = async |at: usize| {
                let shard = shards::shard(inventory, at, writes.shards);
                let stored = self.write_shard(app, at, &shard, &loaded.shards[at]).await?;
                Ok::<_, StoreError>((at, stored))
            };
            for (at, stored) in try_join_all(round.iter().map(|at| write(*at))).await? {
                loaded.shards[at] = stored;
            }
        }
        loaded.inventory = inventory.clone();
        loaded.surplus.clear();
        Ok(())
    }

    /// Writes one shard over the one that is known. Annotations that people made meanwhile stay.
    async fn write_shard(
        &self,
        app: &AppId,
        at: usize,
        shard: &Shard,
        known: &Stored,
    ) -> Result<Stored, StoreError> {
        let name = shards::name(app, at);
        let bytes = shard.encode().unwrap_or_default();
        if bytes.is_empty() || bytes.len() > SECRET_LIMIT {
            return Err(StoreError::TooLarge { namespace: self.namespace.clone(), name });
        }
        match self.write(&name, "inventory", &bytes, known).await {
            Err(conflict @ StoreError::Conflict { .. }) => {
                let now = self.read(&name).await?.as_ref().map(Stored::of).unwrap_or_default();
                // A new shard's Secret can only be left over from a write that was cut off.
                let is_leftover = known.version.is_none() && at > 0;
                if now.digest != known.digest && !is_leftover {
                    return Err(conflict);
                }
                let secret = self.write(&name, "inventory", &bytes, &now).await?;
                Ok(Stored::of(&secret))
            }
            written => Ok(Stored::of(&written?)),
        }
    }

    /// Deletes an app's inventory, and strikes it from the list of apps.
    pub async fn remove(&self, app: &AppId, loaded: &Loaded) -> Result<(), StoreError> {
        // The first one last: it says how many there are.
        for number in (0..loaded.shards.len()).rev() {
            let name = shards::name(app, number);
            let requests = client::requests(&secrets(), &self.id(&name));
            match self.sent("delete", &name, requests.delete(&name, &DeleteParams::default())).await
            {
                Err(StoreError::Api { source, .. }) if source.code() == 404 => {}
                other => drop(other?),
            }
        }
        self.strike(app).await
    }

    /// The hash key, which all apps share and which is read once; `None` if there is none yet.
    pub async fn key(&self) -> Result<Option<HashKey>, StoreError> {
        if let Some(known) = self.key.get() {
            return Ok(Some(known.clone()));
        }
        let found = self.stored_key().await?;
        if let Some(found) = &found {
            // Another app may have been first, with the same one.
            let _ = self.key.set(found.clone());
        }
        Ok(found)
    }

    /// The hash key; one is made if there is none.
    pub async fn key_or_new(&self) -> Result<HashKey, StoreError> {
        self.key.get_or_try_init(|| self.stored_or_new_key()).await.cloned()
    }

    async fn stored_key(&self) -> Result<Option<HashKey>, StoreError> {
        let secret = self.read(KEY).await?;
        Ok(secret.and_then(|secret| data(&secret, "key")).map(HashKey))
    }

    async fn stored_or_new_key(&self) -> Result<HashKey, StoreError> {
        if let Some(key) = self.stored_key().await? {
            return Ok(key);
        }
        let key: [u8; 32] = rand::rng().random();
        match self.write(KEY, "key", &key, &Stored::default()).await {
            // Another process was first.
            Err(StoreError::Conflict { .. }) => {}
            other => return other.map(|_| HashKey(key.to_vec())),
        }
        let (namespace, name) = (self.namespace.clone(), KEY.to_owned());
        let why = "it has no key".to_owned();
        self.stored_key().await?.ok_or(StoreError::Damaged { namespace, name, why })
    }

    async fn read(&self, name: &str) -> Result<Option<Value>, StoreError> {
        let read = self.cluster.get(&secrets(), &self.id(name)).await;
        read.map_err(|source| self.failed("read", name, source))
    }

    /// Creates a Secret, or replaces exactly the version of it that is known.
    async fn write(
        &self,
        name: &str,
        key: &str,
        bytes: &[u8],
        known: &Stored,
    ) -> Result<Value, StoreError> {
        let mut secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": shards::SECRET_TYPE,
            "metadata": {"name": name, "namespace": self.namespace,
                         "labels": {"app.kubernetes.io/managed-by": MANAGER}},
            "data": {key: STANDARD.encode(bytes)},
        });
        if let Some(version) = &known.version {
            secret["metadata"]["resourceVersion"] = json!(version);
            secret["metadata"]["annotations"] = known.annotations.clone();
            return self.replace(name, &secret).await;
        }
        let requests = client::requests(&secrets(), &self.id(name));
        let request = requests.create(&PostParams::default(), secret.to_string().into_bytes());
        self.sent("create", name, request).await
    }

    /// Replaces a Secret, if it is still the version that this one was made of.
    async fn replace(&self, name: &str, secret: &Value) -> Result<Value, StoreError> {
        let requests = client::requests(&secrets(), &self.id(name));
        let body = secret.to_string().into_bytes();
        let request = requests.replace(name, &PostParams::default(), body);
        self.sent("update", name, request).await
    }

    async fn sent(
        &self,
        verb: &'static str,
        name: &str,
        request: Result<Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Value, StoreError> {
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

/// The kind of Secrets.
pub(super) fn secrets() -> Resource {
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

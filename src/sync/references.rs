//! Reads what an app's objects are made of beside its repository: ConfigMaps and Secrets that its spec refers to.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use tokio::sync::Notify;

use super::App;
use crate::api::post_build::{SubstituteKind, SubstituteReference};
use crate::build;
use crate::cluster::Cluster;
use crate::cluster::secret::{Referent, SecretError};
use crate::render::Substitution;
use crate::source::SourceError;

/// Where what an app refers to is, and with whose rights it is read: those of the resource, wherever its objects go.
#[derive(Clone)]
pub struct Home {
    /// The cluster of the resource.
    pub cluster: Cluster,
    /// Its namespace.
    pub namespace: String,
    /// Told when something of it changes.
    pub news: Arc<Notify>,
}

impl Home {
    /// This namespace of a cluster.
    pub fn new(cluster: Cluster, namespace: &str) -> Self {
        Self { cluster, namespace: namespace.to_owned(), news: Arc::default() }
    }
}

/// Tells of what changes of an app's references. Without it, the next pass finds it.
pub async fn follow(app: App) {
    let post_build = app.recipe.post_build.iter();
    let watches = post_build.flat_map(|post_build| &post_build.substitute_from).map(|reference| {
        let Home { cluster, namespace, news } = app.home.clone();
        let tell = move || news.notify_one();
        let name = reference.name.0.clone();
        cluster.watch_referent(referent(reference.kind), namespace, name, tell)
    });
    join_all(watches).await;
}

/// What a reference is one to.
pub fn referent(kind: SubstituteKind) -> Referent {
    match kind {
        SubstituteKind::Secret => Referent::Secret,
        SubstituteKind::ConfigMap => Referent::ConfigMap,
    }
}

/// What is substituted in an app's objects: each reference is read, once. Without any, nothing is sent.
pub async fn substitution(app: &App) -> Result<Option<Arc<Substitution>>, SourceError> {
    let Some(post_build) = &app.recipe.post_build else { return Ok(None) };
    let mut entries = Vec::new();
    for reference in &post_build.substitute_from {
        entries.push(read(&app.home, reference).await?);
    }
    Ok(Some(Arc::new(build::substitution(post_build, entries))))
}

/// The entries of a ConfigMap or Secret.
async fn read(
    home: &Home,
    SubstituteReference { kind, name, optional }: &SubstituteReference,
) -> Result<BTreeMap<String, Vec<u8>>, SourceError> {
    match home.cluster.referent(referent(*kind), &home.namespace, &name.0).await {
        Ok(read) => Ok(read.data),
        Err(SecretError::Missing { .. }) if *optional => Ok(BTreeMap::new()),
        Err(error) => Err(SourceError::ReferenceUnavailable { why: error.to_string() }),
    }
}

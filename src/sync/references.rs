//! Reads what an app's objects are made of beside its repository: ConfigMaps and Secrets that its spec refers to.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;

use futures::future::join_all;
use tokio::sync::Notify;

use super::App;
use crate::builder::{Entries, Reference, Referred, VALUES_FROM};
use crate::cluster::Cluster;
use crate::cluster::secret::SecretError;
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
    let references = app.recipe.references();
    let all: BTreeSet<_> = references.map(|reference| (reference.kind, reference.name)).collect();
    let watches = all.into_iter().map(|(kind, name)| {
        let Home { cluster, namespace, news } = app.home.clone();
        let tell = move || news.notify_one();
        cluster.watch_referent(kind, namespace, name.to_owned(), tell)
    });
    join_all(watches).await;
}

/// What an app has from what it refers to: each is read, once. Without any, nothing is sent.
pub async fn referred(app: &App) -> Result<Referred, SourceError> {
    let mut entries = Vec::new();
    for reference in app.recipe.references() {
        entries.push(read(&app.home, reference).await?);
    }
    app.recipe.referred(entries).map_err(|bad| unavailable(VALUES_FROM, &bad))
}

/// The entries of a ConfigMap or Secret. There are none of one that may be missing and is.
async fn read(home: &Home, reference: Reference<'_>) -> Result<Option<Entries>, SourceError> {
    let Reference { kind, name, optional, field } = reference;
    match home.cluster.referent(kind, &home.namespace, name).await {
        Ok(read) => Ok(Some(read.data)),
        Err(SecretError::Missing { .. }) if optional => Ok(None),
        Err(error) => Err(unavailable(field, &error)),
    }
}

fn unavailable(field: &str, why: &dyn Error) -> SourceError {
    SourceError::ReferenceUnavailable { field: field.to_owned(), why: why.to_string() }
}

//! Reads what an app's objects are made of beside its repository: ConfigMaps and Secrets that its spec refers to.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::Arc;

use futures::future::join_all;
use tokio::sync::Notify;

use super::App;
use crate::api::helm::ValuesReference;
use crate::api::post_build::SubstituteReference;
use crate::api::reference::{Name, ReferenceKind};
use crate::builder::{self, BadValues};
use crate::cluster::Cluster;
use crate::cluster::secret::SecretError;
use crate::render::Substitution;
use crate::render::helm::Given;
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

/// The fields that refer to something.
const SUBSTITUTE_FROM: &str = "postBuild.substituteFrom";
const VALUES_FROM: &str = "render.helm.valuesFrom";

/// Tells of what changes of an app's references. Without it, the next pass finds it.
pub async fn follow(app: App) {
    let post_build = app.recipe.post_build.iter();
    let substituted = post_build.flat_map(|post_build| &post_build.substitute_from);
    let substituted = substituted.map(|reference| (reference.kind, &reference.name));
    let values = app.recipe.render.helm.values_from.iter();
    let values = values.map(|reference| (reference.kind, &reference.name));
    let all: BTreeSet<_> = substituted.chain(values).collect();
    let watches = all.into_iter().map(|(kind, name)| {
        let Home { cluster, namespace, news } = app.home.clone();
        let tell = move || news.notify_one();
        cluster.watch_referent(kind, namespace, name.0.clone(), tell)
    });
    join_all(watches).await;
}

/// What is substituted in an app's objects: each reference is read, once. Without any, nothing is sent.
pub async fn substitution(app: &App) -> Result<Option<Arc<Substitution>>, SourceError> {
    let Some(post_build) = &app.recipe.post_build else { return Ok(None) };
    let mut entries = Vec::new();
    for SubstituteReference { kind, name, optional } in &post_build.substitute_from {
        let found = read(&app.home, (*kind, name), *optional, SUBSTITUTE_FROM).await?;
        entries.push(found.unwrap_or_default());
    }
    Ok(Some(Arc::new(builder::substitution(post_build, entries))))
}

/// The values for an app's chart from elsewhere: each reference is read, once. Without any, nothing is sent.
pub async fn values(app: &App) -> Result<Arc<[Given]>, SourceError> {
    let bad = |bad: BadValues| unavailable(VALUES_FROM, &bad);
    let mut all = Vec::new();
    for reference in &app.recipe.render.helm.values_from {
        let ValuesReference { kind, name, optional, .. } = reference;
        if let Some(entries) = read(&app.home, (*kind, name), *optional, VALUES_FROM).await? {
            all.extend(builder::values(reference, &entries).map_err(bad)?);
        }
    }
    Ok(all.into())
}

/// The entries of a ConfigMap or Secret. There are none of one that may be missing and is.
async fn read(
    home: &Home,
    (kind, name): (ReferenceKind, &Name),
    optional: bool,
    field: &str,
) -> Result<Option<BTreeMap<String, Vec<u8>>>, SourceError> {
    match home.cluster.referent(kind, &home.namespace, &name.0).await {
        Ok(read) => Ok(Some(read.data)),
        Err(SecretError::Missing { .. }) if optional => Ok(None),
        Err(error) => Err(unavailable(field, &error)),
    }
}

fn unavailable(field: &str, why: &dyn Error) -> SourceError {
    SourceError::ReferenceUnavailable { field: field.to_owned(), why: why.to_string() }
}

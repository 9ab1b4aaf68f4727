//! Reads what an app's objects are made of beside its repository: ConfigMaps and Secrets that its spec refers to.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use tokio::sync::Notify;

use super::App;
use crate::api::post_build::{SubstituteKind, SubstituteReference, is_variable};
use crate::cluster::Cluster;
use crate::cluster::secret::{Referent, SecretError};
use crate::render::{Substitution, Variable};
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

fn referent(kind: SubstituteKind) -> Referent {
    match kind {
        SubstituteKind::Secret => Referent::Secret,
        SubstituteKind::ConfigMap => Referent::ConfigMap,
    }
}

/// What is substituted in an app's objects: each reference is read, once. Without any, nothing is sent.
pub async fn substitution(app: &App) -> Result<Option<Arc<Substitution>>, SourceError> {
    let Some(post_build) = &app.recipe.post_build else { return Ok(None) };
    let home = &app.home;
    let mut variables = BTreeMap::new();
    for reference in &post_build.substitute_from {
        variables.extend(values(home, reference).await?);
    }
    let inline = post_build
        .substitute
        .0
        .iter()
        .map(|(name, text)| (name.clone(), Variable { text: text.clone(), is_secret: false }));
    variables.extend(inline);
    Ok(Some(Arc::new(Substitution::new(variables, post_build.strict))))
}

/// The variables that a ConfigMap or Secret has. What no expression can name, and what is no text, is none.
async fn values(
    home: &Home,
    SubstituteReference { kind, name, optional }: &SubstituteReference,
) -> Result<Vec<(String, Variable)>, SourceError> {
    let is_secret = *kind == SubstituteKind::Secret;
    let data = match home.cluster.referent(referent(*kind), &home.namespace, &name.0).await {
        Ok(read) => read.data,
        Err(SecretError::Missing { .. }) if *optional => return Ok(Vec::new()),
        Err(error) => return Err(SourceError::ReferenceUnavailable { why: error.to_string() }),
    };
    let variable = |(name, text): (String, Vec<u8>)| {
        let text = String::from_utf8(text).ok().filter(|_| is_variable(&name))?;
        Some((name, Variable { text, is_secret }))
    };
    Ok(data.into_iter().filter_map(variable).collect())
}

//! Which app of which cluster a verb is about.

use std::sync::Arc;

use anyhow::bail;
use clap::Args;

use super::AppName;
use crate::cli::common::{EndpointArguments, namespace};
use crate::cluster::store::Store;
use crate::cluster::{Cluster, apps};
use crate::object::{AppId, ObjectId};
use crate::report::Metrics;

/// Name of the app of the daemon in whose pod a verb runs.
const NAME: &str = "GITOPS_SYNC_NAME";
/// Namespace of that daemon.
const NAMESPACE: &str = "GITOPS_SYNC_NAMESPACE";

/// In which cluster and namespace an app's resource is.
#[derive(Debug, Args)]
pub struct ClusterPlace {
    /// Namespace of the app [default: the context's, or the pod's]
    #[arg(short = 'n', long = "namespace", visible_alias = "app-namespace", value_name = "NAME", value_parser = namespace)]
    pub namespace: Option<String>,
    #[command(flatten)]
    endpoint: EndpointArguments,
}

impl ClusterPlace {
    /// Prepares the connection.
    pub async fn connect(&self) -> anyhow::Result<Cluster> {
        self.endpoint.connect(&Arc::new(Metrics::new()?)).await
    }

    /// The namespace to look in.
    pub fn namespace<'a>(&'a self, cluster: &'a Cluster) -> &'a str {
        self.namespace.as_deref().unwrap_or(cluster.default_namespace())
    }

    /// The resource of an app.
    pub fn resource(&self, cluster: &Cluster, app: &AppName) -> anyhow::Result<ObjectId> {
        let namespace = match (&app.namespace, &self.namespace) {
            (Some(said), Some(other)) if said != other => {
                bail!("{app} is in namespace {said}, and -n says {other}: leave one of them out")
            }
            (Some(said), _) => said,
            (None, _) => self.namespace(cluster),
        };
        Ok(ObjectId::new(apps::kind(), namespace, &app.name))
    }
}

/// An app that a person asks something of.
pub enum Subject {
    /// One that has a resource.
    Resource(Cluster, ObjectId),
    /// One that a daemon has by its flags, and where its inventory is.
    Flags(Store, AppId),
}

/// Which app: by its resource, or by the name that a daemon without resources has.
#[derive(Debug, Args)]
pub struct AppArguments {
    /// The app's GitOpsApp, as NAME or NAMESPACE/NAME
    #[arg(value_name = "APP", conflicts_with = "name")]
    app: Option<AppName>,
    #[command(flatten)]
    other: OtherArguments,
}

/// How an app without a resource is named, and where either sort is.
#[derive(Debug, Args)]
pub struct OtherArguments {
    /// Instead of APP: an app without a GitOpsApp, by the --name of its daemon; -n then says where that keeps its
    /// Secrets [in a daemon's pod: its own app]
    #[arg(long, value_name = "NAME")]
    pub name: Option<AppId>,
    #[command(flatten)]
    place: ClusterPlace,
}

impl AppArguments {
    /// The app that is meant.
    pub async fn subject(&self) -> anyhow::Result<Subject> {
        self.other.subject(self.app.as_ref()).await
    }
}

impl OtherArguments {
    /// The app that is meant, where one with a resource is named or not.
    pub async fn subject(&self, app: Option<&AppName>) -> anyhow::Result<Subject> {
        let cluster = self.place.connect().await?;
        if let Some(app) = app {
            let id = self.place.resource(&cluster, app)?;
            return Ok(Subject::Resource(cluster, id));
        }
        let Some(name) = self.flags_name()? else {
            bail!("which app? Name its GitOpsApp as APP, or an app without one by --name");
        };
        let of_pod = || std::env::var(NAMESPACE).ok().filter(|namespace| !namespace.is_empty());
        let namespace = self.place.namespace.clone().or_else(of_pod);
        let namespace = namespace.unwrap_or_else(|| cluster.default_namespace().to_owned());
        Ok(Subject::Flags(Store::new(cluster, &namespace), name))
    }

    /// The name of an app without a resource.
    pub fn flags_name(&self) -> anyhow::Result<Option<AppId>> {
        match &self.name {
            Some(name) => Ok(Some(name.clone())),
            None => Ok(std::env::var(NAME).ok().map(|name| name.parse()).transpose()?),
        }
    }
}

//! `gitops-sync build`: what the daemon would make of a folder, without a cluster.

mod place;
mod references;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::Value;
use tokio::time::Instant;

use super::app_file;
use super::common::{EndpointArguments, data_dir};
use super::render::{BuildArguments, RenderArguments};
use super::substitute::SubstituteArguments;
use crate::api::{GitOpsApp, GitOpsAppSpec};
use crate::builder::{Inputs, KeySource, Recipe, Tools, blocking, build, chart, needed_secrets};
use crate::cluster::Cluster;
use crate::cluster::discovery::CachedDiscovery;
use crate::object::AppId;
use crate::plan::CommonMetadata;
use crate::render::{Rendered, yaml};
use crate::report::Metrics;
use crate::source::{Layout, folder};

use place::Place;
use references::{Given, References};

/// Arguments of `build`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder with the files [default: the path that the app names, or the current folder]
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    /// File with a GitOpsApp, which says how its files become objects
    #[arg(long, value_name = "FILE")]
    app: Option<PathBuf>,
    /// Folder that nothing may lead out of [default: the git work tree around the path, or else the path]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// yaml: documents that kubectl takes; json: one array
    #[arg(long, short, default_value = "yaml", value_name = "FORMAT", hide_possible_values = true)]
    output: Format,
    /// A Secret or ConfigMap that the app refers to, in a file of manifests
    #[arg(long = "ref", value_name = "NAMESPACE/NAME=FILE", value_parser = Given::parse)]
    given: Vec<Given>,
    /// Version of Kubernetes that charts are rendered for [default: with --context its cluster's, else helm's own]
    #[arg(long, value_name = "VERSION")]
    kube_version: Option<String>,
    /// What that serves, such as monitoring.coreos.com/v1/PodMonitor
    #[arg(long, value_name = "APIS", value_delimiter = ',')]
    api_versions: Vec<String>,
    /// Name of the app, after which a chart's release is called [default: the app's, or the folder's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Namespace that its objects go to [default: the app's, or "default"]
    #[arg(long, value_name = "NAME")]
    target_namespace: Option<String>,
    /// Folder in which folders for kustomize and helm are made [default: gitops-sync in the user's cache folder]
    #[arg(long, env = "GITOPS_SYNC_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    render: RenderArguments,
    #[command(flatten)]
    substitute: SubstituteArguments,
    #[command(flatten)]
    build: BuildArguments,
    #[command(flatten)]
    endpoint: EndpointArguments,
}

/// How objects are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Documents of YAML.
    Yaml,
    /// One array.
    Json,
}

/// Prints the objects, or all that is wrong with the files and no object.
pub(super) async fn build_objects(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let app = arguments.app.as_deref().map(app_file::read).transpose()?;
    let path = app.as_ref().map(|app| app.spec.path.as_str());
    let place = Place::find(arguments.path.as_deref(), arguments.root.as_deref(), path)?;
    let cluster = arguments.cluster().await?;
    let references = References {
        given: &arguments.given,
        cluster: cluster.as_ref(),
        namespace: app
            .as_ref()
            .and_then(|app| app.metadata.namespace.as_deref())
            .unwrap_or("default"),
    };
    let recipe = arguments.recipe(app.as_ref(), &place, &references).await?;
    let referred = references.referred(&recipe).await?;
    let given = Inputs { referred, ..Inputs::default() };
    let rendered = rendered(&arguments, place, &recipe, given, cluster.clone()).await?;
    for diagnostic in &rendered.diagnostics {
        eprintln!("error: {diagnostic}");
    }
    if !rendered.diagnostics.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    let common = app.map(|app| CommonMetadata::of(&app.spec)).unwrap_or_default();
    print(arguments.output, &rendered, &common)?;
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    /// The cluster, if one is to be asked.
    async fn cluster(&self) -> anyhow::Result<Option<Cluster>> {
        if self.endpoint.context.is_none() && self.endpoint.kubeconfig.is_none() {
            return Ok(None);
        }
        Ok(Some(self.endpoint.connect(&Arc::new(Metrics::new()?)).await?))
    }

    /// How the files become objects: as the app says it, with what the command line says in a cluster's place.
    async fn recipe(
        &self,
        app: Option<&GitOpsApp>,
        place: &Place,
        references: &References<'_>,
    ) -> anyhow::Result<Recipe> {
        let none = GitOpsAppSpec::of("");
        let spec = &self.substitute.applied_to(app.map_or(none, |app| app.spec.clone()));
        let namespace = references.namespace;
        let name = self.name.clone().or_else(|| app.and_then(|app| app.metadata.name.clone()));
        let name = name.unwrap_or_else(|| AppId::derived_from(place.name()).to_string());
        let target = spec.target_namespace.as_ref().map_or(namespace, |name| &name.0);
        let target = self.target_namespace.as_deref().unwrap_or(target);
        let mut recipe = Recipe::of(spec, &name, target);
        let has_keys = self.render.keys(&self.build).is_some();
        for secret in needed_secrets(spec).filter(|secret| !(has_keys && secret.decrypts())) {
            let entries = references.secret(secret.name, secret.field).await?;
            let unusable = || format!("Secret {namespace}/{}", secret.name);
            recipe = recipe.with(secret, namespace, &entries).with_context(unusable)?;
        }
        let mut recipe = self.render.applied_to(&recipe, &self.build);
        // What the app says wins over the cluster.
        let helm = &mut recipe.render.helm;
        helm.kube_version = helm.kube_version.take().or_else(|| self.kube_version.clone());
        if helm.api_versions.is_empty() {
            helm.api_versions.clone_from(&self.api_versions);
        }
        Ok(recipe)
    }

    fn tools(&self) -> anyhow::Result<Tools> {
        let program = std::env::current_exe().context("cannot tell where this program is")?;
        Ok(self.build.tools(&program, &data_dir(self.data_dir.as_deref())?))
    }
}

/// The objects that a place declares, and all that is wrong with it.
async fn rendered(
    arguments: &Arguments,
    place: Place,
    recipe: &Recipe,
    given: Inputs,
    cluster: Option<Cluster>,
) -> anyhow::Result<Arc<Rendered>> {
    let render = recipe.render.clone();
    let limits = arguments.build.limits();
    let snapshot = move || folder::read_below(&place.root, &place.path, &render, limits);
    let snapshot = blocking(snapshot).await??;
    let keys = recipe.keys.as_ref().map(KeySource::read).transpose()?;
    let capabilities = match (&snapshot.layout, cluster) {
        (Layout::Helm { .. }, Some(cluster)) => {
            Some(CachedDiscovery::new(cluster).capabilities(None).await?)
        }
        _ => None,
    };
    let tools = arguments.tools()?;
    let chart = chart(&tools, recipe, Instant::now()).await?;
    let inputs = Inputs { capabilities, chart, keys, ..given };
    Ok(build(&tools, recipe, &inputs, snapshot, None).await?)
}

fn print(format: Format, rendered: &Rendered, common: &CommonMetadata) -> anyhow::Result<()> {
    let mut objects: Vec<Value> = rendered.manifests.iter().map(|found| found.body()).collect();
    for object in &mut objects {
        common.set(object);
    }
    let mut out = std::io::stdout().lock();
    match format {
        Format::Yaml => out.write_all(yaml::write(&objects).as_bytes())?,
        Format::Json => writeln!(out, "{:#}", Value::Array(objects))?,
    }
    Ok(out.flush()?)
}

//! The client of the floors: bare server-side apply, a bare watch.

use std::path::Path;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use futures::stream::{self, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DynamicObject, Patch, PatchParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Applies side by side, for the floor of a cold start.
const PARALLEL: usize = 32;
/// Longest wait for a revert.
const DEADLINE: Duration = Duration::from_secs(30);

/// A plain client.
pub struct Client(kube::Client);

/// A sighting of a value: when, whose, which.
type Seen = (Instant, String, String);

impl Client {
    /// Connects as the administrator.
    pub async fn connect(kubeconfig: &Path) -> anyhow::Result<Self> {
        let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await?;
        Ok(Self(kube::Client::try_from(config)?))
    }

    /// Applies objects, namespaces first, and says how many seconds that took.
    pub async fn apply_all(&self, objects: &[Value]) -> anyhow::Result<f64> {
        let start = Instant::now();
        let (first, rest): (Vec<_>, Vec<_>) =
            objects.iter().partition(|o| o["kind"] == "Namespace");
        for stage in [first, rest] {
            let applies = stage.into_iter().map(|object| self.apply(object, "floor"));
            stream::iter(applies).buffer_unordered(PARALLEL).try_collect::<Vec<_>>().await?;
        }
        Ok(start.elapsed().as_secs_f64())
    }

    async fn apply(&self, object: &Value, manager: &str) -> anyhow::Result<()> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &kind));
        let api: Api<DynamicObject> = match object["metadata"]["namespace"].as_str() {
            Some(namespace) => Api::namespaced_with(self.0.clone(), namespace, &resource),
            None => Api::all_with(self.0.clone(), &resource),
        };
        let name = text(&object["metadata"]["name"]);
        api.patch(&name, &PatchParams::apply(manager).force(), &Patch::Apply(object)).await?;
        Ok(())
    }

    /// How long foreign changes last, in milliseconds, when the daemon puts them back.
    pub async fn drift(&self, objects: &[Value], number: usize) -> anyhow::Result<Vec<f64>> {
        let (sender, mut seen) = mpsc::unbounded_channel();
        let watcher = tokio::spawn(watch(self.0.clone(), sender));
        let times = self.change_each(objects, number, &mut seen).await;
        watcher.abort();
        times
    }

    /// The same, put back by nothing but a watch and one apply.
    pub async fn drift_floor(&self, objects: &[Value], number: usize) -> anyhow::Result<Vec<f64>> {
        let (sender, mut drifted) = mpsc::unbounded_channel::<Seen>();
        let healer_watch = tokio::spawn(watch(self.0.clone(), sender));
        let (healer, wanted) = (Self(self.0.clone()), objects.to_vec());
        let healer = tokio::spawn(async move {
            while let Some((_, name, value)) = drifted.recv().await {
                let object = wanted.iter().find(|object| key(object) == name);
                if let Some(object) = object.filter(|_| value != "wanted") {
                    healer.apply(object, "floor").await?;
                }
            }
            anyhow::Ok(())
        });
        let times = self.drift(objects, number).await;
        healer.abort();
        healer_watch.abort();
        times
    }

    /// Changes one ConfigMap after the other and waits for each to be as it was.
    async fn change_each(
        &self,
        objects: &[Value],
        number: usize,
        seen: &mut mpsc::UnboundedReceiver<Seen>,
    ) -> anyhow::Result<Vec<f64>> {
        let maps = objects.iter().filter(|o| o["kind"] == "ConfigMap").take(number);
        // The watches have to be open first.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut times = Vec::new();
        for object in maps {
            let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
            let api: Api<ConfigMap> = Api::namespaced(self.0.clone(), text("namespace"));
            let patch = Patch::Merge(json!({"data": {"key": "foreign"}}));
            api.patch(text("name"), &PatchParams::default(), &patch).await?;
            let start = Instant::now();
            let mut was_changed = false;
            loop {
                let next = tokio::time::timeout(DEADLINE, seen.recv()).await;
                let (at, name, value) =
                    next.context("not put back in time")?.context("no watch")?;
                if name == key(object) {
                    was_changed |= value != "wanted";
                    if was_changed && value == "wanted" {
                        times.push(at.saturating_duration_since(start).as_secs_f64() * 1e3);
                        break;
                    }
                }
            }
        }
        if times.is_empty() {
            bail!("there is no ConfigMap among {} objects", objects.len());
        }
        Ok(times)
    }
}

fn key(object: &Value) -> String {
    format!(
        "{}/{}",
        object["metadata"]["namespace"].as_str().unwrap_or_default(),
        object["metadata"]["name"].as_str().unwrap_or_default()
    )
}

/// Tells each value of a ConfigMap that is seen.
async fn watch(client: kube::Client, sender: mpsc::UnboundedSender<Seen>) -> anyhow::Result<()> {
    let api: Api<ConfigMap> = Api::all(client);
    let list = api.list_metadata(&kube::api::ListParams::default().limit(1)).await?;
    let version = list.metadata.resource_version.unwrap_or_default();
    let mut events = pin!(api.watch(&WatchParams::default(), &version).await?);
    while let Some(event) = events.try_next().await? {
        if let WatchEvent::Added(map) | WatchEvent::Modified(map) = event {
            let meta = map.metadata;
            let name =
                format!("{}/{}", meta.namespace.unwrap_or_default(), meta.name.unwrap_or_default());
            let value = map.data.and_then(|mut data| data.remove("key")).unwrap_or_default();
            sender.send((Instant::now(), name, value))?;
        }
    }
    bail!("the watch ended")
}

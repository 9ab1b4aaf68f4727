//! The objects: ten namespaces; of each ten others four ConfigMaps, two ServiceAccounts, two headless
//! Services and two Deployments of no replicas.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::Repo;

/// Namespaces of a workload.
pub const NAMESPACES: usize = 10;

/// A workload of so many objects in namespaces that begin with `prefix`.
pub fn objects(prefix: &str, number: usize) -> Vec<Value> {
    let mut objects: Vec<_> =
        (0..NAMESPACES).map(|n| namespace(&format!("{prefix}-{n}"))).collect();
    for n in 0..number.saturating_sub(NAMESPACES) {
        let (space, name) = (format!("{prefix}-{}", n % NAMESPACES), format!("x{n}"));
        objects.push(match n / NAMESPACES % 10 {
            0..4 => config_map(&space, &name, "wanted"),
            4 | 5 => object("v1", "ServiceAccount", &space, &name, json!({})),
            6 | 7 => object("v1", "Service", &space, &name, json!({"spec": {
                "clusterIP": "None", "selector": {"app": name}, "ports": [{"port": 80}],
            }})),
            _ => object("apps/v1", "Deployment", &space, &name, json!({"spec": {
                "replicas": 0, "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": {"app": name}},
                    "spec": {"containers": [{"name": "main", "image": "registry.example/app:1"}]},
                },
            }})),
        });
    }
    objects
}

/// A Namespace.
pub fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

/// A ConfigMap with one value.
pub fn config_map(namespace: &str, name: &str, value: &str) -> Value {
    object("v1", "ConfigMap", namespace, name, json!({"data": {"key": value}}))
}

fn object(api_version: &str, kind: &str, namespace: &str, name: &str, rest: Value) -> Value {
    let mut object = rest;
    object["apiVersion"] = json!(api_version);
    object["kind"] = json!(kind);
    object["metadata"] = json!({"name": name, "namespace": namespace});
    object
}

/// The files of a repository: one object each, a folder for each namespace.
pub fn files(objects: &[Value]) -> impl Iterator<Item = (String, String)> {
    objects.iter().map(|object| {
        let text = |value: &Value| value.as_str().unwrap_or("cluster").to_owned();
        let (meta, kind) = (&object["metadata"], text(&object["kind"]).to_lowercase());
        let path = format!("{}/{kind}-{}.yaml", text(&meta["namespace"]), text(&meta["name"]));
        (path, object.to_string())
    })
}

/// A clone that does nothing but fetch: the floor of noticing a commit.
pub struct BareClone {
    repository: git2::Repository,
    url: String,
    _dir: TempDir,
}

impl BareClone {
    /// A shallow clone of the repository as it is.
    pub fn new(repo: &Repo) -> anyhow::Result<Self> {
        let dir = TempDir::new()?;
        let repository = git2::Repository::init_bare(dir.path())?;
        let clone = Self { repository, url: repo.url().to_owned(), _dir: dir };
        clone.fetch_with(Some(1))?;
        Ok(clone)
    }

    /// Fetches what is new, and says how long it took.
    pub fn fetch(&self) -> anyhow::Result<Duration> {
        self.fetch_with(None)
    }

    fn fetch_with(&self, depth: Option<i32>) -> anyhow::Result<Duration> {
        let start = Instant::now();
        let mut options = git2::FetchOptions::new();
        options.download_tags(git2::AutotagOption::None);
        if let Some(depth) = depth {
            options.depth(depth);
        }
        let mut remote = self.repository.remote_anonymous(&self.url)?;
        remote.fetch(&["+refs/heads/main:refs/heads/main"], Some(&mut options), None)?;
        Ok(start.elapsed())
    }
}

//! Many apps in one daemon: how they come up, and what they cost at rest.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testbed::{ControlPlane, GitServer, Repo};

use crate::client::Client;
use crate::daemon::Daemon;
use crate::workload;

/// Objects of each app.
const OBJECTS: usize = 20;
/// Repositories that the apps are in.
const REPOSITORIES: usize = 10;
/// Time between two looks at a repository.
const INTERVAL: Duration = Duration::from_secs(10);
/// Intervals that the apps are watched at rest.
const LOOKS: u32 = 3;

/// What was measured.
#[derive(Debug, Default)]
pub struct Figures {
    apps: usize,
    floor_seconds: f64,
    cold_seconds: f64,
    rest_requests: f64,
    rest_looks: f64,
    rest_cpu_ms: f64,
    rss_mib: f64,
    rss_peak_mib: f64,
}

/// Measures so many apps.
pub async fn measure(apps: usize, program: &Path) -> anyhow::Result<Figures> {
    let plane = ControlPlane::api_only()?;
    let git = GitServer::start()?;
    let client = Client::connect(plane.kubeconfig()).await?;
    let mut figures = Figures { apps, ..Figures::default() };

    eprintln!("bench: the floor, {} objects", apps * OBJECTS);
    figures.floor_seconds = client.apply_all(&workload::objects("floor", apps * OBJECTS)).await?;

    eprintln!("bench: {apps} apps of {OBJECTS} objects in {REPOSITORIES} repositories");
    let repos: Result<Vec<_>, _> =
        (0..REPOSITORIES).map(|n| git.create_repo(&format!("config{n}"))).collect();
    let repos = repos?;
    let definition = std::process::Command::new(program).arg("crd").output()?.stdout;
    plane.kubectl_with_stdin(&["apply", "-f", "-"], &String::from_utf8(definition)?)?;
    plane.wait_served("gitopsapps.gitops-sync.dev")?;
    plane.kubectl(&["create", "namespace", "apps"])?;
    declare(apps, &repos, &plane, &client).await?;
    let start = Instant::now();
    let daemon = Daemon::start_many(program, &plane)?;
    daemon.all_created(apps, OBJECTS)?;
    figures.cold_seconds = start.elapsed().as_secs_f64();

    eprintln!("bench: at rest");
    daemon.passes(apps * 2)?;
    let (requests, cpu, looks) = (daemon.requests()?, daemon.cpu_ms()?, looks(&git));
    tokio::time::sleep(INTERVAL * LOOKS).await;
    let per_interval = f64::from(LOOKS);
    figures.rest_requests = (daemon.requests()? - requests) / per_interval;
    figures.rest_cpu_ms = (daemon.cpu_ms()? - cpu) / per_interval;
    figures.rest_looks = (self::looks(&git) - looks) / per_interval;
    (figures.rss_mib, figures.rss_peak_mib) = daemon.memory_mib()?;
    Ok(figures)
}

/// Puts the objects into the repositories, a folder for each app, and declares the apps.
async fn declare(
    apps: usize,
    repos: &[Repo],
    plane: &ControlPlane,
    client: &Client,
) -> anyhow::Result<()> {
    let is_namespace = |object: &Value| object["kind"] == "Namespace";
    // Its first objects are namespaces, which are not counted.
    let all = workload::objects("many", apps * OBJECTS + workload::NAMESPACES);
    let (namespaces, objects): (Vec<_>, Vec<_>) = all.into_iter().partition(is_namespace);
    client.apply_all(&namespaces).await?;
    let mut declared = Vec::new();
    for (n, objects) in objects.chunks(OBJECTS).enumerate() {
        let repo = &repos[n % repos.len()];
        for (path, text) in workload::files(objects) {
            repo.write(&format!("app{n}/{path}"), text)?;
        }
        let interval = format!("{}s", INTERVAL.as_secs());
        declared.push(json!({
            "apiVersion": "gitops-sync.dev/v1alpha1", "kind": "GitOpsApp",
            "metadata": {"name": format!("app{n}"), "namespace": "apps"},
            "spec": {"repoURL": repo.url(), "path": format!("app{n}"), "interval": interval},
        }));
    }
    for repo in repos {
        repo.commit("Everything")?;
    }
    let declared: Vec<_> = declared.iter().map(Value::to_string).collect();
    plane.kubectl_with_stdin(&["create", "-f", "-"], &declared.join("\n"))?;
    Ok(())
}

/// Requests for the refs of a repository so far.
fn looks(git: &GitServer) -> f64 {
    let requests = git.requests();
    let looks = requests.iter().filter(|request| request.contains("info/refs")).count();
    #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
    let looks = looks as f64;
    looks
}

impl Figures {
    /// As one JSON object.
    pub fn json(&self) -> String {
        json!({
            "apps": self.apps,
            "floor_seconds": self.floor_seconds,
            "cold_seconds": self.cold_seconds,
            "rest_requests_per_interval": self.rest_requests,
            "rest_looks_per_interval": self.rest_looks,
            "rest_cpu_ms_per_interval": self.rest_cpu_ms,
            "rss_mib": self.rss_mib,
            "rss_peak_mib": self.rss_peak_mib,
        })
        .to_string()
    }

    /// As a table with the budgets.
    pub fn print(&self) {
        let row =
            |name: &str, value: String, budget: &str| println!("{name:<46} {value:>20}   {budget}");
        let ratio = self.cold_seconds / self.floor_seconds;
        row(&format!("{} apps of {OBJECTS} objects", self.apps), "measured".into(), "budget");
        row("floor: bare apply, 32 at a time", format!("{:.2} s", self.floor_seconds), "");
        let cold = format!("{:.2} s = {ratio:.2} x", self.cold_seconds);
        row("cold, start to all live", cold, "< 2 x floor");
        let requests = format!("{:.1}", self.rest_requests);
        row("at rest, an interval of 10 s: API requests", requests, "watches and leases alone");
        let looks = format!("{:.1}", self.rest_looks);
        row("at rest, an interval: looks at repositories", looks, "one for each of 10");
        let cpu = format!("{:.0} ms", self.rest_cpu_ms);
        row("at rest, an interval: processor time", cpu, "");
        row("resident memory", format!("{:.1} MiB", self.rss_mib), "<= 120 MiB");
        row("resident memory, peak", format!("{:.1} MiB", self.rss_peak_mib), "");
    }
}

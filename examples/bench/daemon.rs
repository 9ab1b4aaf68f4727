//! The daemon under test: the real program, measured from outside.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hmac::{Hmac, KeyInit, Mac};
use tempfile::TempDir;
use testbed::{ControlPlane, Repo, Spawned, eventually, http};

/// Longest wait for anything.
const DEADLINE: Duration = Duration::from_mins(2);
/// Time without any request after which there is nothing more to send.
const QUIET: Duration = Duration::from_secs(1);
/// What signs the webhooks.
const SECRET: &str = "benchmark";

/// Memory of a process, in MiB.
#[derive(Debug, Default)]
pub struct Memory {
    /// All that is resident.
    pub resident: f64,
    /// What of it no file is behind: the heap, stacks, and what of the program was written to.
    pub heap: f64,
    /// The most that ever was resident.
    pub peak: f64,
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} MiB, heap {:.1}", self.resident, self.heap)
    }
}

/// A running daemon.
pub struct Daemon {
    process: Spawned,
    url: String,
    start: Instant,
    data: TempDir,
}

impl Daemon {
    /// Starts it on the folder `apps` of a repository, woken by webhooks alone.
    pub fn start(program: &Path, plane: &ControlPlane, repo: &Repo) -> anyhow::Result<Self> {
        let (start, data) = (Instant::now(), TempDir::new()?);
        let secret = data.path().join("secret");
        std::fs::write(&secret, SECRET)?;
        let mut command = Command::new(program);
        command.args(["run", "--path", "apps", "--name", "bench", "--prune", "--interval", "1h"]);
        command.args(["--listen", "127.0.0.1:0", "--repo", repo.url()]);
        command.arg("--kubeconfig").arg(plane.kubeconfig());
        command.arg("--data-dir").arg(data.path()).arg("--webhook-secret-file").arg(secret);
        Self::spawn(command, start, data)
    }

    /// Starts it for every app of the cluster.
    pub fn start_many(program: &Path, plane: &ControlPlane) -> anyhow::Result<Self> {
        let (start, data) = (Instant::now(), TempDir::new()?);
        let mut command = Command::new(program);
        command.args(["run", "--watch-apps", "--namespace", "apps", "--listen", "127.0.0.1:0"]);
        command.arg("--kubeconfig").arg(plane.kubeconfig());
        command.arg("--data-dir").arg(data.path());
        Self::spawn(command, start, data)
    }

    fn spawn(command: Command, start: Instant, data: TempDir) -> anyhow::Result<Self> {
        let process = Spawned::start(command)?;
        let line = process.wait_for_line(|line| line.contains("listen="), DEADLINE)?;
        let address = line.split("listen=").nth(1).context("no address")?.trim();
        Ok(Self { url: format!("http://{address}"), process, start, data })
    }

    /// Waits until each of so many apps has created all its objects.
    pub fn all_created(&self, apps: usize, objects: usize) -> anyhow::Result<()> {
        let created = format!("created={objects} ");
        self.lines_with("apps to come up", apps, |line| line.contains(&created))
    }

    /// Waits for so many passes in all.
    pub fn passes(&self, number: usize) -> anyhow::Result<()> {
        let is_pass = |line: &str| line.contains("Synced");
        let before = self.process.lines().iter().filter(|line| is_pass(line)).count();
        self.lines_with("passes", before + number, is_pass)
    }

    fn lines_with(
        &self,
        what: &str,
        number: usize,
        is_one: impl Fn(&str) -> bool,
    ) -> anyhow::Result<()> {
        eventually(DEADLINE, what, || {
            let found = self.process.lines().iter().filter(|line| is_one(line)).count();
            if found >= number { Ok(Some(())) } else { Err(format!("{found} of {number}")) }
        })
        .map_err(Into::into)
    }

    /// Waits until a commit is synced.
    pub fn synced(&self, commit: &str) -> anyhow::Result<()> {
        let is_it = |line: &str| line.contains("INFO Synced") && line.contains(commit);
        self.process.wait_for_line(is_it, DEADLINE)?;
        Ok(())
    }

    /// Asks for a pass and waits for a commit; says how long that took.
    pub fn sync(&self, commit: &str) -> anyhow::Result<Duration> {
        let start = Instant::now();
        self.wake()?;
        self.synced(commit)?;
        Ok(start.elapsed())
    }

    /// Asks for a pass and waits for its end.
    pub fn pass(&self) -> anyhow::Result<()> {
        let mark = self.process.lines().len();
        self.wake()?;
        self.process.wait_for_line_after(mark, |line| line.contains("INFO Synced"), DEADLINE)?;
        Ok(())
    }

    fn wake(&self) -> anyhow::Result<()> {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes())?;
        mac.update(b"{}");
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        let headers = [("X-Hub-Signature-256", signature.as_str())];
        let (code, text) = http("POST", &format!("{}/hooks/generic", self.url), &headers, b"{}")?;
        anyhow::ensure!(code == 202, "the webhook was refused: {code} {text}");
        Ok(())
    }

    /// Waits until it is ready; says how long that took from its start.
    pub fn ready(&self) -> anyhow::Result<Duration> {
        eventually(DEADLINE, "readiness", || {
            let answer = http("GET", &format!("{}/readyz", self.url), &[], b"");
            answer.map(|(code, _)| (code == 200).then(|| self.start.elapsed()))
        })
        .map_err(Into::into)
    }

    /// Requests to the API server by verb, as its metrics count them.
    pub fn requests_by_verb(&self) -> anyhow::Result<BTreeMap<String, f64>> {
        self.metric("gitops_sync_api_requests_total", "verb")
    }

    /// Seconds that passes took so far, by their stages.
    pub fn stages(&self) -> anyhow::Result<BTreeMap<String, f64>> {
        self.metric("gitops_sync_stage_duration_seconds_sum", "stage")
    }

    /// The values of a metric by one of its labels.
    fn metric(&self, name: &str, label: &str) -> anyhow::Result<BTreeMap<String, f64>> {
        let (_, text) = http("GET", &format!("{}/metrics", self.url), &[], b"")?;
        let (mut by_label, label) = (BTreeMap::new(), format!("{label}=\""));
        for line in text.lines().filter(|line| line.starts_with(name)) {
            let value = line.split(&label).nth(1).and_then(|rest| rest.split('"').next());
            let number: f64 = line.rsplit(' ').next().unwrap_or_default().parse()?;
            *by_label.entry(value.unwrap_or_default().to_owned()).or_default() += number;
        }
        Ok(by_label)
    }

    /// All requests to the API server.
    pub fn requests(&self) -> anyhow::Result<f64> {
        Ok(self.requests_by_verb()?.values().sum())
    }

    /// Processor time of the daemon and of the children it has waited for, in milliseconds.
    pub fn cpu_ms(&self) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let after_name = stat.rsplit(") ").next().context("no such process")?;
        let ticks = after_name.split(' ').skip(11).take(4).map(str::parse::<f64>);
        let ticks: f64 = ticks.sum::<Result<f64, _>>()?;
        // The kernel shows 100 ticks a second, whatever it counts inside (proc(5)).
        Ok(ticks * 10.0)
    }

    /// Waits until nothing has been sent for a second: events are posted beside the syncing.
    pub fn quiet(&self) -> anyhow::Result<()> {
        let (mut known, mut since) = (BTreeMap::new(), Instant::now());
        eventually(DEADLINE, "requests to end", || {
            let sent = self.requests_by_verb()?;
            if sent != known {
                (known, since) = (sent, Instant::now());
            }
            anyhow::Ok((since.elapsed() >= QUIET).then_some(()))
        })
        .map_err(Into::into)
    }

    /// Its memory now, and at its peak.
    pub fn memory(&self) -> anyhow::Result<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let read = |key: &str| -> anyhow::Result<f64> {
            let line = status.lines().find(|line| line.starts_with(key)).context("no such line")?;
            let kib: f64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
            Ok(kib / 1024.0)
        };
        Ok(Memory { resident: read("VmRSS")?, heap: read("RssAnon")?, peak: read("VmHWM")? })
    }

    /// Kills it, as a node that dies would.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        std::fs::remove_dir_all(self.data.path())?;
        Ok(())
    }
}

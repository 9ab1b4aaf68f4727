//! What the demo plays on: a control plane, a git server and the real daemon.

use std::cell::Cell;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tempfile::TempDir;
use testbed::{ControlPlane, GitServer, Repo, Spawned, build_bin, eventually, http};

use crate::Wish;

/// Longest wait for anything that shall come true.
const DEADLINE: Duration = Duration::from_mins(1);

/// A web Deployment with its Service: what the repository holds at first.
const MANIFESTS: &[(&str, &str)] = &[
    ("apps/web/namespace.yaml", "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: demo\n"),
    (
        "apps/web/service.yaml",
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: demo\nspec:\n  \
         selector: {app: web}\n  ports:\n  - port: 80\n    targetPort: 8080\n",
    ),
    (
        "apps/web/settings.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n  namespace: demo\ndata:\n  \
         greeting: hello\n",
    ),
];

/// The web Deployment with a number of replicas.
pub fn deployment(replicas: u32) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  namespace: demo\nspec:\n  \
         replicas: {replicas}\n  selector: {{matchLabels: {{app: web}}}}\n  template:\n    \
         metadata: {{labels: {{app: web}}}}\n    spec:\n      containers:\n      - name: web\n        \
         image: registry.example/web:1.0\n        ports: [{{containerPort: 8080}}]\n"
    )
}

/// How long a watch saw one value before it saw another.
pub fn lasted(watch: &Spawned, value: &str, then: &str) -> anyhow::Result<Duration> {
    watch.wait_for_line(|line| line == value, DEADLINE)?;
    let (start, before) = (Instant::now(), |line: &String| line != value);
    let mark = watch.lines().iter().take_while(|line| before(line)).count();
    watch.wait_for_line_after(mark, |line| line == then, DEADLINE)?;
    Ok(start.elapsed())
}

/// A running cluster, repository and daemon.
pub struct Stage {
    pub plane: ControlPlane,
    pub repo: Repo,
    git: GitServer,
    daemon: Spawned,
    address: String,
    quiet: bool,
    shown: Cell<usize>,
    /// The daemon's clones, taken away at the end.
    _data: TempDir,
}

impl Stage {
    /// Builds what is missing and starts everything.
    pub fn set(wish: &Wish) -> anyhow::Result<Self> {
        let program = build_bin("gitops-sync")?;
        let plane = ControlPlane::start()?;
        let git = GitServer::start()?;
        let repo = git.create_repo("config")?;
        for (path, text) in MANIFESTS {
            repo.write(path, text)?;
        }
        repo.write("apps/web/deployment.yaml", deployment(2))?;
        repo.commit("Add the web application")?;
        let data = TempDir::new()?;
        let mut command = Command::new(program);
        command.args(["run", "--branch", "main", "--path", "apps/web", "--name", "web", "--prune"]);
        command.args(["--interval", "1s", "--listen", "127.0.0.1:0", "--repo", repo.url()]);
        command.arg("--kubeconfig").arg(plane.kubeconfig()).arg("--data-dir").arg(data.path());
        if !wish.check {
            let words = command.get_args().map(|a| a.to_string_lossy()).collect::<Vec<_>>();
            println!("\n$ gitops-sync {}", words.join(" "));
        }
        let daemon = Spawned::start(command)?;
        let line = daemon.wait_for_line(|line| line.contains("listen="), DEADLINE)?;
        let address = line.split("listen=").nth(1).context("no address in the first line")?;
        let address = address.split_whitespace().next().unwrap_or_default().to_owned();
        Ok(Self {
            plane,
            repo,
            git,
            daemon,
            address,
            quiet: wish.check,
            shown: Cell::new(0),
            _data: data,
        })
    }

    /// Says what happens next.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            println!("    {text}");
        }
    }

    /// Runs kubectl, and shows it when it changes something.
    pub fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        if !matches!(arguments.first(), Some(&"get" | &"wait")) {
            self.say(&format!("$ kubectl {}", arguments.join(" ")));
        }
        Ok(self.plane.kubectl(arguments)?)
    }

    /// A field of an object, empty if there is none.
    pub fn field(&self, object: &str, path: &str) -> anyhow::Result<String> {
        let output = format!("jsonpath={{{path}}}");
        self.kubectl(&["get", object, "-n", "demo", "-o", &output, "--ignore-not-found"])
    }

    /// Waits until a field has a value.
    pub fn expect(&self, object: &str, path: &str, value: &str) -> anyhow::Result<()> {
        let what = format!("{object} {path} to be {value:?}");
        eventually(DEADLINE, &what, || {
            self.field(object, path).map(|found| (found == value).then_some(()))
        })?;
        Ok(())
    }

    /// Watches a field of an object, from when it is seen to have a value.
    pub fn watch(&self, object: &str, path: &str, value: &str) -> anyhow::Result<Spawned> {
        let output = format!("jsonpath={{{path}}}{{\"\\n\"}}");
        let arguments = ["get", object, "-n", "demo", "--watch", "-o", &output];
        let watch = Spawned::start(self.plane.kubectl_command(&arguments))?;
        watch.wait_for_line(|line| line == value, DEADLINE)?;
        Ok(watch)
    }

    /// Waits for a line of the daemon after a mark.
    pub fn line(&self, mark: usize, words: &[&str]) -> anyhow::Result<String> {
        let wanted = |line: &str| words.iter().all(|word| line.contains(word));
        Ok(self.daemon.wait_for_line_after(mark, wanted, DEADLINE)?)
    }

    /// The number of lines so far.
    pub fn mark(&self) -> usize {
        self.daemon.lines().len()
    }

    /// Waits until the daemon has synced a commit, in a pass that began after the mark.
    pub fn synced(&self, mark: usize, commit: &str) -> anyhow::Result<()> {
        self.line(mark, &["Synced", commit]).map(drop)
    }

    /// Shows the daemon's lines since the last time; passes that changed nothing are left out.
    pub fn show_log(&self) {
        let lines = self.daemon.lines();
        if !self.quiet {
            let quiet = |line: &&String| {
                line.contains("Synced")
                    && line.contains("created=0 configured=0")
                    && line.contains("reverted=0 pruned=0 failed=0")
            };
            for line in lines.iter().skip(self.shown.get()).filter(|line| !quiet(line)) {
                println!("    | {line}");
            }
        }
        self.shown.set(lines.len());
    }

    /// The text of the metrics.
    pub fn metrics(&self) -> anyhow::Result<String> {
        Ok(http("GET", &format!("http://{}/metrics", self.address), &[], b"")?.1)
    }

    /// Stays up until ctrl-c and says what to try.
    pub fn keep(&self) -> anyhow::Result<()> {
        println!("\nEverything stays up until ctrl-c. To try next:\n");
        println!("  export KUBECONFIG={}", self.plane.kubeconfig().display());
        println!(
            "  kubectl -n demo scale deployment web --replicas 7    # and see the daemon's log below"
        );
        println!(
            "  git clone {}                # change apps/web, push to {}",
            self.repo.url(),
            self.repo.file_url()
        );
        println!("  curl http://{}/metrics", self.address);
        println!("  git server: {}\n", self.git.url());
        loop {
            self.show_log();
            std::thread::sleep(Duration::from_millis(200));
            if self.daemon.exit_within(Duration::ZERO)?.is_some() {
                return Ok(());
            }
        }
    }
}

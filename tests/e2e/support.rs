//! What every test starts from: the shared control plane, a repository, the real program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use testbed::{ApiRequest, ControlPlane, GitServer, Mark, Repo, Spawned, eventually};

use crate::object;

/// Longest wait for anything that shall come true, also on a machine with much else to do.
pub const DEADLINE: Duration = Duration::from_mins(3);

/// The control plane of all tests.
pub fn plane() -> &'static ControlPlane {
    ControlPlane::shared().unwrap_or_else(|error| panic!("{error}"))
}

/// The program under test.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gitops-sync"));
    command.env_remove("KUBECONFIG");
    // What makes manifests of charts and the like.
    command.env("PATH", plane().programs().search_path());
    command
}

/// Installs the definition of `GitOpsApp`, as a person does it.
pub fn define_apps() {
    static DEFINED: LazyLock<()> = LazyLock::new(|| {
        let printed = program().arg("crd").output().unwrap();
        let yaml = String::from_utf8(printed.stdout).unwrap();
        let said = plane()
            .kubectl_with_stdin(&["apply", "--warnings-as-errors", "-f", "-"], &yaml)
            .unwrap();
        assert_eq!(
            said.trim(),
            "customresourcedefinition.apiextensions.k8s.io/gitopsapps.gitops-sync.dev created"
        );
        plane().wait_served("gitopsapps.gitops-sync.dev").unwrap();
    });
    LazyLock::force(&DEFINED);
}

/// A test's own namespace, repository and data folder. The app is named after the namespace.
pub struct Fixture {
    pub namespace: String,
    pub git: GitServer,
    pub repo: Repo,
    pub data: TempDir,
}

impl Fixture {
    /// A fresh fixture; `name` tells whose it is.
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let namespace = format!("{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        plane().kubectl(&["create", "namespace", &namespace]).unwrap();
        let git = GitServer::start().unwrap();
        let repo = git.create_repo("config").unwrap();
        Self { namespace, git, repo, data: TempDir::new().unwrap() }
    }

    /// Commits these files.
    pub fn commit(&self, files: &[(&str, &str)]) -> String {
        for (path, text) in files {
            self.repo.write(path, text).unwrap();
        }
        self.repo.commit("Change").unwrap()
    }

    /// The arguments that place an app in the test's namespace of the cluster.
    fn place(&self, command: &mut Command, kubeconfig: &Path, name: &str) {
        command.arg("--kubeconfig").arg(kubeconfig);
        command.args(["--namespace", &self.namespace, "--target-namespace", &self.namespace]);
        command.args(["--name", name]);
        command.arg("--data-dir").arg(self.data.path());
    }

    /// Starts the daemon on the folder `apps` of the repository, with a short interval.
    pub fn run(&self, arguments: &[&str]) -> Daemon {
        self.run_as(plane().kubeconfig(), arguments)
    }

    /// The same with the rights of a kubeconfig's account.
    pub fn run_as(&self, kubeconfig: &Path, arguments: &[&str]) -> Daemon {
        Daemon::start(self.run_command_as(kubeconfig, self.repo.url(), "apps", arguments))
    }

    /// `run` on the folder `apps` of the repository at `url`, not started yet.
    pub fn run_command(&self, url: &str) -> Command {
        self.run_command_at(url, "apps", &[])
    }

    /// `run` on any folder of the repository at `url`, not started yet.
    pub fn run_command_at(&self, url: &str, path: &str, arguments: &[&str]) -> Command {
        self.run_command_as(plane().kubeconfig(), url, path, arguments)
    }

    fn run_command_as(
        &self,
        kubeconfig: &Path,
        url: &str,
        path: &str,
        arguments: &[&str],
    ) -> Command {
        let mut command = program();
        command.args(["run", "--repo", url, "--path", path, "--listen", "127.0.0.1:0"]);
        command.args(arguments);
        command.env("GITOPS_SYNC_INTERVAL", "500ms");
        self.place(&mut command, kubeconfig, &self.namespace);
        command
    }

    /// Starts the daemon of another app of the namespace, on another folder of the repository.
    pub fn run_app(&self, name: &str, path: &str, arguments: &[&str]) -> Daemon {
        let mut command = program();
        command.args(["run", "--repo", self.repo.url(), "--path", path, "--listen", "127.0.0.1:0"]);
        command.args(arguments).env("GITOPS_SYNC_INTERVAL", "500ms");
        self.place(&mut command, plane().kubeconfig(), name);
        Daemon::start(command)
    }

    /// Makes a service account `sync` without any rights, and gives its user name and kubeconfig.
    pub fn account(&self) -> (String, PathBuf) {
        self.kubectl(&["create", "serviceaccount", "sync"]);
        let token = plane().service_account_token(&self.namespace, "sync").unwrap();
        let kubeconfig = plane().kubeconfig_for_token(&self.namespace, &token).unwrap();
        (format!("system:serviceaccount:{}:sync", self.namespace), kubeconfig)
    }

    /// Makes a service account that may do everything, and gives its kubeconfig: the audit log knows by it who
    /// wrote what.
    pub fn administrator(&self, account: &str) -> PathBuf {
        let namespace = &self.namespace;
        let name = format!("{namespace}-{account}");
        if self.field(&format!("serviceaccount/{account}"), ".metadata.name").is_empty() {
            self.kubectl(&["create", "serviceaccount", account]);
            let subject = format!("--serviceaccount={namespace}:{account}");
            let role = "--clusterrole=cluster-admin";
            plane().kubectl(&["create", "clusterrolebinding", &name, role, &subject]).unwrap();
        }
        let token = plane().service_account_token(namespace, account).unwrap();
        plane().kubeconfig_for_token(&name, &token).unwrap()
    }

    /// What was sent in the name of such accounts, but for what only reads, in the order of its arrival.
    pub fn writes_since(&self, mark: Mark) -> Vec<(String, ApiRequest)> {
        let requests = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
        let account = format!("system:serviceaccount:{}:", self.namespace);
        let mut writes: Vec<_> = requests
            .into_iter()
            .filter(|r| !matches!(r.verb.as_str(), "get" | "list" | "watch"))
            .filter_map(|r| Some((r.user.strip_prefix(&account)?.to_owned(), r)))
            .collect();
        writes.sort_by(|a, b| a.1.received.cmp(&b.1.received));
        writes
    }

    /// Runs `sync` to its end, on whatever the arguments name.
    pub fn sync(&self, arguments: &[&str]) -> Finished {
        let mut command = program();
        command.arg("sync");
        self.place(&mut command, plane().kubeconfig(), &self.namespace);
        Finished::of(command.args(arguments).output().unwrap())
    }

    /// kubectl in the test's namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let mut all = vec!["-n", &self.namespace];
        all.extend(arguments);
        plane().kubectl(&all).unwrap()
    }

    /// Makes a Secret with bob's login, such as repositories take.
    pub fn login(&self, secret: &str) {
        let literals = ["--from-literal=username=bob", "--from-literal=password=hunter2"];
        self.kubectl(&[&["create", "secret", "generic", secret][..], &literals].concat());
    }

    /// A field of an object of the namespace, empty if there is none.
    pub fn field(&self, object: &str, path: &str) -> String {
        let found = object::find(&self.namespace, object).ok();
        let text = |found: Option<Value>| {
            found.map_or_else(|| Some(String::new()), |found| object::text(&found, path))
        };
        found.and_then(text).unwrap_or_else(|| self.kubectl_field(object, path))
    }

    /// How many objects of a kind have names that begin so.
    pub fn named(&self, kind: &str, begin: &str) -> usize {
        let is_it =
            |object: &Value| object["metadata"]["name"].as_str().unwrap().starts_with(begin);
        object::list(&self.namespace, kind).iter().filter(|object| is_it(object)).count()
    }

    fn kubectl_field(&self, object: &str, path: &str) -> String {
        let output = format!("jsonpath={{{path}}}");
        self.kubectl(&["get", object, "-o", &output, "--ignore-not-found"])
    }

    /// Waits until a field has a value.
    pub fn expect(&self, object: &str, path: &str, value: &str) {
        eventually(DEADLINE, &format!("{object} {path} to be {value:?}"), || {
            let found = self.field(object, path);
            if found == value { Ok(Some(())) } else { Err(found) }
        })
        .unwrap_or_else(|error| panic!("{error}"));
    }
}

/// A Deployment of five.
pub const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 5
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: 'registry.example/web:1'}]}
";

/// A `ConfigMap` with one entry.
pub fn config_map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  key: {value:?}\n")
}

/// A running daemon.
pub struct Daemon(pub Spawned);

impl Daemon {
    /// Starts a command.
    pub fn start(command: Command) -> Self {
        Self(Spawned::start(command).unwrap())
    }

    /// The number of lines so far.
    pub fn mark(&self) -> usize {
        self.0.lines().len()
    }

    /// Waits for a line with all these words, from the mark on.
    pub fn line_after(&self, mark: usize, words: &[&str]) -> String {
        self.line_in(DEADLINE, mark, words)
    }

    /// Waits so many seconds for a line with all these words.
    pub fn line_within(&self, seconds: u64, words: &[&str]) -> String {
        self.line_in(Duration::from_secs(seconds), 0, words)
    }

    fn line_in(&self, deadline: Duration, mark: usize, words: &[&str]) -> String {
        let wanted = |line: &str| words.iter().all(|word| line.contains(word));
        let line = self.0.wait_for_line_after(mark, wanted, deadline);
        line.unwrap_or_else(|error| panic!("no line with {words:?}: {error}"))
    }

    /// Waits for a line with all these words.
    pub fn line(&self, words: &[&str]) -> String {
        self.line_after(0, words)
    }

    /// Waits until a pass that began after now has ended well.
    pub fn next_sync(&self) -> String {
        let mark = self.mark();
        self.line_after(mark, &["INFO Synced"]);
        let mark = self.mark();
        self.line_after(mark, &["INFO Synced"])
    }

    /// Waits until a pass that began after now has ended, well or not.
    pub fn next_pass(&self) {
        for _ in 0..2 {
            let mark = self.mark();
            self.line_after(mark, &["Synced"]);
        }
    }

    /// `http://address` of its HTTP server.
    pub fn url(&self) -> String {
        let line = self.line(&["listen="]);
        let address = line.split("listen=").nth(1).unwrap().split_whitespace().next().unwrap();
        format!("http://{address}")
    }

    /// The text of its metrics.
    pub fn metrics(&self) -> String {
        testbed::http("GET", &format!("{}/metrics", self.url()), &[], b"").unwrap().1
    }
}

/// Asserts that three passes write nothing and have nothing to say, from these marks on.
pub fn assert_quiet(test: &Fixture, daemon: &Daemon, line: usize, mark: Mark) {
    daemon.next_sync();
    for _ in 0..2 {
        daemon.line_after(daemon.mark(), &["INFO Synced"]);
    }
    let lines = daemon.0.lines().split_off(line);
    let is_said = |line: &&String| line.contains("WARN ") || line.contains("Applied");
    let said: Vec<_> = lines.iter().filter(is_said).collect();
    assert!(said.is_empty(), "{said:#?}");
    let sent = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
    let is_write = |verb: &str| matches!(verb, "patch" | "update" | "create" | "delete");
    let sent: Vec<_> = sent
        .into_iter()
        .filter(|r| r.namespace == test.namespace || r.name.contains(&test.namespace))
        .filter(|r| r.resource != "events" && is_write(&r.verb))
        .collect();
    assert!(sent.is_empty(), "{sent:#?}");
}

/// A command that ran to its end.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    pub fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Asserts that standard output has this line.
    pub fn has_line(&self, line: &str) {
        assert!(self.stdout.lines().any(|l| l == line), "no line {line:?} in {self:#?}");
    }
}

//! A cluster of a test's own, for what would disturb others in theirs: the definition of `GitOpsApp` and the
//! daemon's own objects.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::{ControlPlane, GitServer, Repo, eventually};

use crate::support::{DEADLINE, Daemon, program};

/// The namespace of the daemon and of the apps.
pub const HOME: &str = "gitops-sync";

/// A cluster, a repository and a data folder.
pub struct Alone {
    pub plane: ControlPlane,
    _git: GitServer,
    pub repo: Repo,
    data: TempDir,
}

impl Alone {
    /// A cluster without anything of ours.
    pub fn on(plane: ControlPlane) -> Self {
        let git = GitServer::start().unwrap();
        let repo = git.create_repo("config").unwrap();
        Self { plane, _git: git, repo, data: TempDir::new().unwrap() }
    }

    /// kubectl in the daemon's namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.plane.kubectl(&[&["-n", HOME], arguments].concat()).unwrap()
    }

    /// Applies an object as a person does.
    pub fn apply(&self, object: &Value) {
        let arguments = ["-n", HOME, "apply", "--server-side", "--force-conflicts", "-f", "-"];
        self.plane.kubectl_with_stdin(&arguments, &object.to_string()).unwrap();
    }

    /// Defines the resource by this definition, and waits until the kind is served.
    pub fn define(&self, crd: &Value) {
        self.apply(crd);
        self.plane.wait_served("gitopsapps.gitops-sync.dev").unwrap();
    }

    /// Starts the daemon for all apps, with the rights of a kubeconfig's account.
    pub fn start(&self, kubeconfig: &Path) -> Daemon {
        let mut command = program();
        command.args(["run", "--watch-apps", "--listen", "127.0.0.1:0", "--namespace", HOME]);
        command.arg("--kubeconfig").arg(kubeconfig).arg("--data-dir").arg(self.data.path());
        Daemon::start(command)
    }

    /// The kubeconfig of the daemon's own account.
    pub fn own_account(&self) -> PathBuf {
        let token = self.plane.service_account_token(HOME, "gitops-sync").unwrap();
        self.plane.kubeconfig_for_token("own", &token).unwrap()
    }

    /// An app on a folder of the repository.
    pub fn app(&self, name: &str, path: &str, more: Value) -> Value {
        let mut spec = json!({"repoURL": self.repo.url(), "path": path, "interval": "1s"});
        let more = more.as_object().unwrap().clone();
        spec.as_object_mut().unwrap().extend(more);
        json!({
            "apiVersion": "gitops-sync.dev/v1alpha1", "kind": "GitOpsApp",
            "metadata": {"name": name, "namespace": HOME}, "spec": spec,
        })
    }

    /// Writes an object as a file, to be committed.
    pub fn write(&self, path: &str, object: &Value) {
        self.repo.write(path, object.to_string()).unwrap();
    }

    /// A field of an object, empty if there is none.
    pub fn field(&self, object: &str, path: &str) -> String {
        let output = format!("jsonpath={{{path}}}");
        self.kubectl(&["get", object, "-o", &output, "--ignore-not-found"])
    }

    /// Waits until a field has a value.
    pub fn expect(&self, object: &str, path: &str, value: &str, daemon: &Daemon) {
        eventually(DEADLINE, &format!("{object} {path} to be {value:?}"), || {
            let found = self.field(object, path);
            if found == value { Ok(Some(())) } else { Err(found) }
        })
        .unwrap_or_else(|error| panic!("{error}\n{:#?}", daemon.0.lines()));
    }

    /// Waits until an app is ready with this commit.
    pub fn applied(&self, name: &str, commit: &str, daemon: &Daemon) {
        let app = format!("gapp/{name}");
        self.expect(&app, ".status.lastAppliedRevision.sha", commit, daemon);
        self.kubectl(&["wait", "--for=condition=Ready", "--timeout=180s", &app]);
    }
}

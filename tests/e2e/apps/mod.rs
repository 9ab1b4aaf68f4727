//! Many apps of one daemon: `GitOpsApp` resources, their status, their order and their end.

mod alone;
mod deletion;
mod dependencies;
mod family;
mod fields;
mod finalizer;
mod health;
mod itself;
mod lifecycle;
mod ownership;
mod replicas;
mod sources;
mod told;
mod undecodable;

use std::ops::Deref;
use std::path::Path;

use serde_json::{Value, json};
use testbed::eventually;

use crate::object;
use crate::support::{DEADLINE, Daemon, Fixture, define_apps, plane, program};

/// A namespace whose apps a daemon of its own keeps in sync.
pub struct Apps {
    pub test: Fixture,
    pub daemon: Daemon,
}

impl Apps {
    /// A daemon that works in the test's namespace alone.
    pub fn new(name: &str) -> Self {
        Self::with(name, &[])
    }

    /// The same, with more arguments.
    pub fn with(name: &str, arguments: &[&str]) -> Self {
        define_apps();
        let test = Fixture::new(name);
        let daemon = start(&test, arguments);
        Self { test, daemon }
    }

    /// Waits until a condition has this reason, and gives its message.
    pub fn reason(&self, name: &str, kind: &str, reason: &str) -> String {
        let what = format!("{kind} of {name} to be for {reason}");
        let found = eventually(DEADLINE, &what, || {
            let found = self.condition(name, kind);
            if found["reason"] == reason { Ok(Some(found)) } else { Err(found.to_string()) }
        });
        let found = found.unwrap_or_else(|error| panic!("{error}\n{:#?}", self.daemon.0.lines()));
        found["message"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an object is gone.
    pub fn gone(&self, object: &str) {
        eventually(DEADLINE, &format!("{object} to go"), || {
            let found = self.test.field(object, ".metadata.name");
            if found.is_empty() { Ok(Some(())) } else { Err(found) }
        })
        .unwrap_or_else(|error| panic!("{error}\n{:#?}", self.daemon.0.lines()));
    }
}

impl Deref for Apps {
    type Target = Fixture;

    fn deref(&self) -> &Fixture {
        &self.test
    }
}

impl Fixture {
    /// Declares an app on a folder of the test's repository.
    pub fn app(&self, name: &str, path: &str, more: Value) {
        self.apply(name, &self.spec(path, more));
    }

    /// The spec of an app on a folder of the test's repository.
    pub fn spec(&self, path: &str, more: Value) -> Value {
        let mut spec = json!({"repoURL": self.repo.url(), "path": path, "interval": "1s"});
        let more = more.as_object().unwrap().clone();
        spec.as_object_mut().unwrap().extend(more);
        spec
    }

    /// Declares an app.
    pub fn apply(&self, name: &str, spec: &Value) {
        let app = json!({
            "apiVersion": "gitops-sync.dev/v1alpha1", "kind": "GitOpsApp",
            "metadata": {"name": name}, "spec": spec,
        });
        let arguments = ["apply", "--server-side", "-n", &self.namespace, "-f", "-"];
        plane().kubectl_with_stdin(&arguments, &app.to_string()).unwrap();
    }

    /// Waits for what `kubectl wait` waits for.
    pub fn wait(&self, name: &str, condition: &str) {
        let (condition, app) = (format!("--for=condition={condition}"), format!("gapp/{name}"));
        self.kubectl(&["wait", &condition, "--timeout=180s", &app]);
    }

    /// The app's resource.
    pub fn get(&self, name: &str) -> Value {
        let found = object::find(&self.namespace, &format!("gapp/{name}"));
        let mut app = found.unwrap().unwrap_or_else(|| panic!("{name} is not there"));
        app["metadata"].as_object_mut().unwrap().remove("managedFields");
        app
    }

    /// A condition of the app.
    pub fn condition(&self, name: &str, kind: &str) -> Value {
        let conditions = self.get(name)["status"]["conditions"].clone();
        let mut all = conditions.as_array().cloned().unwrap_or_default().into_iter();
        all.find(|condition| condition["type"] == kind).unwrap_or_default()
    }

    /// Waits until the app has applied this commit.
    pub fn applied(&self, name: &str, commit: &str) {
        self.expect(&format!("gapp/{name}"), ".status.lastAppliedRevision.sha", commit);
    }
}

/// Starts a daemon for the apps of the test's namespace.
pub fn start(test: &Fixture, arguments: &[&str]) -> Daemon {
    start_as(test, plane().kubeconfig(), arguments)
}

/// The same with the rights of a kubeconfig's account.
pub fn start_as(test: &Fixture, kubeconfig: &Path, arguments: &[&str]) -> Daemon {
    let mut command = program();
    command.args(["run", "--watch-apps", "--listen", "127.0.0.1:0"]);
    command.args(["--namespace", &test.namespace, "--namespaces", &test.namespace]);
    command.arg("--kubeconfig").arg(kubeconfig);
    command.arg("--data-dir").arg(test.data.path()).args(arguments);
    Daemon::start(command)
}

//! Many apps and several replicas: each app has one writer at a time, whatever becomes of the others.

mod hooks;
mod leader;
mod shards;
mod together;

use std::cell::Cell;
use std::ops::Deref;

use tempfile::TempDir;
use testbed::{ApiRequest, Mark, eventually};

use crate::support::{DEADLINE, Daemon, Fixture, define_apps, plane, program};

/// Replicas for the apps of a test's namespace.
pub struct Replicas {
    pub test: Fixture,
    mark: Mark,
    flags: Vec<String>,
    number: Cell<usize>,
}

/// One of them, with an account of its own, by which the audit log knows it.
pub struct Replica {
    pub account: String,
    pub daemon: Daemon,
    _data: TempDir,
}

impl Deref for Replicas {
    type Target = Fixture;

    fn deref(&self) -> &Fixture {
        &self.test
    }
}

impl Replicas {
    pub fn new(name: &str, flags: &[&str]) -> Self {
        define_apps();
        let (test, mark) = (Fixture::new(name), plane().audit().mark().unwrap());
        let flags = flags.iter().map(ToString::to_string).collect();
        Self { test, mark, flags, number: Cell::new(0) }
    }

    /// Starts another one.
    pub fn start(&self) -> Replica {
        let (namespace, data) = (&self.namespace, TempDir::new().unwrap());
        let account = format!("r{}", self.number.replace(self.number.get() + 1));
        let mut command = program();
        command.args(["run", "--watch-apps", "--listen", "127.0.0.1:0"]);
        command.args(["--namespace", namespace, "--namespaces", namespace]).args(&self.flags);
        command.arg("--kubeconfig").arg(self.administrator(&account));
        command.arg("--data-dir").arg(data.path()).env("POD_NAME", &account);
        Replica { account, daemon: Daemon::start(command), _data: data }
    }

    /// What replicas have written since then, but for Leases.
    pub fn writes(&self, mark: Mark) -> Vec<(String, ApiRequest)> {
        let mut writes = self.writes_since(mark);
        writes.retain(|(_, request)| request.resource != "leases");
        writes
    }

    /// Waits until a condition of an app has this reason.
    pub fn reason(&self, app: &str, kind: &str, reason: &str) {
        eventually(DEADLINE, &format!("{kind} of {app} to be for {reason}"), || {
            let found = self.condition(app, kind);
            if found["reason"] == reason { Ok(Some(())) } else { Err(found.to_string()) }
        })
        .unwrap();
    }
}

impl Replica {
    pub fn ready(&self) -> u16 {
        let url = format!("{}/readyz", self.daemon.url());
        testbed::http("GET", &url, &[], b"").unwrap().0
    }
}

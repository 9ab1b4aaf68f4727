//! Ways to a repository, each taken for real: https, proxies, ssh, apps of GitHub.

mod authorities;
mod canaries;
mod flags;
mod github;
mod http;
mod refused;
mod rotation;
pub mod ssh;

use serde_json::{Map, json};
use testbed::{Fault, GitServer, Repo};

use crate::apps::Apps;
use crate::support::{Fixture, config_map, plane};

/// A git server with a repository, whose one `ConfigMap` is called as it is.
struct Site {
    git: GitServer,
    repo: Repo,
}

impl Site {
    fn new(name: &str, fault: Fault) -> Self {
        let git = GitServer::start().unwrap();
        let repo = git.create_repo(name).unwrap();
        repo.write("a.yaml", config_map(name, "1")).unwrap();
        repo.commit("Begin").unwrap();
        git.set_fault(fault);
        Self { git, repo }
    }

    /// The URL of its repository behind another server.
    fn behind(&self, front: &str) -> String {
        self.repo.url().replace(self.git.url(), front)
    }
}

/// Whoever has this password is let in.
fn basic(user: &str, password: &str) -> Fault {
    Fault::BasicAuth { user: user.to_owned(), password: password.to_owned() }
}

/// Keys of a Secret, and their values.
type Keys<'a> = &'a [(&'a str, &'a str)];

impl Fixture {
    /// Puts these values into a Secret, and no others.
    pub fn keep(&self, name: &str, keys: Keys<'_>) {
        let data: Map<_, _> =
            keys.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data,
        });
        let arguments = ["apply", "--server-side", "-n", &self.namespace, "-f", "-"];
        plane().kubectl_with_stdin(&arguments, &secret.to_string()).unwrap();
    }
}

impl Apps {
    /// An app that reaches its repository so. Without keys it has no Secret.
    fn reached(&self, name: &str, url: &str, keys: Keys<'_>, proxy: Keys<'_>) {
        let mut spec = json!({"repoURL": url, "interval": "2s"});
        for (field, what, keys) in [("secretRef", "git", keys), ("proxySecretRef", "proxy", proxy)]
        {
            if !keys.is_empty() {
                let secret = format!("{name}-{what}");
                self.keep(&secret, keys);
                spec[field] = json!({"name": secret});
            }
        }
        self.apply(name, &spec);
    }

    /// Waits until an app that is refused says so, by its reason and with these words.
    fn refused(&self, name: &str, reason: &str, words: &[&str]) -> String {
        let said = self.reason(name, "Ready", reason);
        for word in words {
            assert!(said.contains(word), "{name}: no {word:?} in {said}");
        }
        said
    }
}

//! Webhooks reach any replica; the app is another one's to write.

use std::fs;

use serde_json::json;
use tempfile::NamedTempFile;
use testbed::eventually;

use super::{Replica, Replicas};
use crate::support::{DEADLINE, config_map};

const SECRET: &str = "s3cret";

/// Two replicas, of which the first one leads, and the file with their secret.
fn two(name: &str) -> (Replicas, Replica, Replica, NamedTempFile) {
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), SECRET).unwrap();
    let path = file.path().to_str().unwrap();
    let replicas = Replicas::new(name, &["--leader-elect", "--webhook-secret-file", path]);
    let one = replicas.start();
    one.daemon.line(&["INFO Leading"]);
    let two = replicas.start();
    two.daemon.line(&["INFO Standing by"]);
    (replicas, one, two, file)
}

impl Replica {
    /// Waits until this one has seen an app.
    fn knows(&self, app: &str) {
        eventually(DEADLINE, "the app to be known", || {
            let url = format!("{}/api/v1/apps", self.daemon.url());
            let apps = testbed::http("GET", &url, &[], b"").unwrap().1;
            if apps.contains(&format!(".{app}\"")) { Ok(Some(())) } else { Err(apps) }
        })
        .unwrap();
    }

    /// Tells this one of a push to the main branch of a repository.
    fn push(&self, url: &str) {
        let body = json!({"ref": "refs/heads/main", "project": {"git_http_url": url}});
        let headers = [("X-Gitlab-Token", SECRET), ("X-Gitlab-Event", "Push Hook")];
        let url = format!("{}/hooks/gitlab", self.daemon.url());
        let answer = testbed::http("POST", &url, &headers, body.to_string().as_bytes()).unwrap();
        assert_eq!(answer, (202, "sync requested\n".to_owned()));
    }
}

#[test]
fn a_push_that_another_replica_hears_of_starts_a_sync_at_once() {
    let (replicas, one, two, _file) = two("apps-hooks");
    replicas.commit(&[("a/a.yaml", &config_map("a", "1"))]);
    replicas.app("web", "a", json!({"interval": "1h", "targetRevision": "main"}));
    replicas.wait("web", "Ready");
    for (value, replica) in [("2", &two), ("3", &one), ("4", &two)] {
        let commit = replicas.commit(&[("a/a.yaml", &config_map("a", value))]);
        replica.knows("web");
        replica.push(replicas.repo.url());
        one.daemon.line(&["Synced", &commit, "trigger=\"webhook\"", "configured=1"]);
        replicas.applied("web", &commit);
    }
    // It asked for nothing in a person's name.
    let web = replicas.get("web");
    assert_eq!(web["status"]["lastHandledReconcileAt"], json!(null), "{web:#}");
    let written = replicas.writes(replicas.mark);
    let of_two: Vec<_> = written.iter().filter(|(by, _)| *by == two.account).collect();
    let is_asking =
        |r: &testbed::ApiRequest| r.resource == "gitopsapps" && r.subresource.is_empty();
    assert!(of_two.len() == 2 && of_two.iter().all(|(_, r)| is_asking(r)), "{of_two:#?}");
}

#[test]
fn what_is_synced_by_hand_is_not_synced_by_a_push() {
    let (replicas, one, two, _file) = two("apps-hooks-manual");
    replicas.commit(&[("a/a.yaml", &config_map("a", "1"))]);
    let spec = json!({"interval": "1h", "targetRevision": "main", "syncPolicy": "manual"});
    replicas.app("web", "a", spec);
    replicas.reason("web", "Ready", "OutOfSync");
    replicas.commit(&[("a/b.yaml", &config_map("b", "1"))]);
    two.knows("web");
    two.push(replicas.repo.url());
    eventually(DEADLINE, "the push to be heard of", || {
        let said = replicas.condition("web", "Ready")["message"].to_string();
        if said.contains("would create 2") { Ok(Some(())) } else { Err(said) }
    })
    .unwrap();
    assert_eq!(
        replicas.kubectl(&["get", "configmaps", "a", "b", "-o=name", "--ignore-not-found"]),
        ""
    );
    assert!(!one.daemon.0.lines().iter().any(|line| line.contains("created=2")));
}

//! Apps that share repositories, and repositories that hang.

use serde_json::json;
use testbed::Fault;

use super::{Apps, start};
use crate::support::{DEADLINE, config_map, plane};

#[test]
fn many_apps_of_one_repository_look_at_it_once_an_interval() {
    let apps = Apps::new("shared-repo");
    let file = |n: usize| format!("apps/{n}/a.yaml");
    for n in 0..20 {
        apps.test.repo.write(&file(n), config_map(&format!("c{n}"), "1")).unwrap();
    }
    apps.test.repo.commit("Twenty").unwrap();
    for n in 0..20 {
        apps.app(&format!("app{n}"), &format!("apps/{n}"), json!({"interval": "3s"}));
    }
    (0..20).for_each(|n| apps.wait(&format!("app{n}"), "Ready"));
    // A look is a request for the list of refs. However slow the machine is, one serves about twenty passes.
    let looks = || {
        let requests = apps.test.git.requests();
        requests.iter().filter(|request| request.contains("info/refs")).count()
    };
    let passes = || {
        let name = format!("app={}/app7}}", apps.test.namespace);
        apps.daemon.line_after(apps.daemon.mark(), &["Synced", &name]);
    };
    let synced = || apps.daemon.0.lines().iter().filter(|line| line.contains("Synced")).count();
    passes();
    let before = (looks(), synced());
    (0..3).for_each(|_| passes());
    let (looks, synced) = (looks() - before.0, synced() - before.1);
    assert!(looks >= 1 && looks * 5 <= synced, "{looks} looks for {synced} passes");
    // What one of them finds is live in all at once.
    for n in 0..20 {
        apps.test.repo.write(&file(n), config_map(&format!("c{n}"), "2")).unwrap();
    }
    let commit = apps.test.repo.commit("All").unwrap();
    (0..20).for_each(|n| apps.applied(&format!("app{n}"), &commit));
}

#[test]
fn history_that_many_apps_ask_for_is_fetched_once() {
    const APPS: usize = 30;
    let mut apps = Apps::new("shared-history");
    let all = || (0..APPS).map(|n| format!("app{n}"));
    for n in 0..APPS {
        apps.test
            .repo
            .write(&format!("apps/{n}/a.yaml"), config_map(&format!("c{n}"), "1"))
            .unwrap();
    }
    let first = apps.test.repo.commit("One").unwrap();
    for (n, app) in all().enumerate() {
        let more = json!({"interval": "1h", "verify": {"noRollback": true}});
        apps.app(&app, &format!("apps/{n}"), more);
    }
    all().for_each(|app| apps.applied(&app, &first));
    // Its clone is gone and commits have come: whether they build on the last one is told by history alone.
    apps.daemon.0.kill().unwrap();
    let data = tempfile::TempDir::new().unwrap();
    std::mem::replace(&mut apps.test.data, data).close().unwrap();
    apps.test.repo.commit("Two").unwrap();
    let last = apps.test.repo.commit("Three").unwrap();
    let fetches = || {
        let requests = apps.test.git.requests();
        requests.iter().filter(|request| request.starts_with("POST")).count()
    };
    let before = fetches();
    apps.daemon = start(&apps.test, &[]);
    all().for_each(|app| apps.applied(&app, &last));
    // The clone, and history once or twice, of a request or two each.
    let fetches = fetches() - before;
    assert!((2..=12).contains(&fetches), "{fetches} fetches for {APPS} apps");
}

#[test]
fn what_hangs_delays_no_other() {
    let apps = Apps::new("fair");
    apps.test.commit(&[("apps/a.yaml", "")]);
    // Of two hundred apps, twenty hang: each has a repository that never answers.
    let repos: Vec<_> = (0..20)
        .map(|n| {
            let name = format!("hung{n}");
            let repo = apps.test.git.create_repo(&name).unwrap();
            apps.test.git.set_fault_for(&name, Fault::Hang);
            repo
        })
        .collect();
    for (n, repo) in repos.iter().enumerate() {
        apps.apply(&format!("hung{n}"), &json!({"repoURL": repo.url(), "interval": "1s"}));
    }
    for n in 0..180 {
        let text = config_map(&format!("c{n}"), "1");
        apps.test.repo.write(&format!("apps/{n}/a.yaml"), text).unwrap();
    }
    apps.test.repo.commit("Many").unwrap();
    let all: Vec<_> = (0..180)
        .map(|n| {
            json!({
                "apiVersion": "gitops-sync.dev/v1alpha1", "kind": "GitOpsApp",
                "metadata": {"name": format!("app{n}"), "labels": {"answers": "yes"}},
                "spec": {"repoURL": apps.test.repo.url(), "path": format!("apps/{n}"), "interval": "5s"},
            })
            .to_string()
        })
        .collect();
    let arguments = ["create", "-n", &apps.test.namespace, "-f", "-"];
    crate::support::plane().kubectl_with_stdin(&arguments, &all.join("\n")).unwrap();
    let ready = ["wait", "gapp", "-l=answers=yes", "--for=condition=Ready", "--timeout=180s"];
    assert_eq!(apps.test.kubectl(&ready).lines().count(), 180);
    // Nothing came of the others, and they say what they are at.
    let ready = apps.condition("hung3", "Ready");
    assert_ne!(ready["status"], "True", "{ready}");
}

#[test]
fn an_app_waits_for_the_secret_that_it_names_and_hears_of_its_changes() {
    let apps = Apps::new("apps-secret");
    apps.test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let mark = plane().audit().mark().unwrap();
    apps.app("web", "apps", json!({"secretRef": {"name": "git"}, "interval": "1h"}));
    let message = apps.reason("web", "Ready", "SecretUnavailable");
    assert!(message.contains("git"), "{message}");
    apps.test.kubectl(&["create", "secret", "generic", "git", "--from-literal=nothing=1"]);
    let what = "the Secret to be found useless";
    testbed::eventually(DEADLINE, what, || {
        let ready = apps.condition("web", "Ready").to_string();
        let is_it = ready.contains("SecretUnavailable") && ready != message;
        if is_it && ready.contains("password") { Ok(Some(())) } else { Err(ready) }
    })
    .unwrap_or_else(|error| panic!("{error}"));
    let credentials = |password: &str| {
        let data = json!({"stringData": {"username": "git", "password": password}}).to_string();
        apps.test.kubectl(&["patch", "secret", "git", "--type=merge", "-p", &data]);
    };
    credentials("one");
    apps.wait("web", "Ready");
    // Its interval is an hour.
    let commit = apps.test.commit(&[("apps/a.yaml", &config_map("a", "2"))]);
    credentials("two");
    apps.applied("web", &commit);
    // Each time it was watched for its change: missing, useless, and in use.
    testbed::eventually(DEADLINE, "three watches to end", || {
        let sent =
            plane().audit().requests_since(mark, "gitops-sync/").map_err(|e| e.to_string())?;
        let is_it = |r: &&testbed::ApiRequest| {
            r.verb == "watch" && r.resource == "secrets" && r.namespace == apps.test.namespace
        };
        let ended: Vec<_> = sent.iter().filter(is_it).map(|r| r.uri.clone()).collect();
        if ended.len() >= 3 { Ok(Some(())) } else { Err(format!("{ended:#?}")) }
    })
    .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn an_app_begins_with_what_is_in_the_repository_now() {
    let apps = Apps::new("begins-now");
    apps.test.commit(&[("a/a.yaml", &config_map("a", "1")), ("b/b.yaml", &config_map("b", "1"))]);
    apps.app("a", "a", json!({"interval": "1h"}));
    apps.wait("a", "Ready");
    apps.test.commit(&[("b/b.yaml", &config_map("b", "2"))]);
    apps.app("b", "b", json!({"interval": "1h"}));
    apps.wait("b", "Ready");
    assert_eq!(apps.test.field("configmap/b", ".data.key"), "2");
}

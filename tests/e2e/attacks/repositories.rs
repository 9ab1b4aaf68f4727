//! Repositories: which may be used, and that what one app may read is not another's.

use serde_json::{Value, json};
use testbed::{Fault, eventually};

use super::Attack;
use crate::support::{DEADLINE, config_map};

#[test]
fn a_repository_has_to_be_one_that_the_operator_allows() {
    let attack = Attack::prepared("allowed-repos", |test| {
        let url = test.repo.url();
        let pattern = url.trim_start_matches("http://").replace("config.git", "con*");
        vec![super::DEFAULT.to_owned(), format!("--allowed-repos={pattern}")]
    });
    attack.apps.test.commit(&[("web/a.yaml", &config_map("a", "1"))]);
    attack.theirs.write("a.yaml", config_map("stolen", "1")).unwrap();
    attack.theirs.commit("Declare").unwrap();
    let server = attack.theirs.url().trim_end_matches("/victim.git").to_owned();
    let host = server.trim_start_matches("http://").to_owned();
    let tricks = [
        attack.theirs.url().to_owned(),
        format!("{server}/config/../victim.git"),
        format!("{server}/config.git/../victim.git"),
        format!("{server}/config/%2e%2e/victim.git"),
        format!("{server}/./config/../victim"),
        format!("{server}//victim.git"),
        format!("{server}/victim.git/config.git"),
        format!("{server}/config%2f..%2fvictim.git"),
        format!("http://localhost:{}/config.git", host.split(':').nth(1).unwrap()),
        format!("git@{host}:victim.git"),
        format!("ssh://git@{host}/victim.git"),
        format!("{server}/victim\\..\\config.git"),
        "http://127.0.0.1:1/config.git".to_owned(),
    ];
    for (n, url) in tricks.iter().enumerate() {
        let name = format!("trick{n}");
        if let Err(said) = attack.declare(&name, &json!({"repoURL": url, "interval": "1s"})) {
            assert!(said.contains("spec.repoURL"), "{url}: {said}");
            continue;
        }
        let said = attack.apps.reason(&name, "Stalled", "InvalidSpec");
        assert!(said.contains("spec.repoURL"), "{url}: {said}");
    }
    attack.app("web", "web", json!({}));
    attack.apps.wait("web", "Ready");
    let requests = attack.apps.test.git.requests();
    assert!(requests.iter().all(|request| request.contains("/config.git")), "{requests:#?}");
    assert_eq!(attack.apps.test.field("configmap/stolen", ".metadata.name"), "");
}

#[test]
fn only_urls_without_credentials_lead_anywhere() {
    let attack = Attack::new("urls");
    attack.apps.test.commit(&[("web/a.yaml", &config_map("a", "1"))]);
    for url in [
        attack.apps.test.repo.file_url(),
        attack.apps.test.repo.path().display().to_string(),
        "FILE:///etc".to_owned(),
        "../config.git".to_owned(),
        "git://git.example/config.git".to_owned(),
        "ext::sh -c touch% /tmp/x".to_owned(),
        "--upload-pack=touch".to_owned(),
        "http://bob:canary-0001@git.example/config.git".to_owned(),
        "https://canary-0001@git.example/config.git".to_owned(),
        "https://git.example/config.git?token=canary-0001".to_owned(),
        "ssh://bob:canary-0001@git.example/config.git".to_owned(),
        "https://".to_owned(),
    ] {
        let said = attack.declare("web", &json!({"repoURL": url})).unwrap_err();
        assert!(said.contains("spec.repoURL"), "{url}: {said}");
    }
    for path in ["/etc", "../victim", "web/../../victim", "web/.."] {
        let spec = json!({"repoURL": attack.apps.test.repo.url(), "path": path});
        let said = attack.declare("web", &spec).unwrap_err();
        assert!(said.contains("spec.path"), "{path}: {said}");
    }
    attack.app("web", "web", json!({}));
    attack.apps.wait("web", "Ready");
}

/// All that the other tenant's app says.
fn said(attack: &Attack) -> Value {
    serde_json::from_str(&attack.kubectl(&["get", "gapp", "spy", "-o", "json"])).unwrap()
}

#[test]
fn what_one_app_fetched_with_credentials_is_not_shown_to_one_without() {
    let attack = Attack::new("private-repo");
    attack.apps.test.repo.write("web/a.yaml", config_map("a", "canary-0001")).unwrap();
    let commit = attack.apps.test.repo.commit("canary-0002").unwrap();
    let fault = Fault::BasicAuth { user: "bob".to_owned(), password: "hunter2".to_owned() };
    attack.apps.test.git.set_fault_for("config", fault);
    attack.secret("git", json!({"username": "bob", "password": "hunter2"}));
    attack.app("web", "web", json!({"secretRef": {"name": "git"}}));
    attack.apps.wait("web", "Ready");
    attack.apps.applied("web", &commit);
    // In the same namespace without credentials; and in another one with none or with others of the same name.
    attack.app("open", "web", json!({"targetNamespace": attack.tenant()}));
    attack.apps.reason("open", "Ready", "CredentialsRefused");
    let spy = |more: Value| {
        let mut spec =
            json!({"repoURL": attack.apps.test.repo.url(), "path": "web", "interval": "1s"});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let app = attack.resource("spy", &spec).to_string();
        let arguments = ["apply", "--server-side", "-n", &attack.victim, "-f", "-"];
        crate::support::plane().kubectl_with_stdin(&arguments, &app).unwrap();
    };
    let refused = || {
        eventually(DEADLINE, "the spy to be refused", || {
            let said = said(&attack);
            let is_so = said["status"]["conditions"].to_string().contains("CredentialsRefused")
                && said["status"]["observedGeneration"] == said["metadata"]["generation"];
            if is_so { Ok(Some(())) } else { Err(said.to_string()) }
        })
        .unwrap_or_else(|error| panic!("{error}"));
    };
    let literals = ["--from-literal=username=bob", "--from-literal=password=wrong"];
    attack.kubectl(&[&["create", "secret", "generic", "git"][..], &literals].concat());
    for more in
        [json!({}), json!({"secretRef": {"name": "git"}}), json!({"targetRevision": commit})]
    {
        spy(more);
        refused();
        let said = said(&attack)["status"].to_string();
        assert!(!said.contains("canary") && !said.contains(&commit[..8]), "{said}");
    }
    let seen = attack.kubectl(&["get", "configmaps,events", "-o", "json"]);
    assert!(!seen.contains("canary") && !seen.contains(&commit[..8]), "{seen}");
    // Once it has credentials of its own, it is served.
    attack.kubectl(&["delete", "secret", "git"]);
    attack.kubectl(&[
        "create",
        "secret",
        "generic",
        "git",
        "--from-literal=username=bob",
        "--from-literal=password=hunter2",
    ]);
    spy(json!({"secretRef": {"name": "git"}, "targetRevision": "HEAD"}));
    attack.kubectl(&["wait", "--for=condition=Ready", "--timeout=180s", "gapp/spy"]);
}

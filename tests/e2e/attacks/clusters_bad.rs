//! Kubeconfigs that would have the daemon run, read, trust or send what it should not.

use std::fs;

use serde_json::{Value, json};

use super::Attack;
use super::clusters::{keep, kubeconfig, other, there};
use crate::support::{config_map, plane};

/// Waits until the app says this of its kubeconfig.
fn refused(attack: &Attack, words: &str) -> String {
    let said = testbed::eventually(crate::support::DEADLINE, words, || {
        let ready = attack.apps.condition("web", "Ready");
        let said = ready["message"].as_str().unwrap_or_default().to_owned();
        let is_so = ready["reason"] == "SecretUnavailable" && said.contains(words);
        if is_so { Ok(Some(said)) } else { Err(ready.to_string()) }
    });
    said.unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn nothing_of_a_kubeconfig_is_run_read_or_trusted_but_who_and_where() {
    let attack = Attack::new("bad-kubeconfig");
    let namespace = attack.tenant().to_owned();
    other().kubectl(&["create", "namespace", &namespace]).unwrap();
    attack.apps.test.commit(&[("web/a.yaml", &config_map("a", "1"))]);
    let proof = attack.apps.test.data.path().join("was-run");
    let token = attack.apps.test.data.path().join("token");
    let good = kubeconfig(other());
    let theirs = good["users"][0]["user"]["token"].as_str().unwrap().to_owned();
    fs::write(&token, &theirs).unwrap();
    let exec = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never",
        "command": "/usr/bin/touch", "args": [proof],
    });
    let user = |field: &str, value: Value| {
        let mut config = good.clone();
        config["users"][0]["user"] = json!({"token": theirs, field: value});
        config
    };
    let cluster = |field: &str, value: Value| {
        let mut config = good.clone();
        config["clusters"][0]["cluster"][field] = value;
        config
    };
    let local = plane().server().replace("https://", "http://");
    let mut alone = good.clone();
    alone["users"][0]["user"] = json!({"tokenFile": token});
    let cases = [
        (user("exec", exec), "must not set exec: it would run a program"),
        (user("auth-provider", json!({"name": "gcp"})), "must not set auth-provider"),
        (user("tokenFile", json!(token)), "must not set tokenFile: it names a file of the daemon"),
        (alone, "must not set tokenFile"),
        (user("client-certificate", json!("/etc/passwd")), "must not set client-certificate"),
        (user("as", json!("system:admin")), "must not set as: it would act as another user"),
        (cluster("insecure-skip-tls-verify", json!(true)), "must not set insecure-skip-tls-verify"),
        (
            cluster("certificate-authority", json!("/etc/passwd")),
            "must not set certificate-authority",
        ),
        (cluster("proxy-url", json!(local)), "must not set proxy-url"),
        (cluster("server", json!(local)), "server of the kubeconfig must be a URL of https"),
        (cluster("server", json!("https://a@127.0.0.1")), "server of the kubeconfig must be"),
        (json!("canary-4711"), "has to be one map"),
    ];
    keep(&attack, &cases[0].0);
    attack.app("web", "web", there(json!({})));
    for (config, words) in &cases {
        keep(&attack, config);
        let said = refused(&attack, words);
        let is_quoted = [&theirs, "canary-4711", "/etc/passwd", "touch", &local]
            .map(|word| said.contains(word));
        assert!(!is_quoted.contains(&true), "{said}");
        assert!(said.contains(&format!("Secret {namespace}/other")), "{said}");
    }
    attack.secret("other", json!({"elsewhere": "x", "value": ""}));
    refused(&attack, "has to be one map");
    attack.app(
        "web",
        "web",
        json!({"kubeConfig": {"secretRef": {"name": "other", "key": "absent"}}}),
    );
    refused(&attack, "it has no key absent");
    assert!(!proof.exists());
    assert_eq!(attack.apps.test.field("configmap/a", ".metadata.name"), "");
    // The daemon's own certificate authority and token are not lent to it: it is this very cluster.
    let mut nobody = kubeconfig(plane());
    nobody["users"][0]["user"]["token"] = json!("nobody");
    keep(&attack, &nobody);
    attack.app("web", "web", there(json!({})));
    testbed::eventually(crate::support::DEADLINE, "the token to be refused", || {
        let ready = attack.apps.condition("web", "Ready")["message"].to_string();
        if ready.contains("nauthorized") { Ok(Some(())) } else { Err(ready) }
    })
    .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(attack.apps.test.field("configmap/a", ".metadata.name"), "");
    keep(&attack, &good);
    attack.apps.wait("web", "Ready");
}

#[test]
fn no_kubeconfig_of_another_namespace_can_be_named() {
    let attack = Attack::new("foreign-kubeconfig");
    attack.apps.test.commit(&[("web/a.yaml", &config_map("a", "1"))]);
    let theirs = kubeconfig(other()).to_string();
    attack.kubectl(&[
        "create",
        "secret",
        "generic",
        "other",
        &format!("--from-literal=value={theirs}"),
    ]);
    let named = |name: &str| {
        let kubeconfig = json!({"secretRef": {"name": name}});
        json!({"repoURL": attack.apps.test.repo.url(), "kubeConfig": kubeconfig})
    };
    let victim = &attack.victim;
    for name in [format!("{victim}/other"), format!("../{victim}/secrets/other"), String::new()] {
        let said = attack.declare("web", &named(&name)).unwrap_err();
        assert!(said.contains("spec.kubeConfig.secretRef.name"), "{said}");
    }
    let mut elsewhere = named("other");
    elsewhere["kubeConfig"]["secretRef"]["namespace"] = json!(victim);
    // What no field stands for is refused or dropped, and never followed.
    let _ = attack.declare("web", &elsewhere);
    attack.declare("web", &named("other")).unwrap();
    let said = refused(&attack, "there is no Secret");
    assert!(said.contains(&format!("{}/other", attack.tenant())), "{said}");
}

//! Secrets: whose they have to be, who reads them, and that their values are shown nowhere.

use serde_json::{Value, json};
use testbed::{Fault, eventually, http};

use super::clusters::{keep, kubeconfig, other, there};
use super::{Attack, account};
use crate::support::{DEADLINE, config_map, plane};

/// Has the tenant's repository ask for this password.
fn lock(attack: &Attack, password: &str) {
    let fault = Fault::BasicAuth { user: "bob".to_owned(), password: password.to_owned() };
    attack.apps.test.git.set_fault_for("config", fault);
}

fn credentials(password: &str) -> Value {
    json!({"username": "bob", "password": password})
}

fn with_secret(name: &str) -> Value {
    json!({"secretRef": {"name": name}})
}

#[test]
fn no_secret_of_another_namespace_can_be_named() {
    let attack = Attack::new("foreign-secret");
    attack.apps.test.commit(&[("web/a.yaml", &config_map("a", "1"))]);
    lock(&attack, "hunter2");
    let literals = ["--from-literal=username=bob", "--from-literal=password=hunter2"];
    attack.kubectl(&[&["create", "secret", "generic", "git"][..], &literals].concat());
    let victim = &attack.victim;
    for name in [
        format!("{victim}/git"),
        format!("../{victim}/git"),
        format!("git?x={victim}"),
        String::new(),
    ] {
        let spec = json!({"repoURL": attack.apps.test.repo.url(), "secretRef": {"name": name}});
        let said = attack.declare("web", &spec).unwrap_err();
        assert!(said.contains("spec.secretRef.name"), "{said}");
    }
    attack.app("web", "web", with_secret("git"));
    let said = attack.apps.reason("web", "Ready", "SecretUnavailable");
    assert!(said.contains(&format!("there is no Secret {}/git", attack.tenant())), "{said}");
    attack.secret("git", credentials("hunter2"));
    attack.apps.wait("web", "Ready");
}

#[test]
fn a_secret_that_the_account_may_not_read_is_read_by_nobody() {
    let attack = Attack::new("unreadable-secret");
    attack.apps.test.commit(&[("web/a.yaml", &config_map("a", "1"))]);
    lock(&attack, "hunter2");
    attack.secret("git", credentials("hunter2"));
    let own = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "weak"}});
    attack.as_tenant(&own).unwrap();
    let mark = plane().audit().mark().unwrap();
    let mut more = with_secret("git");
    more["serviceAccountName"] = json!("weak");
    attack.app("web", "web", more);
    let said = attack.apps.reason("web", "Ready", "SecretUnavailable");
    let weak = format!("system:serviceaccount:{}:weak", attack.tenant());
    assert!(
        said.contains(&format!("{weak} may not read Secret {}/git", attack.tenant())),
        "{said}"
    );
    let reads =
        |r: &&testbed::ApiRequest| r.resource == "secrets" && r.verb == "get" && r.name == "git";
    let sent = attack.sent(mark);
    assert!(
        sent.iter().filter(reads).all(|r| r.impersonated == weak && r.code == 403),
        "{sent:#?}"
    );
    // Neither is a kubeconfig.
    keep(&attack, &kubeconfig(other()));
    let attack = attack.restarted(&["--default-service-account=weak"]);
    attack.app("there", "web", there(json!({})));
    let said = attack.apps.reason("there", "Ready", "SecretUnavailable");
    assert!(
        said.contains(&format!("{weak} may not read Secret {}/other", attack.tenant())),
        "{said}"
    );
    account(attack.tenant(), "weak", attack.tenant());
    attack.apps.wait("web", "Ready");
}

#[test]
fn credentials_that_change_are_used_at_once() {
    let attack = Attack::new("rotated-secret");
    attack.apps.test.commit(&[("web/a.yaml", &config_map("a", "1"))]);
    lock(&attack, "first");
    attack.secret("git", credentials("first"));
    let mut more = with_secret("git");
    more["interval"] = json!("1h");
    more["retry"] = json!({"backoff": {"duration": "1h", "maxDuration": "1h"}});
    attack.app("web", "web", more);
    attack.apps.wait("web", "Ready");
    lock(&attack, "second");
    attack.secret("git", credentials("wrong"));
    attack.apps.reason("web", "Ready", "CredentialsRefused");
    let commit = attack.apps.test.commit(&[("web/a.yaml", &config_map("a", "2"))]);
    attack.secret("git", credentials("second"));
    attack.apps.applied("web", &commit);
    attack.apps.wait("web", "Ready");
}

/// Everything that anybody but the daemon sees of it.
fn all_that_is_seen(attack: &Attack) -> String {
    let mut seen: Vec<_> = attack.apps.daemon.0.lines();
    for namespace in [attack.tenant(), &attack.victim, &attack.home] {
        let get = [
            "get",
            "gitopsapps,events,leases",
            "-n",
            namespace,
            "-o",
            "json",
            "--show-managed-fields",
        ];
        seen.push(plane().kubectl(&get).unwrap());
    }
    let url = attack.apps.daemon.url();
    for path in ["metrics", "api/v1/apps", "readyz", "healthz"] {
        seen.push(http("GET", &format!("{url}/{path}"), &[], b"").unwrap().1);
    }
    seen.join("\n")
}

/// Asserts that nothing of the sort is seen anywhere, in whichever form.
fn is_hidden(attack: &Attack, canary: &str) {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(canary);
    let seen = all_that_is_seen(attack);
    assert!(seen.contains(attack.tenant()) && seen.contains("gitops_sync_"), "nothing is seen");
    for form in [canary, encoded.trim_end_matches('=')] {
        let line = seen.lines().find(|line| line.contains(form));
        assert_eq!(line, None, "{canary}");
    }
}

#[test]
fn no_value_of_a_secret_is_seen_anywhere() {
    let attack = Attack::new("canaries");
    let secret = |value: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{pin: {value}}}\n"
        )
    };
    // Of credentials, right and wrong.
    lock(&attack, "canary-0001");
    attack.secret("git", credentials("canary-0002"));
    attack.apps.test.commit(&[("web/s.yaml", &secret("canary-0003"))]);
    attack.app("web", "web", with_secret("git"));
    attack.apps.reason("web", "Ready", "CredentialsRefused");
    attack.secret("git", credentials("canary-0001"));
    attack.apps.wait("web", "Ready");
    // Of an object: what drifted, what was wanted, what is refused, what cannot be read.
    attack.apps.test.kubectl(&[
        "patch",
        "secret",
        "s",
        "-p",
        "{\"stringData\":{\"pin\":\"canary-0004\"}}",
    ]);
    attack.apps.test.expect("gapp/web", ".status.lastDrifts[0].field", "data.pin");
    let bad = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {pin: 'canary-0005!'}\n";
    attack.apps.test.commit(&[("web/s.yaml", bad)]);
    attack.apps.wait("web", "Ready=false");
    let bad =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {pin: [canary-0006]}\n";
    attack.apps.test.commit(&[("web/s.yaml", bad)]);
    attack.apps.test.commit(&[("web/s.yaml", "kind: Secret\nstringData: {canary-0007\n")]);
    attack.passes("web");
    // Of a kubeconfig, whatever is wrong with it.
    let mut config = kubeconfig(other());
    config["users"][0]["user"]["token"] = json!("canary-0008");
    keep(&attack, &config);
    attack.app("there", "web", there(with_secret("git")));
    attack.apps.wait("there", "Ready=false");
    attack.secret("other", json!({"value": "users: [canary-0009"}));
    attack.apps.reason("there", "Ready", "SecretUnavailable");
    config["users"][0]["user"] =
        json!({"password": "canary-0010", "client-key-data": "canary-0011"});
    keep(&attack, &config);
    attack.apps.reason("there", "Ready", "SecretUnavailable");
    let commit = attack.apps.test.commit(&[("web/s.yaml", &secret("canary-0012"))]);
    attack.apps.applied("web", &commit);
    for n in 1..=12 {
        is_hidden(&attack, &format!("canary-{n:04}"));
    }
    let data = attack.apps.test.data.path();
    for credential in ["canary-0001", "canary-0002", "canary-0008"] {
        let found =
            std::process::Command::new("grep").arg("-rq").arg(credential).arg(data).status();
        assert_eq!(found.unwrap().code(), Some(1), "{credential} is on disk");
    }
}

#[test]
fn values_that_the_account_may_not_read_are_not_shown_as_drift() {
    let attack = Attack::new("blind-drift");
    let kubectl = |arguments: &[&str]| attack.apps.test.kubectl(arguments);
    kubectl(&["create", "serviceaccount", "blind"]);
    kubectl(&["create", "role", "blind", "--resource=configmaps", "--verb=create,patch"]);
    let subject = format!("--serviceaccount={}:blind", attack.tenant());
    kubectl(&["create", "rolebinding", "blind", "--role=blind", &subject]);
    attack.apps.test.commit(&[("web/a.yaml", &config_map("a", "1"))]);
    attack.app("web", "web", json!({"serviceAccountName": "blind"}));
    attack.apps.wait("web", "Ready");
    let change = |value: &str| {
        kubectl(&["patch", "configmap", "a", "-p", &json!({"data": {"key": value}}).to_string()]);
    };
    change("canary-0001");
    // Again and again it is said why, while it waits for the next try as well.
    for _ in 0..2 {
        let said = attack.failure("web", "a");
        assert!(said.contains("cannot get") && said.contains(":blind"), "{said}");
        attack.passes("web");
    }
    is_hidden(&attack, "canary-0001");
    // Who may read it is told what it was.
    account(attack.tenant(), "blind", attack.tenant());
    attack.apps.test.expect("configmap/a", ".data.key", "1");
    change("canary-0002");
    attack.apps.daemon.line(&["Drift reverted", "canary-0002"]);
    let drifts = || attack.apps.get("web")["status"]["lastDrifts"].to_string();
    eventually(DEADLINE, "the drift to be told", || {
        let drifts = drifts();
        if drifts.contains("data.key") { Ok(Some(())) } else { Err(drifts) }
    })
    .unwrap();
    assert!(!drifts().contains("canary"), "{}", drifts());
}

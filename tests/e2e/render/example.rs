//! The repository in `examples/config`, from a commit to running.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitops_sync::render::yaml;
use serde_json::{Value, json};
use testbed::eventually;

use crate::apps::Apps;
use crate::support::{DEADLINE, plane, program};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/config");

/// Puts all files of a folder into the test's repository.
fn copy(apps: &Apps, folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            copy(apps, &entry.path());
            continue;
        }
        let path = entry.path();
        let below = path.strip_prefix(EXAMPLE).unwrap().to_str().unwrap();
        apps.repo.write(below, fs::read_to_string(&path).unwrap()).unwrap();
    }
}

/// Declares an app as the example does, in the test's namespace.
fn declare(apps: &Apps, name: &str) -> String {
    let text = fs::read_to_string(format!("{EXAMPLE}/apps/{name}.yaml")).unwrap();
    let mut app = yaml::documents(&text).unwrap().remove(0).value;
    app["metadata"]["namespace"] = json!(apps.namespace);
    app["spec"]["repoURL"] = json!(apps.repo.url());
    app["spec"]["interval"] = json!("1s");
    app["spec"]["targetNamespace"] = json!(apps.namespace);
    let arguments = ["apply", "--server-side", "-n", &apps.namespace, "-f", "-"];
    plane().kubectl_with_stdin(&arguments, &app.to_string()).unwrap();
    app["metadata"]["name"].as_str().unwrap().to_owned()
}

fn password(apps: &Apps, secret: &str, key: &str) -> String {
    let coded = apps.field(&format!("secret/{secret}"), &format!(".data.{key}"));
    String::from_utf8(STANDARD.decode(coded).unwrap()).unwrap()
}

#[test]
fn it_goes_from_a_commit_to_running() {
    let apps = Apps::new("example");
    copy(&apps, Path::new(EXAMPLE));
    apps.repo.commit("Begin").unwrap();
    let key = format!("--from-file=k.agekey={EXAMPLE}/demo.agekey");
    apps.kubectl(&["create", "secret", "generic", "keys", &key]);
    apps.kubectl(&["create", "configmap", "cluster", "--from-literal=domain=shop.example"]);
    let names = ["dev", "staging", "prod", "queue"].map(|name| declare(&apps, name));
    for name in &names {
        apps.wait(name, "Ready");
    }
    for (name, replicas, image, level) in [
        ("dev", "1", "1.0", "debug"),
        ("staging", "1", "1.1", "info"),
        ("prod", "3", "1.0", "info"),
    ] {
        let deployment = format!("deploy/{name}-shop");
        let field = |path: &str| apps.field(&deployment, path);
        assert_eq!(field(".spec.replicas"), replicas, "{name}");
        let image = format!("registry.example/shop:{image}");
        assert_eq!(field(".spec.template.spec.containers[0].image"), image, "{name}");
        let settings = field(".spec.template.spec.containers[0].envFrom[0].configMapRef.name");
        assert_eq!(apps.field(&format!("cm/{settings}"), ".data.ENVIRONMENT"), name);
        assert_eq!(apps.field(&format!("cm/{settings}"), ".data.LOG_LEVEL"), level);
        let secret = format!("{name}-credentials");
        let expect = format!("the-password-of-{name}");
        assert_eq!(password(&apps, &secret, "DATABASE_PASSWORD"), expect);
        let host = apps.field(
            &format!("service/{name}-shop"),
            ".metadata.annotations.external-dns\\.example/hostname",
        );
        assert_eq!(host, format!("shop.{name}.shop.example"));
    }
    assert_eq!(apps.field("statefulset/queue", ".spec.replicas"), "3");
    assert_eq!(password(&apps, "queue", "password"), "the-password-of-the-queue");
    // It runs: kwok's nodes have its pods ready.
    eventually(DEADLINE, "pods to be available", || {
        let available = apps.field("deploy/prod-shop", ".status.availableReplicas");
        if available == "3" { Ok(Some(())) } else { Err(available) }
    })
    .unwrap();
    // A commit to the base is live everywhere; one that touches an overlay leaves the others alone.
    let said = || apps.daemon.0.lines().join("\n") + &apps.daemon.metrics();
    apps.repo.write("base/settings.env", "LOG_LEVEL=warn\nENVIRONMENT=${environment}\n").unwrap();
    let commit = apps.repo.commit("Say less").unwrap();
    for name in &names {
        apps.applied(name, &commit);
    }
    let settings = apps.field(
        "deploy/prod-shop",
        ".spec.template.spec.containers[0].envFrom[0].configMapRef.name",
    );
    assert_eq!(apps.field(&format!("cm/{settings}"), ".data.LOG_LEVEL"), "warn");
    assert!(!said().contains("the-password"), "{}", said());
}

#[test]
fn build_shows_it_without_a_cluster() {
    let build = |arguments: &[&str]| {
        let mut command = program();
        command.current_dir(EXAMPLE).args(["build", "-o", "json"]).args(arguments);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let cluster = "--ref=shop/cluster=cluster.yaml";
    let keys = "--decryption-keys=demo.agekey";
    let prod = build(&["overlays/prod", "--app=apps/prod.yaml", keys, cluster]);
    let kinds: Vec<_> =
        prod.as_array().unwrap().iter().map(|o| o["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ConfigMap", "Secret", "Service", "Deployment"]);
    assert_eq!(prod[3]["spec"]["replicas"], 3);
    let queue = build(&["charts/queue", "--app=apps/queue.yaml", keys]);
    assert_eq!(queue[1]["spec"]["replicas"], 3);
}

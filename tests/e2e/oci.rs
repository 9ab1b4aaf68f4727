//! Artifacts of a real registry, pushed by oras.

mod rogue;
mod ways;

use serde_json::json;
use testbed::{Registry, TlsFront};

use crate::apps::Apps;
use crate::support::{Daemon, Fixture, config_map, plane};

const FLUX: &str = "application/vnd.cncf.flux.content.v1.tar+gzip";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn push(registry: &Registry, target: &str, kind: &str, value: &str) -> String {
    registry.push(target, kind, &[("apps/a.yaml", &config_map("a", value))]).unwrap()
}

impl Apps {
    fn artifact(&self, name: &str, url: &str, revision: &str, more: serde_json::Value) {
        let mut spec = json!({
            "repoURL": url, "targetRevision": revision, "path": "apps", "interval": "1s",
        });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.apply(name, &spec);
    }

    fn brought(&self, app: &str, digest: &str) {
        let path = ".status.lastAppliedRevision.digest";
        self.test.expect(&format!("gapp/{app}"), path, digest);
    }
}

#[test]
fn an_artifact_is_followed_by_tag_range_and_digest() {
    let (apps, registry) = (Apps::new("oci"), Registry::start().unwrap());
    let url = registry.url("team/app");
    let first = push(&registry, "team/app:1.0.0", FLUX, "1");
    apps.artifact("tag", &url, "1.0.0", json!({}));
    apps.brought("tag", &first);
    apps.test.expect("configmap/a", ".data.key", "1");
    let message = apps.condition("tag", "Ready")["message"].to_string();
    let short = format!("1.0.0@{}", &first[..15]);
    assert!(message.contains(&short), "{message}, not {short}");
    // The tag moves, and the layer is a plain one now.
    let second = push(&registry, "team/app:1.0.0", LAYER, "2");
    apps.brought("tag", &second);
    apps.test.expect("configmap/a", ".data.key", "2");
    let commit = apps.test.field("gapp/tag", ".status.lastAppliedRevision.sha");
    apps.artifact("tag", &url, ">=1.0.0 <2", json!({}));
    let newest = push(&registry, "team/app:1.4.0", FLUX, "4");
    push(&registry, "team/app:2.0.0", FLUX, "5");
    apps.brought("tag", &newest);
    apps.test.expect("configmap/a", ".data.key", "4");
    apps.artifact("tag", &url, &second, json!({}));
    apps.brought("tag", &second);
    apps.test.expect("configmap/a", ".data.key", "2");
    // The same artifact is the same commit.
    assert_eq!(apps.test.field("gapp/tag", ".status.lastAppliedRevision.sha"), commit);
}

#[test]
fn who_may_not_read_an_artifact_is_told_so_and_what_is_none_as_well() {
    let (apps, registry) = (Apps::new("oci-login"), Registry::start_with_login().unwrap());
    let url = registry.url("app");
    let digest = push(&registry, "app:latest", FLUX, "1");
    apps.artifact("web", &url, "HEAD", json!({}));
    apps.reason("web", "Ready", "CredentialsRefused");
    let login = ["create", "secret", "generic", "login", "--from-literal=username=git"];
    apps.test.kubectl(&[&login[..], &["--from-literal=password=hunter2"]].concat());
    let secret = json!({"secretRef": {"name": "login"}});
    apps.artifact("web", &url, "HEAD", secret.clone());
    apps.brought("web", &digest);
    push(&registry, "app:text", "text/plain", "1");
    apps.artifact("web", &url, "text", secret.clone());
    apps.reason("web", "Ready", "ArtifactUnusable");
    apps.artifact("web", &url, "nothing", secret);
    apps.reason("web", "Ready", "BranchNotFound");
    // What was applied before stays.
    assert_eq!(apps.test.field("configmap/a", ".data.key"), "1");
    let lines = apps.daemon.0.lines().join("\n");
    assert!(!lines.contains("hunter2"), "{lines}");
}

impl Apps {
    /// Keeps logins for registries as kubectl makes them of a Docker configuration, with an authority beside them.
    fn docker(&self, name: &str, auths: serde_json::Value, ca: &str) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
            "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": json!({"auths": auths}).to_string(), "ca.crt": ca},
        });
        let arguments = ["apply", "--server-side", "-n", &self.test.namespace, "-f", "-"];
        plane().kubectl_with_stdin(&arguments, &secret.to_string()).unwrap();
    }
}

#[test]
fn a_registry_is_read_by_tls_with_the_login_of_docker() {
    let (apps, registry) = (Apps::new("oci-tls"), Registry::start_with_login().unwrap());
    let front = TlsFront::start(&format!("http://{}", registry.address()), false).unwrap();
    let other = TlsFront::start(&format!("http://{}", registry.address()), false).unwrap();
    let host = front.url().replace("https://", "");
    let digest = push(&registry, "team/app:latest", FLUX, "1");
    let login =
        |host: &str, password: &str| json!({host: {"username": "git", "password": password}});
    let app = |name: &str, auths: serde_json::Value, ca: &str| {
        apps.docker(name, auths, ca);
        let secret = json!({"secretRef": {"name": name}});
        apps.artifact(name, &format!("oci://{host}/team/app"), "HEAD", secret);
    };
    app("other-ca", login(&host, "hunter2"), other.ca());
    app("wrong", login(&host, "canary"), front.ca());
    app("nowhere", login("r.example", "canary"), front.ca());
    app("web", json!({"r.example": {}, host.clone(): {"auth": "Z2l0Omh1bnRlcjI="}}), front.ca());
    apps.brought("web", &digest);
    apps.test.expect("configmap/a", ".data.key", "1");
    for (name, reason, words) in [
        ("other-ca", "CertificateUntrusted", "not trusted"),
        ("wrong", "CredentialsRefused", "it wants others"),
        ("nowhere", "SecretUnavailable", "none for the registry of repoURL"),
    ] {
        let said = apps.reason(name, "Ready", reason);
        assert!(said.contains(words), "{name}: {said}");
    }
    let lines = apps.daemon.0.lines().join("\n");
    assert!(!lines.contains("hunter2") && !lines.contains("canary"), "{lines}");
}

#[test]
fn a_registry_elsewhere_is_read_without_tls_only_if_that_is_said() {
    let (apps, registry) = (Apps::new("oci-insecure"), Registry::start().unwrap());
    let digest = push(&registry, "app:latest", FLUX, "1");
    // An address of this machine that is none of loopback.
    let url = registry.url("app").replace("127.0.0.1", "0.0.0.0");
    apps.artifact("web", &url, "HEAD", json!({}));
    let said = apps.reason("web", "Ready", "RepositoryUnreachable");
    assert!(!said.contains("http://"), "{said}");
    apps.artifact("web", &url, "HEAD", json!({"insecure": true}));
    apps.brought("web", &digest);
    apps.test.expect("configmap/a", ".data.key", "1");
    let test = Fixture::new("oci-flags");
    let _daemon =
        Daemon::start(test.run_command_at(&url, "apps", &["--branch=latest", "--oci-insecure"]));
    test.expect("configmap/a", ".data.key", "1");
}

//! Artifacts of a real registry, pushed by oras.

use serde_json::json;
use testbed::Registry;

use crate::apps::Apps;
use crate::support::config_map;

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

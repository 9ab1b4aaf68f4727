//! A registry that does not give what it says, or not all that there could be.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use testbed::StandIn;

use super::FLUX;
use crate::apps::Apps;

/// What is in all layers: no tarball, which is told only of what was taken for the right content.
const CONTENT: &str = "text";

fn digest(text: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(text)))
}

fn manifest(layer: &Value) -> String {
    json!({"schemaVersion": 2, "layers": [layer]}).to_string()
}

/// The manifest of an artifact by the name of its repository.
fn named(repository: &str) -> String {
    match repository {
        "list" => json!({"schemaVersion": 2, "manifests": []}).to_string(),
        "other-content" => manifest(&json!({"mediaType": FLUX, "digest": digest("other")})),
        "other-kind" => manifest(&json!({"mediaType": "text/plain", "digest": digest(CONTENT)})),
        "other-hash" => manifest(&json!({"mediaType": FLUX, "digest": "sha512:0"})),
        _ => manifest(&json!({"mediaType": FLUX, "digest": digest(CONTENT)})),
    }
}

/// Answers like a registry whose tags nobody may list.
fn answer(what: &str) -> (u16, String) {
    let path: Vec<_> = what.split('/').collect();
    match path[..] {
        [_, "v2", repository, "manifests", "HEAD" | "latest" | "1.2.3"] => (200, named(repository)),
        // Whatever digest is asked for.
        [_, "v2", "other-manifest", "manifests", _] => (200, named("")),
        [_, "v2", _, "blobs", _] => (200, CONTENT.to_owned()),
        [_, "v2", _, "tags", _] => (403, String::new()),
        _ => (404, String::new()),
    }
}

#[test]
fn what_a_registry_gives_is_what_its_digest_says_or_refused() {
    let apps = Apps::new("oci-rogue");
    let registry = StandIn::start("registry", |asked| answer(&asked.what)).unwrap();
    let url = registry.url().replace("http://", "oci://");
    let pinned = digest("pinned");
    let cases = [
        // The right content gets as far as being unpacked, also where tags are not listed.
        ("whole", "HEAD", "ArtifactUnusable", "cannot be unpacked"),
        ("version", "1.2.3", "ArtifactUnusable", "cannot be unpacked"),
        ("range", "1.x", "CredentialsRefused", ""),
        ("other-content", "HEAD", "ArtifactUnusable", "not what its digest says"),
        ("other-manifest", pinned.as_str(), "ArtifactUnusable", "not what its digest says"),
        ("other-hash", "HEAD", "ArtifactUnusable", "no digest of sha256"),
        ("other-kind", "HEAD", "ArtifactUnusable", "no layer of type tar+gzip"),
        ("list", "HEAD", "ArtifactUnusable", "a list of images"),
    ];
    for (name, revision, ..) in cases {
        apps.artifact(name, &format!("{url}/{name}"), revision, json!({}));
    }
    for (name, _, reason, words) in cases {
        let said = apps.reason(name, "Ready", reason);
        assert!(said.contains(words), "{name}: {said}");
    }
}

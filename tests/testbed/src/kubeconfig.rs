//! Kubeconfig files. JSON is YAML.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

/// The only context, cluster and user of each kubeconfig.
const NAME: &str = "testbed";

/// A kubeconfig with one context, named `testbed`, that needs no other file.
pub(crate) fn render(server: &str, ca: &str, token: &str) -> String {
    let ca = STANDARD.encode(ca);
    let cluster = json!({"server": server, "certificate-authority-data": ca});
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": NAME,
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
        "clusters": [{"name": NAME, "cluster": cluster}],
        "users": [{"name": NAME, "user": {"token": token}}],
    })
    .to_string()
}

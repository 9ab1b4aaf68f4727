//! The fake node that all pods run on.

use crate::{Error, api_client::ApiClient};
use serde_json::{Value, json};

const NAME: &str = "node";

/// Registers the node, as a kubelet would; kwok then makes it ready and large.
pub(crate) fn create(client: &ApiClient) -> Result<(), Error> {
    let labels = json!({"kubernetes.io/hostname": NAME, "kubernetes.io/os": "linux"});
    let node =
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NAME, "labels": labels}});
    client.create("/api/v1/nodes", &node).map(|_| ())
}

/// An error until pods can be created in the `default` namespace and scheduled to the node.
pub(crate) fn check_ready(client: &ApiClient) -> Result<(), Error> {
    let answer = client.get(&format!("/api/v1/nodes/{NAME}"))?;
    let node: Value = serde_json::from_str(&answer)
        .map_err(|error| Error::Invalid(format!("the node: {error}")))?;
    let holds = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    let is_ready = node["status"]["conditions"].as_array().is_some_and(|all| all.iter().any(holds));
    if !is_ready || !node["spec"]["taints"].is_null() {
        return Err(Error::Invalid(format!("the node is not ready: {}", node["spec"])));
    }
    client.get("/api/v1/namespaces/default/serviceaccounts/default").map(|_| ())
}

//! Another cluster, by a kubeconfig.

use std::fs;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitops_sync::cluster::{BadKubeconfig, Cluster};
use gitops_sync::plan::prune::selector;
use gitops_sync::report::{Action, Failure};
use gitops_sync::sync::{App, Destination, Memory};
use serde_json::{Value, json};
use testbed::{ControlPlane, eventually};

use super::{Tenant, action};
use crate::support::{DEADLINE, config_map, plane};

impl Tenant {
    /// Has the app go to the cluster of a kubeconfig.
    fn go_to(&mut self, kubeconfig: &Value) -> Result<(), BadKubeconfig> {
        let bytes = kubeconfig.to_string().into_bytes();
        let cluster = Cluster::remote(&bytes, DEADLINE, Arc::new(|_, _| ()));
        let cluster = self.runtime.block_on(cluster)?;
        let _entered = self.runtime.enter();
        let there = Destination::new(cluster, selector(&self.app.id), &self.test.namespace);
        let Destination { cluster, informers, discovery, .. } = there;
        self.app = App { cluster, informers, discovery, ..self.app.clone() };
        self.memory = Memory::default();
        Ok(())
    }
}

#[test]
fn an_app_goes_to_another_cluster_and_is_remembered_in_this_one() {
    let other = ControlPlane::api_only().unwrap();
    let kubeconfig: Value =
        serde_json::from_str(&fs::read_to_string(other.kubeconfig()).unwrap()).unwrap();
    let mut tenant = Tenant::new("remote");
    tenant.write("a.yaml", &config_map("a", "1"));
    tenant.app.target_namespace = "default".to_owned();
    let theirs = || {
        let field = ["get", "cm", "a", "--ignore-not-found", "-o", "jsonpath={.data.key}"];
        other.kubectl(&field).unwrap()
    };

    // Its server is not trusted by the authority of another.
    let mut wrong = kubeconfig.clone();
    let ca = fs::read(plane().ca_pem_path()).unwrap();
    wrong["clusters"][0]["cluster"]["certificate-authority-data"] = json!(STANDARD.encode(ca));
    tenant.go_to(&wrong).unwrap();
    let failure = tenant.pass().failure;
    assert!(matches!(failure, Some(Failure::ClusterUnavailable { .. })), "{failure:?}");
    wrong["clusters"][0]["cluster"]["certificate-authority-data"] = json!("bm8gUEVN");
    wrong["users"][0]["user"]["client-certificate-data"] = json!("bm8gUEVN");
    wrong["users"][0]["user"]["client-key-data"] = json!("bm8gUEVN");
    assert_eq!(tenant.go_to(&wrong), Err(BadKubeconfig::Unusable));

    tenant.go_to(&kubeconfig).unwrap();
    let outcome = tenant.pass();
    assert_eq!(*action(&outcome, "a"), Action::Created, "{outcome:#?}");
    assert_eq!(theirs(), "1");
    other.kubectl(&["patch", "cm", "a", "-p", "{\"data\":{\"key\":\"2\"}}"]).unwrap();
    // The watch shows it in a moment.
    eventually(DEADLINE, "the change to be reverted", || {
        let outcome = tenant.pass();
        let is_reverted = matches!(action(&outcome, "a"), Action::Reverted(_));
        if is_reverted { Ok(Some(())) } else { Err(format!("{outcome:#?}")) }
    })
    .unwrap();
    assert_eq!(theirs(), "1");
    let inventory = format!("secret/gitops-sync-inventory-{}", tenant.test.namespace);
    assert!(!tenant.test.field(&inventory, ".metadata.name").is_empty());
    let left = other.kubectl(&["get", "secrets", "-A", "-o", "name"]).unwrap();
    assert!(!left.contains("gitops-sync"), "{left}");
    assert_eq!(tenant.test.kubectl(&["get", "cm", "a", "-n", "default", "--ignore-not-found"]), "");
}

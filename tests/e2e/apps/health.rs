//! How the objects of an app fare, as its status says it.

use serde_json::json;

use super::Apps;
use crate::support::{DEPLOYMENT, config_map};

const CLAIM: &str = "
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: disk}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: none
  resources: {requests: {storage: 1Gi}}
";

#[test]
fn an_app_is_healthy_once_all_that_it_applied_works() {
    let apps = Apps::new("healthy");
    apps.test.commit(&[("apps/web.yaml", DEPLOYMENT), ("apps/a.yaml", &config_map("a", "1"))]);
    apps.app("web", "apps", json!({}));
    apps.wait("web", "Ready");
    apps.wait("web", "Healthy");
    assert_eq!(apps.test.field("deployment/web", ".status.availableReplicas"), "5");
    let columns = apps.test.kubectl(&["get", "gapp", "web"]);
    assert!(columns.contains("Healthy"), "{columns}");
    // What was applied and does not work yet is no reason not to be ready.
    apps.test.commit(&[("apps/disk.yaml", CLAIM)]);
    let message = apps.reason("web", "Healthy", "Progressing");
    assert!(message.contains("persistentvolumeclaim/disk"), "{message}");
    apps.wait("web", "Ready");
    // It is told without a pass: the interval is long, and nobody changes what git declares.
    apps.app("web", "apps", json!({"interval": "1h", "pruneGuard": {"protectKinds": []}}));
    apps.test.repo.remove("apps/disk.yaml").unwrap();
    apps.test.commit(&[("apps/a.yaml", &config_map("a", "2"))]);
    apps.test.kubectl(&["annotate", "gapp/web", "gitops-sync.dev/requested-at=1"]);
    apps.gone("pvc/disk");
    apps.wait("web", "Healthy");
}

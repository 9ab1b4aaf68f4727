//! Pods.

use serde_json::Value;

use super::Health;
use super::generic::condition;

/// Why a container waits that does not start by itself any more.
const HOPELESS: &[&str] = &["CrashLoopBackOff", "ImagePullBackOff", "InvalidImageName"];

/// A pod: it is ready, or has ended well.
pub fn pod(object: &Value) -> Health {
    let status = &object["status"];
    match (status["phase"].as_str(), condition(object, "Ready")) {
        (Some("Succeeded"), _) | (Some("Running"), Some(("True", _))) => Health::Healthy,
        (Some("Failed"), _) => {
            Health::failed(status["message"].as_str().unwrap_or("its containers have failed"))
        }
        _ => stuck(status).unwrap_or_else(|| match condition(object, "PodScheduled") {
            Some(("False", why)) => Health::progressing(why),
            _ => Health::progressing("not ready yet"),
        }),
    }
}

/// A container that cannot start.
fn stuck(status: &Value) -> Option<Health> {
    let containers = ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .flat_map(|key| status[key].as_array().into_iter().flatten());
    let mut reasons = containers.filter_map(|c| c["state"]["waiting"]["reason"].as_str());
    reasons.find(|reason| HOPELESS.contains(reason)).map(Health::failed)
}

#[cfg(test)]
mod tests {
    use super::super::health;
    use super::*;
    use crate::object::GroupKind;
    use serde_json::json;

    #[test]
    fn a_pod_works_once_it_is_ready_or_done() {
        let check = |status: Value, expect: &str| {
            let object = json!({"status": status});
            assert_eq!(health(&GroupKind::new("", "Pod"), &object).to_string(), expect);
        };
        let of =
            |kind: &str, status: &str| json!([{"type": kind, "status": status, "message": "why"}]);
        check(json!({"phase": "Succeeded"}), "Healthy");
        check(json!({"phase": "Running", "conditions": of("Ready", "True")}), "Healthy");
        let unready = "Progressing: not ready yet";
        check(json!({"phase": "Running", "conditions": of("Ready", "False")}), unready);
        check(json!({"phase": "Failed"}), "Failed: its containers have failed");
        let unscheduled = json!({"phase": "Pending", "conditions": of("PodScheduled", "False")});
        check(unscheduled, "Progressing: why");
        let waiting = json!([{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]);
        check(
            json!({"phase": "Running", "containerStatuses": waiting}),
            "Failed: CrashLoopBackOff",
        );
        check(json!({}), unready);
    }
}

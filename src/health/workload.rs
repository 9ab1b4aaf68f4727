//! What runs pods and keeps them running.

use serde_json::Value;

use super::generic::condition;
use super::{Health, number};

/// The first number that is below what is wanted.
fn behind(counts: &[(&str, i64, i64)]) -> Option<Health> {
    let behind = counts.iter().find(|(_, is, wanted)| is < wanted)?;
    let (what, is, wanted) = behind;
    Some(Health::Progressing(format!("{is} of {wanted} {what}")))
}

fn replicas(object: &Value) -> i64 {
    object["spec"]["replicas"].as_i64().unwrap_or(1)
}

fn ending(object: &Value) -> Option<Health> {
    let surplus = number(&object["status"]["replicas"]) - replicas(object);
    (surplus > 0).then(|| Health::Progressing(format!("{surplus} to be ended")))
}

/// A Deployment: all replicas are of the last template and available.
pub fn deployment(object: &Value) -> Health {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let is_late =
        |c: &Value| c["type"] == "Progressing" && c["reason"] == "ProgressDeadlineExceeded";
    if conditions.clone().any(is_late) {
        return Health::failed(condition(object, "Progressing").map_or("", |(_, why)| why));
    }
    let (status, wanted) = (&object["status"], replicas(object));
    let updated = number(&status["updatedReplicas"]);
    let available = || match condition(object, "Available") {
        Some(("True", _)) => Health::Healthy,
        _ => Health::progressing("not available yet"),
    };
    behind(&[("created", number(&status["replicas"]), wanted), ("updated", updated, wanted)])
        .or_else(|| ending(object))
        .or_else(|| {
            behind(&[
                ("available", number(&status["availableReplicas"]), updated),
                ("ready", number(&status["readyReplicas"]), wanted),
            ])
        })
        .unwrap_or_else(available)
}

/// A `StatefulSet`: all replicas are ready, and those above the partition of the last template.
pub fn stateful_set(object: &Value) -> Health {
    let (spec, status, wanted) = (&object["spec"], &object["status"], replicas(object));
    let strategy = &spec["updateStrategy"];
    let counts = [
        ("created", number(&status["replicas"]), wanted),
        ("ready", number(&status["readyReplicas"]), wanted),
    ];
    let started = behind(&counts).or_else(|| ending(object));
    if strategy["type"] == "OnDelete" || started.is_some() {
        return started.unwrap_or(Health::Healthy);
    }
    let partition = number(&strategy["rollingUpdate"]["partition"]);
    let counts = [("updated", number(&status["updatedReplicas"]), wanted - partition)];
    let is_rolled_out = partition > 0 || status["currentRevision"] == status["updateRevision"];
    behind(&counts).unwrap_or_else(|| {
        if is_rolled_out {
            Health::Healthy
        } else {
            Health::progressing("the last template is still rolled out")
        }
    })
}

/// A `DaemonSet`: on each node that is meant, its pod is of the last template and available.
pub fn daemon_set(object: &Value) -> Health {
    let status = &object["status"];
    let Some(wanted) = status["desiredNumberScheduled"].as_i64() else {
        return Health::progressing("its controller has not seen it yet");
    };
    let on_delete = object["spec"]["updateStrategy"]["type"] == "OnDelete";
    behind(&[
        ("scheduled", number(&status["currentNumberScheduled"]), wanted),
        ("updated", number(&status["updatedNumberScheduled"]), if on_delete { 0 } else { wanted }),
        ("available", number(&status["numberAvailable"]), wanted),
        ("ready", number(&status["numberReady"]), wanted),
    ])
    .unwrap_or(Health::Healthy)
}

#[cfg(test)]
mod tests {
    use super::super::health;
    use super::*;
    use crate::object::GroupKind;
    use serde_json::json;

    fn check(kind: &str, spec: Value, status: Value, expect: &str) {
        let object = json!({"spec": spec, "status": status});
        let found = health(&GroupKind::new("apps", kind), &object);
        assert_eq!(found.to_string(), expect, "{object}");
    }

    #[test]
    fn deployments() {
        let available = json!([{"type": "Available", "status": "True"}]);
        let counts = |replicas: i64, updated: i64, available_replicas: i64, ready: i64| {
            json!({
                "replicas": replicas, "updatedReplicas": updated, "readyReplicas": ready,
                "availableReplicas": available_replicas, "conditions": available,
            })
        };
        let check = |status, expect| check("Deployment", json!({"replicas": 2}), status, expect);
        check(counts(2, 2, 2, 2), "Healthy");
        check(json!(null), "Progressing: 0 of 2 created");
        check(counts(2, 1, 2, 2), "Progressing: 1 of 2 updated");
        check(counts(3, 2, 2, 2), "Progressing: 1 to be ended");
        check(counts(2, 2, 1, 2), "Progressing: 1 of 2 available");
        check(counts(2, 2, 2, 1), "Progressing: 1 of 2 ready");
        let mut unavailable = counts(2, 2, 2, 2);
        unavailable["conditions"] = json!([]);
        check(unavailable.clone(), "Progressing: not available yet");
        unavailable["conditions"] = json!([{
            "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
            "message": "it has timed out",
        }]);
        check(unavailable, "Failed: it has timed out");
    }

    #[test]
    fn one_replica_is_wanted_where_none_are_said() {
        let available = json!([{"type": "Available", "status": "True"}]);
        let status = json!({"conditions": available});
        check("Deployment", json!({}), status.clone(), "Progressing: 0 of 1 created");
        check("Deployment", json!({"replicas": 0}), status, "Healthy");
    }

    #[test]
    fn stateful_sets() {
        let of = |ready: i64, updated: i64, current: &str| {
            json!({
                "replicas": 3, "readyReplicas": ready, "updatedReplicas": updated,
                "currentRevision": current, "updateRevision": "b",
            })
        };
        let check = |strategy: Value, status: Value, expect: &str| {
            let spec = json!({"replicas": 3, "updateStrategy": strategy});
            check("StatefulSet", spec, status, expect);
        };
        let rolling = || json!({"type": "RollingUpdate"});
        let part = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
        check(rolling(), of(3, 3, "b"), "Healthy");
        check(rolling(), of(2, 3, "b"), "Progressing: 2 of 3 ready");
        check(rolling(), of(3, 1, "a"), "Progressing: 1 of 3 updated");
        check(rolling(), of(3, 3, "a"), "Progressing: the last template is still rolled out");
        check(part.clone(), of(3, 1, "a"), "Healthy");
        check(part, of(3, 0, "a"), "Progressing: 0 of 1 updated");
        check(json!({"type": "OnDelete"}), of(3, 0, "a"), "Healthy");
    }

    #[test]
    fn daemon_sets() {
        let of = |updated: i64, available: i64| {
            json!({
                "desiredNumberScheduled": 2, "currentNumberScheduled": 2, "numberReady": 2,
                "updatedNumberScheduled": updated, "numberAvailable": available,
            })
        };
        let check = |status, expect| check("DaemonSet", json!({}), status, expect);
        check(of(2, 2), "Healthy");
        check(of(1, 2), "Progressing: 1 of 2 updated");
        check(of(2, 1), "Progressing: 1 of 2 available");
        check(json!({}), "Progressing: its controller has not seen it yet");
        check(json!({"desiredNumberScheduled": 0}), "Healthy");
    }
}

//! Whether an object works, by what it says of itself: the rules of kstatus, one small function per kind. Pure.

mod claim;
mod generic;
mod job;
mod pod;
mod workload;

use serde_json::Value;

use crate::object::GroupKind;
pub use crate::object::Health;

/// How an object of this kind fares.
pub fn health(kind: &GroupKind, object: &Value) -> Health {
    if object["metadata"]["deletionTimestamp"].is_string() {
        return Health::Terminating;
    }
    let of_kind = match (kind.group.as_str(), kind.kind.as_str()) {
        ("apps", "Deployment") => workload::deployment,
        ("apps", "StatefulSet") => workload::stateful_set,
        ("apps", "DaemonSet") => workload::daemon_set,
        ("batch", "Job") => job::job,
        ("", "Pod") => pod::pod,
        ("", "PersistentVolumeClaim") => claim::claim,
        _ => generic::ready,
    };
    generic::obstacle(object).unwrap_or_else(|| of_kind(object))
}

/// Whether objects of this kind say how they fare. A Secret or a Role has nothing to say, and is not read for it.
pub fn is_told(kind: &GroupKind) -> bool {
    const SILENT: &[&str] =
        &["ConfigMap", "Secret", "ServiceAccount", "Endpoints", "LimitRange", "PodTemplate"];
    !match kind.group.as_str() {
        "" => SILENT.contains(&kind.kind.as_str()),
        "rbac.authorization.k8s.io" | "admissionregistration.k8s.io" => true,
        _ => kind.kind.ends_with("Class"),
    }
}

/// Whether objects of this kind are watched whole, to see how they fare: what runs, what claims, and what
/// operators make. Of all others metadata is enough.
pub fn is_watched(kind: &GroupKind) -> bool {
    match kind.group.as_str() {
        "apps" | "batch" => kind.kind != "ControllerRevision",
        "" => matches!(kind.kind.as_str(), "Pod" | "PersistentVolumeClaim"),
        group => group.contains('.') && !group.ends_with(".k8s.io"),
    }
}

/// A number of an object's status or spec; none is 0.
fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_goes_is_not_asked_how_it_fares() {
        let object =
            json!({"metadata": {"deletionTimestamp": "now"}, "status": {"phase": "Failed"}});
        assert_eq!(health(&GroupKind::new("", "Pod"), &object), Health::Terminating);
    }

    #[test]
    fn what_runs_and_what_operators_make_is_watched() {
        let check = |group, kind, expect: bool| {
            assert_eq!(is_watched(&GroupKind::new(group, kind)), expect, "{kind}.{group}");
        };
        check("apps", "Deployment", true);
        check("batch", "Job", true);
        check("", "PersistentVolumeClaim", true);
        check("example.com", "Database", true);
        check("gitops-sync.dev", "GitOpsApp", true);
        check("", "Secret", false);
        check("", "Service", false);
        check("networking.k8s.io", "Ingress", false);
        check("autoscaling", "HorizontalPodAutoscaler", false);
    }

    #[test]
    fn secrets_are_not_read() {
        let check = |group, kind, expect: bool| {
            assert_eq!(is_told(&GroupKind::new(group, kind)), expect, "{kind}.{group}");
        };
        check("", "Secret", false);
        check("", "Pod", true);
        check("rbac.authorization.k8s.io", "Role", false);
        check("storage.k8s.io", "StorageClass", false);
        check("example.com", "Secret", true);
        check("apps", "Deployment", true);
    }
}

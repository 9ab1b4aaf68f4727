//! Whether an object works, by what it says of itself: the rules of kstatus, one small function per kind. Pure.

mod claim;
mod generic;
mod job;
mod pod;
mod workload;

use std::fmt;

use serde_json::Value;

use crate::object::GroupKind;

/// How an object fares. In kstatus' words these are Current, `InProgress`, Failed and Terminating.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It works, or there is nothing about it that could fail.
    Healthy,
    /// It is on its way, and what is missing.
    Progressing(String),
    /// It does not work, and nothing will change that by itself.
    Failed(String),
    /// It is being deleted.
    Terminating,
}

impl Health {
    fn progressing(why: &str) -> Self {
        Self::Progressing(why.to_owned())
    }

    fn failed(why: &str) -> Self {
        Self::Failed(why.to_owned())
    }
}

/// In one word, and why.
impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Healthy => write!(f, "Healthy"),
            Self::Progressing(why) => write!(f, "Progressing: {why}"),
            Self::Failed(why) => write!(f, "Failed: {why}"),
            Self::Terminating => write!(f, "Terminating"),
        }
    }
}

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

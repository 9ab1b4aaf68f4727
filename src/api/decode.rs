//! From an object of the cluster to an app, or to what is wrong with it: the next one is read either way.

use serde::Deserialize;
use serde_json::Value;
use serde_path_to_error::Path;

use super::validate::{Fault, Invalid};
use super::{GitOpsApp, GitOpsAppStatus};

/// Reads an app. Fields that are not known are left to the API server, which takes them out. A status that
/// cannot be read is as none: it is ours, and written anew.
pub fn decode(object: &Value) -> Result<GitOpsApp, Invalid> {
    let mut bare = object.clone();
    let status = bare.as_object_mut().and_then(|fields| fields.remove("status"));
    let mut app: GitOpsApp = serde_path_to_error::deserialize(&bare)
        .map_err(|error| fault(error.path(), &error.inner().to_string()))?;
    app.status = status.and_then(|status| GitOpsAppStatus::deserialize(status).ok());
    app.validate()?;
    Ok(app)
}

/// What is wrong and where, without the value that was found: it may be a Secret's, put in a wrong place.
fn fault(path: &Path, problem: &str) -> Fault {
    let parent = path.to_string();
    let missing = problem.strip_prefix("missing field `").and_then(|rest| rest.split_once('`'));
    match (missing, problem.rsplit_once(", expected ")) {
        (Some((name, _)), _) if parent == "." => Fault::new(name, "is missing"),
        (Some((name, _)), _) => Fault::new(&format!("{parent}.{name}"), "is missing"),
        (None, Some((_, expected))) => Fault::new(&parent, &format!("must be {}", named(expected))),
        (None, None) => Fault::new(&parent, problem),
    }
}

/// What a field has to be, in the words of whoever writes YAML.
fn named(expected: &str) -> &str {
    let kind = expected.strip_prefix("a ").unwrap_or(expected);
    match kind.split(' ').next().unwrap_or_default() {
        "struct" | "map" => "a map of fields, such as {}",
        "sequence" => "a list",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, not below 0",
        _ => expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::GitOpsAppSpec;
    use serde_json::json;

    fn object(spec: &Value) -> Value {
        json!({
            "apiVersion": "gitops-sync.dev/v1alpha1", "kind": "GitOpsApp",
            "metadata": {"name": "web", "namespace": "apps"}, "spec": spec,
        })
    }

    #[test]
    fn the_smallest_has_the_defaults() {
        let url = "https://git.example/config.git";
        let app = decode(&object(&json!({"repoURL": url}))).unwrap();
        assert_eq!(app.spec, GitOpsAppSpec::of(url));
        let whole = serde_json::to_value(&app.spec).unwrap();
        assert_eq!(decode(&object(&whole)).unwrap().spec, app.spec);
    }

    #[test]
    fn what_is_wrong_is_named_without_its_value() {
        let check = |spec: Value, expect: &str| {
            let found = decode(&object(&spec)).unwrap_err().to_string();
            assert_eq!(found, expect, "{spec}");
        };
        check(json!({}), "spec.repoURL: is missing");
        check(json!("hunter2"), "spec: must be a map of fields, such as {}");
        let with =
            |key: &str, value: Value| json!({"repoURL": "https://git.example/c", key: value});
        check(with("interval", json!("hunter2")), "spec.interval: write it as 15s, 5m or 1h30m");
        check(with("interval", json!(5)), "spec.interval: must be a string");
        let kube_config = json!({"secretRef": "token, expected hunter2"});
        let expect = "spec.kubeConfig.secretRef: must be a map of fields, such as {}";
        check(with("kubeConfig", kube_config), expect);
        check(
            with("drift", json!("hunter2")),
            "spec.drift: must be one of `revert`, `warn`, `ignore`",
        );
        check(with("dependsOn", json!([{"name": "a"}, {}])), "spec.dependsOn[1].name: is missing");
        check(
            with("retry", json!({"limit": -1})),
            "spec.retry.limit: must be a whole number, not below 0",
        );
        check(with("dependsOn", json!("a")), "spec.dependsOn: must be a list");
        check(
            with("commonLabels", json!([])),
            "spec.commonLabels: must be a map of fields, such as {}",
        );
        let several =
            json!({"repoURL": "https://git.example/c", "path": "/etc", "targetNamespace": "A"});
        let found = decode(&object(&several)).unwrap_err();
        let fields: Vec<_> = found.faults().iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, ["spec.path", "spec.targetNamespace"]);
        assert_eq!(decode(&json!({"metadata": {}})).unwrap_err().to_string(), "spec: is missing");
        assert!(decode(&json!(null)).is_err());
    }

    #[test]
    fn neither_unknown_fields_nor_a_strange_status_stop_an_app() {
        let mut app = object(&json!({"repoURL": "https://git.example/c", "color": "red"}));
        app["status"] = json!({"observedGeneration": 4, "shape": "round"});
        let generation = |app: &Value| decode(app).unwrap().status.map(|s| s.observed_generation);
        assert_eq!(generation(&app), Some(Some(4)));
        app["status"]["history"] = json!("long");
        assert_eq!(generation(&app), None);
    }
}

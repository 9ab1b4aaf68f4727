//! Takes out of a manifest what only a cluster may say, so that it cannot become phantom drift.

use serde_json::{Map, Value, json};

use super::diagnostic::Problem;
use crate::object::ObjectId;

/// Metadata that the API server owns.
const SERVER_OWNED: &[&str] = &[
    "creationTimestamp",
    "managedFields",
    "uid",
    "resourceVersion",
    "generation",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// What `kubectl apply` remembers: the whole object, a Secret's values included.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Makes a manifest apply to the same object again and again without a change.
pub fn sanitize(body: &mut Value, id: &ObjectId) -> Result<(), Problem> {
    if let Some(fields) = body.as_object_mut() {
        fields.remove("status");
    }
    if let Some(meta) = body["metadata"].as_object_mut() {
        meta.retain(|field, value| !SERVER_OWNED.contains(&field.as_str()) && !value.is_null());
    }
    for field in ["metadata.labels", "metadata.annotations"] {
        let map = &body["metadata"][&field["metadata.".len()..]];
        if !map.is_null() && !map.is_object() {
            return Err(Problem::NotAMap(field));
        }
    }
    if let Some(Value::Object(annotations)) = body.pointer_mut("/metadata/annotations") {
        annotations.remove(LAST_APPLIED);
    }
    drop_empty_ca_bundles(body);
    drop_unassigned(body, id);
    if id.kind.is("rbac.authorization.k8s.io", "ClusterRole") {
        drop_aggregated_rules(body);
    }
    if id.kind.is("", "Namespace") {
        drop_own_finalizers(body);
    }
    if id.kind.is("", "Secret") { secret(body) } else { Ok(()) }
}

/// The control plane fills in the rules of an aggregated role, whatever a manifest has in their place.
fn drop_aggregated_rules(body: &mut Value) {
    if let Some(fields) = body.as_object_mut()
        && fields.get("aggregationRule").is_some_and(|rule| !rule.is_null())
    {
        fields.remove("rules");
    }
}

/// The control plane puts its own finalizer on each namespace, whatever a manifest has in its place.
fn drop_own_finalizers(body: &mut Value) {
    let is_own = |list: &Value| match list {
        Value::Array(names) => names.iter().all(|name| name == "kubernetes"),
        other => other.is_null(),
    };
    if let Some(spec) = body.get_mut("spec").and_then(Value::as_object_mut) {
        spec.retain(|field, value| field != "finalizers" || !is_own(value));
    }
}

/// What the cluster assigns once and for all; sent empty, it would be taken for a change later on.
fn drop_unassigned(body: &mut Value, id: &ObjectId) {
    let field = match (id.kind.group.as_str(), id.kind.kind.as_str()) {
        ("", "PersistentVolumeClaim") => "volumeName",
        ("", "Service") => "clusterIP",
        _ => return,
    };
    if let Some(spec) = body["spec"].as_object_mut() {
        spec.retain(|key, value| key != field || value.as_str().is_some_and(|v| !v.is_empty()));
    }
}

/// An empty `caBundle` would undo what an injector wrote there.
fn drop_empty_ca_bundles(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, value| key != "caBundle" || !is_empty_bundle(value));
            fields.values_mut().for_each(drop_empty_ca_bundles);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_empty_ca_bundles),
        _ => {}
    }
}

/// `Cg==` is a line feed in base64, the usual placeholder of charts.
fn is_empty_bundle(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| matches!(text.trim(), "" | "Cg=="))
}

/// Checks a Secret's values here, where an error can keep them to itself, and folds the write-only
/// `stringData` into `data`.
fn secret(body: &mut Value) -> Result<(), Problem> {
    let Some(fields) = body.as_object_mut() else { return Ok(()) };
    let mut data = entries(fields.remove("data"), "data")?;
    for (key, value) in &data {
        let text = value.as_str().ok_or_else(|| wrong("data", key, "a base64 string"))?;
        base64(text).ok_or_else(|| wrong("data", key, "a base64 string"))?;
    }
    for (key, value) in entries(fields.remove("stringData"), "stringData")? {
        let text = value.as_str().ok_or_else(|| wrong("stringData", &key, "a string"))?;
        data.insert(key, json!(STANDARD.encode(text)));
    }
    // Lines are joined as the API server joins them.
    for value in data.values_mut() {
        if let Value::String(text) = value {
            text.retain(|c| !matches!(c, '\n' | '\r'));
        }
    }
    if !data.is_empty() {
        fields.insert("data".to_owned(), Value::Object(data));
    }
    Ok(())
}

fn entries(value: Option<Value>, field: &str) -> Result<Map<String, Value>, Problem> {
    match value {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map),
        Some(_) => Err(Problem::SecretData(field.to_owned(), "a map of names to values")),
    }
}

fn wrong(field: &str, key: &str, what: &'static str) -> Problem {
    Problem::SecretData(format!("{field}.{key}"), what)
}

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

fn base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.replace(['\n', '\r'], "")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::GroupKind;

    fn of(kind: &str, mut body: Value) -> Result<Value, Problem> {
        let id = ObjectId::new(GroupKind::new("", kind), "", "x");
        sanitize(&mut body, &id).map(|()| body)
    }

    #[test]
    fn what_the_server_owns_is_left_out() {
        let body = json!({
            "metadata": {"name": "x", "uid": "1", "creationTimestamp": null, "labels": null},
            "spec": {"status": "kept"}, "status": {"a": 1},
        });
        let clean = json!({"metadata": {"name": "x"}, "spec": {"status": "kept"}});
        assert_eq!(of("Pod", body), Ok(clean));
    }

    #[test]
    fn labels_are_maps_and_what_kubectl_remembers_is_not_ours() {
        let body = |annotations: Value| json!({"metadata": {"annotations": annotations}});
        assert_eq!(
            of("Pod", body(json!({LAST_APPLIED: "{}", "a": "b"}))),
            Ok(body(json!({"a": "b"})))
        );
        assert_eq!(of("Pod", body(json!(["a"]))), Err(Problem::NotAMap("metadata.annotations")));
        assert_eq!(
            of("Pod", json!({"metadata": {"labels": "a"}})),
            Err(Problem::NotAMap("metadata.labels"))
        );
    }

    #[test]
    fn empty_ca_bundles_are_left_to_the_injector() {
        let hooks = |bundle: &str| json!({"metadata": {}, "webhooks": [{"clientConfig": {"caBundle": bundle}}]});
        let without = json!({"metadata": {}, "webhooks": [{"clientConfig": {}}]});
        assert_eq!(of("W", hooks("Cg==")), Ok(without.clone()));
        assert_eq!(of("W", hooks("")), Ok(without));
        assert_eq!(of("W", hooks("TUlJ")), Ok(hooks("TUlJ")));
    }

    #[test]
    fn rules_of_an_aggregated_role_are_the_control_planes() {
        let id = ObjectId::new(
            crate::object::GroupKind::new("rbac.authorization.k8s.io", "ClusterRole"),
            "",
            "x",
        );
        let check = |rule: Value, expect: Value| {
            let mut body = json!({"metadata": {}, "aggregationRule": rule, "rules": []});
            sanitize(&mut body, &id).unwrap();
            assert_eq!(body["rules"], expect);
        };
        check(json!({"clusterRoleSelectors": []}), Value::Null);
        check(Value::Null, json!([]));
    }

    #[test]
    fn the_finalizer_of_a_namespace_is_the_control_planes() {
        let check = |sent: Value, left: Value| {
            let body = json!({"metadata": {}, "spec": {"finalizers": sent}});
            assert_eq!(of("Namespace", body), Ok(json!({"metadata": {}, "spec": left})));
        };
        check(json!([]), json!({}));
        check(json!(null), json!({}));
        check(json!(["kubernetes"]), json!({}));
        let other = json!({"finalizers": ["kubernetes", "example.com/other"]});
        check(other["finalizers"].clone(), other);
        assert_eq!(of("Namespace", json!({"metadata": {}})), Ok(json!({"metadata": {}})));
    }

    #[test]
    fn what_the_cluster_assigns_is_not_sent_empty() {
        let spec = |spec: Value| json!({"metadata": {}, "spec": spec});
        let check = |kind: &str, sent: Value, left: Value| {
            assert_eq!(of(kind, spec(sent)), Ok(spec(left)), "{kind}");
        };
        check("PersistentVolumeClaim", json!({"volumeName": "", "x": ""}), json!({"x": ""}));
        check("PersistentVolumeClaim", json!({"volumeName": "v"}), json!({"volumeName": "v"}));
        check("Service", json!({"clusterIP": null}), json!({}));
        check("Service", json!({"clusterIP": "None"}), json!({"clusterIP": "None"}));
    }

    #[test]
    fn secrets_fold_string_data_and_never_show_a_value() {
        let body = json!({"metadata": {}, "data": {"a": "YQ=="}, "stringData": {"b": "b"}});
        let folded = json!({"metadata": {}, "data": {"a": "YQ==", "b": "Yg=="}});
        assert_eq!(of("Secret", body), Ok(folded));
        let lines = json!({"metadata": {}, "data": {"a": "YWFh\r\nYWFh\n"}});
        assert_eq!(of("Secret", lines), Ok(json!({"metadata": {}, "data": {"a": "YWFhYWFh"}})));
        let check = |body: Value, says: &str| {
            let problem = of("Secret", body).unwrap_err().to_string();
            assert!(problem.starts_with(says), "{problem}");
            assert!(!problem.contains("31337"), "{problem}");
        };
        check(json!({"metadata": {}, "data": {"pin": 31337}}), "data.pin must be a base64");
        check(json!({"metadata": {}, "data": {"pin": "31337!"}}), "data.pin must be a base64");
        check(
            json!({"metadata": {}, "stringData": {"pin": 31337}}),
            "stringData.pin must be a string",
        );
        check(json!({"metadata": {}, "data": [31337]}), "data must be a map");
    }
}

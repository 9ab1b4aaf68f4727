//! Looks at objects without a process for each look: tests that wait look many times a second, and a
//! kubectl for each takes more of the processor than everything else does.

use serde_json::Value;

use crate::support::plane;

/// The kinds that tests look at often, by the names that kubectl has for them.
const KINDS: &[(&[&str], &str)] = &[
    (&["configmap", "configmaps", "cm"], "api/v1/namespaces/NS/configmaps"),
    (&["secret", "secrets"], "api/v1/namespaces/NS/secrets"),
    (&["service", "svc"], "api/v1/namespaces/NS/services"),
    (&["serviceaccount", "sa"], "api/v1/namespaces/NS/serviceaccounts"),
    (&["pod"], "api/v1/namespaces/NS/pods"),
    (&["namespace", "ns"], "api/v1/namespaces"),
    (&["deployment", "deploy"], "apis/apps/v1/namespaces/NS/deployments"),
    (&["statefulset", "sts"], "apis/apps/v1/namespaces/NS/statefulsets"),
    (&["daemonset", "ds"], "apis/apps/v1/namespaces/NS/daemonsets"),
    (&["job"], "apis/batch/v1/namespaces/NS/jobs"),
    (&["events.events.k8s.io"], "apis/events.k8s.io/v1/namespaces/NS/events"),
    (&["gapp", "gitopsapp"], "apis/gitops-sync.dev/v1alpha1/namespaces/NS/gitopsapps"),
];

/// An object of the shared control plane, named as kubectl takes it. `Err` if only kubectl can say.
pub fn find(namespace: &str, object: &str) -> Result<Option<Value>, ()> {
    let (kind, name) = object.split_once('/').ok_or(())?;
    let path = format!("/{}/{name}", collection(namespace, kind).ok_or(())?);
    plane().read(&path).map_err(drop)
}

/// All objects of a kind in a namespace.
pub fn list(namespace: &str, kind: &str) -> Vec<Value> {
    let path = format!("/{}", collection(namespace, kind).unwrap());
    let mut list = plane().read(&path).unwrap().unwrap();
    serde_json::from_value(list["items"].take()).unwrap()
}

fn collection(namespace: &str, kind: &str) -> Option<String> {
    let (_, path) = KINDS.iter().find(|(names, _)| names.contains(&kind))?;
    Some(path.replace("NS", namespace))
}

/// The text of a field as kubectl has it by `jsonpath` has it, empty if it is not there. `None` for a path that is more
/// than names, and for what is no single value: only kubectl can say what is shown of it.
pub fn text(object: &Value, path: &str) -> Option<String> {
    let mut found = object;
    for name in names(path)? {
        found = found.get(&name).unwrap_or(&Value::Null);
    }
    match found {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(found.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// The names in a path such as `.metadata.labels.example\.com/team`.
fn names(path: &str) -> Option<Vec<String>> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/\\".contains(c);
    let path = path.strip_prefix('.').filter(|path| path.chars().all(is_plain))?;
    let dotted = path.replace("\\.", "\0");
    let names: Vec<_> = dotted.split('.').map(|name| name.replace('\0', ".")).collect();
    names.iter().all(|name| !name.is_empty() && !name.contains('\\')).then_some(names)
}

#[test]
fn fields_are_found_as_kubectl_finds_them() {
    let object = serde_json::json!({
        "data": {"a": "1", "b.c": "2", "n": 3, "t": true}, "list": ["x"], "null": null,
    });
    let check = |path: &str, expect: Option<&str>| {
        assert_eq!(text(&object, path).as_deref(), expect, "{path}");
    };
    check(".data.a", Some("1"));
    check(".data.b\\.c", Some("2"));
    check(".data.n", Some("3"));
    check(".data.t", Some("true"));
    check(".data.none.deeper", Some(""));
    check(".null", Some(""));
    check(".data", None);
    check(".list[0]", None);
    check(".list", None);
    check("{.data.a}", None);
}

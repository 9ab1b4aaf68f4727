//! What can be said of a custom resource before its CRD is in the cluster: names, types, required fields and
//! enumerations. Rules, formats, ranges and admission are for the server. A problem names no value.

use serde_json::Value;

/// What is wrong with an object by the schema of its version in a CRD.
pub fn problems(crd: &Value, object: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    if !is_subdomain(text("/metadata/name")) {
        problems.push("metadata.name: is no lowercase DNS subdomain".to_owned());
    }
    let version = text("/apiVersion").rsplit('/').next().unwrap_or_default();
    let mut versions = crd["spec"]["versions"].as_array().into_iter().flatten();
    match versions.find(|v| v["name"] == version && v["served"] == true) {
        Some(version) => {
            check(&version["schema"]["openAPIV3Schema"], object, "", &mut problems);
        }
        None => problems.push(format!("apiVersion: its CRD does not serve {version}")),
    }
    problems
}

fn check(schema: &Value, value: &Value, path: &str, problems: &mut Vec<String>) {
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    if let Some(wanted) = type_of(schema)
        && !is_of(wanted, value)
    {
        return problems.push(format!("{}: must be {wanted}", shown(path)));
    }
    let allowed = schema["enum"].as_array();
    if allowed.is_some_and(|allowed| !allowed.contains(value)) {
        problems.push(format!("{}: is none of the values that the CRD allows", shown(path)));
    }
    match value {
        Value::Object(fields) => {
            let required = schema["required"].as_array().into_iter().flatten();
            for name in required.filter_map(Value::as_str) {
                let known = &schema["properties"][name];
                let is_set = |value: &Value| !value.is_null() || known["nullable"] == true;
                if !fields.get(name).is_some_and(is_set) && known.get("default").is_none() {
                    problems.push(format!("{path}.{name}: is required").replacen(
                        '.',
                        "",
                        usize::from(path.is_empty()),
                    ));
                }
            }
            for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
                let known = schema["properties"].get(name);
                let schema = known.unwrap_or(&schema["additionalProperties"]);
                check(schema, value, &below(path, name), problems);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                check(&schema["items"], item, &format!("{path}[{at}]"), problems);
            }
        }
        _ => {}
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn shown(path: &str) -> &str {
    if path.is_empty() { "the object" } else { path }
}

fn type_of(schema: &Value) -> Option<&str> {
    if schema["x-kubernetes-int-or-string"] == true {
        return Some("integer or string");
    }
    schema["type"].as_str()
}

fn is_of(wanted: &str, value: &Value) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => is_integer(value),
        "integer or string" => is_integer(value) || value.is_string(),
        _ => true,
    }
}

/// The API server takes 1.0 for an integer as well.
fn is_integer(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
}

/// A DNS subdomain of RFC 1123, as Kubernetes wants most names.
fn is_subdomain(name: &str) -> bool {
    let is_label = |label: &str| {
        let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        label.bytes().all(is_plain)
            && !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn crd() -> Value {
        json!({"spec": {"versions": [
            {"name": "v1", "served": true, "schema": {"openAPIV3Schema": {"type": "object", "required": ["spec"],
                "properties": {"spec": {"type": "object", "required": ["size", "color"], "properties": {
                    "size": {"type": "integer"},
                    "port": {"x-kubernetes-int-or-string": true},
                    "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
                    "on": {"type": "boolean"},
                    "ratio": {"type": "number"},
                    "spare": {"type": "object", "required": ["a"], "properties": {"a": {"type": "string", "nullable": true}}},
                    "holes": {"type": "array", "items": {"type": "string", "nullable": true}},
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                    "free": {"x-kubernetes-preserve-unknown-fields": true}}}}}}},
            {"name": "v0", "served": false}
        ]}})
    }

    #[test]
    fn an_object_is_held_against_the_schema_of_its_version() {
        let check = |object: Value, expect: &[&str]| {
            let mut body =
                json!({"apiVersion": "x.example/v1", "kind": "Gear", "metadata": {"name": "g"}});
            body.as_object_mut().unwrap().extend(object.as_object().unwrap().clone());
            assert_eq!(problems(&crd(), &body), expect, "{body}");
        };
        check(json!({"spec": {"size": 1}}), &[]);
        check(json!({"spec": {"size": 1.0, "port": "http", "ratio": 1, "unknown": 1}}), &[]);
        check(json!({"spec": {"size": 1, "port": 80, "free": {"a": [1]}, "on": null}}), &[]);
        check(json!({"spec": {"size": 1, "spare": {"a": null}, "holes": ["a", null]}}), &[]);
        check(json!({"spec": {"size": 1, "spare": {}}}), &["spec.spare.a: is required"]);
        check(json!({"spec": {"size": 1, "tags": [null]}}), &["spec.tags[0]: must be string"]);
        check(json!({}), &["spec: is required"]);
        check(json!({"spec": {}}), &["spec.size: is required"]);
        check(json!({"spec": {"size": null}}), &["spec.size: is required"]);
        check(json!({"spec": []}), &["spec: must be object"]);
        check(
            json!({"spec": {"size": "s3cret", "on": "yes", "port": true}}),
            &[
                "spec.on: must be boolean",
                "spec.port: must be integer or string",
                "spec.size: must be integer",
            ],
        );
        check(
            json!({"spec": {"size": 1, "color": "green", "tags": ["a", 1], "labels": {"a": 1}}}),
            &[
                "spec.color: is none of the values that the CRD allows",
                "spec.labels.a: must be string",
                "spec.tags[1]: must be string",
            ],
        );
        let spec = json!({"size": 1});
        check(
            json!({"spec": spec, "apiVersion": "x.example/v0"}),
            &["apiVersion: its CRD does not serve v0"],
        );
        check(
            json!({"spec": spec, "metadata": {"name": "A"}}),
            &["metadata.name: is no lowercase DNS subdomain"],
        );
    }
}

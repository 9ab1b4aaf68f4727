//! Fields that no `GitOpsApp` has, found by its definition as the API server finds them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::Value;

use super::{Fault, crd};

/// What an app has that its definition does not know. A cluster refuses such an app, but nobody else would: a field
/// that is misspelled would mean nothing.
pub fn unknown(app: &Value) -> Vec<Fault> {
    let crd = crd();
    let mut schemas = crd.spec.versions.iter().filter_map(|version| version.schema.as_ref());
    let schema = schemas.find_map(|schema| schema.open_api_v3_schema.as_ref());
    let spec = schema.and_then(|schema| schema.properties.as_ref()?.get("spec"));
    let mut faults = Vec::new();
    if let Some(spec) = spec {
        look(&app["spec"], spec, "spec", &mut faults);
    }
    faults
}

fn look(value: &Value, schema: &JSONSchemaProps, at: &str, faults: &mut Vec<Fault>) {
    match (value, &schema.properties, &schema.items, &schema.additional_properties) {
        (Value::Object(fields), Some(known), ..) => {
            for (name, value) in fields {
                let at = format!("{at}.{name}");
                match known.get(name) {
                    Some(schema) => look(value, schema, &at, faults),
                    None => faults.push(Fault::new(&at, &reason(name, known.keys()))),
                }
            }
        }
        (Value::Object(fields), None, _, Some(JSONSchemaPropsOrBool::Schema(schema))) => {
            fields.iter().for_each(|(name, value)| {
                look(value, schema, &format!("{at}.{name}"), faults);
            });
        }
        (Value::Array(items), _, Some(JSONSchemaPropsOrArray::Schema(schema)), _) => {
            for (number, item) in items.iter().enumerate() {
                look(item, schema, &format!("{at}[{number}]"), faults);
            }
        }
        _ => {}
    }
}

/// With the field that may be meant.
fn reason<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> String {
    let distance =
        |known: &String| strsim::damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase());
    let near = known.map(|known| (distance(known), known)).min();
    match near.filter(|(distance, _)| *distance <= (name.len() / 3).max(1)) {
        Some((_, near)) => format!("is no field of GitOpsApps: did you mean {near}?"),
        None => "is no field of GitOpsApps: kubectl explain gapp.spec tells all".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_no_app_has_is_named() {
        let check = |spec: Value, expect: &[(&str, &str)]| {
            let found = unknown(&json!({"apiVersion": "x", "spec": spec}));
            let found: Vec<_> =
                found.iter().map(|f| (f.field.as_str(), f.reason.as_str())).collect();
            let expect: Vec<_> = expect
                .iter()
                .map(|(field, near)| (*field, format!("is no field of GitOpsApps: {near}")))
                .collect();
            let expect: Vec<_> =
                expect.iter().map(|(field, reason)| (*field, reason.as_str())).collect();
            assert_eq!(found, expect);
        };
        let explain = "kubectl explain gapp.spec tells all";
        check(json!({"repoURL": "x", "path": "y", "interval": 5}), &[]);
        check(json!({"repoUrl": "x"}), &[("spec.repoUrl", "did you mean repoURL?")]);
        check(json!({"destination": {}}), &[("spec.destination", explain)]);
        let values = json!({"a": {"b": 1}});
        check(json!({"render": {"helm": {"values": values}}}), &[]);
        check(json!({"commonLabels": {"a": "b"}, "postBuild": {"substitute": {"a": "b"}}}), &[]);
        let misspelled = "spec.render.helm.valueFiles";
        check(
            json!({"render": {"helm": {"valueFiles": []}}}),
            &[(misspelled, "did you mean valuesFiles?")],
        );
        let in_list = json!({"dependsOn": [{"name": "a"}, {"nam": "b"}]});
        check(in_list, &[("spec.dependsOn[1].nam", "did you mean name?")]);
        check(json!(null), &[]);
    }
}

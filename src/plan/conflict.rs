//! Fields that an apply without force may not change, because others own them.

use serde_json::Value;

use super::Masks;
use super::diff::{FieldDrift, Tool, is_secret, owner};
use crate::object::fields::{self, FieldPath};

/// The fields that a refusal names, as far as others still own them on the object as it was found. The API
/// server's own words could be read in more than one way.
pub fn named(refused: &[&str], found: &Value) -> Vec<FieldPath> {
    let others = fields::entries(found).filter(|entry| !entry.is_ours());
    let mut paths: Vec<FieldPath> = Vec::new();
    for path in others.flat_map(|entry| fields::leaves(entry.fields())) {
        if refused.contains(&path.as_served().as_str()) && !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

/// What is wanted and what was found of fields that others own, and who.
pub fn told(paths: &[FieldPath], wanted: &Value, found: &Value, masks: &Masks) -> Vec<FieldDrift> {
    let is_secret = is_secret(found);
    let tell = |path: &FieldPath| {
        let by = owner(found, path).map(Tool::from);
        FieldDrift::new(path, [path.of(wanted), path.of(found)], is_secret, masks, by)
    };
    paths.iter().map(tell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found() -> Value {
        let item = json!({".": {}, "f:image": {}, "f:name": {}});
        let ports = json!({"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {"f:name": {}}});
        let theirs = json!({
            "f:metadata": {"f:annotations": {".": {}, "f:a.b/c": {}}, "f:finalizers": {"v:\"x/y\"": {}}},
            "f:spec": {"f:c": {"k:{\"name\":\"web\"}": item}, "f:ports": ports},
        });
        let entry = |manager: &str, operation: &str, fields: Value| json!({"manager": manager, "operation": operation, "fieldsV1": fields});
        let ours = entry("gitops-sync", "Apply", json!({"f:spec": {"f:replicas": {}}}));
        json!({"kind": "X", "metadata": {"managedFields": [ours, entry("op", "Update", theirs)]},
               "spec": {"c": [{"name": "web", "image": "theirs"}]}})
    }

    #[test]
    fn a_refusal_names_fields_as_the_server_writes_them() {
        let check = |refused: &str, path: Option<&str>| {
            let paths = named(&[refused], &found());
            assert_eq!(paths.first().map(ToString::to_string).as_deref(), path, "{refused}");
        };
        check(".spec.c[name=\"web\"].image", Some("spec.c[name=web].image"));
        check(".metadata.annotations.a.b/c", Some("metadata.annotations[a.b/c]"));
        check(".metadata.finalizers[=\"x/y\"]", Some("metadata.finalizers[=x/y]"));
        check(
            ".spec.ports[containerPort=80,protocol=\"TCP\"].name",
            Some("spec.ports[containerPort=80,protocol=TCP].name"),
        );
        check(".spec.replicas", None);
        check(".spec.other", None);
    }

    #[test]
    fn a_conflict_names_values_and_manager() {
        let paths = named(&[".spec.c[name=\"web\"].image"], &found());
        let wanted = json!({"spec": {"c": [{"name": "web", "image": "git"}]}});
        let told = told(&paths, &wanted, &found(), &Masks::default());
        let text = told.iter().map(ToString::to_string).collect::<String>();
        assert_eq!(
            text,
            "spec.c[name=web].image: wanted \"git\", found \"theirs\", by op (Update, )"
        );
    }
}

//! Takes out of an object what people added to it: one patch that fails if the object is another by now.

use serde_json::{Value, json};

use super::Masks;
use super::diff::{FieldDrift, Tool, is_secret};
use crate::object::additions::{Free, additions, beside};
use crate::object::fields::{self, Segment};

/// The JSON patch (RFC 6902) that removes all additions, and their owners' claims to them. A claim that
/// stayed would come back as an addition: the API server fills in defaults for what was removed.
pub fn patch(found: &Value, free: Free<'_>) -> Option<Value> {
    let added = stripped(found, free);
    if added.is_empty() {
        return None;
    }
    let meta = &found["metadata"];
    let test = |field: &str| json!({"op": "test", "path": format!("/metadata/{field}"), "value": meta[field]});
    let mut patch = vec![test("uid"), test("resourceVersion")];
    let all = added.iter().fold(json!({}), |all, (_, set)| fields::union(all, set));
    removals(&all, found, "", &mut patch);
    let mut entries = meta["managedFields"].as_array().cloned().unwrap_or_default();
    for (at, set) in &added {
        entries[*at]["fieldsV1"] = fields::minus(&entries[*at]["fieldsV1"], set);
    }
    entries.retain(|entry| !fields::is_empty(&entry["fieldsV1"]));
    patch.push(json!({"op": "replace", "path": "/metadata/managedFields", "value": entries}));
    Some(Value::Array(patch))
}

/// The additions beside what others may have, each with the position of its entry.
fn stripped(found: &Value, free: Free<'_>) -> Vec<(usize, Value)> {
    let added = additions(found).into_iter();
    let added = added.map(|(at, set)| (at, beside(&set, free, found)));
    added.filter(|(_, set)| !fields::is_empty(set)).collect()
}

/// The operations that remove what a set of additions holds; of a list the last items first.
fn removals(set: &Value, value: &Value, pointer: &str, patch: &mut Vec<Value>) {
    let mut steps: Vec<_> = fields::children(set)
        .filter_map(|(segment, below)| {
            let inside = segment.of(value)?;
            Some((token(&segment, value)?, segment.position(value), below, inside))
        })
        .collect();
    steps.sort_by_key(|(_, position, ..)| std::cmp::Reverse(*position));
    for (token, _, below, inside) in steps {
        let pointer = format!("{pointer}/{token}");
        if fields::is_whole(below) {
            patch.push(json!({"op": "remove", "path": pointer}));
        } else {
            removals(below, inside, &pointer, patch);
        }
    }
}

/// A step as a token of a JSON pointer.
fn token(segment: &Segment, value: &Value) -> Option<String> {
    match segment {
        Segment::Field(name) => Some(name.replace('~', "~0").replace('/', "~1")),
        _ => segment.position(value).map(|at| at.to_string()),
    }
}

/// What was added, by whom, and what is there after its removal: `None` stands for an object that was
/// only looked at. What is the same as before was a default.
pub fn added(
    found: &Value,
    free: Free<'_>,
    after: Option<&Value>,
    masks: &Masks,
) -> Vec<FieldDrift> {
    let mut all = Vec::new();
    let entries: Vec<_> = fields::entries(found).collect();
    for (at, set) in stripped(found, free) {
        for path in fields::topmost(&set) {
            let (was, is) = (path.of(found), after.and_then(|object| path.of(object)));
            if was.is_some() && (after.is_none() || was != is) {
                let by = entries.get(at).copied().map(Tool::from);
                all.push(FieldDrift::new(&path, [is, was], is_secret(found), masks, by));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Value {
        const ITEM: fn(&str) -> Value =
            |name| json!({format!("k:{{\"name\":\"{name}\"}}"): {".": {}, "f:name": {}}});
        let ours = json!({"f:spec": {"f:replicas": {}, "f:c": ITEM("web")}});
        let inside = json!({"k:{\"name\":\"web\"}": {"f:tty": {}, "f:a/b": {}}});
        let containers = fields::union(ITEM("one"), &inside);
        let strategy = json!({"f:type": {}});
        let theirs = json!({"f:metadata": {"f:labels": {"f:x": {}}},
                            "f:spec": {"f:c": containers, "f:strategy": strategy}});
        let more = json!({"f:spec": {"f:c": ITEM("two"), "f:strategy": strategy}});
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"uid": "u", "resourceVersion": "7", "labels": {"x": "y"}, "managedFields": [
                {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": theirs},
                {"manager": "gitops-sync", "operation": "Apply", "fieldsV1": ours},
                {"manager": "k9s", "operation": "Update", "fieldsV1": more},
            ]},
            "spec": {"replicas": 1, "strategy": {"type": "RollingUpdate"}, "c": [
                {"name": "one"}, {"name": "web", "tty": true, "a/b": 1}, {"name": "two"},
            ]},
        })
    }

    #[test]
    fn the_patch_removes_additions_and_claims_and_nothing_else() {
        let mut object = found();
        let patch: json_patch::Patch =
            serde_json::from_value(patch(&object, Free::default()).unwrap()).unwrap();
        json_patch::patch(&mut object, &patch).unwrap();
        assert_eq!(object["spec"], json!({"replicas": 1, "strategy": {}, "c": [{"name": "web"}]}));
        assert_eq!(object["metadata"]["labels"], json!({"x": "y"}));
        let entries = &object["metadata"]["managedFields"];
        assert_eq!(entries[0]["fieldsV1"], json!({"f:metadata": {"f:labels": {"f:x": {}}}}));
        assert!(additions(&object).is_empty());
        object["metadata"]["resourceVersion"] = json!("8");
        assert!(json_patch::patch(&mut object, &patch).is_err());
        assert_eq!(super::patch(&object, Free::default()), None);
    }

    #[test]
    fn additions_are_told_with_their_tool_and_defaults_are_not() {
        let mut after = found();
        after["spec"]["c"] = json!([{"name": "web"}]);
        let told = |after: Option<&Value>| -> Vec<String> {
            let all = added(&found(), Free::default(), after, &Masks::default()).into_iter();
            all.map(|drift| format!("{} {}", drift.path, drift.by.unwrap().manager)).collect()
        };
        let changed = [
            "spec.c[name=one] kubectl-edit",
            "spec.c[name=web][a/b] kubectl-edit",
            "spec.c[name=web].tty kubectl-edit",
            "spec.c[name=two] k9s",
        ];
        assert_eq!(told(Some(&after)), changed);
        assert!(told(None).contains(&"spec.strategy.type k9s".to_owned()));
    }
}

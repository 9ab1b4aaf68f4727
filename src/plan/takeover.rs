//! Takes over what `kubectl apply` set client-side before git came, as kubectl itself does for
//! `--server-side` (KEP-555): then what git does not set goes with our apply.

use serde_json::{Map, Value, json};

use super::Masks;
use super::diff::{FieldDrift, Tool, is_secret};
use crate::object::additions::RESTARTED_AT;
use crate::object::fields::{self, Entry, FieldPath, Segment};
use crate::object::marks::MANAGER;
use crate::object::pattern::FieldPattern;

/// Manager of client-side applies.
const CLIENT_SIDE: &str = "kubectl-client-side-apply";
/// Manager of all there was when ownership began to be kept.
const BEFORE: &str = "before-first-apply";
/// Where a client-side apply keeps what it sent.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What stays with its owner: the status, a number of replicas that is anybody's, and what would restart
/// pods.
const LEFT: &[&[&str]] = &[
    &["f:status"],
    &["f:spec", "f:replicas"],
    RESTARTED_AT,
    &["f:metadata", "f:annotations", "f:kubectl.kubernetes.io/last-applied-configuration"],
];

/// The JSON patch (RFC 6902) that makes ours what client-side applies own beside what others may have.
/// `None` if they own nothing.
pub fn patch(found: &Value, api_version: &str, ignored: &[FieldPattern]) -> Option<Value> {
    let claims = claims(found, api_version, ignored);
    let meta = &found["metadata"];
    let mut entries = meta["managedFields"].as_array().cloned().unwrap_or_default();
    let newest =
        claims.iter().map(|(at, _)| entries[*at]["time"].clone()).max_by_key(Value::to_string)?;
    let all = claims.iter().fold(json!({}), |all, (_, set)| fields::union(all, set));
    for (at, set) in &claims {
        let kept = fields::minus(&entries[*at]["fieldsV1"], set);
        entries[*at]["fieldsV1"] = fields::without(&kept, LEFT[LEFT.len() - 1]);
    }
    match fields::entries(found).position(Entry::is_ours) {
        Some(at) => entries[at]["fieldsV1"] = fields::union(all, &entries[at]["fieldsV1"]),
        None => entries.push(json!({
            "manager": MANAGER, "operation": "Apply", "apiVersion": api_version, "time": newest,
            "fieldsType": "FieldsV1", "fieldsV1": all,
        })),
    }
    entries.retain(|entry| !fields::is_empty(&entry["fieldsV1"]));
    let test = |field: &str| json!({"op": "test", "path": format!("/metadata/{field}"), "value": meta[field]});
    let mut patch = vec![test("uid"), test("resourceVersion")];
    if meta["annotations"].get(LAST_APPLIED).is_some() {
        let path = format!("/metadata/annotations/{}", LAST_APPLIED.replace('/', "~1"));
        patch.push(json!({"op": "remove", "path": path}));
    }
    patch.push(json!({"op": "replace", "path": "/metadata/managedFields", "value": entries}));
    Some(Value::Array(patch))
}

/// What client-side applies own, with the position of each entry.
fn claims(found: &Value, api_version: &str, ignored: &[FieldPattern]) -> Vec<(usize, Value)> {
    // Paths of another version may mean something else.
    if fields::ours(found).is_some_and(|ours| ours.api_version() != api_version) {
        return Vec::new();
    }
    let last_applied = found["metadata"]["annotations"][LAST_APPLIED].as_str();
    let last_applied: Value =
        last_applied.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let claim = |entry: Entry<'_>| {
        let is_plain = entry.operation() == "Update" && entry.subresource().is_empty();
        let set = match entry.manager() {
            _ if !is_plain || entry.api_version() != api_version => return None,
            CLIENT_SIDE => entry.fields().clone(),
            // Controllers' fields and finalizers are among the others.
            BEFORE => common(entry.fields(), &last_applied),
            _ => return None,
        };
        let set = LEFT.iter().fold(set, |set, path| fields::without(&set, path));
        let ignored = ignored.iter().flat_map(|pattern| pattern.select(&set, found));
        let set = ignored.collect::<Vec<_>>().iter().fold(set, |set, path| {
            let keys: Vec<_> = path.segments().iter().map(Segment::key).collect();
            fields::without(&set, &keys.iter().map(String::as_str).collect::<Vec<_>>())
        });
        (!fields::is_empty(&set)).then_some(set)
    };
    let entries = fields::entries(found).enumerate();
    entries.filter_map(|(at, entry)| Some((at, claim(entry)?))).collect()
}

/// The members of a set that a value has.
fn common(set: &Value, value: &Value) -> Value {
    let mut left = Map::new();
    for (segment, below) in fields::children(set) {
        let Some(inside) = segment.of(value) else { continue };
        let rest = common(below, inside);
        if fields::is_empty(below) || !fields::is_empty(&rest) {
            left.insert(segment.key(), rest);
        }
    }
    if !left.is_empty() && set.get(".").is_some() {
        left.insert(".".to_owned(), json!({}));
    }
    Value::Object(left)
}

/// What was taken over and is gone, or a default again, since git does not set it.
pub fn removed(
    found: &Value,
    after: &Value,
    ignored: &[FieldPattern],
    masks: &Masks,
) -> Vec<FieldDrift> {
    let api_version = after["apiVersion"].as_str().unwrap_or_default();
    let entries: Vec<_> = fields::entries(found).collect();
    let mut walk =
        Walk { after, is_secret: is_secret(found), masks, by: None, removed: Vec::new() };
    for (at, set) in claims(found, api_version, ignored) {
        walk.by = entries.get(at).copied().map(Tool::from);
        walk.compare(&set, &FieldPath::default(), Some(found), Some(after));
    }
    walk.removed
}

struct Walk<'a> {
    after: &'a Value,
    is_secret: bool,
    masks: &'a Masks,
    by: Option<Tool>,
    removed: Vec<FieldDrift>,
}

impl Walk<'_> {
    fn compare(&mut self, set: &Value, path: &FieldPath, was: Option<&Value>, is: Option<&Value>) {
        if was.is_none() || was == is {
            return;
        }
        if is.is_some() && !fields::is_empty(set) {
            for (segment, below) in fields::children(set) {
                let (was, is) = (was.and_then(|v| segment.of(v)), is.and_then(|v| segment.of(v)));
                self.compare(below, &path.then(segment), was, is);
            }
            return;
        }
        let is_git_s = fields::ours(self.after).is_some_and(|ours| path.within(ours.fields()));
        if !is_git_s {
            let by = self.by.clone();
            let removed = FieldDrift::new(path, [is, was], self.is_secret, self.masks, by);
            self.removed.push(removed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(manager: &str) -> Value {
        let item =
            |name: &str| json!({format!("k:{{\"name\":\"{name}\"}}"): {".": {}, "f:name": {}}});
        let containers = fields::union(item("web"), &item("side"));
        let annotations = json!({".": {}, "f:note": {}, format!("f:{LAST_APPLIED}"): {}});
        let set = json!({
            "f:metadata": {"f:annotations": annotations, "f:finalizers": {"v:\"x\"": {}}},
            "f:spec": {"f:replicas": {}, "f:nodePort": {}, "f:c": containers},
            "f:status": {"f:x": {}},
        });
        let applied = json!({"metadata": {"annotations": {"note": "n"}},
                             "spec": {"replicas": 2, "c": [{"name": "web"}, {"name": "side"}]}});
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "uid": "u", "resourceVersion": "7", "finalizers": ["x"],
                "annotations": {"note": "n", LAST_APPLIED: applied.to_string()},
                "managedFields": [
                    {"manager": manager, "operation": "Update", "apiVersion": "apps/v1",
                     "time": "2026-01-01T00:00:00Z", "fieldsV1": set},
                    {"manager": "op", "operation": "Update", "apiVersion": "apps/v1",
                     "fieldsV1": {"f:spec": {"f:other": {}}}},
                ],
            },
            "spec": {"replicas": 2, "nodePort": 1, "c": [{"name": "web"}, {"name": "side"}]},
        })
    }

    fn patched(mut object: Value, ignored: &str) -> Value {
        let ignored = FieldPattern::parse_all(ignored).unwrap();
        let patch = patch(&object, "apps/v1", &ignored).unwrap();
        let patch: json_patch::Patch = serde_json::from_value(patch).unwrap();
        json_patch::patch(&mut object, &patch).unwrap();
        object
    }

    #[test]
    fn what_a_client_side_apply_owns_becomes_ours() {
        let check = |manager: &str, ignored: &str, ours: &[&str]| {
            let object = patched(found(manager), ignored);
            let set = fields::ours(&object).unwrap().fields().clone();
            let mut paths: Vec<_> = fields::leaves(&set).iter().map(ToString::to_string).collect();
            paths.sort();
            assert_eq!(paths, ours, "{manager} {ignored}");
            assert_eq!(object["metadata"]["annotations"], json!({"note": "n"}));
        };
        let common =
            ["metadata.annotations.note", "spec.c[name=side].name", "spec.c[name=web].name"];
        check(BEFORE, "", &common);
        let more = [&common[..1], &["metadata.finalizers[=x]"], &common[1..], &["spec.nodePort"]];
        check(CLIENT_SIDE, "", &more.concat());
        check(BEFORE, "/spec/c/[name=side]", &[common[0], common[2]]);
    }

    #[test]
    fn nothing_is_taken_over_of_others() {
        let check = |change: fn(&mut Value)| {
            let mut object = found(CLIENT_SIDE);
            change(&mut object["metadata"]["managedFields"]);
            assert_eq!(patch(&object, "apps/v1", &[]), None);
        };
        check(|entries| entries[0]["manager"] = json!("kubectl-edit"));
        check(|entries| entries[0]["operation"] = json!("Apply"));
        check(|entries| entries[0]["subresource"] = json!("status"));
        check(|entries| entries[0]["apiVersion"] = json!("apps/v1beta1"));
        check(|entries| {
            let ours = json!({"manager": MANAGER, "operation": "Apply", "apiVersion": "apps/v2"});
            entries[1] = ours;
        });
    }

    #[test]
    fn ours_is_added_to_and_what_stays_is_theirs() {
        let mut object = found(CLIENT_SIDE);
        let ours = json!({"manager": MANAGER, "operation": "Apply", "apiVersion": "apps/v1",
                          "fieldsV1": {"f:spec": {"f:paused": {}}}});
        object["metadata"]["managedFields"][1] = ours;
        let object = patched(object, "");
        let entries = &object["metadata"]["managedFields"];
        assert_eq!(entries.as_array().unwrap().len(), 2);
        let left = json!({"f:spec": {"f:replicas": {}}, "f:status": {"f:x": {}}});
        assert_eq!(entries[0]["fieldsV1"], left);
        assert_eq!(entries[1]["fieldsV1"]["f:spec"]["f:paused"], json!({}));
        assert_eq!(patch(&object, "apps/v1", &[]), None);
    }

    #[test]
    fn what_went_is_told_once_with_its_tool() {
        let before = found(CLIENT_SIDE);
        let mut after = before.clone();
        after["spec"] = json!({"replicas": 2, "c": [{"name": "web"}]});
        after["metadata"]["annotations"]["note"] = json!("git");
        after["metadata"]["managedFields"] = json!([{"manager": MANAGER, "operation": "Apply",
            "apiVersion": "apps/v1", "fieldsV1": {"f:metadata": {"f:annotations": {"f:note": {}}}}}]);
        let told = removed(&before, &after, &[], &Masks::default());
        let told: Vec<_> = told.iter().map(|d| (d.path.as_str(), &d.by)).collect();
        let by = &Some(Tool::from(fields::entries(&before).next().unwrap()));
        assert_eq!(told, [("spec.c[name=side]", by), ("spec.nodePort", by)]);
    }
}

//! Fields that people added by hand to an object of ours: no manifest sets them.

use serde_json::{Value, json};

use super::fields::{self, Entry, FieldPath};
use super::pattern::FieldPattern;

/// Managers of tools by which people change objects by hand: kubectl and its verbs, terminals and
/// consoles. Consoles in a browser go by what the browser calls itself.
const TOOLS: &[&str] = &["kubectl", "k9s", "rancher", "lens", "openlens", "headlamp", "mozilla"];

/// What `kubectl rollout restart` sets: a wish that is not drift.
pub const RESTARTED_AT: &[&str] =
    &["f:spec", "f:template", "f:metadata", "f:annotations", "f:kubectl.kubernetes.io/restartedAt"];

/// Whether a field manager is a tool that people use by hand.
pub fn is_human(manager: &str) -> bool {
    let manager = manager.to_lowercase();
    TOOLS.contains(&manager.as_str()) || manager.starts_with("kubectl-")
}

/// The fields of each entry of `managedFields`, by its position, that a person added: written by a
/// tool for people, owned by nobody else, and neither metadata, status nor scale. A number of replicas
/// that git does not say is anybody's: without it there would be one.
pub fn additions(object: &Value) -> Vec<(usize, Value)> {
    let Some(ours) = fields::ours(object) else { return Vec::new() };
    let is_candidate = |entry: &Entry<'_>| {
        entry.operation() == "Update"
            && entry.subresource().is_empty()
            // Paths of another version may mean something else.
            && entry.api_version() == ours.api_version()
            && is_human(entry.manager())
    };
    let others = || fields::entries(object).filter(|entry| !is_candidate(entry));
    let all = fields::entries(object).enumerate().filter(|(_, entry)| is_candidate(entry));
    let added = all.map(|(at, entry)| {
        let free = json!({"f:metadata": {}, "f:status": {}, "f:spec": {"f:replicas": {}}});
        let own = fields::minus(entry.fields(), &free);
        let own = fields::without(&own, RESTARTED_AT);
        (at, others().fold(own, |own, other| fields::minus(&own, other.fields())))
    });
    added.filter(|(_, set)| set.as_object().is_some_and(|map| !map.is_empty())).collect()
}

/// All additions as one set; `None` without any.
pub fn set(object: &Value) -> Option<Value> {
    let added = additions(object);
    let all = |all, (_, set): &(usize, Value)| fields::union(all, set);
    (!added.is_empty()).then(|| added.iter().fold(json!({}), all))
}

/// The fields that others may have of an object.
#[derive(Clone, Copy, Debug, Default)]
pub struct Free<'a> {
    /// Those of `gitops-sync.dev/ignore-fields`.
    pub ignored: &'a [FieldPattern],
    /// The manifest, where what others take of it is left to them.
    pub yielded: Option<&'a Value>,
}

/// What a set of additions to `object` holds beside the fields that others may have.
pub fn beside(set: &Value, Free { ignored, yielded }: Free<'_>, object: &Value) -> Value {
    let ignored = ignored.iter().flat_map(|pattern| pattern.select(set, object));
    let is_declared = |path: &FieldPath| yielded.is_some_and(|value| path.of(value).is_some());
    let yielded = fields::leaves(set).into_iter().filter(is_declared);
    let selected: Vec<_> = ignored.chain(yielded).collect();
    if selected.is_empty() { set.clone() } else { fields::minus(set, &fields::set_of(&selected)) }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    fn object(others: Value) -> Value {
        let ours = json!({
            "manager": "gitops-sync", "operation": "Apply", "apiVersion": "apps/v1",
            "fieldsV1": {"f:spec": {"f:replicas": {}, "f:containers": {
                "k:{\"name\":\"web\"}": {".": {}, "f:image": {}, "f:args": {}}}}},
        });
        let mut entries = vec![ours];
        entries.extend(others.as_array().unwrap().iter().cloned());
        json!({"metadata": {"managedFields": entries}})
    }

    fn entry(manager: &str, fields: Value) -> Value {
        json!({"manager": manager, "operation": "Update", "apiVersion": "apps/v1", "fieldsV1": fields})
    }

    #[test]
    fn additions_are_what_only_a_tool_for_people_owns() {
        let check = |others: Value, expect: &[Value]| {
            let found: Vec<_> = additions(&object(others)).into_iter().map(|(_, s)| s).collect();
            assert_eq!(found, expect);
        };
        let paused = json!({"f:spec": {"f:paused": {}}});
        check(json!([entry("kubectl-edit", paused.clone())]), from_ref(&paused));
        check(json!([entry("K9s", paused.clone())]), from_ref(&paused));
        check(json!([entry("istio-injector", paused.clone())]), &[]);
        check(json!([entry("kubectl-edit", paused.clone()), entry("op", paused.clone())]), &[]);
        let mut applied = entry("kubectl", paused.clone());
        applied["operation"] = json!("Apply");
        check(json!([applied]), &[]);
        let mut scaled = entry("kubectl", json!({"f:spec": {"f:other": {}}}));
        scaled["subresource"] = json!("scale");
        check(json!([scaled]), &[]);
        let mut other_version = entry("kubectl", paused);
        other_version["apiVersion"] = json!("apps/v1beta1");
        check(json!([other_version]), &[]);
        check(
            json!([entry("kubectl-label", json!({"f:metadata": {"f:labels": {"f:a": {}}}}))]),
            &[],
        );
        // Whatever tool set it, no manifest says how many.
        let mut owned =
            object(json!([entry("kubectl-create", json!({"f:spec": {"f:replicas": {}}}))]));
        owned["metadata"]["managedFields"][0]["fieldsV1"] = json!({"f:data": {}});
        assert_eq!(additions(&owned), []);
        // What is ours as well, or within something of ours, is no addition; another item is.
        let sidecar = json!({"k:{\"name\":\"side\"}": {".": {}, "f:image": {}}});
        let mut containers = sidecar.clone();
        containers["k:{\"name\":\"web\"}"] =
            json!({".": {}, "f:image": {}, "f:args": {"f:x": {}}, "f:tty": {}});
        let fields = json!({"f:spec": {"f:replicas": {}, "f:containers": containers}});
        let mut added = sidecar;
        added["k:{\"name\":\"web\"}"] = json!({"f:tty": {}});
        check(
            json!([entry("kubectl-patch", fields)]),
            &[json!({"f:spec": {"f:containers": added}})],
        );
        let restart = json!({"f:spec": {"f:template": {"f:metadata": {"f:annotations": {
            ".": {}, "f:kubectl.kubernetes.io/restartedAt": {}}}}}});
        check(json!([entry("kubectl-rollout", restart)]), &[]);
    }

    #[test]
    fn an_object_that_is_not_ours_has_no_additions() {
        let foreign =
            json!({"metadata": {"managedFields": [entry("kubectl", json!({"f:a": {}}))]}});
        assert_eq!(set(&foreign), None);
    }

    #[test]
    fn what_others_may_have_is_no_addition() {
        let added = json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}});
        let check = |patterns: &str, left: Value| {
            let patterns = FieldPattern::parse_all(patterns).unwrap();
            let free = Free { ignored: &patterns, yielded: None };
            assert_eq!(beside(&added, free, &Value::Null), left);
        };
        check("/data/a", json!({"f:data": {"f:b": {}}}));
        check("/data", json!({}));
        check("/spec", added.clone());
        let manifest = json!({"data": {"a": "git"}});
        let free = Free { ignored: &[], yielded: Some(&manifest) };
        assert_eq!(beside(&added, free, &Value::Null), json!({"f:data": {"f:b": {}}}));
    }
}

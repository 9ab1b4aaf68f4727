//! What drifted: the fields of ours whose values differ, and the tool that owns each now.

use std::fmt;

use serde_json::{Map, Value};

use super::Masks;
use crate::object::fields::{self, Entry, FieldPath};
use crate::object::id::split_api_version;

/// Characters of a value that are shown at most.
const SHOWN_MAX: usize = 120;

/// A value as it may be shown: a secret's never is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The value as compact JSON, cut to a line's length.
    Value(String),
    /// There is no such field.
    Absent,
    /// There is a value that must not be shown.
    Hidden,
}

impl Shown {
    /// A value of an object, hidden if that is a Secret.
    pub fn new(value: Option<&Value>, secret: bool) -> Self {
        match value {
            None => Self::Absent,
            Some(_) if secret => Self::Hidden,
            Some(value) => {
                let text = value.to_string();
                let cut = text.char_indices().nth(SHOWN_MAX).map(|(at, _)| at);
                Self::Value(cut.map_or(text.clone(), |at| format!("{}…", &text[..at])))
            }
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(text) => f.write_str(text),
            Self::Absent => f.write_str("(absent)"),
            Self::Hidden => f.write_str("(hidden)"),
        }
    }
}

/// The tool behind a change, as `managedFields` tells it. It names no person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Field manager, such as `kubectl-edit`.
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// `scale`, `status`, or empty.
    pub subresource: String,
    /// When its set of fields last changed.
    pub time: String,
}

/// `kubectl (Update of scale, 2026-01-01T00:00:00Z)`.
impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { manager, operation, subresource, time } = self;
        let of = if subresource.is_empty() { "" } else { " of " };
        write!(f, "{manager} ({operation}{of}{subresource}, {time})")
    }
}

impl From<Entry<'_>> for Tool {
    fn from(entry: Entry<'_>) -> Self {
        Self {
            manager: entry.manager().to_owned(),
            operation: entry.operation().to_owned(),
            subresource: entry.subresource().to_owned(),
            time: entry.time().to_owned(),
        }
    }
}

/// A field of ours that someone else changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldDrift {
    /// Which field, list items by their keys.
    pub path: String,
    /// The value that git wants.
    pub wanted: Shown,
    /// The value that was found.
    pub found: Shown,
    /// The tool that owns the field now; a removed field has no owner.
    pub by: Option<Tool>,
}

impl FieldDrift {
    /// A field with its values as they may be shown: nothing of a Secret, and nothing that came from one.
    pub fn new(
        path: &FieldPath,
        [wanted, found]: [Option<&Value>; 2],
        is_secret: bool,
        masks: &Masks,
        by: Option<Tool>,
    ) -> Self {
        let is_secret = is_secret || masks.hide(path, [wanted, found]);
        let (wanted, found) = (Shown::new(wanted, is_secret), Shown::new(found, is_secret));
        Self { path: masks.path(path), wanted, found, by }
    }
}

/// `spec.replicas: wanted 2, found 5, by …`.
impl fmt::Display for FieldDrift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: wanted {}, found {}", self.path, self.wanted, self.found)?;
        self.by.as_ref().map_or(Ok(()), |tool| write!(f, ", by {tool}"))
    }
}

/// Compares an object as it was found with the response to our apply, over the fields we own.
/// Empty when only the ownership was lost, not a value.
pub fn drift(found: &Value, applied: &Value, masks: &Masks) -> Vec<FieldDrift> {
    let Some(ours) = fields::ours(applied) else { return Vec::new() };
    let mut walk = Walk { found, secret: is_secret(applied), masks, drifts: Vec::new() };
    walk.compare(ours.fields(), &FieldPath::default(), Some(applied), Some(found));
    walk.drifts
}

/// Whether values of this object are never shown.
pub fn is_secret(object: &Value) -> bool {
    let (group, _) = split_api_version(object["apiVersion"].as_str().unwrap_or_default());
    group.is_empty() && object["kind"] == "Secret"
}

struct Walk<'a> {
    found: &'a Value,
    secret: bool,
    masks: &'a Masks,
    drifts: Vec<FieldDrift>,
}

impl Walk<'_> {
    /// Goes down our field set to the topmost thing of ours that differs.
    fn compare(
        &mut self,
        set: &Value,
        path: &FieldPath,
        wanted: Option<&Value>,
        found: Option<&Value>,
    ) {
        if wanted == found || wanted.is_none() {
            return;
        }
        let is_leaf = set.as_object().is_none_or(Map::is_empty);
        // `.` says that the map or item as such is ours, not only fields in it.
        let is_gone = found.is_none() && set.get(".").is_some();
        if is_leaf || is_gone {
            self.report(path, wanted, found);
            return;
        }
        for (segment, below) in fields::children(set) {
            let wanted = wanted.and_then(|value| segment.of(value));
            let found = found.and_then(|value| segment.of(value));
            self.compare(below, &path.then(segment), wanted, found);
        }
    }

    fn report(&mut self, path: &FieldPath, wanted: Option<&Value>, found: Option<&Value>) {
        let (values, by) = ([wanted, found], owner(self.found, path).map(Tool::from));
        self.drifts.push(FieldDrift::new(path, values, self.secret, self.masks, by));
    }
}

/// The newest entry, not ours, that holds a field.
pub fn owner<'a>(object: &'a Value, path: &FieldPath) -> Option<Entry<'a>> {
    let others = fields::entries(object).filter(|entry| !entry.is_ours());
    // RFC 3339 in UTC sorts as text.
    others.filter(|entry| path.within(entry.fields())).max_by_key(|entry| entry.time())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn differing(found: &Value, applied: &Value) -> Vec<FieldDrift> {
        drift(found, applied, &Masks::default())
    }

    fn object(kind: &str, rest: Value, entries: Value) -> Value {
        let mut object = json!({"apiVersion": "v1", "kind": kind});
        object["metadata"] = json!({"managedFields": entries});
        for (key, value) in rest.as_object().unwrap() {
            object[key] = value.clone();
        }
        object
    }

    fn ours(fields: Value) -> Value {
        json!([{"manager": "gitops-sync", "operation": "Apply", "fieldsV1": fields}])
    }

    fn theirs(manager: &str, time: &str, fields: Value) -> Value {
        json!({"manager": manager, "operation": "Update", "subresource": "scale", "time": time,
               "fieldsV1": fields})
    }

    #[test]
    fn a_changed_field_names_its_newest_other_owner() {
        let set = json!({"f:spec": {"f:replicas": {}, "f:paused": {}}});
        let applied =
            object("X", json!({"spec": {"replicas": 2, "paused": true}}), ours(set.clone()));
        let replicas = json!({"f:spec": {"f:replicas": {}}});
        let entries = json!([
            theirs("old", "2026-01-01T00:00:00Z", replicas.clone()),
            theirs("kubectl", "2026-02-01T00:00:00Z", replicas),
            theirs("other", "2026-03-01T00:00:00Z", json!({"f:spec": {"f:x": {}}})),
        ]);
        let found = object("X", json!({"spec": {"replicas": 5, "paused": true}}), entries);
        let drifts = differing(&found, &applied);
        assert_eq!(drifts.len(), 1);
        assert_eq!(drifts[0].path, "spec.replicas");
        assert_eq!(
            (drifts[0].wanted.to_string(), drifts[0].found.to_string()),
            ("2".into(), "5".into())
        );
        let by = drifts[0].by.clone().unwrap();
        assert_eq!((by.manager.as_str(), by.subresource.as_str()), ("kubectl", "scale"));
    }

    #[test]
    fn a_removed_list_item_is_one_drift_without_owner() {
        let key = "k:{\"name\":\"web\"}";
        let set = json!({"f:spec": {"f:c": {key: {".": {}, "f:name": {}, "f:image": {}}}}});
        let item = json!({"name": "web", "image": "nginx"});
        let applied = object("X", json!({"spec": {"c": [item]}}), ours(set));
        let found = object("X", json!({"spec": {"c": []}}), json!([]));
        let drifts = differing(&found, &applied);
        assert_eq!(drifts.len(), 1);
        assert_eq!(drifts[0].path, "spec.c[name=web]");
        assert_eq!((&drifts[0].found, &drifts[0].by), (&Shown::Absent, &None));
    }

    #[test]
    fn a_removed_map_is_one_drift_for_each_field_of_ours() {
        let set = json!({"f:metadata": {"f:labels": {"f:a": {}, "f:b": {}}}});
        let mut applied = object("X", json!({}), ours(set));
        applied["metadata"]["labels"] = json!({"a": "1", "b": "2", "c": "3"});
        let paths: Vec<_> = differing(&object("X", json!({}), json!([])), &applied)
            .into_iter()
            .map(|d| d.path)
            .collect();
        assert_eq!(paths, ["metadata.labels.a", "metadata.labels.b"]);
    }

    #[test]
    fn equal_values_are_no_drift_and_secrets_are_hidden() {
        let set = json!({"f:data": {"f:a": {}}, "f:metadata": {"f:labels": {"f:x": {}}}});
        let secret = |a: &str, x: &str| {
            let mut secret = object("Secret", json!({"data": {"a": a}}), ours(set.clone()));
            secret["metadata"]["labels"] = json!({"x": x});
            secret
        };
        assert_eq!(differing(&secret("YQ==", "1"), &secret("YQ==", "1")), []);
        let drifts = differing(&secret("Yg==", "2"), &secret("YQ==", "1"));
        let shown: Vec<_> = drifts.iter().map(|d| (d.path.as_str(), d.found.to_string())).collect();
        assert_eq!(
            shown,
            [("data.a", "(hidden)".into()), ("metadata.labels.x", "(hidden)".into())]
        );
    }

    /// A value as manifests have them: maps, lists whose items have names, and single values.
    fn value() -> impl Strategy<Value = Value> {
        let single =
            prop_oneof![any::<i8>().prop_map(Value::from), "[a-z]{0,3}".prop_map(Value::from)];
        single.prop_recursive(4, 40, 4, |inside| {
            let item = (inside.clone(), "[a-c]")
                .prop_map(|(inside, name)| json!({"name": name, "in": inside}));
            let items = proptest::collection::vec(item, 1..4).prop_map(|mut items| {
                items.sort_by_key(|item| item["name"].to_string());
                items.dedup_by_key(|item| item["name"].to_string());
                Value::Array(items)
            });
            let map = proptest::collection::btree_map("[a-e]", inside, 1..4);
            prop_oneof![map.prop_map(|map| map.into_iter().collect()), items]
        })
    }

    /// The set of all that is in a value, as the API server would write it.
    fn set_of(value: &Value) -> Value {
        let item = |item: &Value| {
            let mut below = set_of(item);
            below["."] = json!({});
            (
                fields::Segment::Key(
                    [("name".to_owned(), item["name"].clone())].into_iter().collect(),
                )
                .key(),
                below,
            )
        };
        match value {
            Value::Object(map) => map.iter().map(|(k, v)| (format!("f:{k}"), set_of(v))).collect(),
            Value::Array(items) => items.iter().map(item).collect(),
            _ => json!({}),
        }
    }

    proptest! {
        /// Whichever one field of ours is changed or removed, exactly that one is named, with both
        /// values and the tool that has it; and the hash of our set tells that something was taken.
        #[test]
        fn each_change_of_one_field_is_named(spec in value(), at: prop::sample::Index, removed: bool) {
            let set = json!({"f:spec": set_of(&spec)});
            let applied = object("X", json!({"spec": spec}), ours(set.clone()));
            let leaves: Vec<_> = fields::leaves(&set).into_iter()
                // The key of an item says which it is: another key is another item.
                .filter(|path| !path.to_string().ends_with("].name"))
                .collect();
            prop_assume!(!leaves.is_empty());
            let path = &leaves[at.index(leaves.len())];
            let taken = fields::set_of([path]);
            let left = fields::minus(&set, &taken);
            let mut found = applied.clone();
            let entries = if removed { ours(left.clone()) } else {
                json!([ours(left.clone())[0], theirs("tool", "2026-01-01T00:00:00Z", taken)])
            };
            found["metadata"]["managedFields"] = entries;
            let (last, before) = path.segments().split_last().unwrap();
            let parent = before.iter().try_fold(&mut found, |value, step| step.of_mut(value)).unwrap();
            if removed { last.take_from(parent) } else { *last.of_mut(parent).unwrap() = json!("changed") }
            let drifts = differing(&found, &applied);
            prop_assert_eq!(drifts.len(), 1, "{:?}", drifts);
            prop_assert_eq!(&drifts[0].path, &path.to_string());
            let wanted = path.of(&applied).map(ToString::to_string);
            prop_assert_eq!(&drifts[0].wanted.to_string(), &wanted.unwrap());
            prop_assert_eq!(drifts[0].found == Shown::Absent, removed);
            let by = drifts[0].by.as_ref().map(|tool| tool.manager.as_str());
            prop_assert_eq!(by, (!removed).then_some("tool"));
            prop_assert_ne!(fields::set_hash(&found), fields::set_hash(&applied));
            prop_assert_eq!(differing(&applied, &applied), []);
        }

        /// The hash of our set knows no order and no time, and sees each path.
        #[test]
        fn the_set_hash_sees_each_path_and_nothing_else(spec in value()) {
            let set = json!({"f:spec": set_of(&spec)});
            let hash = |entries: Value| fields::set_hash(&object("X", json!({}), entries));
            let whole = hash(ours(set.clone()));
            let mut later = ours(set.clone());
            later[0]["time"] = json!("2027-01-01T00:00:00Z");
            prop_assert_eq!(&whole, &hash(later));
            let shuffled: Value = serde_json::from_str(&reversed(&set)).unwrap();
            prop_assert_eq!(&whole, &hash(ours(shuffled)));
            for path in fields::leaves(&set) {
                prop_assert_ne!(&whole, &hash(ours(fields::minus(&set, &fields::set_of([&path])))));
            }
        }
    }

    /// A set as text, with the members of each map in the opposite order.
    fn reversed(set: &Value) -> String {
        let members = set.as_object().unwrap().iter().rev();
        let members: Vec<_> =
            members.map(|(key, below)| format!("{}:{}", json!(key), reversed(below))).collect();
        format!("{{{}}}", members.join(","))
    }
}

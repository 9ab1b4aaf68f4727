//! Values of ours that the cluster has otherwise than they were sent. `managedFields` cannot show it:
//! they are computed before mutating admission runs, and do not follow who writes under our name.

use serde_json::Value;

use super::Masks;
use super::diff::{FieldDrift, is_secret};
use crate::object::fields::{self, FieldPath};

/// Top-level fields whose values are kept to the letter.
const LITERAL: &[&str] = &["data", "binaryData", "metadata"];

/// The fields we own whose live value is not the one that was sent. Defaults that were filled in and
/// other ways to write the same value (`1000m` is `1`) are no difference.
pub fn overridden(sent: &Value, live: &Value, masks: &Masks) -> Vec<FieldDrift> {
    let Some(ours) = fields::ours(live) else { return Vec::new() };
    let mut walk = Walk { is_secret: is_secret(live), masks, found: Vec::new() };
    walk.compare(ours.fields(), Some(sent), Some(live), &FieldPath::default());
    walk.found
}

struct Walk<'a> {
    is_secret: bool,
    masks: &'a Masks,
    found: Vec<FieldDrift>,
}

impl Walk<'_> {
    /// Goes down our set of fields to what differs. What was not sent is no matter.
    fn compare(
        &mut self,
        set: &Value,
        sent: Option<&Value>,
        live: Option<&Value>,
        path: &FieldPath,
    ) {
        let Some(sent) = sent.filter(|sent| Some(*sent) != live) else { return };
        if !fields::is_empty(set) {
            for (segment, below) in fields::children(set) {
                let (sent, live) = (segment.of(sent), live.and_then(|live| segment.of(live)));
                self.compare(below, sent, live, &path.then(segment));
            }
            return;
        }
        let is_same =
            if is_literal(path) { is_same_text(sent, live) } else { is_equivalent(sent, live) };
        if !is_same {
            let values = [Some(sent), live];
            self.found.push(FieldDrift::new(path, values, self.is_secret, self.masks, None));
        }
    }
}

fn is_literal(path: &FieldPath) -> bool {
    let first = path.segments().first();
    LITERAL.iter().any(|name| first == Some(&fields::Segment::Field((*name).to_owned())))
}

/// Whether a value that is kept to the letter is shown as it was sent. An empty map is no value: others
/// may fill it. Base64 comes back in one line.
fn is_same_text(sent: &Value, live: Option<&Value>) -> bool {
    let Some(live) = live.filter(|live| !live.is_null()) else { return is_nothing(sent) };
    let joined = |text: &str| text.replace(['\n', '\r'], "");
    match (sent, live) {
        (Value::Null, _) => true,
        (Value::Object(sent), Value::Object(_)) if sent.is_empty() => true,
        (Value::String(sent), Value::String(live)) => sent == live || joined(sent) == *live,
        _ => sent == live,
    }
}

/// Whether the API server may show a value that was sent as this one.
fn is_equivalent(sent: &Value, live: Option<&Value>) -> bool {
    let Some(live) = live.filter(|live| !live.is_null()) else { return is_nothing(sent) };
    match (sent, live) {
        // Nothing was asked for: it is a default, or another's.
        (Value::Null, _) => true,
        (Value::String(text), _) if text.is_empty() => true,
        (Value::Object(sent), Value::Object(live)) => {
            sent.iter().all(|(key, value)| is_equivalent(value, live.get(key)))
        }
        (Value::Array(sent), Value::Array(live)) => {
            sent.len() == live.len()
                && sent.iter().zip(live).all(|(sent, live)| is_equivalent(sent, Some(live)))
        }
        _ => is_same_text(sent, Some(live)) || is_same_quantity(sent, live),
    }
}

/// Whether a value is left out when it is written back (`omitempty`).
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is_set) => !is_set,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_nothing),
    }
}

fn is_same_quantity(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (quantity(a), quantity(b)) else { return false };
    (a - b).abs() <= a.abs() * 1e-12
}

/// Suffixes of quantities (Kubernetes `resource.Quantity`).
const SUFFIXES: &[(&str, f64)] = &[
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
];

fn quantity(value: &Value) -> Option<f64> {
    let Value::String(text) = value else { return value.as_f64() };
    // Rust reads words as numbers that are none here.
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    let suffixed =
        SUFFIXES.iter().find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, unit)));
    match suffixed {
        Some((digits, unit)) => number(digits).map(|number| number * unit),
        None => number(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overriding(sent: &Value, live: &Value) -> Vec<FieldDrift> {
        overridden(sent, live, &Masks::default())
    }
    use serde_json::json;

    fn object(spec: Value) -> Value {
        let ours = json!({"f:spec": {"f:a": {}, "f:map": {"f:b": {}}, "f:list": {
            "k:{\"name\":\"x\"}": {".": {}, "f:name": {}, "f:image": {}}}},
            "f:data": {"f:k": {}}});
        json!({"kind": "X", "spec": spec, "metadata": {"managedFields": [
            {"manager": "gitops-sync", "operation": "Apply", "fieldsV1": ours}]}})
    }

    #[test]
    fn only_a_value_that_means_something_else_is_overriding() {
        let check = |sent: Value, live: Value, paths: &[&str]| {
            let found = overriding(&json!({"spec": sent}), &object(live.clone()));
            let found: Vec<_> = found.into_iter().map(|drift| drift.path).collect();
            assert_eq!(found, paths, "{live}");
        };
        check(json!({"a": 1}), json!({"a": 1, "b": 2}), &[]);
        check(json!({"a": 1}), json!({"a": 2}), &["spec.a"]);
        check(json!({"a": "1000m"}), json!({"a": "1"}), &[]);
        check(json!({"a": 1}), json!({"a": "1"}), &[]);
        check(json!({"a": "1Gi"}), json!({"a": "1024Mi"}), &[]);
        check(json!({"a": "1G"}), json!({"a": "1Gi"}), &["spec.a"]);
        check(json!({"a": "infinity"}), json!({"a": "inf"}), &["spec.a"]);
        check(json!({"a": {"b": 1, "c": null}}), json!({"a": {"b": 1, "d": 2}}), &[]);
        check(json!({"a": [1, 2]}), json!({"a": [1]}), &["spec.a"]);
        check(json!({"a": null, "map": {"b": false}}), json!({}), &[]);
        check(json!({"a": "x"}), json!({}), &["spec.a"]);
        check(json!({"a": [], "map": {"b": null}}), json!({"a": null, "map": {"b": 1}}), &[]);
        check(json!({"a": ""}), json!({"a": "ClusterIP"}), &[]);
        check(json!({"a": "YWFh\nYWFh\n"}), json!({"a": "YWFhYWFh"}), &[]);
        check(json!({"a": []}), json!({"a": [1]}), &["spec.a"]);
        check(json!({"a": false}), json!({"a": true}), &["spec.a"]);
        // What was sent by another version of the manifest is no matter.
        check(json!({}), json!({"a": 1}), &[]);
        let list = |image: &str| json!({"list": [{"name": "x", "image": image}]});
        check(list("a:1"), list("mirror/a:1"), &["spec.list[name=x].image"]);
    }

    #[test]
    fn data_is_kept_to_the_letter() {
        let mut live = object(json!({}));
        live["data"] = json!({"k": "1"});
        assert_eq!(overriding(&json!({"data": {"k": "1"}}), &live), []);
        assert_eq!(overriding(&json!({"data": {"k": "1000m"}}), &live).len(), 1);
        assert_eq!(overriding(&json!({"data": {"k": ""}}), &live).len(), 1);
        assert_eq!(overriding(&json!({"data": {"k": null}}), &live), []);
    }
}

//! What of an object must not be shown, though it is no Secret: values that came from one.

use serde_json::Value;

use super::Desired;
use crate::object::fields::FieldPath;
use crate::render::secrets::HIDDEN;

/// In place of a value that must not be shown.
const COVER: &str = "\u{0}";
/// Shorter texts are in everything.
const SHORTEST: usize = 4;

/// What of an object must not be shown.
#[derive(Default)]
pub struct Masks {
    /// The object as it is declared, with covers.
    covered: Value,
    /// The values that are covered.
    values: Vec<Value>,
    /// Names of fields that must not be shown.
    keys: Vec<String>,
}

impl Masks {
    /// What of a desired object must not be shown.
    pub fn of(desired: &Desired) -> Self {
        let Some(marks) = &desired.manifest.marks else { return Self::default() };
        let mut masks = Self { covered: desired.manifest.body(), ..Self::default() };
        masks.keys = marks.keys().filter(|key| !key.is_empty()).collect();
        for pointer in marks.values() {
            if let Some(value) = masks.covered.pointer_mut(pointer) {
                leaves(std::mem::replace(value, COVER.into()), &mut masks.values);
            }
        }
        masks
    }

    /// Whether the values of a field must not be shown: they are covered, or hold what is covered elsewhere.
    pub fn hide(&self, path: &FieldPath, values: [Option<&Value>; 2]) -> bool {
        if self.values.is_empty() {
            return false;
        }
        let is_covered = self.cover(path).is_some()
            || path.of(&self.covered).is_some_and(|value| any(value, &|v| v == COVER));
        let is_secret = |value: &Value| self.values.iter().any(|secret| holds(value, secret));
        is_covered || values.into_iter().flatten().any(|value| any(value, &is_secret))
    }

    /// The way to what is covered, if a path leads to it or into it.
    fn cover(&self, path: &FieldPath) -> Option<FieldPath> {
        path.up_to(&self.covered, |value| value == COVER)
    }

    /// A path without names that must not be shown.
    pub fn path(&self, path: &FieldPath) -> String {
        let shown = match self.cover(path) {
            Some(cover) if cover != *path => format!("{cover}.…"),
            _ => path.to_string(),
        };
        let values = self.values.iter().filter_map(Value::as_str);
        let values = values.filter(|text| text.len() >= SHORTEST);
        let texts = self.keys.iter().map(String::as_str).chain(values);
        texts.fold(shown, |path, text| path.replace(text, HIDDEN))
    }
}

/// What a value comes down to.
fn leaves(value: Value, all: &mut Vec<Value>) {
    match value {
        Value::Array(items) => items.into_iter().for_each(|item| leaves(item, all)),
        Value::Object(fields) => fields.into_iter().for_each(|(_, value)| leaves(value, all)),
        leaf => all.push(leaf),
    }
}

fn holds(value: &Value, secret: &Value) -> bool {
    match (value.as_str(), secret.as_str()) {
        (Some(value), Some(secret)) if secret.len() >= SHORTEST => value.contains(secret),
        _ => value == secret && !secret.is_null(),
    }
}

/// Whether anything in a value is so.
fn any(value: &Value, is_so: &dyn Fn(&Value) -> bool) -> bool {
    is_so(value)
        || match value {
            Value::Array(items) => items.iter().any(|item| any(item, is_so)),
            Value::Object(fields) => fields.values().any(|value| any(value, is_so)),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::fields::Segment;
    use serde_json::json;

    fn path(steps: &[&str]) -> FieldPath {
        steps.iter().fold(FieldPath::default(), |path, step| {
            let segment = step.parse::<usize>().map_or_else(
                |_| Segment::Field((*step).to_owned()),
                |_| Segment::Key([("name".to_owned(), json!("web"))].into_iter().collect()),
            );
            path.then(segment)
        })
    }

    #[test]
    fn what_is_covered_or_holds_what_is_covered_is_hidden() {
        let masks = Masks {
            covered: json!({
                "data": {"url": COVER, "other": "x"},
                "list": [{"name": "web", "args": ["a", COVER], "port": 80}],
            }),
            values: vec![
                json!("https://me:hunter2@db"),
                json!("hunter2"),
                json!(31337),
                json!(true),
            ],
            keys: vec!["canary.example/a".to_owned()],
        };
        let check = |steps: &[&str], wanted: Value, found: Value, expect: bool| {
            let hidden = masks.hide(&path(steps), [Some(&wanted), Some(&found)]);
            assert_eq!(hidden, expect, "{steps:?} {wanted} {found}");
        };
        check(&["data", "url"], json!("a"), json!("b"), true);
        check(&["data", "other"], json!("x"), json!("y"), false);
        check(&["data", "other"], json!("x"), json!("copied hunter2"), true);
        check(&["data"], json!({}), json!(null), true);
        check(&["list", "0", "args"], json!(["a"]), json!([]), true);
        check(&["list", "0", "port"], json!(80), json!(81), false);
        check(&["list", "0", "port"], json!(31337), json!(80), true);
        check(&["list", "0", "on"], json!(true), json!(false), true);
        check(&["more"], json!({"a": ["31337", {"b": 5}]}), json!(null), false);
        check(&["more"], json!({"a": ["xhunter2"]}), json!(null), true);
        // Whatever is in it, a value is covered as a whole.
        check(&["data", "url", "password"], json!("a"), json!("b"), true);
        check(&["data", "url", "0"], json!("a"), json!("b"), true);
        assert_eq!(masks.path(&path(&["data", "url", "password"])), "data.url.…");
        assert_eq!(masks.path(&path(&["data", "url"])), "data.url");
        assert_eq!(masks.path(&path(&["a", "hunter2"])), "a.(hidden)");
        assert!(!masks.path(&path(&["metadata", "canary.example/a"])).contains("canary"));
        let nothing = Masks::default();
        assert!(!nothing.hide(&path(&["data"]), [Some(&json!("hunter2")), None]));
    }
}

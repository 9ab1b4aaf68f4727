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
                masks.values.push(std::mem::replace(value, COVER.into()));
            }
        }
        masks
    }

    /// Whether the values of a field must not be shown: they are covered, or hold what is covered elsewhere.
    pub fn hide(&self, path: &FieldPath, values: [Option<&Value>; 2]) -> bool {
        if self.values.is_empty() {
            return false;
        }
        let is_covered = path.of(&self.covered).is_some_and(|value| any(value, &|v| v == COVER));
        let is_secret = |value: &Value| self.values.iter().any(|secret| holds(value, secret));
        is_covered || values.into_iter().flatten().any(|value| any(value, &is_secret))
    }

    /// A path without names that must not be shown.
    pub fn path(&self, path: &FieldPath) -> String {
        let values = self.values.iter().filter_map(Value::as_str);
        let values = values.filter(|text| text.len() >= SHORTEST);
        let texts = self.keys.iter().map(String::as_str).chain(values);
        texts.fold(path.to_string(), |path, text| path.replace(text, HIDDEN))
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

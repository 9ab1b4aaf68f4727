//! Values from a ConfigMap or Secret. Pure.

use std::fmt;

use serde_json::{Map, Value};

use super::super::yaml;

/// Values from a ConfigMap or Secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Given {
    values: Map<String, Value>,
    /// Whether they must never be shown.
    pub is_secret: bool,
    /// Whether it says itself what they are called.
    has_names: bool,
}

/// They are never shown.
impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given").finish_non_exhaustive()
    }
}

impl Given {
    /// Reads a file of values, or with a path one value that belongs there; else what is wrong with it.
    pub fn read(
        text: &[u8],
        target_path: Option<&str>,
        is_secret: bool,
    ) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(text).map_err(|_| "is not UTF-8")?;
        let values = match target_path {
            Some(path) => nested(path, typed(text)),
            None => map(text)?,
        };
        Ok(Self { values, is_secret, has_names: target_path.is_none() })
    }

    /// As helm reads them.
    pub fn json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.values).unwrap_or_default()
    }

    /// The same values if anybody may see them, else others in their places, of the same types: what comes of those
    /// as well does not come of these.
    #[must_use]
    pub fn stand_in(&self) -> Self {
        let mut open = self.clone();
        if self.is_secret {
            open.values.values_mut().for_each(other);
        }
        open
    }

    /// The names among them that are as secret as they are.
    pub fn secret_names(&self) -> Vec<&str> {
        let mut found = Vec::new();
        if self.is_secret && self.has_names {
            names(&self.values, &mut found);
        }
        found
    }

    /// Every text among them, if they must never be shown.
    pub fn secrets(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.is_secret {
            self.values.values().for_each(|value| leaves(value, &mut found));
        }
        found
    }
}

fn leaves(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Number(number) => found.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| leaves(field, found)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Makes another value of one, of the same type.
fn other(value: &mut Value) {
    match value {
        Value::String(text) => {
            let other = if text == "withheld" { "hidden" } else { "withheld" };
            other.clone_into(text);
        }
        Value::Number(number) => {
            let other = if number.as_i64() == Some(1) { 2 } else { 1 };
            *value = other.into();
        }
        Value::Array(items) => items.iter_mut().for_each(other),
        Value::Object(fields) => fields.values_mut().for_each(other),
        Value::Null | Value::Bool(_) => {}
    }
}

fn names<'v>(values: &'v Map<String, Value>, found: &mut Vec<&'v str>) {
    for (name, value) in values {
        found.push(name);
        below(value, found);
    }
}

fn below<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(fields) => names(fields, found),
        Value::Array(items) => items.iter().for_each(|item| below(item, found)),
        _ => {}
    }
}

fn map(text: &str) -> Result<Map<String, Value>, &'static str> {
    let documents = yaml::documents(text).map_err(|_| "is not YAML")?;
    let mut documents = documents.into_iter().map(|document| document.value);
    match (documents.next(), documents.next()) {
        (None | Some(Value::Null), None) => Ok(Map::new()),
        (Some(Value::Object(values)), None) => Ok(values),
        _ => Err("is no map of values, as a values.yaml is"),
    }
}

/// A value at the end of a path of names, with dots between them; a dot of a name has a backslash before it.
fn nested(path: &str, value: Value) -> Map<String, Value> {
    let mut names = vec![String::new()];
    let mut is_escaped = false;
    for c in path.chars() {
        match c {
            '\\' if !is_escaped => is_escaped = true,
            '.' if !is_escaped => names.push(String::new()),
            c => {
                names.last_mut().into_iter().for_each(|name| name.push(c));
                is_escaped = false;
            }
        }
    }
    let mut names = names.into_iter().rev();
    let mut values = Map::from_iter(names.next().map(|name| (name, value)));
    for name in names {
        values = Map::from_iter([(name, Value::Object(values))]);
    }
    values
}

/// A value as helm's --set takes it: in quotes it is text, whatever it looks like.
fn typed(text: &str) -> Value {
    for quote in ['"', '\''] {
        let inner = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
        if let Some(inner) = inner {
            return inner.into();
        }
    }
    let is_number = text == "0" || !text.trim_start_matches(['+', '-']).starts_with('0');
    match text.to_ascii_lowercase().as_str() {
        "true" => true.into(),
        "false" => false.into(),
        "null" => Value::Null,
        _ => match text.parse::<i64>() {
            Ok(number) if is_number => number.into(),
            _ => text.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_of_what_is_secret_stands_in_its_place() {
        let check = |text: &str, path: Option<&str>, is_secret, expect: Value, names: &[&str]| {
            let given = Given::read(text.as_bytes(), path, is_secret).unwrap();
            assert_eq!(Value::Object(given.stand_in().values), expect, "{text}");
            assert_eq!(given.secret_names(), names, "{text}");
        };
        let text = "a: {b: hunter2, c: [1, 7, {d: true}]}\ne: withheld\n";
        let expect = json!({"a": {"b": "withheld", "c": [2, 1, {"d": true}]}, "e": "hidden"});
        check(text, None, true, expect, &["a", "b", "c", "d", "e"]);
        check("hunter2", Some("a.b"), true, json!({"a": {"b": "withheld"}}), &[]);
        check("a: 1", None, false, json!({"a": 1}), &[]);
    }

    #[test]
    fn a_value_is_put_where_it_belongs() {
        let check = |text: &str, path: Option<&str>, expect: Value| {
            let given = Given::read(text.as_bytes(), path, true).unwrap();
            assert_eq!(Value::Object(given.values.clone()), expect, "{text}");
            assert!(!format!("{given:?}").contains("hunter2"));
        };
        check("a: {b: 1}\nc: hunter2", None, json!({"a": {"b": 1}, "c": "hunter2"}));
        check("", None, json!({}));
        check("hunter2", Some("a"), json!({"a": "hunter2"}));
        check("1", Some("a.b"), json!({"a": {"b": 1}}));
        check("'1'", Some("a\\.b.c"), json!({"a.b": {"c": "1"}}));
        check("0644", Some("a"), json!({"a": "0644"}));
        check("True", Some("a"), json!({"a": true}));
        check("null", Some("a"), json!({"a": null}));
        check("a, b: c\n", Some("a"), json!({"a": "a, b: c\n"}));
    }

    #[test]
    fn what_is_no_file_of_values_is_said_without_it() {
        let check = |text: &[u8], expect: &str| {
            assert!(Given::read(text, None, true).unwrap_err().contains(expect));
        };
        check(b"\xff", "UTF-8");
        check(b"a: b: hunter2", "not YAML");
        check(b"[hunter2]", "no map");
        check(b"hunter2", "no map");
    }

    #[test]
    fn every_text_of_a_secret_is_known() {
        let secrets = |is_secret| {
            Given::read(b"a: {b: [x, 1, true]}\nc: null", None, is_secret).unwrap().secrets()
        };
        assert_eq!(secrets(true), ["x", "1"]);
        assert!(secrets(false).is_empty());
    }
}

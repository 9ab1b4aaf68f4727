//! The only YAML reader: text to JSON values with the meaning that kubectl gives to scalars.
//!
//! kubectl reads YAML 1.1 (`sigs.k8s.io/yaml`): `yes` is true and `0644` is 420.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{DuplicateKeyPolicy, Error, Options, Spanned};

/// A document of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Line on which it starts, from 1.
    pub line: u32,
    /// Its content.
    pub value: Value,
}

/// Where and why a text is not YAML. Holds no text of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Line, from 1; 0 when unknown.
    pub line: u32,
    /// Column, from 1; 0 when unknown.
    pub column: u32,
    /// What is wrong.
    pub why: String,
}

/// Reads all documents of a YAML text; empty ones are left out.
pub fn documents(text: &str) -> Result<Vec<Document>, Malformed> {
    let read: Result<Vec<Spanned<Node>>, Error> =
        serde_saphyr::from_multiple_with_options(text, options());
    let documents = read.map_err(|error| malformed(&error))?;
    Ok(documents.into_iter().map(document).collect())
}

/// Reads a stream of JSON values, as a `.json` file holds them.
pub fn json(text: &str) -> Result<Vec<Document>, Malformed> {
    let values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let read: Result<Vec<_>, _> =
        values.map(|v| v.map(|value| Document { line: 1, value })).collect();
    read.map_err(|error| Malformed {
        line: u32::try_from(error.line()).unwrap_or_default(),
        column: u32::try_from(error.column()).unwrap_or_default(),
        why: if error.is_eof() { "the JSON ends too early" } else { "this is not JSON" }.to_owned(),
    })
}

fn options() -> Options {
    let mut options = Options::default();
    options.legacy_octal_numbers = true;
    options.duplicate_keys = DuplicateKeyPolicy::Error;
    options.with_snippet = false;
    options.emit_comments = false;
    options
}

fn document(node: Spanned<Node>) -> Document {
    Document { line: node.referenced.line() as u32, value: node.value.0 }
}

fn malformed(error: &Error) -> Malformed {
    let error = error.without_snippet();
    let at = error.location();
    Malformed {
        line: at.map_or(0, |at| at.line() as u32),
        column: at.map_or(0, |at| at.column() as u32),
        why: why(error).to_owned(),
    }
}

/// The reason in words of our own: the parser's may quote the file.
fn why(error: &Error) -> &'static str {
    match error {
        Error::DuplicateMappingKey { .. } | Error::Message { .. } => {
            "a key stands twice in one mapping"
        }
        Error::UnknownAnchor { .. } => "an alias names no anchor before it",
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            "this is nested deeper or expands further than any manifest"
        }
        Error::Eof { .. } => "the YAML ends too early",
        Error::NonFiniteFloat { .. } => "infinity and not-a-number have no place in a manifest",
        Error::MergeValueNotMapOrSeqOfMaps { .. } => "a merge key (<<) needs a mapping",
        Error::InvalidScalar { .. } => "a value does not fit its tag",
        Error::IOError { .. } | Error::InvalidUtf8Input => "the text is not UTF-8",
        _ => "this is not YAML: look for wrong indentation, a tab, or an unclosed quote or bracket",
    }
}

/// A value read as kubectl reads it: keys become strings, whole floats become integers.
struct Node(Value);

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor).map(Node)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Node(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(Node(key)) = map.next_key()? {
            let Node(value) = map.next_value()?;
            if fields.insert(key_text(key), value).is_some() {
                return Err(A::Error::custom("two keys have one text"));
            }
        }
        Ok(Value::Object(fields))
    }
}

/// 2^53: whole floats below it are the same number as an integer.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A float as Go writes it into JSON: without a fraction when it has none.
#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < EXACT {
        return (value as i64).into();
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// A key as JSON has it: the text of what the scalar means.
fn key_text(key: Value) -> String {
    match key {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scalars_mean_what_kubectl_means() {
        let check = |text: &str, expect: Value| {
            let read = documents(&format!("v: {text}\n")).unwrap();
            assert_eq!(read[0].value["v"], expect, "{text}");
        };
        check("0644", json!(420));
        check("yes", json!(true));
        check("off", json!(false));
        check("1e3", json!(1000));
        check("0o17", json!(15));
        check("\"0644\"", json!("0644"));
        check("~", Value::Null);
        check("2001-01-01", json!("2001-01-01"));
        check("12:30:45", json!("12:30:45"));
        check("0.5", json!(0.5));
    }

    #[test]
    fn documents_know_their_line_and_empty_ones_are_left_out() {
        let text = "# only a comment\n---\n---\na: 1\n---\n# nothing\n---\nb: 2\n";
        let read = documents(text).unwrap();
        let lines: Vec<_> = read.iter().map(|d| (d.line, d.value.clone())).collect();
        assert_eq!(lines, [(4, json!({"a": 1})), (8, json!({"b": 2}))]);
    }

    #[test]
    fn keys_become_strings_and_merge_keys_merge() {
        let text = "base: &b {x: 1, z: 2}\nv:\n  <<: *b\n  z: 3\n  1: one\n  true: t\n";
        let read = documents(text).unwrap();
        assert_eq!(read[0].value["v"], json!({"x": 1, "z": 3, "1": "one", "true": "t"}));
    }

    #[test]
    fn a_malformed_text_is_placed_and_never_quoted() {
        let check = |text: &str, line: u32| {
            let bad = documents(text).unwrap_err();
            assert_eq!(bad.line, line, "{bad:?}");
            assert!(!bad.why.contains("hunter2"), "{bad:?}");
        };
        check("a: 1\nb: [hunter2\n", 2);
        check("a: hunter2\na: 2\n", 2);
        check("a:\n\t- hunter2: x\n", 2);
        check("a: *hunter2\n", 1);
        check("a: 'hunter2\n", 2);
        check("y: hunter2\nyes: 2\n", 0);
    }

    #[test]
    fn bombs_are_bounded() {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for n in 1..9 {
            let list = vec![format!("*a{}", n - 1); 10].join(",");
            text.push_str(&format!("a{n}: &a{n} [{list}]\n"));
        }
        assert!(documents(&text).is_err());
        assert!(documents(&"[".repeat(10_000)).is_err());
    }
}

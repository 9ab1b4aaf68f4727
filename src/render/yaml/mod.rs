//! The only YAML reader: text to JSON values with the meaning that kubectl gives to scalars.
//!
//! kubectl reads YAML 1.1 (`sigs.k8s.io/yaml`): `yes` is true and `0644` is 420.

mod scalar;
mod tree;

use std::borrow::Cow;

use serde_json::Value;
use serde_saphyr::granit_parser::{ErrorKind, ScanError, Span};

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
    tree::documents(&without_old_breaks(text))
}

/// The text with the line breaks that YAML 1.1 has beside 1.2 as they are to kubectl: U+0085 is a
/// line feed; U+2028 and U+2029 stay, and the indentation after them goes, as Go's tools write it.
fn without_old_breaks(text: &str) -> Cow<'_, str> {
    if !text.contains(['\u{85}', '\u{2028}', '\u{2029}']) {
        return text.into();
    }
    let text = text.replace('\u{85}', "\n");
    let mut lines = text.split_inclusive(['\u{2028}', '\u{2029}']);
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |text, line| text + line.trim_start_matches([' ', '\t'])).into()
}

/// Reads a stream of JSON values, as a `.json` file holds them.
pub fn json(text: &str) -> Result<Vec<Document>, Malformed> {
    let values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let read: Result<Vec<_>, _> =
        values.map(|v| v.map(|value| Document { line: 1, value: whole(value) })).collect();
    read.map_err(|error| Malformed {
        line: u32::try_from(error.line()).unwrap_or_default(),
        column: u32::try_from(error.column()).unwrap_or_default(),
        why: if error.is_eof() { "the JSON ends too early" } else { "this is not JSON" }.to_owned(),
    })
}

/// With its numbers as Kubernetes sends them.
fn whole(value: Value) -> Value {
    match value {
        Value::Number(number) if !number.is_i64() => {
            number.as_f64().and_then(scalar::float).unwrap_or_default()
        }
        Value::Array(items) => items.into_iter().map(whole).collect(),
        Value::Object(fields) => fields.into_iter().map(|(k, v)| (k, whole(v))).collect(),
        other => other,
    }
}

impl Malformed {
    fn at(span: Span, why: &str) -> Self {
        Self::new(span.start.line(), span.start.col(), why)
    }

    /// A line from 1 and a column from 0, as the parser counts.
    fn new(line: usize, column: usize, why: &str) -> Self {
        Self {
            line: u32::try_from(line).unwrap_or_default(),
            column: u32::try_from(column + 1).unwrap_or_default(),
            why: why.to_owned(),
        }
    }
}

impl From<ScanError> for Malformed {
    fn from(error: ScanError) -> Self {
        let at = error.marker();
        Self::new(at.line(), at.col(), why(error.kind()))
    }
}

const NO_ANCHOR: &str = "an alias names no anchor before it";
const TOO_MUCH: &str = "this is nested deeper or expands further than any manifest";
const NOT_YAML: &str =
    "this is not YAML: look for wrong indentation, a tab, or an unclosed quote or bracket";

/// The reason in words of our own: the parser's may quote the file.
fn why(error: &ErrorKind) -> &'static str {
    match error {
        ErrorKind::UnknownAnchor => NO_ANCHOR,
        ErrorKind::RecursionLimitExceeded => TOO_MUCH,
        ErrorKind::DirectiveDisallowed => "a directive (%) has no place in a manifest",
        _ => NOT_YAML,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::iter;

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
        check("y: hunter2\nyes: 2\n", 2);
        check("a: 1\nb: !!int hunter2\n", 2);
        check("a: 1\n{a: hunter2}: 1\n", 2);
        check("a: 1\nb: {<<: hunter2}\n", 2);
        check("%TAG !e! hunter2\n---\na: 1\n", 1);
    }

    #[test]
    fn bombs_are_bounded() {
        let check = |first: &str, wrap: fn(String) -> String| {
            let line = |n: usize| format!("a{n}: &a{n} {}\n", wrap(format!("*a{}", n - 1)));
            let text: String =
                iter::once(format!("a0: &a0 {first}\n")).chain((1..100).map(line)).collect();
            let bad = documents(&text).unwrap_err();
            assert!(bad.why.contains("expands further"), "{bad:?}");
        };
        check("x", |alias| format!("[{}]", vec![alias; 10].join(",")));
        check("x", |alias| format!("{{k: {alias}, l: {alias}}}"));
        check("[x]", |alias| format!("[[{alias}]]"));
        check(&"x".repeat(1 << 20), |alias| format!("[{alias}]"));
    }

    #[test]
    fn the_deepest_manifest_is_one_that_json_can_hold() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        let read = documents(&nested(127)).unwrap();
        let again: Value = serde_json::from_str(&read[0].value.to_string()).unwrap();
        assert_eq!(again, read[0].value);
        for depth in [128, 10_000] {
            let bad = documents(&nested(depth)).unwrap_err();
            assert!(bad.why.contains("nested deeper"), "{bad:?}");
        }
        assert!(documents(&"[".repeat(10_000)).is_err());
    }

    #[test]
    fn an_alias_of_what_is_not_complete_or_of_another_document_is_unknown() {
        for text in ["a: &a [1, *a]\n", "a: &a 1\n---\nb: *a\n"] {
            let bad = documents(text).unwrap_err();
            assert_eq!(bad.why, NO_ANCHOR);
        }
    }

    #[test]
    fn numbers_of_json_are_sent_as_kubectl_sends_them() {
        let read = json("{\"a\": 1e3, \"b\": [-0, 1.0, 1.5]} 18446744073709551615").unwrap();
        assert_eq!(read[0].value, json!({"a": 1000, "b": [0, 1, 1.5]}));
        assert_eq!(read[1].value, json!(18_446_744_073_709_551_615.0));
    }
}

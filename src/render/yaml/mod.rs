//! The only YAML reader: text to JSON values with the meaning that kubectl gives to scalars.
//!
//! kubectl reads YAML 1.1 (`sigs.k8s.io/yaml`): `yes` is true and `0644` is 420.

mod encoding;
mod json;
mod locate;
mod malformed;
mod scalar;
mod style;
mod tree;
mod weight;
mod write;

use std::borrow::Cow;

use serde_json::Value;

pub use encoding::text;
pub use json::json;
pub use locate::{Place, in_field, locate};
pub use malformed::Malformed;
pub use write::write;

/// A document of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Line on which it starts, from 1.
    pub line: u32,
    /// Lines on which the items of its field `items` start, if known.
    pub items: Vec<u32>,
    /// Its content.
    pub value: Value,
}

/// Reads all documents of a YAML text; empty ones are left out.
pub fn documents(text: &str) -> Result<Vec<Document>, Malformed> {
    tree::documents(&without_old_breaks(&without_marks(text)))
}

/// The text without the byte order marks that its documents begin with, as when files were put together.
fn without_marks(text: &str) -> Cow<'_, str> {
    if !text.contains('\u{feff}') {
        return text.into();
    }
    let text = text.trim_start_matches('\u{feff}');
    let text = text.replace("\n---\n\u{feff}", "\n---\n");
    text.replace("\n---\r\n\u{feff}", "\n---\r\n").into()
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
        let read = documents("x: [1]\nitems:\n- a: [1,\n  2]\n# c\n- b\ny:\n- 1\n").unwrap();
        assert_eq!(read[0].items, [3, 6]);
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
    fn keys_lead_to_what_is_malformed() {
        let check = |text: &str, place: (u32, u32), path: &str| {
            let bad = documents(text).unwrap_err();
            let found = (bad.line, bad.column);
            assert_eq!((found, bad.path().to_string().as_str()), (place, path), "{text} {bad:?}");
        };
        let pod = "spec:\n  containers:\n  - name: a\n    image: ";
        check(&format!("{pod}\"a\\qb\"\n"), (4, 12), "spec.containers[0].image");
        check(&format!("{pod}a: b\n"), (4, 13), "spec.containers[0]");
        check(&format!("{pod}[a, {{b: *c}}]\n"), (4, 20), "spec.containers[0].image[1].b");
        check(&format!("{pod}a\n    image: b\n"), (5, 5), "spec.containers[0].image");
        check(&format!("{pod}a\n  - name: b\n   x: 1\n"), (6, 4), "spec");
        check(&format!("{pod}!!int a\n"), (4, 18), "spec.containers[0].image");
        check(&format!("{pod}{{<<: a}}\n"), (4, 17), "spec.containers[0].image[<<]");
        check("a: 1\n---\nb: 1\nb: 2\n", (4, 1), "b");
        check("metadata:\n  annotations:\n    a.b/c: *x\n", (3, 12), "metadata.annotations[a.b/c]");
        check("a:\n  \"b\\nc\": *x\n", (2, 11), "a[…]");
        check("[", (1, 1), "");
        check("a: 1\n\tb: 2\n", (1, 4), "a");
    }

    #[test]
    fn what_others_read_otherwise_is_refused() {
        let check = |text: &str| assert!(documents(text).is_err(), "{text}");
        let taken = |text: &str| assert!(documents(text).is_ok(), "{text}");
        for text in
            ["[a:, b]", "{a:, b: 1}", "{a:}", "[a :]", "[::]", "[?a]", "{a: ?b}", "{é: [é:]}"]
        {
            check(text);
        }
        for text in ["{a: , b: 1}", "{\"a\":, b: 1}", "[? a]", "{a, b}", "[a?]", "?a: 1", "a: b:,"]
        {
            taken(text);
        }
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
    fn what_would_fill_the_memory_is_refused() {
        let bad = documents(&format!("[{}]", "{},".repeat(210_000))).unwrap_err();
        assert_eq!(bad.why, malformed::TOO_MUCH);
        let keys = (0..1_000_000).map(|n| format!("k{n}:")).collect::<Vec<_>>().join("\n");
        assert_eq!(documents(&keys).unwrap()[0].value.as_object().unwrap().len(), 1_000_000);
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
            assert_eq!(bad.why, malformed::NO_ANCHOR);
        }
    }
}

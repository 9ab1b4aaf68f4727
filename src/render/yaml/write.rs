//! Values to YAML, as Go's library writes it (go-yaml v2 by sigs.k8s.io/yaml): what kubectl prints, and reads back.
//!
//! What is quoted and how counts, because substitution of variables works on this text: `${a}` alone stays plain,
//! and what comes in its place may be a number. serde-saphyr's writer leaves keys such as `y` plain, which kubectl
//! reads as `true`.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::scalar;
use super::style::{self, Style};

/// Longest key that is written without a question mark.
const KEY: usize = 128;
/// Spaces by which what is in something stands further to the right.
const STEP: usize = 2;

/// Documents, separated by `---`.
pub fn write<'a>(documents: impl IntoIterator<Item = &'a Value>) -> String {
    let mut writer = Writer::default();
    for (at, document) in documents.into_iter().enumerate() {
        if at > 0 {
            writer.text.push_str("---\n");
        }
        match document {
            Value::Object(fields) if !fields.is_empty() => writer.mapping(fields, 0, false),
            Value::Array(items) if !items.is_empty() => writer.sequence(items, 0, false),
            Value::String(text) => {
                writer.inline(text, style::of(text));
                writer.text.push('\n');
            }
            scalar => writer.scalar(scalar, 0),
        }
    }
    writer.text
}

#[derive(Default)]
struct Writer {
    text: String,
}

impl Writer {
    /// Begins a line, unless this goes on behind an indicator.
    fn indent(&mut self, indent: usize, goes_on: bool) {
        if !goes_on {
            let _ = write!(self.text, "{:indent$}", "");
        }
    }

    fn mapping(&mut self, fields: &Map<String, Value>, indent: usize, goes_on: bool) {
        for (at, (key, value)) in fields.iter().enumerate() {
            self.indent(indent, goes_on && at == 0);
            if key.len() <= KEY && !key.contains('\n') {
                self.inline(key, style::of(key));
                self.text.push(':');
                self.below(value, indent);
            } else {
                self.text.push_str("? ");
                self.words(key, indent + STEP);
                self.indent(indent, false);
                self.text.push(':');
                self.beside(value, indent);
            }
        }
    }

    fn sequence(&mut self, items: &[Value], indent: usize, goes_on: bool) {
        for (at, item) in items.iter().enumerate() {
            self.indent(indent, goes_on && at == 0);
            self.text.push('-');
            self.beside(item, indent);
        }
    }

    /// What stands behind an indicator, from the same line on.
    fn beside(&mut self, value: &Value, indent: usize) {
        self.text.push(' ');
        let indent = indent + STEP;
        match value {
            Value::Object(fields) if !fields.is_empty() => self.mapping(fields, indent, true),
            Value::Array(items) if !items.is_empty() => self.sequence(items, indent, true),
            scalar => self.scalar(scalar, indent),
        }
    }

    /// What stands behind a key, from the next line on. A sequence stands as far to the left as the key.
    fn below(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                self.text.push('\n');
                self.mapping(fields, indent + STEP, false);
            }
            Value::Array(items) if !items.is_empty() => {
                self.text.push('\n');
                self.sequence(items, indent, false);
            }
            scalar => {
                self.text.push(' ');
                self.scalar(scalar, indent + STEP);
            }
        }
    }

    /// A scalar or something empty, to the end of the line; the lines of a text stand at `indent`.
    fn scalar(&mut self, value: &Value, indent: usize) {
        match value {
            Value::String(text) => return self.words(text, indent),
            Value::Number(number) => self.text.push_str(&scalar::written(number)),
            Value::Array(_) => self.text.push_str("[]"),
            Value::Object(_) => self.text.push_str("{}"),
            other => {
                let _ = write!(self.text, "{other}");
            }
        }
        self.text.push('\n');
    }

    fn words(&mut self, text: &str, indent: usize) {
        match style::of(text) {
            Style::Literal => self.literal(text, indent),
            style => {
                self.inline(text, style);
                self.text.push('\n');
            }
        }
    }

    fn inline(&mut self, text: &str, style: Style) {
        match style {
            Style::Plain => self.text.push_str(text),
            Style::Single => {
                let _ = write!(self.text, "'{}'", text.replace('\'', "''"));
            }
            Style::Double | Style::Literal => {
                self.text.push('"');
                text.chars().for_each(|c| style::escape(c, &mut self.text));
                self.text.push('"');
            }
        }
    }

    /// Lines as they are.
    fn literal(&mut self, text: &str, indent: usize) {
        self.text.push('|');
        if text.starts_with([' ', '\n']) {
            let _ = write!(self.text, "{STEP}");
        }
        self.text.push_str(match text.strip_suffix('\n') {
            None => "-",
            Some("") => "+",
            Some(rest) if rest.ends_with('\n') => "+",
            Some(_) => "",
        });
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            self.text.push('\n');
            if !line.is_empty() {
                self.indent(indent, false);
                self.text.push_str(line);
            }
        }
        self.text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::yaml::{documents, json};
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn it_looks_as_kubectl_prints_it() {
        let value = json!({
            "list": [1, [2, [3]], {"a": 1, "b": {"c": []}}, {}, "x\ny\n"],
            "map": {"y": "y", "n o": "n", "1": 1, "": "", "~": null, "<<": "<<"},
            "text": "a\n  b\n\nc",
            "var": "${var}", "vars": "${a}:${b}", "odd": "${a}: ${b}", "quoted": "@${a}",
            "long": {"k".repeat(129): ["v"]},
        });
        let long = "k".repeat(129);
        let expect = format!(
            "list:\n- 1\n- - 2\n  - - 3\n- a: 1\n  b:\n    c: []\n- {{}}\n- |\n  x\n  y\n\
             long:\n  ? {long}\n  : - v\n\
             map:\n  \"\": \"\"\n  \"1\": 1\n  <<: <<\n  n o: \"n\"\n  \"y\": \"y\"\n  \"~\": null\n\
             odd: '${{a}}: ${{b}}'\nquoted: '@${{a}}'\ntext: |-\n  a\n    b\n\n  c\nvar: ${{var}}\nvars: ${{a}}:${{b}}\n"
        );
        let expect = expect.replace("<<: <<", "\"<<\": \"<<\"");
        assert_eq!(write([&value]), expect);
        assert_eq!(write([&json!({"a": 1}), &json!([1]), &json!({})]), "a: 1\n---\n- 1\n---\n{}\n");
    }

    /// Pieces of which texts are made that look like something else.
    const PIECES: &[&str] = &[
        "",
        "a",
        "b",
        " ",
        "  ",
        "\n",
        "\n\n",
        "\t",
        "\r",
        ":",
        ": ",
        "#",
        " #",
        "-",
        "- ",
        "---",
        "?",
        "? ",
        ",",
        "[",
        "]",
        "{",
        "}",
        "&",
        "*",
        "!",
        "|",
        ">",
        "'",
        "\"",
        "%",
        "@",
        "`",
        "\\",
        "=",
        "~",
        "<<",
        "null",
        "yes",
        "No",
        "on",
        "true",
        "0",
        "1",
        "0644",
        "0x1F",
        "0o17",
        "1e3",
        ".5",
        ".inf",
        "1_000",
        "12:30:45",
        "2001-01-01",
        "${var}",
        "$",
        "...",
        "é",
        "😀",
        "\u{7f}",
        "\u{85}",
        "\u{a0}",
        "\u{2028}",
        "\u{feff}",
        "\u{0}",
        "\u{fffe}",
    ];

    fn text() -> impl Strategy<Value = String> {
        let piece = proptest::sample::select(PIECES);
        let pieces = proptest::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat());
        prop_oneof![9 => pieces, 1 => any::<String>()]
    }

    fn value() -> impl Strategy<Value = Value> {
        let number = any::<f64>().prop_filter_map("finite", |n| n.is_finite().then(|| json!(n)));
        let leaf = prop_oneof![
            1 => Just(Value::Null),
            1 => any::<bool>().prop_map(Value::from),
            1 => any::<i64>().prop_map(Value::from),
            1 => number,
            8 => text().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map(text(), inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn what_is_written_is_read_back(values in proptest::collection::vec(value(), 1..3)) {
            // Numbers as Kubernetes has them.
            let text: Vec<_> = values.iter().map(Value::to_string).collect();
            let text = text.join("\n");
            let values: Vec<_> = json(&text).unwrap().into_iter().map(|read| read.value).collect();
            let text = write(&values);
            let read = documents(&text).unwrap_or_else(|bad| panic!("{bad:?}\n{text}"));
            let read: Vec<_> = read.into_iter().map(|read| read.value).collect();
            let whole: Vec<_> = values.into_iter().filter(|value| !value.is_null()).collect();
            prop_assert_eq!(read, whole, "{}", text);
        }
    }
}

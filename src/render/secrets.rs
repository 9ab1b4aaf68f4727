//! Texts that must never be shown, and where in objects they are. Pure.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Shorter texts are not looked for: they would be everywhere.
const SHORTEST: usize = 4;
/// A line of a text that is at least as long is looked for by itself: templates indent.
const LINE: usize = 16;
/// What is shown in place of a secret.
pub const HIDDEN: &str = "(hidden)";

/// Texts that must never be shown, such as values of Secrets and what was decrypted.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// In every form that they are looked for, the longest first.
    forms: Vec<String>,
}

/// They are never shown.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl<T: AsRef<str>> FromIterator<T> for Secrets {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let forms: BTreeSet<_> = texts.into_iter().flat_map(|text| forms(text.as_ref())).collect();
        let mut forms: Vec<_> = forms.into_iter().collect();
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        Self { forms }
    }
}

/// A text, its lines, and what is left of it in base64, wherever in another text it was encoded.
fn forms(text: &str) -> Vec<String> {
    let text = text.trim();
    let lines = text.lines().map(str::trim).filter(|line| line.len() >= LINE);
    let plain = [text].into_iter().chain(lines).map(str::to_owned);
    let encoded = [0, 1, 2].map(|before| {
        let bytes = [&vec![0; before], text.as_bytes()].concat();
        let code = STANDARD.encode(&bytes);
        // Six bits make a letter: those that its neighbours have a part in are not its own.
        code.get((before * 4).div_ceil(3)..bytes.len() * 4 / 3).unwrap_or_default().to_owned()
    });
    plain.chain(encoded).filter(|form| form.len() >= SHORTEST).collect()
}

impl Secrets {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// Where in an object they are.
    pub fn mark(&self, object: &Value) -> Marks {
        let mut marks = Marks::default();
        if !self.is_empty() {
            self.walk(object, &mut Vec::new(), &mut marks);
        }
        marks
    }

    fn walk(&self, value: &Value, path: &mut Vec<String>, marks: &mut Marks) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    path.push(key.clone());
                    if self.are_in(key) {
                        marks.add_key(path);
                    }
                    self.walk(value, path, marks);
                    path.pop();
                }
            }
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    path.push(at.to_string());
                    self.walk(item, path, marks);
                    path.pop();
                }
            }
            Value::String(text) if self.are_in(text) => marks.add(path),
            Value::Number(number) if self.forms.contains(&number.to_string()) => marks.add(path),
            _ => {}
        }
    }

    fn are_in(&self, text: &str) -> bool {
        self.forms.iter().any(|form| text.contains(form))
    }

    /// A text without them.
    pub fn redact(&self, text: &str) -> String {
        let hidden = |text: String, form: &String| {
            if text.contains(form) { text.replace(form, HIDDEN) } else { text }
        };
        self.forms.iter().fold(text.to_owned(), hidden)
    }
}

/// Where an object holds something secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Values, by JSON pointers (RFC 6901).
    values: BTreeSet<String>,
    /// Fields whose very name does.
    keys: BTreeSet<String>,
}

impl Marks {
    /// Whether there is nothing secret.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.keys.is_empty()
    }

    /// Marks a value.
    pub fn add<T: AsRef<str>>(&mut self, path: &[T]) {
        self.values.insert(pointer(path));
    }

    /// Marks the name of a field.
    pub fn add_key<T: AsRef<str>>(&mut self, path: &[T]) {
        self.keys.insert(pointer(path));
    }

    /// Whether the name of a field is marked.
    pub fn has_key<T: AsRef<str>>(&self, path: &[T]) -> bool {
        self.keys.contains(&pointer(path))
    }

    /// These and others.
    pub fn extend(&mut self, others: Self) {
        self.values.extend(others.values);
        self.keys.extend(others.keys);
    }

    /// The values that are marked, as JSON pointers.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(String::as_str)
    }

    /// The names of fields that are marked.
    pub fn keys(&self) -> impl Iterator<Item = String> {
        let last = |pointer: &String| pointer.rsplit('/').next().unwrap_or_default().to_owned();
        self.keys.iter().map(last).map(|key| key.replace("~1", "/").replace("~0", "~"))
    }
}

fn pointer<T: AsRef<str>>(path: &[T]) -> String {
    let steps = path.iter().map(|step| step.as_ref().replace('~', "~0").replace('/', "~1"));
    steps.flat_map(|step| ["/".to_owned(), step]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_found_in_any_form_and_taken_out() {
        let secrets: Secrets =
            ["hunter2-canary", "abc", "31337", "a long first line\nand a long second"]
                .into_iter()
                .collect();
        let check = |text: &str, is_found: bool| {
            let marks = secrets.mark(&json!({"k": [text]}));
            let found: Vec<_> = marks.values().collect();
            assert_eq!(found, if is_found { vec!["/k/0"] } else { vec![] }, "{text}");
            let redacted = secrets.redact(text);
            assert_eq!(redacted.contains(HIDDEN), is_found, "{redacted}");
            assert!(!redacted.contains("canary"), "{redacted}");
        };
        check("x hunter2-canary y", true);
        check("nothing", false);
        check("abc", false);
        check("pin=31337", true);
        check("  and a long second", true);
        for around in ["", "u:", "us:", "use:"] {
            for after in ["", "x", "xy"] {
                check(&STANDARD.encode(format!("{around}hunter2-canary{after}")), true);
            }
        }
    }

    #[test]
    fn numbers_and_names_of_fields_are_marked() {
        let secrets: Secrets = ["31337", "hunter2/x"].into_iter().collect();
        let marks = secrets.mark(&json!({"pin": 31337, "other": 313_370, "hunter2/x": {"a": "b"}}));
        assert_eq!(marks.values().collect::<Vec<_>>(), ["/pin"]);
        assert_eq!(marks.keys().collect::<Vec<_>>(), ["hunter2/x"]);
        assert!(marks.has_key(&["hunter2/x"]) && !marks.is_empty());
        assert!(Secrets::default().mark(&json!({"a": ""})).is_empty());
    }
}

//! Texts that must never be shown, and where in objects they are. Pure.

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Shorter texts are not looked for: they would be everywhere.
const SHORTEST: usize = 4;
/// A line of a text that is at least as long is looked for by itself: templates indent.
const LINE: usize = 8;
/// Bytes of all forms that are looked for. Where there are more, everything is taken for secret.
const MOST: usize = 1 << 20;
/// What is shown in place of a secret.
pub const HIDDEN: &str = "(hidden)";

/// Texts that must never be shown, such as values of Secrets and what was decrypted.
#[derive(Clone, Default)]
pub enum Secrets {
    /// There are none.
    #[default]
    None,
    /// In every form that they are looked for.
    Forms(Box<Forms>),
    /// More than are looked for: nothing is shown.
    Everything,
}

/// Texts to look for, however many, in one go.
#[derive(Clone)]
pub struct Forms {
    any: AhoCorasick,
    all: HashSet<String>,
}

/// They are never shown.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl<T: AsRef<str>> FromIterator<T> for Secrets {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let (mut all, mut size) = (HashSet::new(), 0);
        for form in texts.into_iter().flat_map(|text| forms(text.as_ref())) {
            size += form.len();
            if size > MOST {
                return Self::Everything;
            }
            all.insert(form);
        }
        if all.is_empty() {
            return Self::None;
        }
        match AhoCorasick::new(&all) {
            Ok(any) => Self::Forms(Box::new(Forms { any, all })),
            Err(_) => Self::Everything,
        }
    }
}

/// A text, its lines, what it is within JSON and within a URL, and what is left of it in base64, wherever in another
/// text it was encoded.
fn forms(text: &str) -> Vec<String> {
    let text = text.trim();
    let lines = text.lines().map(str::trim).filter(|line| line.len() >= LINE);
    let plain = [text].into_iter().chain(lines).map(str::to_owned);
    let quoted = [json(text), html(&json(text)), query(text), query(text).replace('+', "%20")];
    let quoted = quoted.into_iter().filter(move |form| form != text);
    let encoded = [0, 1, 2].map(|before| {
        let bytes = [&vec![0; before], text.as_bytes()].concat();
        let code = STANDARD.encode(&bytes);
        // Six bits make a letter: those that its neighbours have a part in are not its own.
        code.get((before * 4).div_ceil(3)..bytes.len() * 4 / 3).unwrap_or_default().to_owned()
    });
    plain.chain(quoted).chain(encoded).filter(|form| form.len() >= SHORTEST).collect()
}

/// A text within quotation marks of JSON.
fn json(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
}

/// The same as Go writes it.
fn html(json: &str) -> String {
    json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
}

/// A text in the query of a URL.
fn query(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

impl Secrets {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::None)
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
            Value::Number(number) if self.has(&number.to_string()) => marks.add(path),
            _ => {}
        }
    }

    fn are_in(&self, text: &str) -> bool {
        match self {
            Self::None => false,
            Self::Forms(forms) => forms.any.is_match(text),
            Self::Everything => true,
        }
    }

    /// Whether a text is one of them.
    fn has(&self, text: &str) -> bool {
        match self {
            Self::None => false,
            Self::Forms(forms) => forms.all.contains(text),
            Self::Everything => true,
        }
    }

    /// A text without them.
    pub fn redact(&self, text: &str) -> String {
        match self {
            Self::None => text.to_owned(),
            Self::Forms(forms) => forms.redact(text),
            Self::Everything => HIDDEN.to_owned(),
        }
    }
}

impl Forms {
    /// What any of them has a part in is hidden.
    fn redact(&self, text: &str) -> String {
        let (mut redacted, mut shown, mut hidden) = (String::new(), 0, 0..0);
        let mut all: Vec<_> =
            self.any.find_overlapping_iter(text).map(|found| found.range()).collect();
        all.sort_by_key(|range| range.start);
        for range in all {
            if range.start > hidden.end || hidden.is_empty() {
                redacted += &text[shown..range.start];
                redacted += HIDDEN;
                hidden = range;
            } else {
                hidden.end = hidden.end.max(range.end);
            }
            shown = hidden.end;
        }
        redacted + &text[shown..]
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
        let secrets: Secrets = [
            "hunter2-canary",
            "abc",
            "31337",
            "a long first line\nand a long second",
            "a \"quoted\" one",
            "sl/ash?ed",
            "a&mp;d",
        ]
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
        check(r#"{"line":"a \"quoted\" one"}"#, true);
        check("https://me:sl%2Fash%3Fed@db", true);
        check("a\\u0026mp;d", true);
        for around in ["", "u:", "us:", "use:"] {
            for after in ["", "x", "xy"] {
                check(&STANDARD.encode(format!("{around}hunter2-canary{after}")), true);
            }
        }
    }

    #[test]
    fn what_overlaps_is_hidden_as_a_whole() {
        let secrets: Secrets = ["abcdef", "defghi", "hunter2"].into_iter().collect();
        let check = |text: &str, expect: &str| assert_eq!(secrets.redact(text), expect);
        check("x abcdefghi y", "x (hidden) y");
        check("abcdef hunter2", "(hidden) (hidden)");
        check("é abcdef é", "é (hidden) é");
        check("nothing", "nothing");
    }

    #[test]
    fn of_more_than_can_be_looked_for_nothing_is_shown() {
        let secrets: Secrets = (0..100_000).map(|at| format!("hunter2-{at}")).collect();
        assert_eq!(secrets.redact("anything"), HIDDEN);
        let marks = secrets.mark(&json!({"a": "x", "b": [1]}));
        assert_eq!(marks.values().collect::<Vec<_>>(), ["/a", "/b/0"]);
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

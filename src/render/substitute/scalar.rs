//! How Flux has a text written before it substitutes in it, and what is then read of it.
//!
//! Flux writes an object as YAML, substitutes, and reads it again. Which type a value has hangs on how its text was
//! quoted. These are the rules of go-yaml v2, by which `sigs.k8s.io/yaml` writes.

use serde_json::Value;

use super::super::yaml;

/// Where a text stands: what is made of it is read in the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Context {
    /// The value of a field.
    Field,
    /// An item of a list.
    Item,
    /// The name of a field.
    Key,
}

/// Longest key that is written in one line with its value, as YAML has it.
const SIMPLE_KEY: usize = 128;

/// A text as it is written.
pub(super) fn written(text: &str) -> String {
    let traits = Traits::of(text);
    if text.contains('\n') && traits.may_be_block {
        return literal(text);
    }
    match () {
        () if traits.may_be_plain && !text.contains('\n') => text.to_owned(),
        () if traits.may_be_single && !text.contains('\n') => {
            format!("'{}'", text.replace('\'', "''"))
        }
        () => double(text),
    }
}

/// What a written text is read as.
pub(super) fn read(written: &str, context: Context) -> Option<Value> {
    let end = if written.ends_with('\n') { "" } else { "\n" };
    let is_simple = written.len() <= SIMPLE_KEY && !written.contains('\n');
    let document = match context {
        Context::Field => format!("k: {written}{end}"),
        Context::Item => format!("- {written}{end}"),
        Context::Key if is_simple => format!("{written}: v\n"),
        Context::Key => format!("? {written}{end}: v\n"),
    };
    let mut documents = yaml::documents(&document).ok()?.into_iter();
    let value = documents.next().filter(|_| documents.next().is_none())?.value;
    match (context, value) {
        (Context::Item, Value::Array(mut items)) if items.len() == 1 => items.pop(),
        (Context::Field | Context::Key, Value::Object(fields)) if fields.len() == 1 => {
            let (key, value) = fields.into_iter().next()?;
            match context {
                Context::Key => (value == "v").then_some(Value::String(key)),
                _ => (key == "k").then_some(value),
            }
        }
        _ => None,
    }
}

/// What go-yaml looks at to choose how a text is written.
struct Traits {
    may_be_plain: bool,
    may_be_single: bool,
    may_be_block: bool,
}

impl Traits {
    fn of(text: &str) -> Self {
        let is_space_at = |c: Option<char>| c == Some(' ');
        let is_framed = is_space_at(text.chars().next()) || is_space_at(text.chars().last());
        let is_broken = text.contains(" \n") || text.contains(|c| !is_printable(c));
        let is_indented = text.contains("\n ");
        Self {
            may_be_plain: !is_framed && !is_broken && !is_indented && !has_indicator(text),
            may_be_single: !is_broken && !is_indented,
            may_be_block: !is_broken && !text.ends_with(' '),
        }
    }
}

/// Whether something in a text would mean something to YAML outside of quotes.
fn has_indicator(text: &str) -> bool {
    let mut before = None;
    let mut chars = text.chars().peekable();
    let is_marker = text.starts_with("---") || text.starts_with("...");
    is_marker
        || std::iter::from_fn(|| {
            let c = chars.next()?;
            let is_last = chars.peek().is_none_or(|next| matches!(next, ' ' | '\t' | '\n'));
            let is_first = before.is_none();
            let after_space = before.is_none_or(|b| matches!(b, ' ' | '\t' | '\n'));
            before = Some(c);
            Some(match c {
                '#' => after_space,
                ':' => is_last,
                '?' | '-' => is_first && is_last,
                c => is_first && ",[]{}&*!|>'\"%@`".contains(c),
            })
        })
        .any(|is_indicator| is_indicator)
}

/// As go-yaml has it: nothing beyond U+FFFF. Breaks of YAML 1.1 are written as escapes here.
fn is_printable(c: char) -> bool {
    match c {
        '\n' | ' '..='~' => true,
        '\u{2028}' | '\u{2029}' | '\u{feff}' => false,
        c => ('\u{a0}'..'\u{fffe}').contains(&c),
    }
}

/// `|`, with what says how it begins and ends.
fn literal(text: &str) -> String {
    let indent = if text.starts_with([' ', '\n']) { "2" } else { "" };
    let end = match text.strip_suffix('\n') {
        None => "-",
        Some("") => "+",
        Some(rest) if rest.ends_with('\n') => "+",
        Some(_) => "",
    };
    let line = |line: &str| match line {
        "" | "\n" => line.to_owned(),
        line => format!("  {line}"),
    };
    let lines: String = text.split_inclusive('\n').map(line).collect();
    format!("|{indent}{end}\n{lines}")
}

fn double(text: &str) -> String {
    let mut written = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => written.extend(['\\', c]),
            '\n' => written += "\\n",
            '\t' => written += "\\t",
            '\r' => written += "\\r",
            c if is_printable(c) => written.push(c),
            c => written.push_str(&escape(c)),
        }
    }
    written + "\""
}

fn escape(c: char) -> String {
    match u32::from(c) {
        code @ ..=0xff => format!("\\x{code:02X}"),
        code @ ..=0xffff => format!("\\u{code:04X}"),
        code => format!("\\U{code:08X}"),
    }
}

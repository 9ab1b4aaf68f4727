//! `${var}` in objects, replaced as Flux does it (`postBuild`). Pure.
//!
//! Flux writes the object as YAML, substitutes in that text, and reads it again, so that `replicas: ${n}` becomes a
//! number. Here the same is done leaf by leaf: what a value holds stays in its place.

mod expand;
mod expression;
mod glob;
mod scalar;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};

use self::expand::Expander;
use self::scalar::{Context, read, written};
use super::secrets::Marks;
use super::text::is_plain;
use super::yaml::Place;
use crate::object::handling;

/// Bytes that the texts of one object may take: more than the API server takes of any.
const OBJECT: usize = 4 << 20;
const TOO_LARGE: &str = "makes more of it than any object may hold";
/// What begins an expression.
const OPEN: &str = "${";

/// What stands for a name.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    /// The value.
    pub text: String,
    /// Whether it must never be shown.
    pub is_secret: bool,
}

/// It may be a secret.
impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variable").field("is_secret", &self.is_secret).finish_non_exhaustive()
    }
}

/// What is substituted in objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Substitution {
    variables: BTreeMap<String, Variable>,
    is_strict: bool,
}

/// Why nothing can be substituted in an object. It quotes nothing but names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsubstituted {
    /// Variables without a value.
    #[error("uses {}, which postBuild gives no value: add {it} there, write ${{name:=default}}, or $${{name}} where a program is to see it", names(.0), it = if .0.len() == 1 { "it" } else { "them" })]
    Missing(BTreeSet<String>),
    /// An expression that is none.
    #[error("has in {field} what {why}")]
    Malformed {
        /// The field.
        field: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// What came of it is no YAML in its place.
    #[error(
        "has in {field} what is no value of one field once it is substituted: quote it by ${{quote}}, a variable that is a quotation mark"
    )]
    NotAValue {
        /// The field.
        field: String,
    },
    /// Two fields of one name came of it.
    #[error("has in {field} two fields of the same name once they are substituted")]
    Twice {
        /// The map.
        field: String,
    },
}

impl Unsubstituted {
    /// Line and column of the first variable without a value, in the object that begins on a line.
    pub fn place(&self, text: &str, line: u32) -> Option<Place> {
        let Self::Missing(names) = self else { return None };
        let before = usize::try_from(line).ok()?.saturating_sub(1);
        text.lines().enumerate().skip(before).find_map(|(number, line)| {
            let column = column(line, names)?;
            Some((u32::try_from(number + 1).ok()?, u32::try_from(column).ok()?))
        })
    }
}

/// Where a line uses one of these variables first, in characters from 1.
fn column(line: &str, names: &BTreeSet<String>) -> Option<usize> {
    if line.trim_start().starts_with('#') {
        return None;
    }
    let is_used = |&(at, _): &(usize, &str)| {
        let is_name = |c: char| c == '_' || c.is_ascii_alphanumeric();
        let rest = &line[at + OPEN.len()..];
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let has_default = [":=", ":-", "=", "-"].iter().any(|it| rest[end..].starts_with(it));
        !line[..at].ends_with('$') && names.contains(&rest[..end]) && !has_default
    };
    let (at, _) = line.match_indices(OPEN).find(is_used)?;
    Some(line[..at].chars().count() + 1)
}

fn names(names: &BTreeSet<String>) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("${{{name}}}")).collect();
    names.join(", ")
}

/// An object in which values stand.
#[derive(Debug, PartialEq)]
pub struct Substituted {
    /// The object.
    pub body: Value,
    /// Where secret ones do.
    pub marks: Marks,
}

impl Substitution {
    /// These values of variables. Where it is strict, one that has none is an error, else it is empty.
    pub fn new(variables: BTreeMap<String, Variable>, is_strict: bool) -> Self {
        // As in Flux: what is substituted stays in its line.
        let one_line = |(name, Variable { text, is_secret })| {
            (name, Variable { text: str::replace(&text, '\n', ""), is_secret })
        };
        Self { variables: variables.into_iter().map(one_line).collect(), is_strict }
    }

    /// Substitutes in an object, and says everything that keeps it from that. `None` if there is nothing to do.
    pub fn object(&self, body: &Value) -> Result<Option<Substituted>, Vec<Unsubstituted>> {
        if !holds(body) || handling::is_not_substituted(body) {
            return Ok(None);
        }
        let expander = Expander::new(&self.variables, self.is_strict, OBJECT);
        let (marks, faults) = (Marks::default(), Vec::new());
        let mut walk = Walk { expander, path: Vec::new(), marks, faults };
        let body = walk.value(body, Context::Field);
        let Walk { expander, marks, mut faults, .. } = walk;
        if !expander.missing.is_empty() {
            // What came of nothing needs no words.
            faults.retain(|fault| matches!(fault, Unsubstituted::Malformed { .. }));
            faults.insert(0, Unsubstituted::Missing(expander.missing));
        }
        if faults.is_empty() { Ok(Some(Substituted { body, marks })) } else { Err(faults) }
    }
}

/// Whether anything in a value could be substituted.
fn holds(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(OPEN),
        Value::Array(items) => items.iter().any(holds),
        Value::Object(fields) => {
            fields.iter().any(|(key, value)| key.contains(OPEN) || holds(value))
        }
        _ => false,
    }
}

/// Goes through an object.
struct Walk<'a> {
    expander: Expander<'a>,
    /// Where it is: the names of fields as they are written, and the places of items.
    path: Vec<String>,
    marks: Marks,
    faults: Vec<Unsubstituted>,
}

impl Walk<'_> {
    fn value(&mut self, value: &Value, context: Context) -> Value {
        match value {
            Value::String(text) if text.contains(OPEN) => self.leaf(text, context),
            Value::Array(items) => {
                let item = |(at, item): (usize, &Value)| {
                    self.within(&at.to_string(), |walk| walk.value(item, Context::Item))
                };
                items.iter().enumerate().map(item).collect()
            }
            Value::Object(fields) => self.map(fields),
            other => other.clone(),
        }
    }

    fn map(&mut self, fields: &Map<String, Value>) -> Value {
        let mut all = Map::new();
        for (key, value) in fields {
            let (key, is_secret) = self.key(key);
            let value = self.within(&key, |walk| {
                if is_secret {
                    walk.marks.add_key(&walk.path);
                }
                walk.value(value, Context::Field)
            });
            if all.insert(key, value).is_some() {
                self.faults.push(Unsubstituted::Twice { field: self.field() });
            }
        }
        Value::Object(all)
    }

    /// The name of a field, and whether it holds something secret.
    fn key(&mut self, key: &str) -> (String, bool) {
        if !key.contains(OPEN) {
            return (key.to_owned(), false);
        }
        match self.substituted(key, Context::Key) {
            (Some(Value::String(new)), is_secret) => (new, is_secret),
            (_, is_secret) => (key.to_owned(), is_secret),
        }
    }

    fn leaf(&mut self, text: &str, context: Context) -> Value {
        let (value, is_secret) = self.substituted(text, context);
        if is_secret {
            self.marks.add(&self.path);
        }
        value.unwrap_or_else(|| text.into())
    }

    /// What comes of a text, and whether something secret is in it.
    fn substituted(&mut self, text: &str, context: Context) -> (Option<Value>, bool) {
        self.expander.is_secret = false;
        let expanded = self.expander.expand(&written(text));
        let is_secret = self.expander.is_secret;
        let value = match expanded {
            Ok(expanded) => {
                let value = read(&expanded, context);
                if value.is_none() {
                    self.faults.push(Unsubstituted::NotAValue { field: self.field() });
                }
                value
            }
            Err(why) => {
                self.faults.push(Unsubstituted::Malformed { field: self.field(), why });
                None
            }
        };
        (value, is_secret)
    }

    fn within<T>(&mut self, step: &str, walk: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step.to_owned());
        let done = walk(self);
        self.path.pop();
        done
    }

    /// Where it is, without what was substituted.
    fn field(&self) -> String {
        let is_shown = |step: &String| step.chars().all(is_plain) && step.len() <= 64;
        let steps = self.path.iter().enumerate().map(|(at, step)| {
            let path = &self.path[..=at];
            if self.marks.has_key(path) || !is_shown(step) { "…" } else { step }
        });
        let steps: Vec<_> = steps.collect();
        if steps.is_empty() { "its fields".to_owned() } else { steps.join(".") }
    }
}

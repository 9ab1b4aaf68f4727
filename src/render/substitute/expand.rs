//! Puts values in the place of `${…}`.

use std::collections::{BTreeMap, BTreeSet};

use super::expression::{Expression, Operation, Piece, Place, pieces};
use super::glob::{Glob, Matched};
use super::{TOO_LARGE, Variable};

/// What expands the texts of one object.
pub(super) struct Expander<'a> {
    variables: &'a BTreeMap<String, Variable>,
    is_strict: bool,
    /// Bytes that may yet be made.
    left: usize,
    /// Whether a secret value went into it since this was last taken back.
    pub is_secret: bool,
    /// Variables that have no value.
    pub missing: BTreeSet<String>,
}

type Expanded = Result<String, &'static str>;

impl<'a> Expander<'a> {
    /// One that makes at most so many bytes.
    pub fn new(variables: &'a BTreeMap<String, Variable>, is_strict: bool, left: usize) -> Self {
        Self { variables, is_strict, left, is_secret: false, missing: BTreeSet::new() }
    }

    /// A text with values in the place of what stands for them.
    pub fn expand(&mut self, text: &str) -> Expanded {
        self.all(&pieces(text)?)
    }

    fn all(&mut self, pieces: &[Piece]) -> Expanded {
        let mut all = String::new();
        for piece in pieces {
            let text = self.piece(piece)?;
            self.spend(text.len())?;
            all += &text;
        }
        Ok(all)
    }

    fn piece(&mut self, piece: &Piece) -> Expanded {
        match piece {
            Piece::Text(text) => Ok(text.clone()),
            Piece::Variable(expression) => self.expression(expression),
        }
    }

    fn expression(&mut self, Expression { name, operation }: &Expression) -> Expanded {
        let variable = self.variables.get(name);
        let has_default = matches!(operation, Operation::Default { .. });
        if variable.is_none() && self.is_strict && !has_default {
            self.missing.insert(name.clone());
        }
        self.is_secret |= variable.is_some_and(|variable| variable.is_secret);
        let value = variable.map_or("", |variable| &variable.text);
        self.spend(value.len())?;
        match operation {
            Operation::Value => Ok(value.to_owned()),
            Operation::Length => Ok(value.len().to_string()),
            Operation::Case { is_upper, is_all } => Ok(cased(value, *is_upper, *is_all)),
            Operation::Default { or_empty, default } => {
                let is_used = variable.is_none() || *or_empty && value.is_empty();
                if is_used { self.all(default) } else { Ok(value.to_owned()) }
            }
            Operation::Slice { offset, length } => {
                let offset = self.piece(offset)?;
                let length = length.as_ref().map(|length| self.piece(length)).transpose()?;
                slice(value, &offset, length.as_deref())
            }
            Operation::Strip { is_suffix, is_longest, pattern } => {
                let pattern = self.piece(pattern)?;
                strip(value, &pattern, *is_suffix, *is_longest)
            }
            Operation::Replace { place, old, new } => {
                let old = self.piece(old)?;
                let new = new.as_ref().map(|new| self.piece(new)).transpose()?;
                self.replace(value, *place, &old, new.as_deref())
            }
        }
    }

    fn replace(&mut self, value: &str, place: Place, old: &str, new: Option<&str>) -> Expanded {
        let text = new.unwrap_or_default();
        let times = if place == Place::All { value.matches(old).count() } else { 1 };
        self.spend(times.saturating_mul(text.len()))?;
        Ok(match (place, new) {
            (Place::First, _) => value.replacen(old, text, 1),
            (Place::All, _) => value.replace(old, text),
            // As Flux does it: what is to be replaced by nothing stays.
            (Place::Start | Place::End, None) => value.to_owned(),
            (Place::Start, Some(_)) => {
                value.strip_prefix(old).map_or(value.to_owned(), |rest| format!("{text}{rest}"))
            }
            (Place::End, Some(_)) => {
                value.strip_suffix(old).map_or(value.to_owned(), |rest| format!("{rest}{text}"))
            }
        })
    }

    fn spend(&mut self, bytes: usize) -> Result<(), &'static str> {
        self.left = self.left.checked_sub(bytes).ok_or(TOO_LARGE)?;
        Ok(())
    }
}

/// In capitals or not, letter by letter: what has no single other letter stays.
fn cased(value: &str, is_upper: bool, is_all: bool) -> String {
    let one = |c: char| {
        let mut other: Box<dyn Iterator<Item = char>> =
            if is_upper { Box::new(c.to_uppercase()) } else { Box::new(c.to_lowercase()) };
        let first = other.next();
        first.filter(|_| other.next().is_none()).unwrap_or(c)
    };
    let cased = |(at, c)| if is_all || at == 0 { one(c) } else { c };
    value.chars().enumerate().map(cased).collect()
}

/// What is no number leaves the value as it is, as in a shell.
fn slice(value: &str, offset: &str, length: Option<&str>) -> Expanded {
    let Ok(offset) = offset.parse::<isize>() else { return Ok(value.to_owned()) };
    let size = value.len();
    let from_end = |count: isize| size.saturating_sub(count.unsigned_abs());
    let from = if offset < 0 { from_end(offset) } else { offset.unsigned_abs() };
    let to = match length.map(str::parse::<isize>) {
        None => size,
        Some(Err(_)) => return Ok(value.to_owned()),
        Some(Ok(length)) if length < 0 => from_end(length),
        Some(Ok(length)) => from.saturating_add(length.unsigned_abs()).min(size),
    };
    if from >= to {
        return Ok(String::new());
    }
    let cut = "cuts a letter of more than one byte in two: offsets and lengths are in bytes";
    value.get(from..to).map(str::to_owned).ok_or(cut)
}

fn strip(value: &str, pattern: &str, is_suffix: bool, is_longest: bool) -> Expanded {
    // What is no pattern matches nothing, as in Flux.
    let Some(glob) = Glob::parse(pattern) else { return Ok(value.to_owned()) };
    let matched = if is_suffix { glob.suffixes(value) } else { glob.prefixes(value) };
    let bytes = match matched {
        Matched::Nothing => 0,
        Matched::Bytes(shortest, longest) => {
            if is_longest {
                longest
            } else {
                shortest
            }
        }
        Matched::TooMuch => return Err("has a pattern that takes too long to look for"),
    };
    let left = if is_suffix { &value[..value.len() - bytes] } else { &value[bytes..] };
    Ok(left.to_owned())
}

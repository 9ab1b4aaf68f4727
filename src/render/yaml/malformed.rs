//! Where and why a text cannot be read. Never what stands there.

use std::fmt;

use serde_saphyr::granit_parser::{ErrorKind, ScanError, Span};

use crate::object::fields::{FieldPath, Segment};
use crate::render::text::is_plain;

/// Longest key that is shown: the longest that Kubernetes has for anything.
const KEY: usize = 253;

/// Where and why a text is not YAML. Holds no text of the file but keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Malformed {
    /// Line, from 1; 0 when unknown.
    pub line: u32,
    /// Column, from 1; 0 when unknown.
    pub column: u32,
    /// What is wrong.
    pub why: String,
    /// Steps from the root of the document to the place, the last first.
    steps: Vec<Segment>,
}

impl Malformed {
    pub(super) fn at(span: Span, why: &str) -> Self {
        Self::new(span.start.line(), span.start.col(), why)
    }

    /// A line from 1 and a column from 0, as the parser counts.
    pub(super) fn new(line: usize, column: usize, why: &str) -> Self {
        Self {
            line: u32::try_from(line).unwrap_or_default(),
            column: u32::try_from(column + 1).unwrap_or_default(),
            why: why.to_owned(),
            steps: Vec::new(),
        }
    }

    /// The same, below this key of a mapping.
    pub(super) fn below(mut self, key: &str) -> Self {
        let is_shown = key.len() <= KEY && key.chars().all(is_plain);
        self.steps.push(Segment::Field(if is_shown { key } else { "…" }.to_owned()));
        self
    }

    /// The same, in this item of a list.
    pub(super) fn in_item(mut self, at: usize) -> Self {
        self.steps.push(Segment::Index(at));
        self
    }

    /// The keys that lead to the place from the root of its document.
    pub fn path(&self) -> FieldPath {
        self.steps.iter().rev().cloned().fold(FieldPath::default(), |path, step| path.then(step))
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        if self.steps.is_empty() { Ok(()) } else { write!(f, " (at {})", self.path()) }
    }
}

impl From<ScanError> for Malformed {
    fn from(error: ScanError) -> Self {
        let at = error.marker();
        Self::new(at.line(), at.col(), why(error.kind()))
    }
}

pub(super) const NO_ANCHOR: &str = "an alias names no anchor before it";
pub(super) const TOO_MUCH: &str =
    "this is nested deeper, expands further or holds more than any manifest";
pub(super) const NOT_YAML: &str =
    "this is not YAML: look for wrong indentation, a tab, or an unclosed quote or bracket";
pub(super) const TWICE: &str = "a key stands twice in one mapping";

/// The reason in words of our own: the parser's may quote the file.
fn why(error: &ErrorKind) -> &'static str {
    match error {
        ErrorKind::UnknownAnchor => NO_ANCHOR,
        ErrorKind::RecursionLimitExceeded => TOO_MUCH,
        ErrorKind::DirectiveDisallowed => "a directive (%) has no place in a manifest",
        _ => NOT_YAML,
    }
}

//! What keeps a status small, however large the app is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Items of a list.
const ITEMS: usize = 10;
/// Characters of a word or a line.
pub const LINE: usize = 200;
/// Characters of a message.
pub(super) const MESSAGE: usize = 1000;

/// The first ten of many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("maxItems" = 10, "x-kubernetes-list-type" = "atomic"))]
pub struct First<T>(Vec<T>);

/// The last ten of many, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("maxItems" = 10, "x-kubernetes-list-type" = "atomic"))]
pub struct Last<T>(Vec<T>);

impl<T> First<T> {
    /// The items.
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Last<T> {
    /// Adds the newest; the oldest goes if there are too many.
    pub fn push(&mut self, item: T) {
        self.0.insert(0, item);
        self.0.truncate(ITEMS);
    }

    /// The items, the newest first.
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> FromIterator<T> for First<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self(items.into_iter().take(ITEMS).collect())
    }
}

impl<T> Default for First<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Default for Last<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// A text of at most so many characters.
pub fn text(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(max - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_lists_end() {
        let check = |long: &str, max, expect: &str| assert_eq!(text(long, max), expect);
        check("abc", 3, "abc");
        check("abcd", 3, "ab…");
        check("äöüß", 3, "äö…");
        let first: First<_> = (0..20).collect();
        assert_eq!(first.as_slice(), (0..10).collect::<Vec<_>>());
        let mut last = Last::default();
        (0..20).for_each(|n| last.push(n));
        assert_eq!(last.as_slice(), (10..20).rev().collect::<Vec<_>>());
    }
}

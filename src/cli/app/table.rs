//! Columns of text, as kubectl prints them.

use std::fmt::{self, Write as _};

/// Between two columns.
const GAP: usize = 3;

/// Lines of cells; the first line is the head.
#[derive(Clone, Debug, Default)]
pub struct Table(Vec<Vec<String>>);

impl Table {
    /// A table with this head.
    pub fn new(head: &[&str]) -> Self {
        Self(vec![head.iter().map(ToString::to_string).collect()])
    }

    /// Adds a line. Nothing is shown as `-`, so that each line has the same words.
    pub fn add<const N: usize>(&mut self, cells: [String; N]) {
        let cells = cells.iter().map(|cell| match printable(cell) {
            empty if empty.is_empty() => "-".to_owned(),
            cell => cell,
        });
        self.0.push(cells.collect());
    }

    /// Adds a line of one text, as wide as it is.
    pub fn add_heading(&mut self, text: &str) {
        self.0.push(vec![text.to_owned()]);
    }

    /// Whether there is nothing but the head.
    pub fn is_empty(&self) -> bool {
        self.0.len() < 2
    }

    fn widths(&self) -> Vec<usize> {
        let number = self.0.iter().map(Vec::len).max().unwrap_or_default();
        // A heading stands beside nothing.
        let lines = || self.0.iter().filter(|line| line.len() > 1);
        let width = |at: usize| {
            let cells = lines().filter_map(|line| line.get(at));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        (0..number).map(width).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for line in &self.0 {
            let mut text = String::new();
            for (cell, width) in line.iter().zip(&widths) {
                write!(text, "{cell:0$}", width + GAP)?;
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

/// A text on one line, without what would make a terminal do something: commits are written by strangers.
pub fn printable(text: &str) -> String {
    let clean = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.trim().chars().map(clean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["NAME", "READY"]);
        assert!(table.is_empty());
        table.add(["web-of-things".into(), "True".into()]);
        table.add_heading("A heading that is longer than any cell");
        table.add(["ä".into(), String::new()]);
        let expect = "NAME            READY\nweb-of-things   True\nA heading that is longer than any cell\nä               -\n";
        assert_eq!(table.to_string(), expect);
    }

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        assert_eq!(printable("a\u{1b}[31mb\nc\u{7}\n"), "a\u{fffd}[31mb c\u{fffd}");
    }
}

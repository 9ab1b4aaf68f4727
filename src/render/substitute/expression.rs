//! Reads `${…}` in a text, as Flux's fork of drone/envsubst does.

/// Expressions within expressions.
const DEPTH: usize = 16;

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// It stays.
    Text(String),
    /// It is replaced.
    Variable(Expression),
}

/// What is made of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expression {
    /// The variable.
    pub name: String,
    /// What is made of it.
    pub operation: Operation,
}

/// What is made of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Nothing.
    Value,
    /// Its length in bytes.
    Length,
    /// Other letters.
    Case {
        /// Capitals, or not.
        is_upper: bool,
        /// Of all of it, or of its first letter.
        is_all: bool,
    },
    /// Something else where it is missing.
    Default {
        /// Or empty.
        or_empty: bool,
        /// What.
        default: Vec<Piece>,
    },
    /// A part of it, in bytes.
    Slice {
        /// From where; from its end if negative.
        offset: Box<Piece>,
        /// How much; up to where from its end if negative.
        length: Option<Box<Piece>>,
    },
    /// It without what matches at an end of it.
    Strip {
        /// At its end, or at its start.
        is_suffix: bool,
        /// The longest match, or the shortest.
        is_longest: bool,
        /// What matches.
        pattern: Box<Piece>,
    },
    /// It with another text in place of one.
    Replace {
        /// Which one.
        place: Place,
        /// The text.
        old: Box<Piece>,
        /// The other.
        new: Option<Box<Piece>>,
    },
}

/// Which occurrence of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    First,
    All,
    Start,
    End,
}

/// Reads all of a text. What is wrong with it is said without quoting it.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, &'static str> {
    let mut reader = Reader { rest: text, depth: 0 };
    let (mut all, mut plain) = (Vec::new(), String::new());
    while let Some(at) = reader.rest.find("${") {
        let before = &reader.rest[..at];
        let kept = before.trim_end_matches('$');
        // Of dollars before a brace, each two are one that stays.
        let dollars = before.len() - kept.len() + 1;
        plain += kept;
        plain += &"$".repeat(dollars / 2);
        reader.rest = &reader.rest[at + 2..];
        if dollars.is_multiple_of(2) {
            plain.push('{');
            continue;
        }
        if !plain.is_empty() {
            all.push(Piece::Text(std::mem::take(&mut plain)));
        }
        all.push(reader.variable()?);
    }
    plain += reader.rest;
    if !plain.is_empty() {
        all.push(Piece::Text(plain));
    }
    Ok(all)
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

type Read<T> = Result<T, &'static str>;

const UNCLOSED: &str = "is not closed, or is no operation that is known: see the table of operations in the README, \
                        or write $${ for ${ where a program is to see it";
const NO_NAME: &str = "names no variable: names have letters, digits and _";
const NO_WORD: &str = "lacks what its operation needs";

impl Reader<'_> {
    /// What follows `${`.
    fn variable(&mut self) -> Read<Piece> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("holds too many expressions within each other");
        }
        let read = if self.takes("#") { self.length() } else { self.expression() };
        self.depth -= 1;
        read.map(Piece::Variable)
    }

    fn length(&mut self) -> Read<Expression> {
        let name = self.name()?;
        self.close()?;
        Ok(Expression { name, operation: Operation::Length })
    }

    fn expression(&mut self) -> Read<Expression> {
        let name = self.name()?;
        let operation = self.operation()?;
        Ok(Expression { name, operation })
    }

    fn operation(&mut self) -> Read<Operation> {
        for (word, or_empty) in [(":=", true), (":-", true), ("=", true), ("-", false)] {
            if self.takes(word) {
                return self.default(or_empty);
            }
        }
        for word in [":?", ":+", "?", "+"] {
            if self.takes(word) {
                return Err("has an operation (?, +) that is not supported");
            }
        }
        for (word, is_upper, is_all) in
            [("^^", true, true), ("^", true, false), (",,", false, true), (",", false, false)]
        {
            if self.takes(word) {
                self.close()?;
                return Ok(Operation::Case { is_upper, is_all });
            }
        }
        for (word, is_suffix, is_longest) in
            [("##", false, true), ("#", false, false), ("%%", true, true), ("%", true, false)]
        {
            if self.takes(word) {
                let pattern = self.word("}", false)?;
                self.close()?;
                return Ok(Operation::Strip { is_suffix, is_longest, pattern });
            }
        }
        if self.takes("/") {
            return self.replace();
        }
        if self.takes(":") {
            return self.slice();
        }
        self.close()?;
        Ok(Operation::Value)
    }

    fn default(&mut self, or_empty: bool) -> Read<Operation> {
        let mut default = Vec::new();
        while !self.takes("}") {
            default.push(*self.word("}", false)?);
        }
        Ok(Operation::Default { or_empty, default })
    }

    fn slice(&mut self) -> Read<Operation> {
        let offset = self.word(":}", false)?;
        let length = if self.takes(":") { Some(self.word("}", false)?) } else { None };
        self.close()?;
        Ok(Operation::Slice { offset, length })
    }

    fn replace(&mut self) -> Read<Operation> {
        let place = [("/", Place::All), ("#", Place::Start), ("%", Place::End)];
        let place = place.into_iter().find(|(word, _)| self.takes(word));
        let place = place.map_or(Place::First, |(_, place)| place);
        let is_empty = self.rest.starts_with('/');
        let old = if is_empty { Piece::Text(String::new()).into() } else { self.word("/", true)? };
        if !self.takes("/") {
            return Err(UNCLOSED);
        }
        // As Flux reads it.
        self.rest = self.rest.trim_start_matches('/');
        let new = if self.rest.starts_with('}') { None } else { Some(self.word("}", true)?) };
        self.close()?;
        Ok(Operation::Replace { place, old, new })
    }

    /// One expression, or a text up to one of these characters or an expression.
    fn word(&mut self, ends: &str, has_escapes: bool) -> Read<Box<Piece>> {
        if self.takes("${") {
            return self.variable().map(Box::new);
        }
        let mut text = String::new();
        while let Some(c) = self.rest.chars().next() {
            let escaped = || ["\\/", "\\\\", "$$"].into_iter().find(|e| self.rest.starts_with(e));
            match escaped().filter(|_| has_escapes) {
                Some(escape) => {
                    text += &escape[1..];
                    self.rest = &self.rest[escape.len()..];
                }
                None if self.rest.starts_with("${") || ends.contains(c) => break,
                None => {
                    text.push(c);
                    self.rest = &self.rest[c.len_utf8()..];
                }
            }
        }
        if text.is_empty() { Err(NO_WORD) } else { Ok(Piece::Text(text).into()) }
    }

    fn name(&mut self) -> Read<String> {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        if name.is_empty() { Err(NO_NAME) } else { Ok(name.to_owned()) }
    }

    fn close(&mut self) -> Read<()> {
        if self.takes("}") { Ok(()) } else { Err(UNCLOSED) }
    }

    fn takes(&mut self, word: &str) -> bool {
        let rest = self.rest.strip_prefix(word);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

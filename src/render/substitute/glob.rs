//! Patterns of `${var#pattern}` and `${var%pattern}`: `*`, `?`, `[a-z]` and `\`, which match slashes like any other
//! character.

/// Steps that a match may take.
const STEPS: usize = 1 << 22;

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob(Vec<Token>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    One(char),
    Any,
    Star,
    Class { is_negated: bool, ranges: Vec<(char, char)> },
}

/// Which ends of a text match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matched {
    /// None.
    Nothing,
    /// These: the bytes of the shortest that is not empty, and of the longest.
    Bytes(usize, usize),
    /// It takes too long to tell.
    TooMuch,
}

impl Glob {
    /// Reads a pattern; none if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (mut tokens, mut chars) = (Vec::new(), text.chars().peekable());
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '*' => Token::Star,
                '?' => Token::Any,
                '\\' => Token::One(chars.next()?),
                '[' => class(&mut chars)?,
                c => Token::One(c),
            });
        }
        Some(Self(tokens))
    }

    /// What of a text matches from its start on.
    pub fn prefixes(&self, text: &str) -> Matched {
        matched(self.0.iter(), text.chars(), text.len())
    }

    /// What of a text matches up to its end.
    pub fn suffixes(&self, text: &str) -> Matched {
        matched(self.0.iter().rev(), text.chars().rev(), text.len())
    }
}

fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let is_negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    let one = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| match chars.next()? {
        '-' | ']' => None,
        '\\' => chars.next(),
        c => Some(c),
    };
    while ranges.is_empty() || chars.next_if_eq(&']').is_none() {
        let first = one(chars)?;
        let last = if chars.next_if_eq(&'-').is_some() { one(chars)? } else { first };
        ranges.push((first, last));
    }
    Some(Token::Class { is_negated, ranges })
}

impl Token {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::One(one) => *one == c,
            Self::Any | Self::Star => true,
            Self::Class { is_negated, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)) != *is_negated
            }
        }
    }
}

/// All matches are looked for at once: `at` holds before which tokens one may be.
fn matched<'a>(
    tokens: impl Iterator<Item = &'a Token>,
    text: impl Iterator<Item = char>,
    size: usize,
) -> Matched {
    let tokens: Vec<_> = tokens.collect();
    if tokens.len().saturating_mul(size) > STEPS {
        return Matched::TooMuch;
    }
    let mut at = vec![false; tokens.len() + 1];
    at[0] = true;
    let pass_stars = |at: &mut Vec<bool>| {
        for (index, token) in tokens.iter().enumerate() {
            at[index + 1] |= at[index] && **token == Token::Star;
        }
    };
    pass_stars(&mut at);
    let (mut bytes, mut found) = (0, Matched::Nothing);
    for c in text {
        bytes += c.len_utf8();
        let mut next = vec![false; at.len()];
        for (index, token) in tokens.iter().enumerate().filter(|(index, _)| at[*index]) {
            if token.takes(c) {
                let to = if **token == Token::Star { index } else { index + 1 };
                next[to] = true;
            }
        }
        pass_stars(&mut next);
        at = next;
        if at[tokens.len()] {
            let shortest = if let Matched::Bytes(shortest, _) = found { shortest } else { bytes };
            found = Matched::Bytes(shortest, bytes);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matches_is_found_at_both_ends() {
        let check = |pattern: &str, text: &str, start: Matched, end: Matched| {
            let glob = Glob::parse(pattern).unwrap();
            assert_eq!((glob.prefixes(text), glob.suffixes(text)), (start, end), "{pattern}");
        };
        let (none, some) = (Matched::Nothing, Matched::Bytes);
        check("*/", "a/b/c", some(2, 4), none);
        check("/*", "a/b/c", none, some(2, 4));
        check("*", "abc", some(1, 3), some(1, 3));
        check("?", "äb", some(2, 2), some(1, 1));
        check("[a-c][^x]", "abc", some(2, 2), some(2, 2));
        check("[^a]", "abc", none, some(1, 1));
        check("\\*", "*a*", some(1, 1), some(1, 1));
        check("abcd", "abc", none, none);
        check("*a*a*a*a*b", &"a".repeat(1000), none, none);
        check("", "abc", none, none);
        for bad in ["[", "[]", "[a", "[a-]", "a\\"] {
            assert_eq!(Glob::parse(bad), None, "{bad}");
        }
        let huge = Glob::parse(&"a*".repeat(4096)).unwrap();
        assert_eq!(huge.prefixes(&"a".repeat(4096)), Matched::TooMuch);
    }
}

//! How a text is quoted in YAML: the rules of Go's library (go-yaml v2 `yaml_emitter_analyze_scalar`).

use std::fmt::Write as _;

use super::scalar::Scalar;

/// A way to write a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// As it is.
    Plain,
    /// `'a'`.
    Single,
    /// `"a"`, with escapes.
    Double,
    /// Lines below a `|`.
    Literal,
}

/// How a value is written.
pub(super) fn of(text: &str) -> Style {
    let Seen { is_special, has_space_before_break, has_indicator } = Seen::of(text);
    let is_open = text.ends_with(' ') || has_space_before_break;
    if is_special || (text.contains('\n') && is_open) {
        Style::Double
    } else if text.contains('\n') {
        Style::Literal
    } else if means_something_else(text) {
        Style::Double
    } else if has_indicator || text.starts_with(' ') || text.ends_with(' ') {
        Style::Single
    } else {
        Style::Plain
    }
}

/// What there is in a text.
#[derive(Default)]
struct Seen {
    /// Characters that only escapes can write.
    is_special: bool,
    has_space_before_break: bool,
    /// What would begin something else.
    has_indicator: bool,
}

impl Seen {
    fn of(text: &str) -> Self {
        let has_indicator = text.starts_with("---") || text.starts_with("...");
        let mut seen = Self { has_indicator, ..Self::default() };
        let mut chars = text.chars().peekable();
        let mut before = None;
        while let Some(c) = chars.next() {
            let ends = chars.peek().is_none_or(|next| matches!(next, ' ' | '\t'));
            seen.is_special |= !is_printable(c);
            seen.has_space_before_break |= c == '\n' && before == Some(' ');
            seen.has_indicator |= is_indicator(before, c, ends);
            before = Some(c);
        }
        seen
    }
}

/// Whether a character with this one before it begins something; `ends` says whether a blank follows, or nothing.
fn is_indicator(before: Option<char>, c: char, ends: bool) -> bool {
    match (before, c) {
        (None, '?' | '-') | (_, ':') => ends,
        (None, c) => "#,[]{}&*!|>'\"%@`".contains(c),
        (Some(before), '#') => matches!(before, ' ' | '\n'),
        _ => false,
    }
}

/// Beyond ASCII, Go writes only what two or three bytes hold. Line breaks of YAML 1.1 are escaped here, too.
fn is_printable(c: char) -> bool {
    match c {
        '\u{2028}' | '\u{2029}' | '\u{feff}' => false,
        _ => matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}'),
    }
}

/// Whether it would be read as no text, by anyone who reads YAML 1.1 or 1.2.
fn means_something_else(text: &str) -> bool {
    text == "<<"
        || !matches!(Scalar::plain(text), Scalar::Text(_))
        || is_time(text)
        || is_of_base_60(text)
}

/// What looks like a date, with a time or without.
fn is_time(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let of_time = |c: char| c.is_ascii_digit() || "-+:.tTzZ ".contains(c);
    digits == 4 && text[4..].starts_with('-') && text.chars().all(of_time)
}

/// A number such as `190:20:30`.
fn is_of_base_60(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let is_digit = |part: &str| match part.as_bytes() {
        [last] => last.is_ascii_digit(),
        [first, last] => matches!(first, b'0'..=b'5') && last.is_ascii_digit(),
        _ => false,
    };
    let Some((first, rest)) = whole.split_once(':') else { return false };
    first.starts_with(|c: char| c.is_ascii_digit())
        && digits(first)
        && digits(fraction)
        && rest.split(':').all(is_digit)
}

/// Writes a character between double quotes.
pub(super) fn escape(c: char, text: &mut String) {
    let short = match c {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' | '\\' => c,
        '\u{85}' => 'N',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        c if is_printable(c) => return text.push(c),
        c => return escape_by_number(u32::from(c), text),
    };
    text.extend(['\\', short]);
}

fn escape_by_number(number: u32, text: &mut String) {
    let _ = match number {
        0..=0xff => write!(text, "\\x{number:02X}"),
        0x100..=0xffff => write!(text, "\\u{number:04X}"),
        _ => write!(text, "\\U{number:08X}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_texts() {
        let check = |style: Style, texts: &[&str]| {
            for text in texts {
                assert_eq!(of(text), style, "{text:?}");
            }
        };
        check(
            Style::Plain,
            &["a", "a:b", "a#b", "-a", "?a", ":a", "=", "10Mi", "1.2.3", "${var}", "a, b", "é"],
        );
        check(
            Style::Double,
            &["", "~", "yes", "No", "0644", "1e3", "0x1F", "0o17", ".5", ".inf", "<<", "12:30:45"],
        );
        check(
            Style::Double,
            &["2001-01-01", "2001-12-14T21:59:43Z", "a\tb", "a\r\nb", "a \nb", "a\nb ", "😀"],
        );
        check(
            Style::Single,
            &[" a", "a ", "a: b", "a:", "a #b", "- a", "-", "? a", "[a]", "{a}", "*", "---", "'a'"],
        );
        check(Style::Literal, &["a\nb", "a\n", "\n", "  a\nb", "yes\n", "# a\nb: c"]);
    }
}

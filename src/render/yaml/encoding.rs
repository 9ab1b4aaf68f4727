//! Bytes of a file to text, by the byte order mark that they begin with, as YAML has it.

use std::borrow::Cow;

use super::Malformed;

const UTF_8: &[u8] = b"\xef\xbb\xbf";
const UTF_16_LE: &[u8] = b"\xff\xfe";
const UTF_16_BE: &[u8] = b"\xfe\xff";

/// The text of a file: UTF-8, or UTF-16 with a byte order mark, as Windows' tools write it.
pub fn text(bytes: &[u8]) -> Result<Cow<'_, str>, Malformed> {
    if let Some(units) = bytes.strip_prefix(UTF_16_LE) {
        return utf_16(units, u16::from_le_bytes).map(Cow::Owned);
    }
    if let Some(units) = bytes.strip_prefix(UTF_16_BE) {
        return utf_16(units, u16::from_be_bytes).map(Cow::Owned);
    }
    let text = bytes.strip_prefix(UTF_8).unwrap_or(bytes);
    str::from_utf8(text).map(Cow::Borrowed).map_err(|error| not_utf_8(&text[..error.valid_up_to()]))
}

fn not_utf_8(valid: &[u8]) -> Malformed {
    let line = valid.split(|byte| *byte == b'\n').count();
    let last = valid.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let column = str::from_utf8(last).map_or(0, |last| last.chars().count());
    Malformed::new(line, column, "the text is not UTF-8")
}

fn utf_16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Malformed> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let text: Result<String, _> = char::decode_utf16(pairs.iter().copied().map(unit)).collect();
    match text {
        Ok(text) if rest.is_empty() => Ok(text),
        _ => Err(Malformed::new(0, 0, "the text begins as UTF-16, but is not")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_windows_are_text() {
        let check = |bytes: &[u8], expect: Option<&str>| {
            assert_eq!(text(bytes).ok().as_deref(), expect, "{bytes:?}");
        };
        check(b"a: 1", Some("a: 1"));
        check(b"\xef\xbb\xbfa: 1", Some("a: 1"));
        check(b"\xff\xfea\0\n\0", Some("a\n"));
        check(b"\xfe\xff\0a\xd8\x3d\xde\x00", Some("a\u{1f600}"));
        check(b"\xff\xfea\0\n", None);
        check(b"\xfe\xff\xd8\x3d", None);
        check(b"\xff\xfe\0\0a\0\0\0", Some("\0a\0"));
        check(b"", Some(""));
    }

    #[test]
    fn what_is_no_text_is_placed() {
        let bad = text("a: 1\nbü: \u{e9}".as_bytes().split_last().unwrap().1).unwrap_err();
        assert_eq!((bad.line, bad.column), (2, 5));
    }
}

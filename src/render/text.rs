//! Text that people wrote and others read.

use std::fmt::{self, Write as _};

/// Whether a character neither moves a cursor nor turns the order of letters around.
pub fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes a text so that it stays one line: what is not plain is escaped.
pub fn write_plain(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for c in text.chars() {
        if is_plain(c) { f.write_char(c)? } else { write!(f, "{}", c.escape_default())? }
    }
    Ok(())
}

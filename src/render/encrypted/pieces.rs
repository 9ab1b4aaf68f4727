//! Parts of a file that were encrypted each by itself.

use super::{Format, METADATA, is_encrypted};
use crate::render::yaml;

/// A part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its text.
    pub text: Vec<u8>,
    /// Whether it is encrypted.
    pub is_encrypted: bool,
}

/// What a file is made of. SOPS encrypts files, all documents of one together; people join such files, and others.
pub fn pieces(format: Format, content: &[u8]) -> Vec<Piece> {
    let whole = || vec![Piece { text: content.to_vec(), is_encrypted: true }];
    let Ok(text) = std::str::from_utf8(content) else { return whole() };
    if format != Format::Yaml || is_one(text) {
        return whole();
    }
    let mut texts = vec![String::new()];
    for line in text.split_inclusive('\n') {
        let is_marker = line.strip_prefix("---").is_some_and(|rest| rest.trim().is_empty());
        if is_marker {
            texts.push(String::new());
        } else if let Some(last) = texts.last_mut() {
            last.push_str(line);
        }
    }
    texts.retain(|text| !text.trim().is_empty());
    texts
        .into_iter()
        .map(|text| Piece { is_encrypted: has_metadata(&text), text: text.into_bytes() })
        .collect()
}

/// Whether all documents were encrypted together: then they have the same MAC.
fn is_one(text: &str) -> bool {
    let documents = yaml::documents(text).unwrap_or_default();
    let mut macs = documents.iter().map(|document| &document.value[METADATA]["mac"]);
    let first = macs.next();
    macs.all(|mac| Some(mac) == first)
}

fn has_metadata(text: &str) -> bool {
    yaml::documents(text).is_ok_and(|all| all.iter().any(|document| is_encrypted(&document.value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encrypted_by_itself_is_a_piece() {
        let check = |text: &str, expect: &[(&str, bool)]| {
            let found = pieces(Format::Yaml, text.as_bytes());
            let found: Vec<_> = found
                .iter()
                .map(|piece| (std::str::from_utf8(&piece.text).unwrap(), piece.is_encrypted))
                .collect();
            assert_eq!(found, expect, "{text}");
        };
        let (a, b) = ("a: b\nsops: {mac: x}\n", "c: d\nsops: {mac: z9}\n");
        check(a, &[(a, true)]);
        let together = format!("{a}---\n{a}");
        check(&together, &[(together.as_str(), true)]);
        check(&format!("{a}---\n{b}"), &[(a, true), (b, true)]);
        check(&format!("---\ne: f\n--- \n{b}"), &[("e: f\n", false), (b, true)]);
    }
}

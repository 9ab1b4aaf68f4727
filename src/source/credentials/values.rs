//! What the keys of a Secret say.

use std::collections::BTreeMap;

use super::BadCredentials;

/// The data of a Secret.
#[derive(Clone, Copy)]
pub(super) struct Values<'a>(pub &'a BTreeMap<String, Vec<u8>>);

impl Values<'_> {
    /// Whether there is such a key.
    pub fn has(self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// A text on one line, without the line break at its end that editors leave.
    pub fn line(self, key: &'static str) -> Result<Option<String>, BadCredentials> {
        let Some(value) = self.0.get(key) else { return Ok(None) };
        let text = str::from_utf8(value).unwrap_or_default().trim_end_matches(['\r', '\n']);
        let is_line = !text.is_empty() && !text.contains(|c: char| c.is_control());
        is_line.then(|| Some(text.to_owned())).ok_or(BadCredentials::Bad(key))
    }

    /// A text of any number of lines, under the first of these keys that is there, and that key.
    pub fn text(
        self,
        keys: &[&'static str],
    ) -> Result<Option<(&'static str, String)>, BadCredentials> {
        let Some((key, value)) = keys.iter().find_map(|key| Some((*key, self.0.get(*key)?))) else {
            return Ok(None);
        };
        let text = str::from_utf8(value).unwrap_or_default();
        let is_text = !text.trim().is_empty() && !text.contains('\0');
        is_text.then(|| Some((key, text.to_owned()))).ok_or(BadCredentials::Not(key, "text"))
    }

    /// A text of PEM with a block whose name ends so.
    pub fn pem(
        self,
        keys: &[&'static str],
        block: &'static str,
    ) -> Result<Option<(&'static str, String)>, BadCredentials> {
        let Some((key, text)) = self.text(keys)? else { return Ok(None) };
        let is_begin = |line: &str| {
            let line = line.trim();
            line.starts_with("-----BEGIN ") && line.ends_with(&format!("{block}-----"))
        };
        let what =
            if block == "CERTIFICATE" { "a certificate as PEM" } else { "a private key as PEM" };
        let is_pem = text.lines().any(is_begin);
        is_pem.then_some(Some((key, text))).ok_or(BadCredentials::Not(key, what))
    }
}

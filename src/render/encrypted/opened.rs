//! What encrypted files hold, and which of them need not be decrypted again.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use zeroize::Zeroize as _;

use super::Format;
use crate::render::{Content, ContentId, SourceFile};

/// Bytes that are kept for an app.
const KEPT: usize = 4 << 20;

/// What is in a file that was encrypted. Never shown.
#[derive(Clone, PartialEq)]
pub struct Decrypted {
    /// What it is decrypted to.
    pub bytes: Vec<u8>,
    /// By what the file is known again, if by anything.
    pub id: Option<ContentId>,
    /// Sha256 of the file as it is in the repository.
    pub digest: [u8; 32],
    /// What it was decrypted as.
    pub format: Format,
    /// What of it was ciphertext.
    pub secrets: Vec<String>,
}

impl fmt::Debug for Decrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decrypted(..)")
    }
}

impl Drop for Decrypted {
    fn drop(&mut self) {
        self.bytes.zeroize();
        self.secrets.zeroize();
    }
}

/// What tells an encrypted file from any other: its sha256, and what it is decrypted as.
type Key = ([u8; 32], Format);

/// Files that were decrypted, in memory alone, for as long as their app has these keys and refers to them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Opened {
    keys: [u8; 32],
    files: Arc<HashMap<Key, Arc<Decrypted>>>,
}

impl Opened {
    /// Those among files, which were decrypted by these keys. What is too large is left out.
    pub fn of(keys: [u8; 32], files: &[SourceFile]) -> Self {
        let decrypted = files.iter().filter_map(|file| match &file.content {
            Content::Decrypted(decrypted) => Some(decrypted),
            Content::Read(..) | Content::Known(_) => None,
        });
        let mut left = KEPT;
        let kept = decrypted.filter(|decrypted| {
            let room = left.checked_sub(decrypted.bytes.len());
            left = room.unwrap_or(left);
            room.is_some()
        });
        let kept = kept.map(|decrypted| ((decrypted.digest, decrypted.format), decrypted.clone()));
        Self { keys, files: Arc::new(kept.collect()) }
    }

    /// What was in a file of this sha256, if these keys decrypted it.
    pub fn find(
        &self,
        keys: [u8; 32],
        digest: [u8; 32],
        format: Format,
    ) -> Option<&Arc<Decrypted>> {
        self.files.get(&(digest, format)).filter(|_| self.keys == keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(digest: u8, bytes: usize) -> SourceFile {
        let (bytes, secrets, digest) = (vec![0; bytes], vec!["hunter2".to_owned()], [digest; 32]);
        let decrypted = Decrypted { bytes, id: None, digest, format: Format::Yaml, secrets };
        SourceFile { path: "a".to_owned(), content: Content::Decrypted(Arc::new(decrypted)) }
    }

    #[test]
    fn what_was_decrypted_is_known_to_the_same_keys_alone_and_never_shown() {
        let opened = Opened::of([1; 32], &[file(1, 8), file(2, KEPT), file(3, KEPT - 8)]);
        let check = |keys: u8, digest: u8, format, expect: bool| {
            assert_eq!(opened.find([keys; 32], [digest; 32], format).is_some(), expect, "{digest}");
        };
        check(1, 1, Format::Yaml, true);
        check(1, 2, Format::Yaml, false);
        check(1, 3, Format::Yaml, true);
        check(1, 4, Format::Yaml, false);
        check(2, 1, Format::Yaml, false);
        check(1, 1, Format::Binary, false);
        assert!(!format!("{opened:?}").contains("hunter2"));
    }
}

//! What went wrong with a remote, in words that a user can act on.

use std::sync::{Arc, Mutex, PoisonError};

use git2::{ErrorClass, ErrorCode};

use crate::source::Repository;
use crate::source::SourceError;
use crate::source::error::display_url;

/// What went wrong: the remote side, or the clone on disk.
#[derive(Debug)]
pub enum Trouble {
    /// The remote side.
    Source(SourceError),
    /// The clone.
    Clone(git2::Error),
    /// It takes more bytes or memory than it may.
    TooMuch,
}

impl From<git2::Error> for Trouble {
    fn from(error: git2::Error) -> Self {
        match error.class() {
            ErrorClass::NoMemory => Self::TooMuch,
            _ => Self::Clone(error),
        }
    }
}

impl From<SourceError> for Trouble {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

/// What our transports found wrong: libgit2, which they are called by, only passes words on.
#[derive(Clone, Default)]
pub struct Note(Arc<Mutex<Option<SourceError>>>);

impl Note {
    /// Keeps the first error, and makes libgit2 give up.
    pub fn put(&self, error: SourceError) -> git2::Error {
        let words = git2::Error::new(ErrorCode::GenericError, ErrorClass::Net, error.to_string());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        words
    }

    fn take(&self) -> Option<SourceError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What libgit2's error comes from, while it spoke to the remote.
    pub fn remote_error(&self, error: &git2::Error, source: &Repository) -> SourceError {
        self.take().unwrap_or_else(|| sorted(error, source))
    }

    /// The same while it may have dealt with the clone as well.
    pub fn error(&self, error: git2::Error, source: &Repository) -> Trouble {
        let is_remote = matches!(
            error.class(),
            ErrorClass::Net | ErrorClass::Http | ErrorClass::Ssh | ErrorClass::Ssl
        );
        match self.take() {
            Some(known) => known.into(),
            None if error.code() == ErrorCode::User => Trouble::TooMuch,
            None if is_remote => sorted(&error, source).into(),
            None => error.into(),
        }
    }
}

/// Sorts libgit2's error into what a user can act on.
fn sorted(error: &git2::Error, source: &Repository) -> SourceError {
    let (url, why) = (display_url(&source.url), said(error.message(), &source.url));
    let is_said = |words: &[&str]| words.iter().any(|word| why.contains(word));
    let is_ssh = error.class() == ErrorClass::Ssh;
    if is_ssh && is_said(&["private key", "key file", "passphrase"]) {
        let why = "the private key cannot be read: its passphrase is wrong or missing, or its format is not known";
        SourceError::CredentialsRefused { url, why: why.to_owned() }
    } else if error.code() == ErrorCode::Auth {
        SourceError::CredentialsRefused { url, why }
    } else if error.code() == ErrorCode::NotFound || is_said(ABSENT) {
        SourceError::RepositoryNotFound { url }
    } else {
        SourceError::RepositoryUnreachable { url, why }
    }
}

/// What servers say by ssh of a repository that they do not have: git's own words, GitHub's, GitLab's.
const ABSENT: &[&str] = &[
    "does not appear to be a git repository",
    "Repository not found",
    "could not be found or you don't have permission",
];

/// Characters of what a server says that are shown.
const LENGTH: usize = 300;

/// The words of an error, on one line: a server may have put them there.
fn said(words: &str, url: &str) -> String {
    let words = words.replace(url, "the repository");
    let plain = words.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(LENGTH).collect::<String>().trim().to_owned()
}

/// Words of libcurl without how long and how much it took: those are others each time, and what fails alike again and
/// again is to be told once.
pub(super) fn steady(words: &str) -> String {
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let mut left = words.split(' ').collect::<Vec<_>>();
    let mut said: Vec<String> = Vec::new();
    while let Some((first, rest)) = left.split_first() {
        let taken = match rest {
            [time, unit, ..] if *first == "after" && is_number(time) && is_unit(unit) => 3,
            [some, "out", "of", all, "bytes", "received", ..]
                if *first == "with" && is_number(some) && is_number(all) =>
            {
                7
            }
            _ => 1,
        };
        match said.last_mut() {
            // What follows is said of what came before.
            Some(last) if taken == 3 && rest[1].ends_with(':') => last.push(':'),
            _ if taken == 1 => said.push((*first).to_owned()),
            _ => {}
        }
        left.drain(..taken);
    }
    said.join(" ")
}

fn is_unit(word: &str) -> bool {
    ["ms", "milliseconds", "seconds"].contains(&word.trim_end_matches([':', ',']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_server_stay_on_one_line_and_name_no_user() {
        let url = "https://bob:hunter2@git.example/a.git";
        let check = |words: &str, expect: &str| assert_eq!(said(words, url), expect, "{words}");
        check("no\r\n2026 INFO forged\u{1b}[2J\n", "no  2026 INFO forged [2J");
        check("cannot read https://bob:hunter2@git.example/a.git", "cannot read the repository");
        check(&"x".repeat(1000), &"x".repeat(LENGTH));
    }

    #[test]
    fn what_fails_alike_is_said_alike() {
        let check = |words: &str, expect: &str| assert_eq!(steady(words), expect);
        check(
            "Failed to connect to git.example port 443 after 17 ms: Could not connect to server",
            "Failed to connect to git.example port 443: Could not connect to server",
        );
        check("Connection timed out after 10001 milliseconds", "Connection timed out");
        check(
            "Operation timed out after 5002 milliseconds with 12 out of 3456 bytes received",
            "Operation timed out",
        );
        check("after 3 tries, it ended with 7 words", "after 3 tries, it ended with 7 words");
        check("", "");
    }
}

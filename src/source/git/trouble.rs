//! What went wrong with a remote, in words that a user can act on.

use std::sync::{Arc, Mutex, PoisonError};

use git2::{ErrorClass, ErrorCode};

use crate::source::SourceError;
use crate::source::error::display_url;
use crate::source::fetch::Repository;

/// What went wrong: the remote side, or the clone on disk.
#[derive(Debug)]
pub enum Trouble {
    /// The remote side.
    Source(SourceError),
    /// The clone.
    Clone(git2::Error),
}

impl From<git2::Error> for Trouble {
    fn from(error: git2::Error) -> Self {
        Self::Clone(error)
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
            None if is_remote => sorted(&error, source).into(),
            None => error.into(),
        }
    }
}

/// Sorts libgit2's error into what a user can act on.
fn sorted(error: &git2::Error, source: &Repository) -> SourceError {
    let (url, why) = (display_url(&source.url), error.message().to_owned());
    let is_ssh = error.class() == ErrorClass::Ssh;
    let is_key =
        |why: &str| ["private key", "key file", "passphrase"].iter().any(|it| why.contains(it));
    if is_ssh && is_key(&why) {
        let why = "the private key cannot be read: its passphrase is wrong or missing, or its format is not known";
        SourceError::CredentialsRefused { url, why: why.to_owned() }
    } else if error.code() == ErrorCode::Auth {
        SourceError::CredentialsRefused { url, why }
    } else if error.code() == ErrorCode::NotFound {
        SourceError::RepositoryNotFound { url }
    } else {
        SourceError::RepositoryUnreachable { url, why: why.replace(&source.url, "the repository") }
    }
}

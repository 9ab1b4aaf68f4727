//! Why a signature does not count, with what to do about it. It names keys by their fingerprints alone.

use serde::{Deserialize, Serialize};

use super::Key;

/// Characters of another's words that are shown.
const WORDS: usize = 200;

/// Why a commit or a tag is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Refused {
    /// It has no signature.
    #[error(
        "it is not signed: sign it with one of the keys of spec.verify (git commit -S, git tag -s)"
    )]
    Unsigned,
    /// Nobody who may has signed it.
    #[error(
        "it is signed by the {key}, which spec.verify does not have: add that key, or have it signed by another"
    )]
    UnknownKey {
        /// Whose signature it is.
        key: Key,
    },
    /// The signature is of something else.
    #[error(
        "the signature of the {key} does not fit: it was altered, or the signature is of another commit"
    )]
    Altered {
        /// Whose signature it is.
        key: Key,
    },
    /// The key has expired, now or when it was used.
    #[error("the {key} has expired: extend it, or sign a new commit with another key")]
    Expired {
        /// The key.
        key: Key,
    },
    /// The key is not valid yet, or was not when it was used.
    #[error("the {key} was not valid yet: wait until it is, or sign a new commit with another key")]
    NotYetValid {
        /// The key.
        key: Key,
    },
    /// The key is revoked.
    #[error("the {key} is revoked: sign a new commit with another key")]
    Revoked {
        /// The key.
        key: Key,
    },
    /// The key may not sign, or signs in a way that is no longer safe.
    #[error("the {key} cannot vouch for it ({why}): sign a new commit with another key")]
    Unfit {
        /// The key.
        key: Key,
        /// What is the matter.
        why: String,
    },
    /// The signature was made for something else than git.
    #[error("the signature of the {key} was made for {purpose:?}: sign it by git")]
    OtherPurpose {
        /// The key.
        key: Key,
        /// For what.
        purpose: String,
    },
    /// The signature makes no sense.
    #[error("its signature cannot be read ({why}): sign it anew")]
    Unreadable {
        /// What is the matter.
        why: String,
    },
    /// No tag is followed, and one has to be signed.
    #[error(
        "a tag has to be signed, and none is followed: set targetRevision to a tag, or another mode"
    )]
    NoTag,
    /// The tag is but a name.
    #[error("it is not annotated, so that nobody has signed it: make it anew by git tag -s")]
    NotAnnotated,
    /// The tag object was made for another name.
    #[error("what was signed is the tag {name:?}: a tag that was renamed has to be signed anew")]
    Renamed {
        /// The name that was signed.
        name: String,
    },
    /// The commits since the last one are too many, or not to be had.
    #[error(
        "not every commit since {since} can be checked, for there are too many: set mode HEAD until it is applied"
    )]
    TooMany {
        /// The last one.
        since: String,
    },
}

impl Refused {
    /// A key that cannot vouch for anything, by another's words.
    pub(super) fn unfit(key: Key, why: &impl ToString) -> Self {
        Self::Unfit { key, why: words(&why.to_string()) }
    }

    /// A tag that was made for another name.
    pub fn renamed(name: &str) -> Self {
        Self::Renamed { name: words(name) }
    }

    /// A signature that cannot be read, by another's words.
    pub(super) fn unreadable(why: &impl ToString) -> Self {
        Self::Unreadable { why: words(&why.to_string()) }
    }
}

/// Another's words: one line of bounded length.
pub(super) fn words(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(WORDS).collect()
}

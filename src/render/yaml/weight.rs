//! What values take in memory, about in bytes: a hostile file is small beside what it would come to.

/// The most that a document may take: eight times the largest file that is read.
pub(super) const LIMIT: usize = 128 << 20;
/// A value, beside its text.
pub(super) const VALUE: usize = 32;
/// A key of a mapping, beside its text.
pub(super) const FIELD: usize = 64;
/// A mapping, which has room for several keys from the first on.
pub(super) const MAPPING: usize = 640;

//! How much of a source is read.

/// How much of a source is read. What is beyond is said, and nothing is pruned for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file. The largest object etcd takes is 1.5 MiB.
    pub file: u64,
    /// Bytes of all files.
    pub total: u64,
    /// Entries of folders looked at, and names on the way of links.
    pub entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file: 8 << 20, total: 64 << 20, entries: 100_000 }
    }
}

impl Limits {
    /// Whether this is more.
    pub(super) fn are_exceeded(&self, bytes: u64, entries: usize) -> bool {
        bytes > self.total || entries > self.entries
    }

    /// What is more than is read.
    pub(super) fn shown(&self) -> String {
        format!(
            "{} entries or {} MiB (--max-source-entries, --max-source-mib)",
            self.entries,
            self.total >> 20
        )
    }
}

//! The objects that an app has applied: the only ones it may ever delete.

use std::collections::BTreeMap;
use std::io::{BufReader, BufWriter, Read};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Desired, Lookup};
use crate::object::ObjectId;

/// Bytes of an inventory that are read at most; a Secret holds 1 MiB compressed.
const DECODED_LIMIT: u64 = 64 << 20;

/// Where an app's manifests come from. Another source may not take over an inventory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceIdentity {
    /// URL without credentials, or the folder.
    pub url: String,
    /// Path within it.
    pub path: String,
}

impl SourceIdentity {
    /// A short hash that tells this source from any other.
    pub fn fingerprint(&self) -> String {
        hex::encode(&Sha256::digest(format!("{}\n{}", self.url, self.path))[..8])
    }
}

/// What is recorded of an object that was applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Version it was applied at.
    pub version: String,
    /// Hash of the fields we owned after our last apply; absent before it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_hash: Option<String>,
    /// Fingerprint of the source that declared it last: only that one may prune it.
    #[serde(default)]
    pub source: String,
    /// Hash of a one-shot Job that was applied: when it is gone, it has done its work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_shot: Option<String>,
    /// Whether the form last applied forbids deletion.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep: bool,
    /// What admission made of our last apply otherwise than it was sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overridden: Vec<String>,
}

/// The objects of an app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Where they come from; `None` before the first pass.
    pub source: Option<SourceIdentity>,
    /// The objects.
    pub entries: BTreeMap<ObjectId, Entry>,
}

/// The inventory as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored<S, E> {
    source: Option<S>,
    entries: Vec<E>,
}

impl Inventory {
    /// This inventory and all objects that a source desires: what is stored before the first write
    /// of a pass. If nothing is new, it is this very inventory.
    #[must_use]
    pub fn with<'a>(
        self: &Arc<Self>,
        desired: impl IntoIterator<Item = &'a Desired>,
        source: &SourceIdentity,
    ) -> Arc<Self> {
        let (mut union, fingerprint) = (self.clone(), source.fingerprint());
        let mut known = Lookup::new(&self.entries);
        for object in desired {
            let version = &object.resource.version;
            let is_same = |e: &Entry| e.version == *version && e.source == fingerprint;
            if known.get(&object.id).is_some_and(is_same) {
                continue;
            }
            let entry = Arc::make_mut(&mut union).entries.entry(object.id.clone()).or_default();
            entry.version.clone_from(version);
            entry.source.clone_from(&fingerprint);
        }
        union
    }

    /// Compressed for storage.
    pub fn encode(&self) -> std::io::Result<Vec<u8>> {
        let entries = self.entries.iter().collect();
        let stored = Stored { source: self.source.as_ref(), entries };
        let encoder = GzEncoder::new(Vec::new(), Compression::default());
        let mut text = BufWriter::new(encoder);
        serde_json::to_writer(&mut text, &stored)?;
        text.into_inner()?.finish()
    }

    /// Reads what [`Inventory::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> std::io::Result<Self> {
        let text = BufReader::new(GzDecoder::new(bytes).take(DECODED_LIMIT));
        let stored: Stored<SourceIdentity, (ObjectId, Entry)> = serde_json::from_reader(text)?;
        Ok(Self { source: stored.source, entries: stored.entries.into_iter().collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::GroupKind;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_inventory_survives_storage(
            names in proptest::collection::btree_set("[a-z]{1,12}", 0..50),
            set_hash in proptest::option::of("[0-9a-f]{16}"),
            keep: bool,
        ) {
            let source = Some(SourceIdentity { url: "https://x/y".into(), path: "p".into() });
            let (one_shot, overridden) = (set_hash.clone(), set_hash.iter().cloned().collect());
            let entry = Entry { version: "v1".into(), set_hash, source: "s".into(), one_shot, keep, overridden };
            let id = |name: String| ObjectId::new(GroupKind::new("g", "K"), "n", &name);
            let entries = names.into_iter().map(|name| (id(name), entry.clone())).collect();
            let inventory = Inventory { source, entries };
            prop_assert_eq!(Inventory::decode(&inventory.encode().unwrap()).unwrap(), inventory);
        }
    }

    #[test]
    fn a_damaged_inventory_is_an_error_and_not_an_empty_one() {
        assert!(Inventory::decode(b"").is_err());
        assert!(Inventory::decode(b"nonsense").is_err());
    }
}

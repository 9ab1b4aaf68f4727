//! The objects that an app has applied: the only ones it may ever delete.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Desired, Lookup};
use crate::object::ObjectId;

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
    /// Whether it was never applied, for want of rights: that is no claim on what another app has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
    /// Hash of a one-shot Job that was applied: when it is gone, it has done its work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_shot: Option<String>,
    /// Whether the form last applied forbids deletion.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep: bool,
    /// Whether it is about to be deleted: another process of the same name that finds it gone leaves it so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaving: bool,
    /// What admission made of our last apply otherwise than it was sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overridden: Vec<String>,
}

/// A commit that was found to be what it has to be before anything of it was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// URL of the repository, without credentials.
    pub url: String,
    /// The commit.
    pub commit: String,
}

/// An object that was given up instead of deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abandoned {
    /// The object.
    pub id: ObjectId,
    /// Why it was not deleted.
    pub why: String,
}

/// Abandoned objects that are remembered, the latest ones.
const ABANDONED_MAX: usize = 1000;

/// The objects of an app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Where they come from; `None` before the first pass.
    pub source: Option<SourceIdentity>,
    /// A commit of which all was applied, and all pruned that was not held: what later commits removed is
    /// told from there.
    pub commit: Option<String>,
    /// The last commit that was accepted, where it matters on which the next one builds.
    pub accepted: Option<Accepted>,
    /// The cluster that they are in, by the URL of its API server; empty for the one that this is stored in.
    pub cluster: String,
    /// The objects.
    pub entries: BTreeMap<ObjectId, Entry>,
    /// Objects that were the app's and are left to others, for people to see.
    pub abandoned: Vec<Abandoned>,
}

impl Inventory {
    /// The objects that the app has, or may have once another app gives them up.
    pub fn claimed(&self) -> impl Iterator<Item = &ObjectId> {
        self.entries.iter().filter(|(_, entry)| !entry.refused).map(|(id, _)| id)
    }

    /// Whether an object is one of these.
    pub fn claims(&self, id: &ObjectId) -> bool {
        self.entries.get(id).is_some_and(|entry| !entry.refused)
    }

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
            let is_same =
                |e: &Entry| e.version == *version && e.source == fingerprint && !e.leaving;
            if known.get(&object.id).is_some_and(is_same) {
                continue;
            }
            let union = Arc::make_mut(&mut union);
            union.abandoned.retain(|abandoned| abandoned.id != object.id);
            let entry = union.entries.entry(object.id.clone()).or_default();
            entry.version.clone_from(version);
            entry.source.clone_from(&fingerprint);
            entry.leaving = false;
        }
        union
    }

    /// Takes an object out and remembers that it was abandoned.
    pub fn abandon(&mut self, id: &ObjectId, why: String) {
        self.entries.remove(id);
        self.abandoned.retain(|abandoned| abandoned.id != *id);
        self.abandoned.push(Abandoned { id: id.clone(), why });
        let surplus = self.abandoned.len().saturating_sub(ABANDONED_MAX);
        self.abandoned.drain(..surplus);
    }
}

//! What the cluster shows of an app's objects, and of which kinds it shows nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::object::{GroupKind, Live, ObjectId};

/// The labelled objects of a cluster. A kind that could not be listed is unknown, not empty.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Objects with the app's label.
    pub live: BTreeMap<ObjectId, Live>,
    /// Kinds that could not be listed.
    pub unlisted: BTreeSet<GroupKind>,
}

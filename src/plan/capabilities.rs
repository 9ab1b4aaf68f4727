//! What a cluster can do, as charts ask for it.

use std::collections::BTreeSet;

use super::Kinds;

/// What a cluster can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Its version, such as `v1.36.2`.
    pub version: String,
    /// What it serves: `apps/v1` and `apps/v1/Deployment`.
    pub apis: BTreeSet<String>,
}

impl Capabilities {
    /// Those of a cluster of this version that serves these kinds.
    pub fn new(version: String, kinds: &Kinds) -> Self {
        let apis = kinds.versions().flat_map(|resource| {
            let api = resource.kind.api_version(&resource.version);
            let kind = format!("{api}/{}", resource.kind.kind);
            [api, kind]
        });
        Self { version, apis: apis.collect() }
    }
}

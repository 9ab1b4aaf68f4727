//! What objects are made of beside the files of a source.

use std::sync::Arc;

use super::{Archive, Keys, Referred};
use crate::plan::Capabilities;

/// What objects are made of beside the files of a source. With the same, the same is made of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// What the cluster can do that they go to, if that was asked.
    pub capabilities: Option<Arc<Capabilities>>,
    /// The chart, if it is kept elsewhere.
    pub chart: Option<Arc<Archive>>,
    /// What decrypts files, if the app decrypts any.
    pub keys: Option<Arc<Keys>>,
    /// What the app has from ConfigMaps and Secrets.
    pub referred: Referred,
}

//! What objects are made of beside the files of a source.

use std::sync::Arc;

use super::{Archive, Keys};
use crate::plan::Capabilities;
use crate::render::{Substitution, helm};

/// What objects are made of beside the files of a source. With the same, the same is made of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// What the cluster can do that they go to, if that was asked.
    pub capabilities: Option<Arc<Capabilities>>,
    /// The chart, if it is kept elsewhere.
    pub chart: Option<Arc<Archive>>,
    /// What decrypts files, if the app decrypts any.
    pub keys: Option<Arc<Keys>>,
    /// What is substituted in objects, if anything is.
    pub substitution: Option<Arc<Substitution>>,
    /// Values for the chart, of ConfigMaps and Secrets.
    pub values: Arc<[helm::Given]>,
}

//! What objects are made of beside the files of their source.

use super::{Secrets, Substitution};

/// What objects are made of beside the files of their source: what the cluster holds, and the command line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// What is substituted in each object.
    pub substitution: Option<Substitution>,
    /// Texts that must not be shown wherever they turn up in an object.
    pub secrets: Secrets,
}

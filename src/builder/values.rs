//! Values for a chart from what an app refers to.

use super::Entries;
use crate::api::helm::ValuesReference;
use crate::api::reference::ReferenceKind;
use crate::render::helm::Given;

/// Why an entry has no values. It quotes nothing of it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadValues {
    /// There is no such entry.
    #[error("{kind} {name} has no key {key}: add it, or name in valuesKey one that it has")]
    NoKey {
        /// Secret or ConfigMap.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The key.
        key: String,
    },
    /// It is no file with values.
    #[error(
        "{key} of {kind} {name} {why}: correct it, or say in targetPath where it belongs as one value"
    )]
    NoValues {
        /// Secret or ConfigMap.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The key.
        key: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// The values that an app's chart has from a reference with these entries, if it has any there.
pub(super) fn values(
    reference: &ValuesReference,
    entries: &Entries,
) -> Result<Option<Given>, BadValues> {
    let ValuesReference { kind, name, values_key, target_path, optional } = reference;
    let (is_secret, kind) = (*kind == ReferenceKind::Secret, kind.into());
    let (name, key) = (name.0.clone(), values_key.clone());
    match entries.get(values_key) {
        Some(text) => {
            let given = Given::read(text, target_path.as_deref(), is_secret);
            given.map(Some).map_err(|why| BadValues::NoValues { kind, name, key, why })
        }
        None if *optional => Ok(None),
        None => Err(BadValues::NoKey { kind, name, key }),
    }
}

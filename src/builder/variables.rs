//! What is substituted in an app's objects.

use std::collections::BTreeMap;

use super::Entries;
use crate::api::PostBuild;
use crate::api::post_build::is_variable;
use crate::api::reference::ReferenceKind;
use crate::render::{Substitution, Variable};

/// What an app has substituted, with the entries of what it refers to, in that order. Of two of one name, the later one
/// counts, and most of all what the app says itself. What no expression can name, and what is no text, is none.
pub(super) fn substitution(
    post_build: &PostBuild,
    entries: impl IntoIterator<Item = Entries>,
) -> Substitution {
    let mut variables = BTreeMap::new();
    for (reference, entries) in post_build.substitute_from.iter().zip(entries) {
        let is_secret = reference.kind == ReferenceKind::Secret;
        let texts = entries.into_iter().filter_map(|(name, value)| {
            let text = String::from_utf8(value).ok().filter(|_| is_variable(&name))?;
            Some((name, Variable { text, is_secret }))
        });
        variables.extend(texts);
    }
    let own = post_build.substitute.0.iter();
    let own = own.map(|(name, text)| (name.clone(), text.clone()));
    variables.extend(own.map(|(name, text)| (name, Variable { text, is_secret: false })));
    Substitution::new(variables, post_build.strict)
}

//! What is substituted in an app's objects, of all that it refers to.

use std::collections::BTreeMap;

use crate::api::PostBuild;
use crate::api::post_build::{SubstituteKind, is_variable};
use crate::render::{Substitution, Variable};

/// The entries of what an app refers to, in the order of its references.
pub type Found = Vec<(SubstituteKind, BTreeMap<String, Vec<u8>>)>;

/// What an app substitutes. What no expression can name, and what is no text, is no variable.
pub fn substitution(post_build: &PostBuild, found: Found) -> Substitution {
    let mut variables = BTreeMap::new();
    for (kind, entries) in found {
        let is_secret = kind == SubstituteKind::Secret;
        variables.extend(entries.into_iter().filter_map(|(name, text)| {
            let text = String::from_utf8(text).ok().filter(|_| is_variable(&name))?;
            Some((name, Variable { text, is_secret }))
        }));
    }
    for (name, text) in &post_build.substitute.0 {
        variables.insert(name.clone(), Variable { text: text.clone(), is_secret: false });
    }
    Substitution::new(variables, post_build.strict)
}

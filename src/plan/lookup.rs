//! Looks up many objects in their own order, which most of the time means: the next one.

use std::collections::BTreeMap;
use std::collections::btree_map::Range;

use crate::object::ObjectId;

/// Entries that are looked at before the map is searched from its root. Comparing identities is
/// what takes the time in a large app: a search does so dozens of times.
const NEAR: usize = 4;

/// A map that is asked for identities in ascending order, mostly. Any order is answered.
pub struct Lookup<'a, V> {
    map: &'a BTreeMap<ObjectId, V>,
    ahead: Range<'a, ObjectId, V>,
}

impl<'a, V> Lookup<'a, V> {
    /// Begins at the first entry.
    pub fn new(map: &'a BTreeMap<ObjectId, V>) -> Self {
        Self { map, ahead: map.range::<ObjectId, _>(..) }
    }

    /// The value of an object.
    pub fn get(&mut self, id: &ObjectId) -> Option<&'a V> {
        let near = self.ahead.by_ref().take(NEAR).find(|(key, _)| *key >= id);
        if let Some((_, value)) = near.filter(|(key, _)| *key == id) {
            return Some(value);
        }
        self.ahead = self.map.range(id..);
        let (_, value) = self.ahead.clone().next().filter(|(key, _)| *key == id)?;
        self.ahead.next();
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::GroupKind;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_answers_as_the_map_does(
            known in proptest::collection::btree_set(0_u8..60, 0..40),
            mut asked in proptest::collection::vec(0_u8..60, 0..40),
            is_sorted: bool,
        ) {
            let id = |n: u8| ObjectId::new(GroupKind::new("", "K"), "n", &format!("{n:03}"));
            let map: BTreeMap<_, _> = known.into_iter().map(|n| (id(n), n)).collect();
            if is_sorted {
                asked.sort_unstable();
            }
            let mut lookup = Lookup::new(&map);
            for n in asked {
                prop_assert_eq!(lookup.get(&id(n)), map.get(&id(n)));
            }
        }
    }
}

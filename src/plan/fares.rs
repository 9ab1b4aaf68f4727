//! How the objects of an app fare, all in all.

use std::sync::Arc;

use super::{Desired, Observed};
use crate::health::is_watched;
use crate::object::{Health, ObjectId};

/// An object that does not work, or not yet, and why.
pub type Ailing = (ObjectId, String);

/// How the objects of an app fare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fares {
    /// Objects of which it is watched, or that have nothing to say.
    pub objects: usize,
    /// Those that are on their way.
    pub progressing: Vec<Ailing>,
    /// Those that have failed.
    pub failed: Vec<Ailing>,
    /// Number of those that cannot be seen.
    pub unseen: usize,
}

impl Fares {
    /// How these objects fare, as the watches show it.
    pub fn of(wanted: &[Arc<Desired>], observed: &Observed) -> Self {
        let mut fares = Self { objects: wanted.len(), ..Self::default() };
        for object in wanted.iter().filter(|object| is_watched(&object.id.kind)) {
            let id = &object.id;
            if observed.blind_to(id).is_some() {
                fares.unseen += 1;
                continue;
            }
            let live = observed.live.get(id);
            match live.map(|live| live.health.as_ref()) {
                Some(Some(Health::Healthy)) => {}
                Some(Some(Health::Failed(why))) => fares.failed.push((id.clone(), why.clone())),
                Some(Some(Health::Progressing(why))) => {
                    fares.progressing.push((id.clone(), why.clone()));
                }
                Some(Some(Health::Terminating)) => fares.add_progressing(id, "it is being deleted"),
                Some(None) => fares.add_progressing(id, "it was applied a moment ago"),
                None => fares.add_progressing(id, "it is not there"),
            }
        }
        fares
    }

    fn add_progressing(&mut self, id: &ObjectId, why: &str) {
        self.progressing.push((id.clone(), why.to_owned()));
    }
}

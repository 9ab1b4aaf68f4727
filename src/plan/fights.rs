//! Damps fights: an object that others change again and again is put back ever more slowly.
//!
//! The heat of an object is the formula of Config Sync: it rises by one with each revert and fades
//! with a time constant of a minute.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::object::ObjectId;

/// Heat at which a series of reverts is a fight.
const FIGHT: f64 = 5.0;
/// Heat below which a fight is over.
const PEACE: f64 = 1.0;
/// Heat that is not worth remembering.
const COLD: f64 = 0.1;
/// Seconds in which heat fades to 1/e.
const FADE: f64 = 60.0;
/// Longest wait between two reverts of one object.
const LONGEST: Duration = Duration::from_mins(5);

/// How often an object was put back, and when that may happen again.
#[derive(Clone, Debug)]
struct Fight {
    heat: f64,
    at: Duration,
    rounds: u32,
    until: Duration,
}

/// The objects that were put back of late. Times are since any fixed moment.
#[derive(Clone, Debug, Default)]
pub struct Fights(BTreeMap<ObjectId, Fight>);

impl Fights {
    /// Notes that putting an object back was refused: it is tried again ever more slowly.
    pub fn refused(&mut self, id: &ObjectId, now: Duration) {
        self.reverted(id, now);
        if let Some(fight) = self.0.get_mut(id).filter(|fight| fight.until <= now) {
            fight.rounds += 1;
            fight.until = now + Duration::from_secs(2);
        }
    }

    /// Notes that an object was put back. Returns whether a fight began.
    pub fn reverted(&mut self, id: &ObjectId, now: Duration) -> bool {
        let peace = Fight { heat: 0.0, at: now, rounds: 0, until: now };
        let fight = self.0.entry(id.clone()).or_insert(peace);
        let was_hot = fight.rounds > 0;
        fight.heat = fight.heat_at(now) + 1.0;
        fight.at = now;
        // Rounded, since a little fades even between the fastest reverts.
        if fight.heat.round() >= FIGHT || was_hot {
            fight.rounds += 1;
            fight.until = now + LONGEST.min(Duration::from_secs(1 << fight.rounds.min(16)));
        }
        !was_hot && fight.rounds > 0
    }

    /// Forgets the fights that have cooled down.
    pub fn cool(&mut self, now: Duration) {
        self.0.retain(|_, fight| match fight.rounds {
            0 => fight.heat_at(now) >= COLD,
            // Quiet for as long again as it was made to wait.
            _ => fight.heat_at(now) >= PEACE || fight.until + fight.wait() > now,
        });
    }

    /// Ends all fights: a new commit may have settled them.
    pub fn end(&mut self) {
        self.0.clear();
    }

    /// Takes out the objects that may not be put back yet.
    pub fn hold(&self, ids: &mut BTreeSet<ObjectId>, now: Duration) -> BTreeSet<ObjectId> {
        let held = |id: &ObjectId| self.0.get(id).is_some_and(|fight| fight.until > now);
        let (held, free) = std::mem::take(ids).into_iter().partition(|id| held(id));
        *ids = free;
        held
    }

    /// When the first of some held objects may be put back.
    pub fn next(&self, held: &BTreeSet<ObjectId>) -> Option<Duration> {
        held.iter().filter_map(|id| self.0.get(id)).map(|fight| fight.until).min()
    }

    /// The objects that are fought over.
    pub fn hot(&self) -> impl Iterator<Item = &ObjectId> {
        self.0.iter().filter(|(_, fight)| fight.rounds > 0).map(|(id, _)| id)
    }
}

impl Fight {
    fn wait(&self) -> Duration {
        self.until.saturating_sub(self.at)
    }

    fn heat_at(&self, now: Duration) -> f64 {
        self.heat * (-now.saturating_sub(self.at).as_secs_f64() / FADE).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::GroupKind;

    #[test]
    fn the_fifth_revert_in_a_row_is_a_fight_and_waits_grow() {
        let id = ObjectId::new(GroupKind::new("", "ConfigMap"), "demo", "a");
        let mut fights = Fights::default();
        let mut now = Duration::ZERO;
        let mut began = Vec::new();
        let mut waits = Vec::new();
        for round in 0..12 {
            now += Duration::from_millis(100);
            fights.cool(now);
            if fights.reverted(&id, now) {
                began.push(round);
            }
            let held = fights.hold(&mut BTreeSet::from([id.clone()]), now);
            let until = fights.next(&held).unwrap_or(now);
            waits.push(until.saturating_sub(now).as_secs());
            now = until;
        }
        assert_eq!(began, [4]);
        assert_eq!(waits, [0, 0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256]);
        assert_eq!(fights.hot().count(), 1);
        fights.cool(now + Duration::from_mins(15));
        assert_eq!(fights.hot().count(), 0);
    }

    #[test]
    fn rare_reverts_are_no_fight() {
        let id = ObjectId::new(GroupKind::new("", "ConfigMap"), "demo", "a");
        let mut fights = Fights::default();
        for minute in 0..100 {
            assert!(!fights.reverted(&id, Duration::from_secs(60 * minute)));
        }
    }
}

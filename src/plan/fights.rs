//! Damps fights: an object that others change again and again is put back ever more slowly, and so is one that the
//! API server refuses to have put back.
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

/// Shortest time between two looks at what someone may have written under our name.
const VERIFY: Duration = Duration::from_mins(1);

/// How often an object could not be put back, and when that may be tried again between passes.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    rounds: u32,
    until: Duration,
}

/// The objects that were put back or verified of late. Times are since any fixed moment.
#[derive(Clone, Debug, Default)]
pub struct Fights {
    by_id: BTreeMap<ObjectId, Fight>,
    refused: BTreeMap<ObjectId, Refusal>,
    verified: BTreeMap<ObjectId, Duration>,
}

impl Fights {
    /// Notes that putting an object back was refused: between passes it is tried again ever more slowly. That is no
    /// fight: nobody may have changed it but once.
    pub fn refused(&mut self, id: &ObjectId, now: Duration) {
        let refusal = self.refused.entry(id.clone()).or_insert(Refusal { rounds: 0, until: now });
        refusal.rounds += 1;
        refusal.until = now + wait(refusal.rounds);
    }

    /// Whether it was refused a moment ago.
    pub fn is_refused(&self, id: &ObjectId, now: Duration) -> bool {
        self.refused.get(id).is_some_and(|refusal| refusal.until > now)
    }

    /// Notes that an object was put back. Returns whether a fight began.
    pub fn reverted(&mut self, id: &ObjectId, now: Duration) -> bool {
        self.refused.remove(id);
        let peace = Fight { heat: 0.0, at: now, rounds: 0, until: now };
        let fight = self.by_id.entry(id.clone()).or_insert(peace);
        let was_hot = fight.rounds > 0;
        fight.heat = fight.heat_at(now) + 1.0;
        fight.at = now;
        // Rounded, since a little fades even between the fastest reverts.
        if fight.heat.round() >= FIGHT || was_hot {
            fight.rounds += 1;
            fight.until = now + wait(fight.rounds);
        }
        !was_hot && fight.rounds > 0
    }

    /// Forgets the fights that have cooled down.
    pub fn cool(&mut self, now: Duration) {
        self.verified.retain(|_, at| *at + VERIFY > now);
        self.refused.retain(|_, refusal| refusal.until + wait(refusal.rounds) > now);
        self.by_id.retain(|_, fight| match fight.rounds {
            0 => fight.heat_at(now) >= COLD,
            // Quiet for as long again as it was made to wait.
            _ => fight.heat_at(now) >= PEACE || fight.until + fight.wait() > now,
        });
    }

    /// Ends all fights: a new commit may have settled them.
    pub fn end(&mut self) {
        self.by_id.clear();
        self.refused.clear();
    }

    /// Whether an object may not be put back yet.
    pub fn is_held(&self, id: &ObjectId, now: Duration) -> bool {
        self.by_id.get(id).is_some_and(|fight| fight.until > now)
    }

    /// Notes that an object was read to see whether someone wrote under our name.
    pub fn verified(&mut self, id: &ObjectId, now: Duration) {
        self.verified.insert(id.clone(), now);
    }

    /// Whether that may be done again.
    pub fn may_verify(&self, id: &ObjectId, now: Duration) -> bool {
        self.verified.get(id).is_none_or(|at| *at + VERIFY <= now)
    }

    /// When the first of some objects that had to wait at `now` may be put back or verified.
    pub fn next(&self, ids: &BTreeSet<ObjectId>, now: Duration) -> Option<Duration> {
        let until = |id| self.by_id.get(id).map(|fight| fight.until);
        let verify = |id| self.verified.get(id).map(|at| *at + VERIFY);
        let refused = |id| self.refused.get(id).map(|refusal| refusal.until);
        let moments = ids.iter().flat_map(|id| [until(id), verify(id), refused(id)]);
        moments.flatten().filter(|at| *at > now).min()
    }

    /// The objects that are fought over.
    pub fn hot(&self) -> impl Iterator<Item = &ObjectId> {
        self.by_id.iter().filter(|(_, fight)| fight.rounds > 0).map(|(id, _)| id)
    }
}

/// How long the next try waits after so many.
fn wait(rounds: u32) -> Duration {
    LONGEST.min(Duration::from_secs(1 << rounds.min(16)))
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
            let until = fights.next(&BTreeSet::from([id.clone()]), now).unwrap_or(now);
            assert_eq!(fights.is_held(&id, now), until > now);
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
    fn what_is_refused_is_tried_ever_more_slowly_and_is_no_fight() {
        let id = ObjectId::new(GroupKind::new("", "ConfigMap"), "demo", "a");
        let (mut fights, mut now) = (Fights::default(), Duration::from_secs(5));
        let mut waits = Vec::new();
        for _ in 0..9 {
            fights.cool(now);
            fights.refused(&id, now);
            assert!(fights.is_refused(&id, now) && !fights.is_held(&id, now));
            let until = fights.next(&BTreeSet::from([id.clone()]), now).unwrap_or(now);
            waits.push(until.saturating_sub(now).as_secs());
            now = until;
            assert!(!fights.is_refused(&id, now));
        }
        assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(fights.hot().count(), 0);
        assert!(!fights.reverted(&id, now));
        fights.refused(&id, now);
        assert_eq!(fights.next(&BTreeSet::from([id.clone()]), now), Some(now + wait(1)));
    }

    #[test]
    fn an_object_is_verified_once_a_minute() {
        let id = ObjectId::new(GroupKind::new("", "ConfigMap"), "demo", "a");
        let (mut fights, start) = (Fights::default(), Duration::from_secs(5));
        assert!(fights.may_verify(&id, start));
        fights.verified(&id, start);
        assert!(!fights.may_verify(&id, start) && !fights.is_held(&id, start));
        let next = fights.next(&BTreeSet::from([id.clone()]), start);
        assert_eq!(next, Some(start + VERIFY));
        assert!(fights.may_verify(&id, start + VERIFY));
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

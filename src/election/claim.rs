//! One Lease for all, of which each candidate wants to be the holder. Pure: what is seen and written goes in,
//! what is to be done next comes out.

use std::time::{Duration, Instant};

use super::Terms;
use crate::cluster::lease::Lease;

/// What a candidate knows of the Lease.
#[derive(Clone, Debug)]
enum Known {
    /// Nothing that it could rely on.
    Nothing,
    /// There is none; whoever held the last one may do so until then.
    Absent(Instant),
    /// It looks like this, since then at the latest.
    Seen(Lease, Instant),
}

/// What a candidate does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Read the Lease.
    Look,
    /// Write it: [`Claim::written`] or [`Claim::refused`] says what came of it.
    Write(Lease),
    /// Wait until then.
    Wait(Instant),
}

/// A candidate for one Lease.
///
/// **There is one leader at a time**, since the API server replaces a Lease only at the version that the writer
/// has read. Whoever takes it over has seen it unchanged for its whole duration, by its own clock, which began
/// after it had been written; the old leader stopped `margin` earlier, by its own clock, which began before. No
/// wall clock is compared with another: the times in a Lease are for people.
#[derive(Debug)]
pub struct Claim {
    name: String,
    me: String,
    terms: Terms,
    known: Known,
    looked: Option<Instant>,
    /// When the last renewal was sent that came through.
    renewed: Option<Instant>,
}

impl Claim {
    /// A candidate that knows nothing yet.
    pub fn new(name: String, me: String, terms: Terms) -> Self {
        Self { name, me, terms, known: Known::Nothing, looked: None, renewed: None }
    }

    /// Until when this candidate may write; `None` while another one may.
    pub fn until(&self) -> Option<Instant> {
        self.renewed.map(|sent| self.terms.until(sent))
    }

    /// Who holds the Lease, as far as is known.
    fn holder(&self) -> Option<&str> {
        match &self.known {
            Known::Seen(lease, _) if !lease.holder.is_empty() => Some(&lease.holder),
            _ => None,
        }
    }

    /// Who else holds it.
    pub fn other(&self) -> Option<&str> {
        self.holder().filter(|holder| *holder != self.me)
    }

    /// What is to be done now.
    pub fn next(&self, now: Instant) -> Next {
        let renewal = self.renewed.map(|sent| sent + self.terms.period);
        let is_mine = self.holder() == Some(&self.me);
        let due = match &self.known {
            Known::Nothing => return Next::Look,
            Known::Absent(free) => *free,
            Known::Seen(lease, _) if lease.holder.is_empty() => now,
            Known::Seen(..) if is_mine => renewal.unwrap_or(now),
            Known::Seen(lease, since) => *since + self.duration(lease),
        };
        if now >= due {
            return Next::Write(self.bid());
        }
        match self.looked.map(|at| at + self.terms.period) {
            _ if is_mine => Next::Wait(due),
            Some(look) if now < look => Next::Wait(due.min(look)),
            _ => Next::Look,
        }
    }

    /// How long a Lease is left to its holder: as long as the holder relies on.
    fn duration(&self, lease: &Lease) -> Duration {
        lease.duration.max(self.terms.duration)
    }

    /// The Lease as this candidate would have it.
    fn bid(&self) -> Lease {
        let before = match &self.known {
            Known::Seen(lease, _) => lease.clone(),
            _ => Lease { name: self.name.clone(), ..Lease::default() },
        };
        let (holder, duration) = (self.me.clone(), self.terms.duration);
        if before.holder == self.me || before.version.is_empty() {
            return Lease { holder, duration, ..before };
        }
        let transitions = before.transitions.saturating_add(1);
        Lease { holder, duration, transitions, acquired: None, ..before }
    }

    /// Something may have changed: the next step is a look, unless the Lease is ours.
    pub fn wake(&mut self) {
        self.looked = None;
    }

    /// The Lease was read, and arrived now.
    pub fn looked(&mut self, lease: Option<Lease>, now: Instant) {
        self.looked = Some(now);
        let known = std::mem::replace(&mut self.known, Known::Nothing);
        self.known = match (lease, known) {
            (Some(lease), Known::Seen(known, since)) if lease.version == known.version => {
                Known::Seen(lease, since)
            }
            (Some(lease), _) => Known::Seen(lease, now),
            // Deleted by hand: its holder does not know that yet.
            (None, Known::Seen(lease, since))
                if lease.holder != self.me && !lease.holder.is_empty() =>
            {
                Known::Absent(since + self.duration(&lease))
            }
            (None, absent @ Known::Absent(_)) => absent,
            (None, _) => Known::Absent(now),
        };
        if self.holder() != Some(&self.me) {
            self.renewed = None;
        }
    }

    /// A bid that was sent at `sent` was stored.
    pub fn written(&mut self, lease: Lease, sent: Instant) {
        self.renewed = Some(sent);
        self.known = Known::Seen(lease, sent);
    }

    /// A bid was refused, since the Lease is another by now.
    pub fn refused(&mut self) {
        self.known = Known::Nothing;
    }

    /// Gives the Lease up: nothing may be written any more. Returns what says so to others, if it was ours.
    pub fn release(&mut self) -> Option<Lease> {
        self.renewed = None;
        match std::mem::replace(&mut self.known, Known::Nothing) {
            Known::Seen(lease, _) if lease.holder == self.me => {
                Some(Lease { holder: String::new(), ..lease })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lease(holder: &str, version: &str) -> Lease {
        let (name, duration) = ("lease".to_owned(), SECOND * 10);
        let (holder, version) = (holder.to_owned(), version.to_owned());
        Lease { name, version, holder, duration, ..Lease::default() }
    }

    fn claim() -> Claim {
        Claim::new("lease".to_owned(), "me".to_owned(), Terms::default())
    }

    /// What the last look showed, at second 0, and how many seconds later it is.
    #[test]
    fn a_lease_is_taken_when_it_is_free_or_was_not_renewed_for_its_duration() {
        let start = Instant::now();
        let check = |seen: Option<Lease>, after: u32, expect: &str| {
            let mut claim = claim();
            claim.looked(seen, start);
            let next = match claim.next(start + SECOND * after) {
                Next::Look => "look".to_owned(),
                Next::Wait(until) => format!("wait {}", (until - start).as_secs()),
                Next::Write(lease) => {
                    format!("write {}@{} {}", lease.holder, lease.version, lease.transitions)
                }
            };
            assert_eq!(next, expect, "after {after} s");
        };
        check(None, 0, "write me@ 0");
        check(Some(lease("", "5")), 0, "write me@5 1");
        check(Some(lease("me", "5")), 0, "write me@5 0");
        check(Some(lease("other", "5")), 0, "wait 2");
        check(Some(lease("other", "5")), 2, "look");
        check(Some(lease("other", "5")), 9, "look");
        check(Some(lease("other", "5")), 10, "write me@5 1");
        let longer = Lease { duration: SECOND * 30, ..lease("other", "5") };
        check(Some(longer.clone()), 10, "look");
        check(Some(longer), 30, "write me@5 1");
    }

    #[test]
    fn each_renewal_that_is_seen_begins_the_wait_anew() {
        let (start, mut claim) = (Instant::now(), claim());
        for second in 0..20 {
            let version = if second < 5 { second.to_string() } else { "4".to_owned() };
            let now = start + SECOND * second;
            assert_eq!(matches!(claim.next(now), Next::Write(_)), second >= 14, "{second}");
            claim.looked(Some(lease("other", &version)), now);
        }
    }

    #[test]
    fn one_writes_from_a_renewal_that_came_through_until_shortly_before_others_take_over() {
        let (start, mut claim) = (Instant::now(), claim());
        assert_eq!(claim.until(), None);
        claim.written(lease("me", "1"), start);
        assert_eq!(claim.until(), Some(start + SECOND * 8));
        assert_eq!(claim.next(start + SECOND), Next::Wait(start + SECOND * 2));
        assert_eq!(claim.next(start + SECOND * 2), Next::Write(lease("me", "1")));
        // Somebody else has it.
        claim.refused();
        assert_eq!(claim.next(start + SECOND * 2), Next::Look);
        assert_eq!(
            claim.until(),
            Some(start + SECOND * 8),
            "it may be our own, whose answer was lost"
        );
        claim.looked(Some(lease("other", "2")), start + SECOND * 3);
        assert_eq!(claim.until(), None);
    }

    #[test]
    fn a_lease_that_somebody_deleted_is_left_to_its_holder_for_its_time() {
        let (start, mut claim) = (Instant::now(), claim());
        claim.looked(Some(lease("other", "1")), start);
        claim.looked(None, start + SECOND * 2);
        assert_eq!(claim.next(start + SECOND * 4), Next::Look);
        claim.looked(None, start + SECOND * 4);
        assert!(matches!(claim.next(start + SECOND * 10), Next::Write(_)));
    }

    #[test]
    fn only_what_one_holds_is_released() {
        let check = |seen: Option<Lease>, expect: Option<Lease>| {
            let mut claim = claim();
            claim.looked(seen, Instant::now());
            assert_eq!(claim.release(), expect);
            assert_eq!(claim.until(), None);
        };
        check(None, None);
        check(Some(lease("other", "1")), None);
        check(Some(lease("me", "1")), Some(lease("", "1")));
    }
}

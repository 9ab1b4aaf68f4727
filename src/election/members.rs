//! The replicas among which apps are divided, as one of them sees them. Pure: what is written and listed goes
//! in, which replicas may write, and until when, comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::{Share, Terms};
use crate::cluster::lease::Lease;

/// Durations after which a Lease that nobody renews is removed.
const OLD: u32 = 30;

/// One replica's view of all.
///
/// Each replica keeps a Lease of its own: renews it, then lists all, again and again. It divides the apps among
/// those that it sees (its *view*), and writes its own part.
///
/// **No app has two writers**, as long as of any two replicas that may write at one moment each is in the other's
/// view: an app falls to the highest hash in a view, and if two replicas each see both, it cannot be higher for
/// both. So everything is about being seen. Let `D` be the duration of a Lease and `m` the margin.
///
/// 1. A replica may write until `D - m` after it sent the last renewal that was acknowledged, and until `D - m`
///    after it sent the last list that was answered; by its own clock.
/// 2. A replica leaves another one's view only when a list, sent `D` or more after its present record had first
///    been seen, still shows that record. The record was sent before it was seen, and nothing newer was stored when
///    the list was made. So by 1 it may not write any more. Or it leaves because its Lease says that it was
///    released, after its last write. Leases of the living are not deleted; whoever does so by hand suspends all
///    this for the time `D`.
/// 3. A replica may write for the first time, and again after the time of 1 is over without a renewal (which
///    begins a new *term*, a number in its Lease), only when all others have it in their views: when all that its
///    list shows as alive say in their Leases that they see this very term; or when its list was sent `D` after
///    the term was acknowledged, for then whoever has not seen it has not listed for longer than `D - m`. Its list
///    has to be younger than its term.
///
/// Take two replicas that may write now, and say that the second one's term was stored only after the first one's
/// present list had been made. If the second one writes because `D` has passed, the first one's list is older than
/// `D - m`, against 1. If it writes because all said that they see it, its own list did not show the first one as
/// alive, or that one's view would have had it before; so the first one's term was stored after that list, and its
/// own present list, by 3, even later: after the second one's term. Either contradicts. So the list was made later,
/// shows the second one, and by 2 it is in the view; and the same the other way round.
///
/// Whoever says that it sees a new replica has first stopped writing what falls to it now, and waited until no
/// such write is under way. Only where it does not say so (it is gone, or a write hangs), a write that is on its
/// way at the end of `D - m` is given `m` to arrive.
#[derive(Debug)]
pub struct Members {
    me: String,
    terms: Terms,
    term: u32,
    /// The sending of the last renewal that was acknowledged in this term, or of its first one.
    base: Option<Instant>,
    /// The sending of the last renewal that was acknowledged.
    renewed: Option<Instant>,
    /// When the first renewal of this term was acknowledged.
    joined: Option<Instant>,
    /// Whether all others have this term in their views.
    is_seen: bool,
    /// The Leases of others, and since when they look like this.
    others: BTreeMap<String, (Lease, Instant)>,
    /// The others that are alive, with their terms, by the last list, and when that was sent.
    view: Option<(BTreeMap<String, u32>, Instant)>,
    /// What our Lease says of them.
    said: BTreeMap<String, u32>,
}

impl Members {
    /// A replica of this name that has seen nothing yet.
    pub fn new(me: String, terms: Terms) -> Self {
        Self {
            me,
            terms,
            term: 0,
            base: None,
            renewed: None,
            joined: None,
            is_seen: false,
            others: BTreeMap::new(),
            view: None,
            said: BTreeMap::new(),
        }
    }

    /// A renewal is sent now: its term, and the replicas that it says it sees. What falls to those that it did
    /// not see before must not be written any more; while such a write is under way (`is_quiet` is false) they
    /// are not named yet.
    pub fn renewing(&mut self, now: Instant, is_quiet: bool) -> (u32, BTreeMap<String, u32>) {
        if self.base.is_none_or(|base| now >= self.terms.until(base)) {
            self.begin_term(now);
        }
        if let Some((view, _)) = self.view.as_ref().filter(|_| is_quiet) {
            self.said.clone_from(view);
        }
        (self.term, self.said.clone())
    }

    fn begin_term(&mut self, now: Instant) {
        self.term += 1;
        self.base = Some(now);
        self.lapse();
    }

    fn lapse(&mut self) {
        (self.renewed, self.joined, self.is_seen) = (None, None, false);
    }

    /// The renewal that was sent at `sent` was acknowledged now.
    pub fn renewed(&mut self, sent: Instant, now: Instant) {
        if self.base.is_none_or(|base| now >= self.terms.until(base)) {
            // Others may have given us up before it was stored.
            self.base = None;
            return self.lapse();
        }
        (self.base, self.renewed) = (Some(sent), Some(sent));
        self.joined.get_or_insert(now);
    }

    /// The Leases of all replicas, as a list that was sent at `sent` shows them now.
    pub fn listed(&mut self, leases: Vec<Lease>, sent: Instant, now: Instant) {
        let mut gone = std::mem::take(&mut self.others);
        for lease in leases.into_iter().filter(|lease| lease.name != self.me) {
            let known =
                gone.remove(&lease.name).filter(|(known, _)| known.version == lease.version);
            self.others.insert(lease.name.clone(), known.unwrap_or((lease, now)));
        }
        // Those that somebody deleted do not know that yet.
        gone.retain(|_, other| self.is_alive(other, sent));
        self.others.append(&mut gone);
        let alive = self.others.values().filter(|other| self.is_alive(other, sent));
        let view =
            alive.clone().map(|(lease, _)| (lease.name.clone(), lease.transitions)).collect();
        let duration = alive.clone().map(|(lease, _)| self.duration(lease)).max();
        let duration = duration.unwrap_or(self.terms.duration);
        let is_seen = alive.clone().all(|(lease, _)| lease.sees.get(&self.me) == Some(&self.term));
        if let Some(joined) = self.joined.filter(|joined| sent >= *joined) {
            self.is_seen |= is_seen || sent >= joined + duration;
        }
        self.view = Some((view, sent));
    }

    fn is_alive(&self, (lease, since): &(Lease, Instant), sent: Instant) -> bool {
        !lease.holder.is_empty() && sent < *since + self.duration(lease)
    }

    /// How long a Lease is left to its holder: as long as the holder relies on.
    fn duration(&self, lease: &Lease) -> Duration {
        lease.duration.max(self.terms.duration)
    }

    /// Leases that nobody has renewed for long.
    pub fn litter(&self, now: Instant) -> Vec<Lease> {
        let is_old =
            |(lease, since): &&(Lease, Instant)| now >= *since + self.duration(lease) * OLD;
        self.others.values().filter(is_old).map(|(lease, _)| lease.clone()).collect()
    }

    /// Whether others wait for us to say that we see them.
    pub fn is_behind(&self) -> bool {
        self.view.as_ref().is_some_and(|(view, _)| *view != self.said)
    }

    /// What this replica may write.
    pub fn share(&self) -> Share {
        let (Some(renewed), Some((view, listed)), true) = (self.renewed, &self.view, self.is_seen)
        else {
            return Share::Nothing;
        };
        let until = self.terms.until(renewed.min(*listed));
        let replicas: BTreeSet<String> = view.keys().chain([&self.me]).cloned().collect();
        Share::Part { until, me: self.me.clone(), replicas }
    }
}

//! What a replica does about Leases, one step after the other.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::claim::{Claim, Next};
use super::members::Members;
use super::{Ownership, Share, Terms};
use crate::cluster::ApiError;
use crate::cluster::lease::{Lease, Leases, Which};
use crate::report::Role;

/// Pause after a request failed.
const RETRY: Duration = Duration::from_millis(500);
/// Shortest time between two renewals among shards, however much happens.
const BREATH: Duration = Duration::from_millis(100);
/// How long writes that are under way are waited for before a Lease is renewed.
const QUIET: Duration = Duration::from_millis(500);

/// A candidate for the one Lease, or one of many with a Lease each.
pub(super) enum Seat {
    /// A candidate for the one Lease.
    Candidate(Candidate),
    /// One of many.
    Member(Member),
}

impl Seat {
    /// Does what is due, and says when something is again.
    pub(super) async fn step(&mut self, ownership: &Ownership) -> (Instant, Result<(), ApiError>) {
        let done = match self {
            Self::Candidate(candidate) => candidate.step().await,
            Self::Member(member) => member.step(ownership).await,
        };
        match done {
            Ok(due) => (due, Ok(())),
            Err(error) => (Instant::now() + RETRY, Err(error)),
        }
    }

    /// Something happened to the Leases.
    pub(super) fn wake(&mut self) {
        match self {
            Self::Candidate(candidate) => candidate.claim.wake(),
            Self::Member(member) => member.hurry(),
        }
    }

    /// What this replica may write by that.
    pub(super) fn share(&self) -> Share {
        let now = Instant::now();
        let share = match self {
            Self::Candidate(Candidate { claim, .. }) => {
                claim.until().map_or(Share::Nothing, |until| Share::All { until })
            }
            Self::Member(member) => member.members.share(),
        };
        let is_over =
            matches!(&share, Share::All { until } | Share::Part { until, .. } if *until <= now);
        if is_over { Share::Nothing } else { share }
    }

    /// The part that this replica has with a share.
    pub(super) fn role(&self, share: &Share) -> Role {
        match (share, self) {
            (Share::All { .. }, _) => Role::Leader,
            (Share::Part { replicas, .. }, _) => Role::Member(replicas.len()),
            (Share::Nothing, Self::Member(_)) => Role::Joining,
            (Share::Nothing, Self::Candidate(Candidate { claim, .. })) => {
                Role::Standby(claim.other().map(str::to_owned))
            }
        }
    }

    /// The Leases that are to be followed.
    pub(super) fn follows(&self) -> (Leases, Which) {
        match self {
            Self::Candidate(Candidate { leases, name, .. }) => {
                (leases.clone(), Which::Named(name.clone()))
            }
            Self::Member(Member { leases, group, .. }) => {
                (leases.clone(), Which::Group(group.clone()))
            }
        }
    }

    /// Tells others that nothing will be written any more.
    pub(super) async fn release(&self) -> Result<(), ApiError> {
        let (leases, name, me) = match self {
            Self::Candidate(Candidate { leases, name, me, .. }) => (leases, name, me),
            Self::Member(Member { leases, me, .. }) => (leases, me, me),
        };
        // A renewal may have been cut off: its answer is not known.
        let lease = leases.get(name).await?.filter(|lease| lease.holder == *me);
        let Some(lease) = lease else { return Ok(()) };
        leases.write(&Lease { holder: String::new(), ..lease }).await.map(drop)
    }
}

/// A candidate for one Lease.
pub(super) struct Candidate {
    leases: Leases,
    name: String,
    me: String,
    claim: Claim,
}

impl Candidate {
    pub(super) fn new(leases: Leases, name: String, me: String) -> Self {
        let claim = Claim::new(name.clone(), me.clone(), Terms::default());
        Self { leases, name, me, claim }
    }

    async fn step(&mut self) -> Result<Instant, ApiError> {
        let sent = Instant::now();
        match self.claim.next(sent) {
            Next::Wait(until) => return Ok(until),
            Next::Look => {
                let lease = self.leases.get(&self.name).await?;
                self.claim.looked(lease, Instant::now());
            }
            Next::Write(bid) => match written(&self.name, self.leases.write(&bid).await)? {
                Some(lease) => self.claim.written(lease, sent),
                None => self.claim.refused(),
            },
        }
        Ok(Instant::now())
    }
}

/// One of many replicas.
pub(super) struct Member {
    leases: Leases,
    group: String,
    /// The name of its Lease, which is its own.
    me: String,
    members: Members,
    /// The version of its Lease, if that is known.
    version: Option<String>,
    due: Instant,
    begun: Instant,
}

impl Member {
    pub(super) fn new(leases: Leases, group: String, me: String) -> Self {
        let (members, now) = (Members::new(me.clone(), Terms::default()), Instant::now());
        Self { leases, group, me, members, version: Some(String::new()), due: now, begun: now }
    }

    fn hurry(&mut self) {
        self.due = self.due.min(self.begun + BREATH);
    }

    /// Renews its Lease, then lists all.
    async fn step(&mut self, ownership: &Ownership) -> Result<Instant, ApiError> {
        if Instant::now() < self.due {
            return Ok(self.due);
        }
        self.begun = Instant::now();
        self.due = self.begun + Terms::default().period;
        if !self.renew(ownership).await? {
            self.hurry();
            return Ok(self.due);
        }
        let sent = Instant::now();
        let leases = self.leases.list(&self.group).await?;
        self.members.listed(leases, sent, Instant::now());
        if self.members.is_behind() {
            self.hurry();
        }
        self.sweep().await;
        Ok(self.due)
    }

    /// `false` if the Lease is not the one that it was taken for.
    async fn renew(&mut self, ownership: &Ownership) -> Result<bool, ApiError> {
        let is_quiet = timeout(QUIET, ownership.quiet()).await.unwrap_or(false);
        let version = match self.version.take() {
            Some(version) => version,
            None => self.leases.get(&self.me).await?.unwrap_or_default().version,
        };
        let sent = Instant::now();
        let (transitions, sees) = self.members.renewing(sent, is_quiet);
        let lease = Lease {
            name: self.me.clone(),
            version,
            holder: self.me.clone(),
            duration: Terms::default().duration,
            transitions,
            acquired: None,
            group: Some(self.group.clone()),
            sees,
        };
        let Some(stored) = written(&self.me, self.leases.write(&lease).await)? else {
            return Ok(false);
        };
        self.version = Some(stored.version);
        self.members.renewed(sent, Instant::now());
        Ok(true)
    }

    /// Removes the Leases of replicas that ended long ago. Another one may have been faster.
    async fn sweep(&self) {
        if let Some(lease) = self.members.litter(Instant::now()).first() {
            let _ = self.leases.delete(lease).await;
        }
    }
}

/// The Lease that was written; `None` if it is not the one that it was meant for.
fn written(name: &str, result: Result<Lease, ApiError>) -> Result<Option<Lease>, ApiError> {
    match result {
        Ok(lease) => Ok(Some(lease)),
        Err(error) if error.is_stale() || error.says_exists() => Ok(None),
        Err(error) if error.says_gone(name) => Ok(None),
        Err(error) => Err(error),
    }
}

//! The loop that keeps a replica's part among others up to date.

use std::time::Duration;

use futures::future::join_all;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout};

use super::Ownership;
use super::seat::{Candidate, Member, Seat};
use crate::cluster::Cluster;
use crate::cluster::lease::Leases;
use crate::report::Roles;

/// Longest wait for the last write to end before a Lease is released.
const LAST: Duration = Duration::from_secs(5);
/// Longest time that may be spent on releasing it.
const RELEASE: Duration = Duration::from_secs(3);

/// How work is divided among replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One of them writes everything.
    Leader,
    /// Each writes its part of the apps.
    Shards,
}

/// A replica's standing effort to write what is its part.
pub struct Campaign {
    ownership: Ownership,
    over: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Whose campaign it is.
pub struct Candidacy {
    /// How work is divided.
    pub mode: Mode,
    /// The Leases by which it is.
    pub leases: Leases,
    /// The name of the one Lease, or of the group of Leases.
    pub name: String,
    /// The name of this replica, which no other process has or had.
    pub identity: String,
}

impl Candidacy {
    /// A candidacy by Leases of a namespace, for what is called `name`: an app or an installation.
    pub fn new(mode: Mode, cluster: &Cluster, namespace: &str, name: &str, pod: &str) -> Self {
        let suffix = format!("{:010x}", rand::random::<u64>() >> 24);
        let (name, identity) = match mode {
            Mode::Leader => (format!("gitops-sync-leader-{name}"), format!("{pod}_{suffix}")),
            // It is the name of a Lease as well.
            Mode::Shards => (name.to_owned(), format!("gitops-sync-replica-{name}-{suffix}")),
        };
        Self { mode, leases: Leases::new(cluster, namespace), name, identity }
    }
}

impl Campaign {
    /// Begins one, and tells what comes of it.
    pub fn begin(candidacy: Candidacy, roles: Roles) -> Self {
        let Candidacy { mode, leases, name, identity } = candidacy;
        let seat = match mode {
            Mode::Leader => Seat::Candidate(Candidate::new(leases, name, identity)),
            Mode::Shards => Seat::Member(Member::new(leases, name, identity)),
        };
        let ownership = Ownership::none();
        let (over, is_over) = oneshot::channel();
        let run = Run { seat, ownership: ownership.clone(), roles };
        Self { ownership, over, task: tokio::spawn(run.run(is_over)) }
    }

    /// What this replica may write, as it changes.
    pub fn ownership(&self) -> Ownership {
        self.ownership.clone()
    }

    /// Returns only if it ended by a defect: nothing would ever be written again.
    pub async fn failed(&mut self) {
        let _ = (&mut self.task).await;
    }

    /// Writes nothing from now on, and lets others go on at once, as soon as no write is under way.
    pub async fn resign(self) {
        let _ = self.over.send(());
        let _ = self.task.await;
    }
}

struct Run {
    seat: Seat,
    ownership: Ownership,
    roles: Roles,
}

impl Run {
    async fn run(mut self, over: oneshot::Receiver<()>) {
        let wake = Notify::new();
        let (leases, which) = self.seat.follows();
        tokio::select! {
            () = self.hold(&wake) => {}
            () = leases.follow(which, &wake) => {}
            _ = over => {}
        }
        self.resign().await;
    }

    async fn hold(&mut self, wake: &Notify) {
        loop {
            let (due, result) = self.seat.step(&self.ownership).await;
            let share = self.seat.share();
            self.roles.reached(result.as_ref().err());
            self.roles.tell(self.seat.role(&share));
            self.ownership.publish(share);
            tokio::select! {
                () = sleep_until(due.into()) => {}
                () = wake.notified() => self.seat.wake(),
            }
        }
    }

    async fn resign(&mut self) {
        self.ownership.publish(super::Share::Nothing);
        let fences = self.ownership.fences();
        let quiet = timeout(LAST, join_all(fences.iter().map(|fence| fence.quiet()))).await;
        if quiet.is_err() || fences.iter().any(|fence| fence.is_haunted()) {
            return self.roles.ended(Some("a write that was given up may still arrive"));
        }
        match timeout(RELEASE, self.seat.release()).await {
            Ok(Ok(())) => self.roles.ended(None),
            Ok(Err(error)) => self.roles.ended(Some(&error.to_string())),
            Err(_) => self.roles.ended(Some("the API server does not answer")),
        }
    }
}

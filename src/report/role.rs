//! The one writer of what part a replica has among others: log lines and the metric.

use std::sync::Arc;

use tracing::{info, warn};

use super::Metrics;
use crate::cluster::ApiError;
use crate::object::AppId;

/// The part that a replica has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// It writes everything.
    Leader,
    /// It writes nothing, since another one leads, as far as known this one.
    Standby(Option<String>),
    /// It writes its part, as one of so many.
    Member(usize),
    /// It writes nothing until all others have noticed it.
    Joining,
}

/// Tells what part a replica has, whenever that changes.
pub struct Roles {
    metrics: Arc<Metrics>,
    /// The Lease that it is about.
    lease: String,
    /// The name under which this replica appears in Leases.
    identity: String,
    role: Option<Role>,
    has_trouble: bool,
}

impl Roles {
    /// Tells about the part of the replica of this name by this Lease.
    pub fn new(metrics: Arc<Metrics>, lease: String, identity: String) -> Self {
        metrics.leader(false);
        Self { metrics, lease, identity, role: None, has_trouble: false }
    }

    /// Takes over what part it has now.
    pub fn tell(&mut self, role: Role) {
        // Who has never led, and does not know yet who does, has nothing to tell.
        let is_nothing = role == Role::Standby(None) && self.role != Some(Role::Leader);
        if self.role.as_ref() == Some(&role) || is_nothing {
            return;
        }
        self.metrics.leader(matches!(role, Role::Leader | Role::Member(_)));
        let (lease, identity) = (&self.lease, &self.identity);
        match &role {
            Role::Leader => info!(lease, identity, "Leading: this replica writes"),
            Role::Standby(leader) => {
                info!(lease, identity, leader, "Standing by: this replica writes nothing");
            }
            Role::Member(replicas) => {
                info!(lease, identity, replicas, "Sharing: this replica writes its part");
            }
            Role::Joining => {
                info!(
                    lease,
                    identity, "Joining: this replica writes nothing until all others know it"
                );
            }
        }
        self.role = Some(role);
    }

    /// Takes over whether a Lease could be read and written; trouble is told when it begins.
    pub fn reached(&mut self, trouble: Option<&ApiError>) {
        let before = std::mem::replace(&mut self.has_trouble, trouble.is_some());
        let Some(error) = trouble.filter(|_| !before) else { return };
        let next = match error.code() {
            403 => "; grant get, list, watch, create, update and delete on leases of its namespace",
            _ => "; trying again",
        };
        warn!(lease = self.lease, "Cannot keep the Lease: {error}{next}");
    }

    /// Says that the Lease was given up, or why it is left to expire.
    pub fn ended(&self, left: Option<&str>) {
        match left {
            None => info!(lease = self.lease, "Lease released"),
            Some(why) => info!(lease = self.lease, "Lease left to expire: {why}"),
        }
    }
}

/// Names that a line shows.
const NAMED: usize = 20;

/// Tells for which apps a replica writes, where they are divided.
pub struct Part {
    metrics: Arc<Metrics>,
}

impl Part {
    /// Tells by these metrics as well.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics }
    }

    /// Counts the apps that this replica writes.
    pub fn count(&self, apps: usize) {
        self.metrics.apps(apps);
    }

    /// Says which they are, of so many. That it writes none is told by its role.
    pub fn tell<'a>(&self, apps: impl ExactSizeIterator<Item = &'a AppId>, of: usize) {
        let number = apps.len();
        self.count(number);
        if number > 0 {
            let names: Vec<_> = apps.take(NAMED).map(AppId::reference).collect();
            let more = if number > NAMED { ",…" } else { "" };
            info!(
                apps = number,
                of,
                names = format!("{}{more}", names.join(",")),
                "Writing for these apps"
            );
        }
    }
}

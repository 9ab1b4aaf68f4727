//! What is remembered of an app from pass to pass.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::App;
use super::atomic::Refused;
use super::consent::Read;
use super::settled::{Resolved, Settled};
use super::verify::Verdict;
use super::watches::Watches;
use crate::builder::Inputs;
use crate::cluster::store::Loaded;
use crate::object::marks::HashKey;
use crate::object::{AppId, ObjectId};
use crate::plan::cause::Telling;
use crate::plan::{Controls, Fights, Inventory, Kinds, Known, Observed};
use crate::render::Rendered;
use crate::source::Revision;

/// What is remembered from pass to pass. Losing it costs requests, never correctness.
#[derive(Default)]
pub struct Memory {
    /// The last commit rendered, and what it declared.
    pub rendered: Option<(Revision, Arc<Rendered>)>,
    /// What it was made of beside that commit.
    pub inputs: Inputs,
    /// What that hangs on, if it can be told.
    pub scope: Option<String>,
    /// What that resolved to, with the kinds of then.
    pub resolved: Option<Arc<Resolved>>,
    /// The last state that was accepted as a whole, with `--atomic`.
    pub accepted: Option<Arc<Resolved>>,
    /// The commit that is not, if the last one is refused.
    pub refused: Option<Refused>,
    /// What the cluster has, as the watches see it.
    pub observed: Observed,
    /// The watches.
    pub watches: Watches,
    /// Objects that were seen while a pass waited for its watches.
    pub touched: BTreeSet<ObjectId>,
    /// What is fought over, since this commit.
    pub fights: Fights,
    /// The commit that was seen last.
    pub commit: Option<String>,
    /// What was told of objects that are not put back.
    pub told: BTreeMap<ObjectId, Telling>,
    /// The clock of the fights.
    pub clock: SinceStart,
    /// The kinds that the cluster serves.
    pub kinds: Option<Arc<Kinds>>,
    /// When a CRD was applied last, if what it defines is not known yet.
    pub new_kinds: Option<tokio::time::Instant>,
    /// In what the last pass left everything in sync, if it did.
    pub settled: Option<Settled>,
    /// What was once in place as a whole, to recognize it.
    pub complete: Weak<Resolved>,
    /// Whether the last pass could not read its source.
    pub is_stale: bool,
    /// Whether only a pass can tell what is to be done about something.
    pub is_in_doubt: bool,
    /// The key of manifest hashes.
    pub key: Option<HashKey>,
    /// Whether the other apps can know of this one.
    pub is_registered: bool,
    /// The inventory as it is stored.
    pub loaded: Option<Loaded>,
    /// Desired objects that belong to another app, and to which.
    pub claims: BTreeMap<ObjectId, AppId>,
    /// What was told of that to these apps.
    pub claims_told: BTreeMap<AppId, Vec<ObjectId>>,
    /// Since when objects of the inventory are no longer declared, by the clock of the fights.
    pub left: BTreeMap<ObjectId, Duration>,
    /// Objects that were handed over to other apps, abandoned or deleted, and when, by the clock of the fights.
    pub handed: BTreeMap<ObjectId, Duration>,
    /// Whether the last commit may be applied, where that is asked.
    pub verdict: Option<Verdict>,
    /// What the trailers of commits approve.
    pub consent: Option<Read>,
    /// What people ask of the app.
    pub controls: Controls,
    /// The inventory as we know it: ahead of what is stored until the end of a pass.
    pub inventory: Arc<Inventory>,
}

impl Memory {
    /// What is kept in place between passes: the last state that is not refused.
    pub fn in_force(&self, app: &App) -> Option<&Arc<Resolved>> {
        if app.atomic { self.accepted.as_ref() } else { self.resolved.as_ref() }
    }

    /// What of it holds whoever writes: what was read of git, and what the watches show. Everything else may be
    /// another replica's doing by now.
    #[must_use]
    pub fn without_writes(self) -> Self {
        let Self { rendered, inputs, scope, observed, watches, kinds, .. } = self;
        Self { rendered, inputs, scope, observed, watches, kinds, ..Self::default() }
    }

    /// What is known when something is planned.
    pub fn known(&self, app: &App) -> Known<'_> {
        Known {
            inventory: &self.inventory,
            observed: &self.observed,
            fights: &self.fights,
            told: &self.told,
            claims: &self.claims,
            policy: app.policy,
            now: self.clock.now(),
        }
    }
}

/// A clock that starts when it is made.
#[derive(Clone, Copy, Debug)]
pub struct SinceStart(Instant);

impl Default for SinceStart {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl SinceStart {
    /// The time since its start.
    pub fn now(self) -> Duration {
        self.0.elapsed()
    }

    /// The moment that this clock shows as `at`.
    pub fn moment(self, at: Duration) -> Instant {
        self.0 + at
    }
}

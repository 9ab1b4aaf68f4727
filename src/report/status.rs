//! The state of an app as `/api/v1/apps` shows it: never a value of a field.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde::ser::Serializer;

use super::done::{Action, Reason};
use super::outcome::{Fate, Outcome};
use super::state::states;
use crate::object::ObjectId;
use crate::plan::guard;
use crate::plan::inventory::{Abandoned, SourceIdentity};

/// Objects of one list that are shown at most.
const LISTED: usize = 1000;

/// The state of one app after its last pass.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AppStatus {
    /// Its name.
    pub name: String,
    /// Where its manifests are.
    pub source: Option<SourceIdentity>,
    /// Commit that was seen last.
    pub revision: Option<String>,
    /// When the last pass ended, RFC 3339.
    pub last_sync: Option<String>,
    /// `Synced`, or what stopped the last pass.
    pub result: String,
    /// Whether it is suspended.
    pub suspended: bool,
    /// Number of desired objects by state.
    pub objects: BTreeMap<&'static str, usize>,
    /// Objects that could not be applied or deleted.
    pub failed: Vec<Listed>,
    /// Sets of objects that are deleted only when a person approves.
    pub held: Vec<HeldSet>,
    /// Objects that git no longer has and that stay for now.
    pub protected: Vec<Listed>,
    /// Objects that are left to others for good.
    pub abandoned: Vec<Listed>,
    /// Objects with the app's marks that are neither in git nor in its inventory.
    pub orphaned: Vec<ObjectId>,
}

/// An object and why it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The object.
    #[serde(flatten)]
    pub id: ObjectId,
    /// Why.
    pub reason: String,
}

/// A set of objects that waits for approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldSet {
    /// Why.
    #[serde(serialize_with = "shown")]
    pub reason: guard::Reason,
    /// What an approval has to name.
    pub hash: String,
    /// How many objects.
    pub count: usize,
    /// The first of them.
    pub objects: Vec<ObjectId>,
}

fn shown<S: Serializer>(text: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(text)
}

impl AppStatus {
    /// Takes over what a whole pass came to, at this time.
    pub fn record(&mut self, outcome: &Outcome, time: String) {
        if let Some(revision) = outcome.accepted() {
            self.revision = Some(revision.commit.clone());
        }
        self.last_sync = Some(time);
        self.suspended = false;
        let failure = outcome.failure.as_ref().map(super::Failure::reason);
        failure.unwrap_or("Synced").clone_into(&mut self.result);
        if outcome.ended_early() {
            return;
        }
        self.objects = states(outcome).into();
        let refused = outcome.done.iter().filter(|done| matches!(done.action, Action::Failed(_)));
        let refused = refused.map(|done| listed(&done.desired.id, Reason::ApplyFailed.into()));
        let left = |wanted: fn(&Fate) -> Option<String>| {
            let all = outcome.leftovers.iter();
            all.filter_map(move |(id, fate)| Some(listed(id, &wanted(fate)?)))
        };
        let undeleted = left(|fate| {
            matches!(fate, Fate::Failed(_)).then(|| <&str>::from(Reason::PruneFailed).to_owned())
        });
        self.failed = refused.chain(undeleted).take(LISTED).collect();
        let protected = left(|fate| match fate {
            Fate::Spared(why) => Some(why.clone()),
            _ => None,
        });
        self.protected = protected.take(LISTED).collect();
        self.held = outcome.held.iter().map(held).collect();
        let abandoned = outcome.abandoned.iter();
        self.abandoned = abandoned.map(|Abandoned { id, why }| listed(id, why)).collect();
        self.orphaned = outcome.orphans.iter().take(LISTED).cloned().collect();
    }
}

fn listed(id: &ObjectId, reason: &str) -> Listed {
    Listed { id: id.clone(), reason: reason.to_owned() }
}

fn held(held: &guard::Held) -> HeldSet {
    let guard::Held { reason, hash, objects } = held;
    let (reason, hash, count) = (*reason, hash.clone(), objects.len());
    HeldSet { reason, hash, count, objects: objects.iter().take(LISTED).cloned().collect() }
}

//! What happened to one object in a pass.

use std::sync::Arc;

use serde_json::Value;

use crate::object::{AppId, Live, ObjectId};
use crate::plan::cause::Telling;
use crate::plan::diff::{FieldDrift, Tool};
use crate::plan::yields::Yield;
use crate::plan::{Cause, Desired, Step};

/// What happened to an object, in the one word that events and metrics have for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
pub enum Reason {
    /// Someone had changed or deleted it; it is as it shall be again.
    DriftReverted,
    /// Someone changed or deleted it, and it stays so.
    DriftFound,
    /// People added fields to it that git does not set, and they stay.
    AdditionFound,
    /// Admission made something else of it than git declares.
    Overridden,
    /// Others have fields of it that were ours.
    Yielded,
    /// Others own fields of it that git declares otherwise, and it is left as it is.
    FieldConflict,
    /// Another app has it.
    OwnershipConflict,
    /// What others had set of it and git does not set was removed when it was taken over.
    TakenOver,
    /// It was deleted and created again, since it could not be changed.
    Replaced,
    /// Someone changes it again each time it is put back.
    Fight,
    /// It could not be applied.
    ApplyFailed,
    /// It was deleted: git no longer has it.
    Pruned,
    /// It could not be deleted.
    PruneFailed,
}

/// What happened to a desired object.
#[derive(Clone, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Action {
    /// It was not there.
    Created,
    /// It was changed, or taken over.
    Configured,
    /// It was taken over, and what others had set and git does not set was removed.
    Adopted(Vec<FieldDrift>),
    /// It could not be changed, and was deleted and created again; which fields made it necessary.
    Replaced(String),
    /// It was as it shall be.
    Unchanged,
    /// Someone had changed it; it is as it shall be again.
    Reverted(Vec<FieldDrift>),
    /// Someone had deleted it; it is there again.
    Recreated,
    /// Someone had taken fields of ours without changing them.
    Reowned,
    /// Fields of ours were given up to others.
    Yielded(Vec<Yield>),
    /// Someone changed it, or deleted it if no field is named, and it stays so.
    Drifted(Arc<[FieldDrift]>),
    /// People added fields that no manifest sets, and they stay; why, if their removal was refused.
    Extended(Arc<[FieldDrift]>, Option<Arc<str>>),
    /// Others own fields that git declares otherwise, and it is left as it is.
    Conflicted(Arc<[FieldDrift]>),
    /// It is none of our business as it is, and why.
    Left(&'static str),
    /// Another app has it, and keeps it.
    Claimed(AppId),
    /// Others change it again each time: it is put back later.
    Fought,
    /// It is applied later, and why.
    Waiting(&'static str),
    /// A dry-run that the server could not check, and why.
    NotChecked(&'static str),
    /// The API server refused it, and why.
    Failed(String),
    /// The pass ended before it.
    Skipped,
}

impl Action {
    /// Whether the object is now as git declares it.
    pub fn is_in_sync(&self) -> bool {
        let stays = matches!(self, Self::Drifted(_) | Self::Conflicted(_) | Self::Claimed(_));
        !self.is_failure() && !stays && *self != Self::Fought
    }

    /// Whether something keeps the object from being as git declares it that another try may overcome.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Waiting(_) | Self::Failed(_) | Self::Skipped)
    }

    /// Whether nothing was written, and nothing had to be.
    pub fn is_unchanged(&self) -> bool {
        matches!(self, Self::Unchanged | Self::Left(_) | Self::Extended(..))
    }

    /// Whether an object that was there was changed as git declares it.
    pub fn is_configured(&self) -> bool {
        matches!(self, Self::Configured | Self::Reowned | Self::Adopted(_) | Self::Yielded(_))
    }

    /// Whether what others did was found and stays.
    pub fn is_told(&self) -> bool {
        matches!(self, Self::Drifted(_) | Self::Extended(..) | Self::Conflicted(_))
    }

    /// The fields that others changed, whether they were put back or not.
    pub fn drifts(&self) -> &[FieldDrift] {
        match self {
            Self::Reverted(drifts) | Self::Adopted(drifts) => drifts,
            Self::Drifted(drifts) | Self::Extended(drifts, _) | Self::Conflicted(drifts) => drifts,
            _ => &[],
        }
    }

    /// Whether what the cluster has of it now is what an apply of ours made.
    pub fn is_recorded(&self) -> bool {
        self.is_in_sync() && !matches!(self, Self::Left(_))
    }

    /// The tool behind the first of them that has one.
    pub fn tool(&self) -> Option<&Tool> {
        self.drifts().iter().find_map(|drift| drift.by.as_ref())
    }
}

/// A desired object after a pass.
#[derive(Clone, Debug)]
pub struct Done {
    /// The object.
    pub desired: Arc<Desired>,
    /// What happened to it.
    pub action: Action,
    /// What made it necessary.
    pub cause: Cause,
    /// What the cluster has of it now, if known.
    pub live: Option<Arc<Live>>,
    /// Hash of the fields that we own after an apply, see [`Live::set_hash`].
    pub owned: Option<String>,
    /// What admission made of it otherwise than it was sent.
    pub overridden: Vec<String>,
    /// What was told of it for the first time instead of being put back.
    pub telling: Option<Telling>,
    /// Whether whoever acts for the app has no right to do it.
    pub refused: bool,
    /// The object as it was, if it was deleted to be created again and is not there yet.
    pub deleted: Option<Arc<Value>>,
}

impl Done {
    /// What happened to the object of a step.
    pub fn of(step: &Step, action: Action) -> Self {
        Self {
            desired: step.desired.clone(),
            action,
            cause: step.cause,
            live: step.live.clone(),
            owned: None,
            overridden: Vec::new(),
            telling: None,
            refused: false,
            deleted: None,
        }
    }

    /// An object that is as it shall be, and was not looked at for that.
    pub fn unchanged(desired: &Arc<Desired>) -> Self {
        Self {
            desired: desired.clone(),
            action: Action::Unchanged,
            cause: Cause::InSync,
            live: None,
            owned: None,
            overridden: Vec::new(),
            telling: None,
            refused: false,
            deleted: None,
        }
    }

    /// Why the object is not as git declares it, as a sentence.
    pub fn problem(&self) -> Option<String> {
        // Asked of thousands that are as they shall be.
        if self.action == Action::Unchanged && self.overridden.is_empty() {
            return None;
        }
        let id = &self.desired.id;
        let place = place(id);
        match &self.action {
            Action::Failed(why) => {
                let origin = &self.desired.manifest.origin;
                Some(format!("Cannot apply {id}{place} ({origin}): {why}"))
            }
            Action::Waiting(why) => Some(format!("Waiting with {id}{place}: {why}")),
            Action::Drifted(drifts) if drifts.is_empty() => {
                Some(format!("Drift left as it is: {id}{place}: the object was deleted"))
            }
            Action::Drifted(drifts) => {
                Some(format!("Drift left as it is: {id}{place}: {}", listed(drifts)))
            }
            Action::Claimed(owner) => {
                let (origin, namespace) = (&self.desired.manifest.origin, owner.namespace());
                Some(format!(
                    "Left to the app {owner}, which had it first: {id}{place} ({origin}): remove it from one of the two; if {owner} is gone, delete its inventory, Secret gitops-sync-inventory-{owner} in namespace {namespace}"
                ))
            }
            Action::Conflicted(drifts) => {
                Some(format!("Conflict left as it is: {id}{place}: {}", listed(drifts)))
            }
            Action::Extended(drifts, _) if drifts.is_empty() => None,
            Action::Extended(drifts, why) => {
                let why = why.as_ref().map(|why| format!("; its removal was refused: {why}"));
                let (fields, why) = (listed(drifts), why.unwrap_or_default());
                Some(format!("Addition left as it is: {id}{place}: {fields}{why}"))
            }
            _ if !self.overridden.is_empty() => {
                let fields = self.overridden.join("; ");
                Some(format!("Overridden by admission: {id}{place}: {fields}"))
            }
            _ => None,
        }
    }

    /// Whether others had done something to it that was undone, be it only that they took our fields:
    /// whoever does that again at each write of ours would keep us writing for ever.
    pub fn is_put_back(&self) -> bool {
        let is_drift = matches!(self.cause, Cause::Drifted | Cause::ChangedAndDrifted);
        match self.action {
            Action::Reverted(_) | Action::Recreated | Action::Reowned => true,
            Action::Configured | Action::Yielded(_) => is_drift,
            _ => false,
        }
    }

    /// Whether the object is known to be exactly as git declares it.
    pub fn is_synced(&self) -> bool {
        self.action.is_in_sync()
            && self.overridden.is_empty()
            && !matches!(self.action, Action::Left(_))
    }
}

/// The namespace of an object, if it has one, as a sentence names it.
pub(super) fn place(id: &ObjectId) -> String {
    match id.namespace.as_str() {
        "" => String::new(),
        namespace => format!(" in namespace {namespace}"),
    }
}

fn listed(drifts: &[FieldDrift]) -> String {
    let all: Vec<_> = drifts.iter().map(ToString::to_string).collect();
    all.join("; ")
}

//! What is told of an app without a pass. Pure.

use super::conditions::{self, Moment, Outlook};
use super::done::place;
use super::plan::Plan;
use super::{AppReason, Failure};
use crate::api::{ConditionType, Finding, GitOpsAppStatus, Invalid, Truth};
use crate::object::{AppId, ObjectId};
use crate::plan::dependencies::Blocked;

/// Objects that a notice names.
const NAMED: usize = 3;

/// What keeps an app from being synced at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It was seen for the first time, and waits for its first pass.
    Accepted,
    /// It breaks rules of the resource.
    InvalidSpec(Invalid),
    /// Apps that it depends on are not ready: which, as `namespace/name`.
    DependencyNotReady(Vec<String>),
    /// It depends on itself: by which apps, in order, as `namespace/name`.
    DependencyCycle(Vec<String>),
    /// A Secret that it names cannot be used: which, and why.
    SecretUnavailable(String),
    /// It is applied only when a person asks, and this would be done.
    OutOfSync(Plan),
    /// A person suspended it, and why.
    Suspended(Option<String>),
    /// It is being deleted, and what keeps it from going.
    DeletionFailed(String),
}

impl Notice {
    /// What holds an app back.
    pub fn of(blocked: &Blocked) -> Self {
        match blocked {
            Blocked::Missing(app) => Self::DependencyNotReady(vec![format!(
                "{} (there is no such app)",
                app.reference()
            )]),
            Blocked::NotReady(app) => Self::DependencyNotReady(vec![app.reference()]),
            Blocked::Behind(app) => Self::DependencyNotReady(vec![format!(
                "{} (it has yet to apply this commit)",
                app.reference()
            )]),
            Blocked::Cycle(apps) => {
                Self::DependencyCycle(apps.iter().map(AppId::reference).collect())
            }
        }
    }

    /// What of an app that is being deleted cannot be.
    pub fn undeleted(obstacles: &[(ObjectId, String)]) -> Self {
        let first = obstacles.iter().take(NAMED);
        let first: Vec<_> =
            first.map(|(id, why)| format!("Cannot delete {id}{}: {why}", place(id))).collect();
        let more = obstacles.len().saturating_sub(NAMED);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        Self::DeletionFailed(format!("{}{more}", first.join("; ")))
    }

    /// The status with this notice; equal to what it was if that is no news.
    #[must_use]
    pub fn noted(&self, before: &GitOpsAppStatus, moment: Moment) -> GitOpsAppStatus {
        let mut status = before.clone();
        // What was told before is worth more than that nothing is known.
        if *self == Self::Accepted && before.conditions.get(ConditionType::Ready).is_some() {
            return status;
        }
        let (ready, outlook) = self.finding();
        status.observed_generation = Some(moment.generation);
        if self.is_blind() && status.conditions.get(ConditionType::Drifted).is_some() {
            let (reason, message) = (ready.reason, ready.message.clone());
            let unknown = Finding { status: Truth::Unknown, reason, message };
            status.conditions.set(ConditionType::Drifted, unknown, moment.generation, moment.time);
        }
        conditions::set(&mut status.conditions, ready, outlook, moment);
        status
    }

    /// Whether it may pass without a change of the resource.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::SecretUnavailable(_))
    }

    /// Whether a person wants it so.
    pub fn is_suspension(&self) -> bool {
        matches!(self, Self::Suspended(_))
    }

    /// Whether nobody looks at the objects while this holds.
    fn is_blind(&self) -> bool {
        matches!(self, Self::InvalidSpec(_) | Self::DependencyCycle(_) | Self::Suspended(_))
    }

    /// A suspended app is neither ready, for nobody looks, nor has anything gone wrong with it: who waits for
    /// it waits until it is resumed.
    fn finding(&self) -> (Finding, Outlook) {
        let (status, reason, outlook): (_, &str, _) = match self {
            Self::Accepted => {
                let reason = AppReason::Progressing;
                (Truth::Unknown, reason.into(), Outlook::Goes(reason))
            }
            Self::InvalidSpec(_) => (Truth::False, AppReason::InvalidSpec.into(), Outlook::Stuck),
            Self::OutOfSync(_) => (Truth::False, AppReason::OutOfSync.into(), Outlook::Done),
            Self::SecretUnavailable(_) => {
                let reason = AppReason::SecretUnavailable;
                (Truth::False, reason.into(), Outlook::Goes(reason))
            }
            Self::DependencyNotReady(_) => {
                let reason = AppReason::DependencyNotReady;
                (Truth::False, reason.into(), Outlook::Goes(reason))
            }
            Self::DependencyCycle(_) => {
                (Truth::False, AppReason::DependencyCycle.into(), Outlook::Stuck)
            }
            Self::Suspended(_) => {
                (Truth::Unknown, Failure::Suspended(None).reason(), Outlook::Done)
            }
            Self::DeletionFailed(_) => {
                let reason = AppReason::DeletionFailed;
                (Truth::False, reason.into(), Outlook::Goes(reason))
            }
        };
        (Finding { status, reason, message: self.to_string() }, outlook)
    }
}

/// What is the matter, and what to do about it.
impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Accepted => write!(f, "Waits for its first sync"),
            Self::InvalidSpec(invalid) => write!(f, "Correct the resource: {invalid}"),
            Self::OutOfSync(plan) => {
                write!(f, "{plan}: it is synced when asked to (gitops-sync trigger)")
            }
            Self::SecretUnavailable(why) => write!(f, "Cannot be synced yet: {why}"),
            Self::DependencyNotReady(apps) => {
                write!(f, "Waits until these apps are ready: {}", apps.join(", "))
            }
            Self::DependencyCycle(apps) => {
                let all = apps.join(" -> ");
                write!(f, "Waits for itself: {all}: take one of them out of dependsOn")
            }
            Self::Suspended(None) => write!(f, "Nothing is synced until it is resumed"),
            Self::Suspended(Some(why)) => write!(f, "Nothing is synced until it is resumed: {why}"),
            Self::DeletionFailed(why) => write!(
                f,
                "Retrying for as long as spec.timeout says; set deletionPolicy: Abandon to leave at once what is there: {why}"
            ),
        }
    }
}

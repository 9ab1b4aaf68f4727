//! The result of a pass as a value.

use std::time::Duration;

use super::done::{Action, Done};
use crate::cluster::ApiError;
use crate::cluster::store::StoreError;
use crate::object::{AppId, ObjectId};
use crate::plan::Scope;
use crate::plan::dependencies::Blocked;
use crate::plan::guard::Held;
use crate::plan::inventory::{Abandoned, SourceIdentity};
use crate::render::{Diagnostic, Rendered};
use crate::source::{Revision, SourceError};

/// What started a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Trigger {
    /// The process started.
    Start,
    /// The interval ended.
    Interval,
    /// Another app's fetch found a commit.
    Commit,
    /// A webhook asked for it.
    Webhook,
    /// A person asked for something by an annotation of the inventory.
    Annotation,
    /// What the app depends on is ready.
    Dependency,
    /// A Secret or ConfigMap that the app refers to has changed.
    Reference,
    /// The last pass failed.
    Retry,
    /// The app is being deleted.
    Deletion,
    /// Someone changed objects of ours.
    Drift,
    /// A person called it from the command line.
    Command,
    /// This replica became the one that writes.
    Election,
}

/// What stopped a pass before its end.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
pub enum Failure {
    /// The source could not be read.
    #[error("{0}")]
    Source(#[from] SourceError),
    /// The API server was away, or discovery failed.
    #[error("{doing}: {source}")]
    ClusterUnavailable {
        /// What was being done.
        doing: &'static str,
        /// The request's failure.
        source: ApiError,
    },
    /// Our state could not be read or written.
    #[error("{0}")]
    StateUnavailable(StoreError),
    /// Another replica may write by now.
    #[error("no longer the leader: another replica goes on")]
    NotLeader,
    /// The app's inventory belongs to another source.
    #[error(
        "the app {app} belongs to {} (path {:?}), not to {} (path {:?}): choose another --name",
        recorded.url, recorded.path, given.url, given.path
    )]
    OtherSource {
        /// The app.
        app: String,
        /// The source in its inventory.
        recorded: SourceIdentity,
        /// The source asked for.
        given: SourceIdentity,
    },
    /// A person suspended the app, and perhaps said why.
    #[error(
        "suspended by the annotation gitops-sync.dev/suspend of its inventory{}: nothing is synced until gitops-sync resume",
        .0.as_ref().map(|why| format!(" ({why})")).unwrap_or_default()
    )]
    Suspended(Option<String>),
    /// It took longer than it may.
    #[error("the sync took longer than {limit:?} (spec.timeout) and was stopped; retrying")]
    TimedOut {
        /// The longest time.
        limit: Duration,
    },
    /// The app depends on another one that is not where it has to be.
    #[error("waiting: {0}")]
    DependencyNotReady(Blocked),
    /// With `--atomic`, something of a commit would not be taken.
    #[error(
        "nothing was written (--atomic): {refused} object(s) and {diagnostics} manifest(s) of the commit \
         cannot be applied; mend or revert it; what was accepted before is kept in place"
    )]
    CommitRefused {
        /// Objects that were refused, or that have to wait.
        refused: usize,
        /// Manifests that are wrong in themselves.
        diagnostics: usize,
    },
    /// The process is ending.
    #[error("the process is ending")]
    Stopped,
    /// A defect of ours.
    #[error("a defect in gitops-sync stopped the pass: please report the lines before this one")]
    Panicked,
}

impl Failure {
    /// An outage and the end of a leader's time end the pass; any other refusal concerns one object, and is handed back.
    pub fn unless_refused(doing: &'static str, error: ApiError) -> Result<ApiError, Self> {
        match error {
            ApiError::NotLeader => Err(Self::NotLeader),
            outage if outage.is_outage() => Err(Self::ClusterUnavailable { doing, source: outage }),
            refusal => Ok(refusal),
        }
    }

    /// The word for this failure, the same in logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Source(error) => error.reason(),
            other => other.into(),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Api { source: ApiError::NotLeader, .. } => Self::NotLeader,
            error => Self::StateUnavailable(error),
        }
    }
}

/// What became of an object that git no longer declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was deleted.
    Pruned {
        /// The version of its kind.
        version: String,
        /// The uid it had.
        uid: String,
    },
    /// It was gone already.
    Gone,
    /// It was left to others, without our marks, and why.
    Abandoned(String),
    /// It is deleted in a moment, unless another app declares it by then.
    Pending,
    /// It waits for a person's word, see [`Outcome::held`].
    Held,
    /// It was no longer ours, and why.
    Forgotten(String),
    /// It stays for now, and why.
    Spared(String),
    /// It could not be deleted yet, and why.
    Failed(String),
}

/// What a pass came to.
#[derive(Debug)]
pub struct Outcome {
    /// What started it.
    pub trigger: Trigger,
    /// Whether nothing was written: what was done is what would be.
    pub is_plan: bool,
    /// The commit, once it was fetched.
    pub revision: Option<Revision>,
    /// Whose signature vouches for it, where that is asked.
    pub verified_by: Option<String>,
    /// The commit before, if the branch was rewritten since: it is not in its history any more.
    pub rewritten: Option<Revision>,
    /// What stopped it, if anything.
    pub failure: Option<Failure>,
    /// What is wrong with the source.
    pub diagnostics: Vec<Diagnostic>,
    /// Number of manifests in the source.
    pub manifests: usize,
    /// Hash of the source's files.
    pub manifests_hash: String,
    /// Documents that are no Kubernetes objects.
    pub skipped: usize,
    /// Objects that helm would run at some moment, and that are not applied.
    pub hooks: Vec<ObjectId>,
    /// The desired objects.
    pub done: Vec<Done>,
    /// With `--atomic`, what the API server could not check before the first write.
    pub unchecked: Vec<Done>,
    /// The objects that git no longer declares.
    pub leftovers: Vec<(ObjectId, Fate)>,
    /// Those of them that the prune guard holds, set by set.
    pub held: Vec<Held>,
    /// Why the approvals of some commits are not known, if so.
    pub unread: Option<String>,
    /// Objects that were left to others, in this pass and before.
    pub abandoned: Vec<Abandoned>,
    /// Other apps that declare objects of this one, and which.
    pub claimed: Vec<(AppId, Vec<ObjectId>)>,
    /// Objects that carry the app's marks, but are neither desired nor in its inventory.
    pub orphans: Vec<ObjectId>,
    /// Scopes that could not be listed, and why.
    pub unlisted: Vec<(Scope, String)>,
    /// How long each stage took, in order.
    pub stages: Vec<(&'static str, Duration)>,
    /// How long the whole pass took.
    pub duration: Duration,
}

impl Outcome {
    /// A pass that has just begun.
    pub fn new(trigger: Trigger) -> Self {
        Self {
            trigger,
            is_plan: false,
            revision: None,
            verified_by: None,
            rewritten: None,
            failure: None,
            diagnostics: Vec::new(),
            manifests: 0,
            manifests_hash: String::new(),
            skipped: 0,
            hooks: Vec::new(),
            done: Vec::new(),
            unchecked: Vec::new(),
            leftovers: Vec::new(),
            held: Vec::new(),
            unread: None,
            abandoned: Vec::new(),
            claimed: Vec::new(),
            orphans: Vec::new(),
            unlisted: Vec::new(),
            stages: Vec::new(),
            duration: Duration::ZERO,
        }
    }

    /// The commit, unless it is refused.
    pub fn accepted(&self) -> Option<&Revision> {
        let is_refused = matches!(&self.failure, Some(Failure::Source(why)) if why.is_refusal());
        self.revision.as_ref().filter(|_| !is_refused)
    }

    /// Notes what the source holds.
    pub fn found(&mut self, rendered: &Rendered) {
        self.manifests = rendered.manifests.len();
        self.manifests_hash.clone_from(&rendered.hash);
        self.skipped = rendered.skipped;
        self.hooks.clone_from(&rendered.hooks);
        self.diagnostics.clone_from(&rendered.diagnostics);
    }

    /// Whether it ended before it looked at any object, and shows nothing new of them. One whose path is gone
    /// has much to show.
    pub fn ended_early(&self) -> bool {
        self.failure.is_some() && self.done.is_empty() && self.leftovers.is_empty()
    }

    /// Number of objects with which something like this happened.
    pub fn count(&self, what: impl Fn(&Action) -> bool) -> usize {
        self.done.iter().filter(|done| what(&done.action)).count()
    }

    /// Number of objects that admission made something else of.
    pub fn overridden(&self) -> usize {
        let is_overridden = |done: &&Done| done.action.is_in_sync() && !done.overridden.is_empty();
        self.done.iter().filter(is_overridden).count()
    }

    /// Whether a kind came with this pass, which only a new discovery knows.
    pub fn has_new_kinds(&self) -> bool {
        self.done.iter().any(|done| done.desired.kind_is_new)
    }

    /// Whether anything was written or deleted.
    pub fn has_changed(&self) -> bool {
        let is_written = |action: &Action| action.is_in_sync() && !action.is_unchanged();
        self.pruned() > 0
            || self.done.iter().any(|done| is_written(&done.action))
            || self.leftovers.iter().any(|(_, fate)| matches!(fate, Fate::Abandoned(_)))
    }

    /// Whether objects are deleted in a moment, unless another app declares them by then.
    pub fn has_pending(&self) -> bool {
        self.leftovers.iter().any(|(_, fate)| *fate == Fate::Pending)
    }

    /// Number of objects deleted.
    pub fn pruned(&self) -> usize {
        self.leftovers.iter().filter(|(_, fate)| matches!(fate, Fate::Pruned { .. })).count()
    }

    /// Number of objects that wait for a person's word.
    pub fn held(&self) -> usize {
        self.held.iter().map(|held| held.objects.len()).sum()
    }

    /// Number of things that went wrong: diagnostics, refused objects, failed deletions.
    pub fn failed(&self) -> usize {
        let undeleted = self.leftovers.iter().filter(|(_, fate)| matches!(fate, Fate::Failed(_)));
        self.diagnostics.len() + self.count(Action::is_failure) + undeleted.count()
    }

    /// Whether all that is desired is now in sync, and there is nothing else.
    pub fn leaves_all_in_sync(&self) -> bool {
        let is_told = |done: &Done| done.action.is_told() || done.telling.is_some();
        self.is_success()
            && self.leftovers.is_empty()
            && self.orphans.is_empty()
            && self.done.iter().all(|done| done.is_synced() && !is_told(done))
    }

    /// Number of objects that are not as git wants them, because they are put back later.
    pub fn fought(&self) -> usize {
        self.count(|action| *action == Action::Fought)
    }

    /// Number of objects that are left as they are because others own fields of them.
    pub fn conflicted(&self) -> usize {
        self.count(|action| matches!(action, Action::Conflicted(_)))
    }

    /// Number of objects that are left to other apps.
    pub fn claims(&self) -> usize {
        self.count(|action| matches!(action, Action::Claimed(_)))
    }

    /// Whether nothing went wrong. What is only told of drift is nothing wrong.
    pub fn is_success(&self) -> bool {
        let stay = self.fought() + self.conflicted() + self.claims();
        self.failure.is_none() && self.failed() + stay == 0
    }
}

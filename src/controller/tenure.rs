//! The time in which an app is this replica's to write: it begins with what other replicas have left.

use std::sync::Arc;

use tokio::sync::watch;
use tracing::debug;

use super::Seen;
use crate::api::status::Revision;
use crate::api::{ConditionType, GitOpsAppStatus};
use crate::cluster::{Cluster, Fence, Term, apps};
use crate::plan::dependencies::State;

/// An app's terms among replicas.
#[derive(Clone)]
pub struct Tenure {
    /// Where the resource is.
    pub cluster: Cluster,
    /// The fence of the app.
    pub fence: Arc<Fence>,
    /// What its resource is like.
    pub seen: watch::Receiver<Arc<Seen>>,
    /// The status that this replica would write.
    pub status: watch::Sender<GitOpsAppStatus>,
    /// The last term that was begun.
    begun: watch::Sender<Option<Term>>,
}

/// Whether an app is this replica's, and what others left of it is known.
#[derive(Clone)]
pub struct Office {
    held: watch::Receiver<Option<Term>>,
    begun: watch::Receiver<Option<Term>>,
}

impl Office {
    /// Whether it is so now.
    pub fn is_held(&self) -> bool {
        let held = *self.held.borrow();
        held.is_some() && held == *self.begun.borrow()
    }

    /// Waits until that may be otherwise.
    pub async fn changed(&mut self) {
        tokio::select! {
            Ok(()) = self.held.changed() => {}
            Ok(()) = self.begun.changed() => {}
            else => std::future::pending().await,
        }
    }
}

/// The status of an app: this replica's as long as the app is, else what its resource has.
pub struct Shown {
    office: Office,
    seen: watch::Receiver<Arc<Seen>>,
    own: watch::Receiver<GitOpsAppStatus>,
}

impl Shown {
    /// What other apps are told of one by its status.
    pub fn told(&self, state: State) -> State {
        let (seen, is_own) = (self.seen.borrow(), self.office.is_held());
        let status = if is_own { self.own.borrow().clone() } else { seen.status.clone() };
        let sha = |revision: Option<Revision>| revision.map(|revision| revision.sha);
        let is_current = status.observed_generation == Some(seen.generation);
        State {
            is_ready: is_current && status.conditions.is_true(ConditionType::Ready),
            applied: sha(status.last_applied_revision),
            ..state
        }
    }

    /// Waits until that may be another; `false` if it never will be.
    pub async fn changed(&mut self) -> bool {
        tokio::select! {
            () = self.office.changed() => true,
            Ok(()) = self.seen.changed() => true,
            changed = self.own.changed() => changed.is_ok(),
        }
    }
}

impl Tenure {
    /// One that begins with the status that was seen, if the app is this replica's from the first moment on.
    pub fn new(
        cluster: Cluster,
        fence: Arc<Fence>,
        seen: watch::Receiver<Arc<Seen>>,
        status: watch::Sender<GitOpsAppStatus>,
    ) -> Self {
        let begun = watch::Sender::new(*fence.held().borrow());
        Self { cluster, fence, seen, status, begun }
    }

    /// Waits until the app is this replica's, and has the status that another one left. Says in which term.
    pub async fn begin(&self) -> Term {
        let mut held = self.fence.held();
        loop {
            let Some(term) = held.wait_for(Option::is_some).await.ok().and_then(|held| *held)
            else {
                // The sender lives as long as the fence.
                return std::future::pending().await;
            };
            if *self.begun.borrow() == Some(term) {
                return term;
            }
            let status = self.left().await;
            if *held.borrow() == Some(term) {
                self.status.send_replace(status);
                self.begun.send_replace(Some(term));
                return term;
            }
        }
    }

    /// Whether the app is this replica's.
    pub fn office(&self) -> Office {
        Office { held: self.fence.held(), begun: self.begun.subscribe() }
    }

    /// The status that the app has, whoever writes it.
    pub fn shown(&self) -> Shown {
        Shown { office: self.office(), seen: self.seen.clone(), own: self.status.subscribe() }
    }

    /// Waits until a term is over.
    pub async fn end(&self, term: Term) {
        let _ = self.fence.held().wait_for(|held| *held != Some(term)).await;
    }

    /// The status that another replica wrote last: what the watch showed of it may be older.
    async fn left(&self) -> GitOpsAppStatus {
        let seen = self.seen.borrow().clone();
        match self.cluster.get(&apps::resource(), &seen.id).await {
            Ok(Some(now)) => {
                let now = Seen::of(&now, seen.app.namespace());
                if now.uid == seen.uid { now.status } else { seen.status.clone() }
            }
            Ok(None) => seen.status.clone(),
            Err(error) => {
                debug!("Status not read, what was seen of it will do: {error}");
                seen.status.clone()
            }
        }
    }
}

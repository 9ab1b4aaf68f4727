//! What apps tell each other: whether they are ready, for those that depend on them. It is told at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::cluster::Fence;
use crate::object::AppId;
use crate::plan::Inventory;
use crate::plan::dependencies::{Blocked, State, States, are_behind, blocked};

/// Inventories, each known as long as no other replica may write it.
type Inventories = BTreeMap<AppId, (Arc<Fence>, Arc<Inventory>)>;

/// What the apps of this process say of themselves.
#[derive(Clone, Default)]
pub struct Board {
    states: Arc<watch::Sender<States>>,
    /// Their inventories as they are stored, so that nobody has to read those of many.
    inventories: Arc<Mutex<Inventories>>,
}

impl Board {
    /// Takes over what an app says of itself.
    pub fn note(&self, app: &AppId, state: State) {
        self.states.send_if_modified(|states| {
            let is_news = states.get(app) != Some(&state);
            if is_news {
                states.insert(app.clone(), state);
            }
            is_news
        });
    }

    /// Changes what is known of an app.
    pub fn update(&self, app: &AppId, change: impl FnOnce(&mut State)) {
        let mut state = self.states.borrow().get(app).cloned().unwrap_or_default();
        change(&mut state);
        self.note(app, state);
    }

    /// Forgets an app that is gone.
    pub fn forget(&self, app: &AppId) {
        self.states.send_if_modified(|states| states.remove(app).is_some());
        self.inventories().remove(app);
    }

    /// What holds an app back.
    pub fn gate(&self, app: &AppId) -> Gate {
        Gate { app: app.clone(), states: self.states.subscribe() }
    }

    /// The other apps, as one sees them that is written while its fence is open.
    pub fn peers(&self, app: &AppId, fence: &Arc<Fence>) -> Peers {
        Peers { app: app.clone(), fence: fence.clone(), board: self.clone() }
    }

    fn inventories(&self) -> MutexGuard<'_, Inventories> {
        self.inventories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The other apps of this process, as one of them sees them.
#[derive(Clone)]
pub struct Peers {
    app: AppId,
    fence: Arc<Fence>,
    board: Board,
}

impl Peers {
    /// Whether another app may yet declare what left this one by a commit.
    pub fn are_behind(&self, commit: &str) -> bool {
        are_behind(&self.board.states.borrow(), &self.app, commit)
    }

    /// Shows the others this app's inventory as it is stored, or with `None` that it is not known.
    pub fn show(&self, inventory: Option<&Arc<Inventory>>) {
        let mut all = self.board.inventories();
        match inventory {
            Some(inventory) => {
                all.insert(self.app.clone(), (self.fence.clone(), inventory.clone()));
            }
            None => drop(all.remove(&self.app)),
        }
    }

    /// Another app's inventory as it is stored, if that is known here.
    pub fn inventory(&self, app: &AppId) -> Option<Arc<Inventory>> {
        let all = self.board.inventories();
        let (_, inventory) = all.get(app).filter(|(fence, _)| fence.is_open())?;
        Some(inventory.clone())
    }
}

/// What holds back one app, as long as what it depends on is not ready.
#[derive(Clone)]
pub struct Gate {
    app: AppId,
    states: watch::Receiver<States>,
}

impl Gate {
    /// Why the app may not apply a commit yet.
    pub fn blocked(&mut self, commit: Option<&str>) -> Option<Blocked> {
        blocked(&self.states.borrow_and_update(), &self.app, commit)
    }

    /// Waits until any app says something new.
    pub async fn changed(&mut self) {
        if self.states.changed().await.is_err() {
            // Nobody will say anything any more.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[tokio::test]
    async fn whoever_waits_hears_at_once() {
        let app = |name: &str| name.parse::<AppId>().unwrap();
        let board = Board::default();
        board.note(&app("a"), State { depends_on: vec![app("b")], ..State::default() });
        board.note(&app("b"), State::default());
        let mut gate = board.gate(&app("a"));
        assert!(gate.blocked(None).is_some());
        {
            let mut waiting = std::pin::pin!(gate.changed());
            assert!(futures::poll!(&mut waiting).is_pending());
            board.update(&app("b"), |state| state.is_ready = true);
            waiting.await;
        }
        assert!(gate.blocked(None).is_none());
    }

    #[test]
    fn what_another_replica_may_have_written_is_not_known() {
        let app = |name: &str| name.parse::<AppId>().unwrap();
        let (board, fence) = (Board::default(), Arc::new(Fence::default()));
        fence.set(Some(Instant::now() + Duration::from_hours(1)));
        let (a, b) = (board.peers(&app("a"), &fence), board.peers(&app("b"), &Arc::default()));
        a.show(Some(&Arc::default()));
        assert!(b.inventory(&app("a")).is_some());
        fence.set(None);
        assert!(b.inventory(&app("a")).is_none());
    }
}

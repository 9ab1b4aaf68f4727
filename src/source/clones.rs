//! The clones of this process. Apps that follow one revision of one repository share a clone, and what one
//! of them fetches is fetched for all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use super::SourceError;
use super::credentials::AppToken;
use super::head::Head;
use super::submodule::{Absent, Missing};
use crate::lanes::Lanes;

/// Children that begin to fetch at the same time.
const LANES: usize = 16;
/// What takes longer than this waits for a server, and takes nothing from the others any more.
const QUICK: Duration = Duration::from_secs(3);

/// All clones that are in use.
#[derive(Clone, Debug, Default)]
pub struct Clones(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clones: Lock<BTreeMap<PathBuf, Weak<Shared>>>,
    lanes: Lanes,
}

impl Default for Inner {
    fn default() -> Self {
        Self { clones: Lock::default(), lanes: lanes() }
    }
}

fn lanes() -> Lanes {
    Lanes::new(LANES, QUICK)
}

impl Clones {
    /// The clone in this folder, which is one for all who ask.
    pub fn at(&self, dir: &Path) -> Arc<Shared> {
        let mut clones = self.0.clones.lock().unwrap_or_else(PoisonError::into_inner);
        clones.retain(|_, clone| clone.strong_count() > 0);
        if let Some(known) = clones.get(dir).and_then(Weak::upgrade) {
            return known;
        }
        let new = Arc::new(Shared { lanes: self.0.lanes.clone(), ..Shared::default() });
        clones.insert(dir.to_owned(), Arc::downgrade(&new));
        new
    }

    /// Whether anybody uses the clone in this folder.
    pub(super) fn has(&self, dir: &Path) -> bool {
        self.unless_used(dir, || ()).is_none()
    }

    /// Does something to a clone that nobody uses, and that nobody begins to use meanwhile.
    pub(super) fn unless_used<T>(&self, dir: &Path, act: impl FnOnce() -> T) -> Option<T> {
        let clones = self.0.clones.lock().unwrap_or_else(PoisonError::into_inner);
        let is_used = clones.get(dir).is_some_and(|clone| clone.strong_count() > 0);
        (!is_used).then(act)
    }
}

/// What all apps of a clone share: its last fetch.
#[derive(Debug)]
pub struct Shared {
    last: Mutex<Option<Fetched>>,
    head: watch::Sender<Option<String>>,
    lanes: Lanes,
    /// Kept for the next fetch, where an app of GitHub fetches.
    token: Lock<Option<AppToken>>,
    /// Submodules that are not in the clone.
    absent: Lock<Absent>,
}

#[derive(Debug)]
struct Fetched {
    began: Instant,
    is_fresh: bool,
    result: Result<Head, SourceError>,
}

impl Default for Shared {
    fn default() -> Self {
        let (last, head, token) = (Mutex::default(), watch::Sender::default(), Lock::default());
        Self { last, head, lanes: lanes(), token, absent: Lock::default() }
    }
}

impl Shared {
    /// What a fetch came to that began not before `since`: another app's, or this one. A fresh one makes the
    /// clone anew.
    pub(super) async fn fetched(
        &self,
        since: Instant,
        fresh: bool,
        fetch: impl Future<Output = Result<Head, SourceError>>,
    ) -> Result<Head, SourceError> {
        let mut last = self.last.lock().await;
        let will_do = |last: &&Fetched| last.began >= since && (last.is_fresh || !fresh);
        if let Some(last) = last.as_ref().filter(will_do) {
            return last.result.clone();
        }
        let began = Instant::now();
        let result = self.lanes.run(|| fetch).await;
        if let Ok(head) = &result {
            let is_new = |known: &mut Option<String>| {
                let is_new = known.as_ref() != Some(&head.commit);
                *known = Some(head.commit.clone());
                is_new
            };
            self.head.send_if_modified(is_new);
        }
        *last = Some(Fetched { began, is_fresh: fresh, result: result.clone() });
        result
    }

    /// The last token of the app of GitHub that fetches.
    pub(super) fn token(&self) -> Option<AppToken> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps a token for the next fetch.
    pub(super) fn keep_token(&self, token: Option<AppToken>) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
    }

    /// The submodules that are missing and not to be tried now.
    pub(super) fn resting(&self) -> Vec<Missing> {
        self.absent().resting(Instant::now())
    }

    /// Keeps which submodules a fetch did not bring, of which these were not tried.
    pub(super) fn keep_missing(&self, found: Vec<Missing>, resting: &[Missing]) {
        self.absent().renew(found, resting, Instant::now());
    }

    /// The submodules that the last fetch did not bring.
    pub(super) fn missing(&self) -> Vec<Missing> {
        self.absent().all()
    }

    fn absent(&self) -> MutexGuard<'_, Absent> {
        self.absent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until another app's fetch has found a commit other than this one.
    pub(super) async fn other_than(&self, commit: Option<&str>) {
        let mut head = self.head.subscribe();
        // The sender lives as long as this does.
        let _ = head.wait_for(|head| head.is_some() && head.as_deref() != commit).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn head(commit: &str) -> Head {
        Head { commit: commit.to_owned(), ..Head::default() }
    }

    #[tokio::test]
    async fn what_one_fetched_lately_is_fetched_for_all() {
        let shared = Clones::default().at(Path::new("clone"));
        let count = AtomicUsize::new(0);
        let fetch = |since: Instant, fresh: bool| {
            let fetch = async { Ok(head(&count.fetch_add(1, Ordering::Relaxed).to_string())) };
            let shared = shared.clone();
            async move { shared.fetched(since, fresh, fetch).await.unwrap().commit }
        };
        let start = Instant::now();
        assert_eq!(fetch(start, false).await, "0");
        assert_eq!(fetch(start, false).await, "0");
        let later = Instant::now();
        assert_eq!(fetch(later, false).await, "1");
        assert_eq!(fetch(start, true).await, "2");
        assert_eq!(fetch(start, false).await, "2");
        shared.other_than(Some("1")).await;
        let known = shared.other_than(Some("2"));
        assert!(futures::poll!(std::pin::pin!(known)).is_pending());
    }

    #[tokio::test]
    async fn what_hangs_holds_up_no_other_repository() {
        let lanes = Lanes::new(LANES, Duration::from_millis(1));
        let clones = Clones(Arc::new(Inner { lanes, ..Inner::default() }));
        let hung: Vec<_> = (0..2 * LANES).map(|n| clones.at(Path::new(&n.to_string()))).collect();
        let hang = |shared: Arc<Shared>| {
            tokio::spawn(async move {
                shared.fetched(Instant::now(), false, std::future::pending()).await
            })
        };
        let tasks: Vec<_> = hung.into_iter().map(hang).collect();
        tokio::task::yield_now().await;
        let quick = clones.at(Path::new("quick"));
        let found = quick.fetched(Instant::now(), false, async { Ok(head("a")) });
        let found = tokio::time::timeout(Duration::from_secs(30), found).await.unwrap();
        assert_eq!(found.unwrap().commit, "a");
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

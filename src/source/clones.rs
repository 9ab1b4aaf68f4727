//! The clones of this process. Apps that follow one revision of one repository share a clone, and what one
//! of them fetches is fetched for all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore, watch};
use tokio::time::Instant;

use super::SourceError;
use super::credentials::AppToken;
use super::head::Head;
use super::submodule::{Absent, Missing};
use crate::lanes::Lanes;

/// Children that begin to fetch at the same time.
const LANES: usize = 16;
/// What takes longer than this waits for a server, and takes nothing from the others any more...
const QUICK: Duration = Duration::from_secs(3);
/// ...but memory: so many children may run at all...
const CHILDREN: usize = 96;
/// ...and so many for the repositories of one host, or one that hangs would take the places of all others.
const CHILDREN_OF_HOST: usize = 32;

/// All clones that are in use.
#[derive(Clone, Debug, Default)]
pub struct Clones(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clones: Lock<BTreeMap<PathBuf, Weak<Shared>>>,
    hosts: Lock<BTreeMap<String, Weak<Semaphore>>>,
    lanes: Lanes,
}

impl Default for Inner {
    fn default() -> Self {
        Self { clones: Lock::default(), hosts: Lock::default(), lanes: lanes() }
    }
}

fn lanes() -> Lanes {
    Lanes::new(LANES, QUICK).at_most(CHILDREN)
}

impl Clones {
    /// The clone in this folder, which is one for all who ask, of a repository of this host.
    pub fn at(&self, dir: &Path, host: &str) -> Arc<Shared> {
        let mut clones = self.0.clones.lock().unwrap_or_else(PoisonError::into_inner);
        clones.retain(|_, clone| clone.strong_count() > 0);
        if let Some(known) = clones.get(dir).and_then(Weak::upgrade) {
            return known;
        }
        let (lanes, places) = (self.0.lanes.clone(), self.places(host));
        let new = Arc::new(Shared { lanes, places, ..Shared::default() });
        clones.insert(dir.to_owned(), Arc::downgrade(&new));
        new
    }

    /// The places for what fetches from a host.
    fn places(&self, host: &str) -> Arc<Semaphore> {
        let mut hosts = self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.retain(|_, places| places.strong_count() > 0);
        if let Some(known) = hosts.get(host).and_then(Weak::upgrade) {
            return known;
        }
        let new = places();
        hosts.insert(host.to_owned(), Arc::downgrade(&new));
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

fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(CHILDREN_OF_HOST))
}

/// What is wanted of a fetch beside what is new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    /// That it makes the clone anew.
    pub fresh: bool,
    /// That the clone has so many commits of history.
    pub depth: Option<usize>,
}

impl Wish {
    /// A clone that is made anew.
    pub const FRESH: Self = Self { fresh: true, depth: None };

    /// History of this many commits.
    pub fn deep(depth: usize) -> Self {
        Self { fresh: false, depth: Some(depth) }
    }

    /// Whether what fulfils this one fulfils another.
    fn covers(self, other: Self) -> bool {
        (self.fresh || !other.fresh) && self.depth >= other.depth
    }
}

/// What all apps of a clone share: its last fetch.
#[derive(Debug)]
pub struct Shared {
    last: Mutex<Last>,
    head: watch::Sender<Option<String>>,
    lanes: Lanes,
    /// Those of its host.
    places: Arc<Semaphore>,
    /// Kept for the next fetch, where an app of GitHub fetches.
    token: Lock<Option<AppToken>>,
    /// Submodules that are not in the clone.
    absent: Lock<Absent>,
}

#[derive(Debug, Default)]
struct Last {
    fetched: Option<Fetched>,
    /// The last one that history was wanted of.
    deepened: Option<Fetched>,
}

#[derive(Clone, Debug)]
struct Fetched {
    began: Instant,
    wish: Wish,
    result: Result<Head, SourceError>,
}

impl Default for Shared {
    fn default() -> Self {
        let (last, head, token) = (Mutex::default(), watch::Sender::default(), Lock::default());
        let (lanes, places) = (lanes(), places());
        Self { last, head, lanes, places, token, absent: Lock::default() }
    }
}

impl Shared {
    /// What a fetch came to that began not before `since` and does what is wanted: another app's, or this one. All of a
    /// clone go one after the other.
    pub(super) async fn fetched<F: Future<Output = Result<Head, SourceError>>>(
        &self,
        since: Instant,
        mut wish: Wish,
        fetch: impl FnOnce(Wish) -> F,
    ) -> Result<Head, SourceError> {
        let mut last = self.last.lock().await;
        let will_do = |last: &&Fetched| last.began >= since && last.wish.covers(wish);
        let known = if wish.depth.is_some() { &last.deepened } else { &last.fetched };
        if let Some(known) = known.as_ref().filter(will_do) {
            return known.result.clone();
        }
        if wish.fresh {
            last.deepened = None;
        }
        // Fewer commits than were wanted before would cut off the rest.
        let depth = last.deepened.as_ref().and_then(|deepened| deepened.wish.depth);
        wish.depth = wish.depth.map(|wanted| depth.map_or(wanted, |depth| wanted.max(depth)));
        let began = Instant::now();
        // The semaphore is never closed.
        let _place = self.places.acquire().await;
        let result = self.lanes.run(|| fetch(wish)).await;
        if let Ok(head) = &result {
            let is_new = |known: &mut Option<String>| {
                let is_new = known.as_ref() != Some(&head.commit);
                *known = Some(head.commit.clone());
                is_new
            };
            self.head.send_if_modified(is_new);
        }
        let fetched = Fetched { began, wish, result: result.clone() };
        if wish.depth.is_some() {
            last.deepened = Some(fetched.clone());
        }
        last.fetched = Some(fetched);
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
        let shared = Clones::default().at(Path::new("clone"), "git.example");
        let count = AtomicUsize::new(0);
        let fetch = |since: Instant, wish: Wish| {
            let fetch = async |_| Ok(head(&count.fetch_add(1, Ordering::Relaxed).to_string()));
            let shared = shared.clone();
            async move { shared.fetched(since, wish, fetch).await.unwrap().commit }
        };
        let start = Instant::now();
        assert_eq!(fetch(start, Wish::default()).await, "0");
        assert_eq!(fetch(start, Wish::default()).await, "0");
        let later = Instant::now();
        assert_eq!(fetch(later, Wish::default()).await, "1");
        assert_eq!(fetch(start, Wish::FRESH).await, "2");
        assert_eq!(fetch(start, Wish::default()).await, "2");
        shared.other_than(Some("1")).await;
        let known = shared.other_than(Some("2"));
        assert!(futures::poll!(std::pin::pin!(known)).is_pending());
    }

    #[tokio::test]
    async fn what_one_deepened_is_deepened_for_all_and_stays() {
        let shared = Clones::default().at(Path::new("clone"), "git.example");
        let asked = Lock::new(Vec::new());
        let fetch = async |since: Instant, wish: Wish| {
            let fetch = async |wish: Wish| {
                asked.lock().unwrap().push(wish.depth);
                // All others come meanwhile.
                tokio::task::yield_now().await;
                Ok(head("a"))
            };
            shared.fetched(since, wish, fetch).await.unwrap();
        };
        let start = Instant::now();
        fetch(start, Wish::default()).await;
        futures::future::join_all((0..200).map(|_| fetch(start, Wish::deep(50)))).await;
        assert_eq!(*asked.lock().unwrap(), [None, Some(50)]);
        fetch(start, Wish::deep(500)).await;
        fetch(Instant::now(), Wish::default()).await;
        fetch(start, Wish::deep(50)).await;
        assert_eq!(asked.lock().unwrap().split_off(2), [Some(500), None]);
        // Fewer would cut off what others look at. What is only new is fetched as ever.
        fetch(Instant::now(), Wish::deep(50)).await;
        fetch(Instant::now(), Wish::default()).await;
        fetch(Instant::now(), Wish::FRESH).await;
        fetch(Instant::now(), Wish::deep(50)).await;
        assert_eq!(asked.lock().unwrap().split_off(2), [Some(500), None, None, Some(50)]);
    }

    #[tokio::test]
    async fn what_hangs_holds_up_no_other_repository() {
        let lanes = Lanes::new(LANES, Duration::from_millis(1)).at_most(CHILDREN);
        let clones = Clones(Arc::new(Inner { lanes, ..Inner::default() }));
        let begun = Arc::new(AtomicUsize::new(0));
        let hang = |n: usize| {
            let (shared, begun) = (clones.at(Path::new(&n.to_string()), "hung"), begun.clone());
            tokio::spawn(async move {
                let hang = async |_| {
                    begun.fetch_add(1, Ordering::Relaxed);
                    std::future::pending().await
                };
                shared.fetched(Instant::now(), Wish::default(), hang).await
            })
        };
        // More than may run at all: those of one host leave room for the others.
        let tasks: Vec<_> = (0..2 * CHILDREN).map(hang).collect();
        tokio::task::yield_now().await;
        let quick = clones.at(Path::new("quick"), "quick");
        for _ in 0..3 {
            let found = quick.fetched(Instant::now(), Wish::default(), async |_| Ok(head("a")));
            let found = tokio::time::timeout(Duration::from_secs(30), found).await.unwrap();
            assert_eq!(found.unwrap().commit, "a");
        }
        assert!(begun.load(Ordering::Relaxed) <= CHILDREN_OF_HOST);
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

//! Lanes in which work begins: only so much of it side by side, and one that hangs holds up no other.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::sleep;

/// Where work of one sort begins.
#[derive(Clone, Debug)]
pub struct Lanes {
    free: Arc<Semaphore>,
    quick: Duration,
    /// For all that runs, also what has left its lane.
    places: Arc<Semaphore>,
}

impl Lanes {
    /// So many lanes. What takes longer than `quick` waits for somebody else, and leaves its lane to others.
    pub fn new(number: usize, quick: Duration) -> Self {
        let places = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        Self { free: Arc::new(Semaphore::new(number)), quick, places }
    }

    /// The same for work of which no more than this may run at all, slow or not: it takes what there is too little of.
    #[must_use]
    pub fn at_most(self, most: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(most)), ..self }
    }

    /// Begins some work once there is a lane for it. Until then it takes next to no memory.
    pub async fn run<T, F: Future<Output = T>>(&self, work: impl FnOnce() -> F) -> T {
        let _place = self.places.acquire().await;
        let lane = self.free.acquire().await;
        let mut work = Box::pin(work());
        tokio::select! {
            done = &mut work => return done,
            () = sleep(self.quick) => drop(lane),
        }
        work.await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_quick_goes_one_after_the_other_and_what_hangs_is_passed() {
        let lanes = Lanes::new(1, Duration::from_millis(1));
        let mut hung = std::pin::pin!(lanes.run(std::future::pending::<()>));
        assert!(futures::poll!(&mut hung).is_pending());
        let mut next = std::pin::pin!(lanes.run(async || 1));
        assert!(futures::poll!(&mut next).is_pending());
        let (done, ()) = tokio::select! {
            () = &mut hung => (0, ()),
            done = next => (done, ()),
        };
        assert_eq!(done, 1);
    }

    #[tokio::test]
    async fn no_more_than_was_said_runs_at_all() {
        let lanes = Lanes::new(1, Duration::ZERO).at_most(2);
        let begun = std::cell::Cell::new(0);
        let hang = || {
            begun.set(begun.get() + 1);
            std::future::pending::<()>()
        };
        let all = [lanes.run(hang), lanes.run(hang), lanes.run(hang)];
        let mut hung = std::pin::pin!(futures::future::join_all(all));
        for _ in 0..50 {
            assert!(futures::poll!(&mut hung).is_pending());
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(begun.get(), 2);
    }
}

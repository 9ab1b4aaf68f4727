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
}

impl Lanes {
    /// So many lanes. What takes longer than `quick` waits for somebody else, and leaves its lane to others.
    pub fn new(number: usize, quick: Duration) -> Self {
        Self { free: Arc::new(Semaphore::new(number)), quick }
    }

    /// Begins some work once there is a lane for it. Until then it takes next to no memory.
    pub async fn run<T, F: Future<Output = T>>(&self, work: impl FnOnce() -> F) -> T {
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
}

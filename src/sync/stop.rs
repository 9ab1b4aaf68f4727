//! The wish of the process to end.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::sleep;

/// Time for what is under way to end by itself: a pod is killed 30 s after it was asked to end.
const LAST: Duration = Duration::from_secs(5);

/// Tells whether the process, or one app of it, is to end, and waits for it.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

/// Asks what heeds its [`Stop`] to end.
#[derive(Clone, Debug)]
pub struct Halt(Arc<watch::Sender<bool>>);

impl Halt {
    /// Whether it was asked.
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Asks.
    pub fn halt(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Ends when it is asked to.
    pub fn new() -> (Halt, Self) {
        let (sender, receiver) = watch::channel(false);
        (Halt(Arc::new(sender)), Self(receiver))
    }

    /// Ends at SIGTERM or SIGINT; at once at a second one.
    pub fn on_signals() -> std::io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            sender.send_replace(true);
            // Who asks a second time does not want to wait.
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(130);
        });
        Ok(Self(receiver))
    }

    /// Whether the process is to end.
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when the process is to end.
    pub async fn wait(&self) {
        let mut receiver = self.0.clone();
        // An error means that the sender is gone, which only happens at the end.
        let _ = receiver.wait_for(|stop| *stop).await;
    }

    /// Returns when the process should have ended: what is still under way is given up. The next process
    /// finds it as if this one had been killed.
    pub async fn overdue(&self) {
        self.wait().await;
        sleep(LAST).await;
    }
}

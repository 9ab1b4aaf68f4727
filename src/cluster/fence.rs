//! Who may write, and until when. A write passes its fence twice: before it waits for a connection, and in the
//! moment in which its body is handed to one. A process that was stopped in between (SIGSTOP, a frozen node)
//! therefore sends nothing when it goes on, but for what the kernel has already. (A machine that is suspended as a
//! whole has no clock that goes on; its writes still meet the versions and uids that they were meant for.)

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http_body::{Body as HttpBody, Frame, SizeHint};
use kube::client::Body;
use tokio::sync::watch;
use tower::BoxError;

use super::ApiError;

/// Longest time that a request may be under way after we gave it up: the API server's own limit.
const ON_ITS_WAY: Duration = Duration::from_mins(1);

/// The number of a time in which a fence is held without a break. What was begun in one is no longer right in
/// another: somebody else may have written in between.
pub type Term = u64;

/// Lets writes through while it is open, by the monotonic clock of this process alone.
#[derive(Debug)]
pub struct Fence {
    state: Mutex<State>,
    held: watch::Sender<Option<Term>>,
    writing: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    /// When it closes by itself; `None` while it is closed.
    until: Option<Instant>,
    /// The term that it is held for, or was last.
    term: Term,
    /// When a write was given up of which we do not know whether it will be done.
    unknown: Option<Instant>,
}

impl Default for Fence {
    fn default() -> Self {
        let (held, writing) = (watch::Sender::new(None), watch::Sender::new(0));
        Self { state: Mutex::default(), held, writing }
    }
}

impl Fence {
    /// Opens it until then, or closes it. Opened after it was closed, it begins another term.
    pub fn set(&self, until: Option<Instant>) {
        let term = {
            let mut state = self.state();
            state.term += Term::from(until.is_some() && state.until.is_none());
            state.until = until;
            until.map(|_| state.term)
        };
        self.held.send_if_modified(|held| std::mem::replace(held, term) != term);
    }

    /// Whether a write may be sent now.
    pub fn is_open(&self) -> bool {
        self.state().is_open()
    }

    /// The term that it is held for, as it was last [`set`](Self::set): what passes wait for. Whether a write may
    /// be sent is the clock's decision alone.
    pub fn held(&self) -> watch::Receiver<Option<Term>> {
        self.held.subscribe()
    }

    /// Returns when no write is under way that passed it.
    pub async fn quiet(&self) {
        let mut writing = self.writing.subscribe();
        // The sender is ours.
        let _ = writing.wait_for(|number| *number == 0).await;
    }

    /// Whether a write may still be under way although we have given it up.
    pub fn is_haunted(&self) -> bool {
        self.state().unknown.is_some_and(|at| at.elapsed() < ON_ITS_WAY)
    }

    /// Lets a write in, in this term or in any. It is under way until the last of its holders drops it.
    pub(super) fn enter(self: &Arc<Self>, term: Option<Term>) -> Result<Arc<Writing>, ApiError> {
        // Counted first: who closes the fence and then waits for quiet must not miss it.
        self.writing.send_modify(|number| *number += 1);
        let writing = Writing {
            fence: self.clone(),
            term: term.unwrap_or_else(|| self.state().term),
            is_sent: AtomicBool::new(false),
            is_answered: AtomicBool::new(false),
        };
        if writing.may_be_sent() { Ok(Arc::new(writing)) } else { Err(ApiError::NotLeader) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_open(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }
}

/// A write that a fence has let in.
#[derive(Debug)]
pub(super) struct Writing {
    fence: Arc<Fence>,
    term: Term,
    is_sent: AtomicBool,
    is_answered: AtomicBool,
}

impl Writing {
    fn may_be_sent(&self) -> bool {
        let state = self.fence.state();
        state.is_open() && state.term == self.term
    }

    /// The moment in which it is sent, if it still may be.
    fn pass(&self) -> bool {
        let may_be_sent = self.may_be_sent();
        self.is_sent.fetch_or(may_be_sent, Ordering::Relaxed);
        may_be_sent
    }

    /// The server has decided on it.
    pub(super) fn ends(&self) {
        self.is_answered.store(true, Ordering::Relaxed);
    }

    /// Whether it was held back at the last moment.
    pub(super) fn is_held_back(&self) -> bool {
        !self.is_sent.load(Ordering::Relaxed) && !self.may_be_sent()
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if *self.is_sent.get_mut() && !*self.is_answered.get_mut() {
            self.fence.state().unknown = Some(Instant::now());
        }
        self.fence.writing.send_modify(|number| *number -= 1);
    }
}

/// A request's body, which only an open fence hands out.
pub(super) struct Guarded {
    body: Body,
    writing: Option<Arc<Writing>>,
}

impl Guarded {
    /// Takes over the fence that the request carries, if any.
    pub(super) fn request(mut request: http::Request<Body>) -> http::Request<Self> {
        let writing = request.extensions_mut().remove::<Arc<Writing>>();
        request.map(|body| Self { body, writing })
    }
}

impl HttpBody for Guarded {
    type Data = <Body as HttpBody>::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, BoxError>>> {
        if self.writing.as_ref().is_some_and(|writing| !writing.pass()) {
            return Poll::Ready(Some(Err(ApiError::NotLeader.into())));
        }
        Pin::new(&mut self.body).poll_frame(context).map_err(BoxError::from)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    fn open() -> Arc<Fence> {
        let fence = Arc::new(Fence::default());
        fence.set(Some(Instant::now() + LONG));
        fence
    }

    fn frame(writing: Arc<Writing>) -> Result<(), BoxError> {
        let body = Body::from(b"{}".to_vec());
        let mut guarded = Guarded { body, writing: Some(writing) };
        let polled =
            Pin::new(&mut guarded).poll_frame(&mut Context::from_waker(std::task::Waker::noop()));
        match polled {
            Poll::Ready(Some(frame)) => frame.map(drop),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn it_is_closed_at_first_when_closed_and_when_its_time_is_over() {
        let check = |until: Option<Option<Instant>>, is_open: bool| {
            let fence = Arc::new(Fence::default());
            if let Some(until) = until {
                fence.set(until);
            }
            assert_eq!(fence.is_open(), is_open);
            assert_eq!(fence.enter(None).is_ok(), is_open);
            assert!(fence.quiet().now_or_never().is_some(), "nothing is under way");
        };
        check(None, false);
        check(Some(None), false);
        check(Some(Some(Instant::now())), false);
        check(Some(Some(Instant::now() + LONG)), true);
    }

    #[test]
    fn a_write_that_waited_too_long_is_held_back_at_the_last_moment() {
        let fence = open();
        let writing = fence.enter(None).unwrap();
        fence.set(Some(Instant::now()));
        let error = frame(writing.clone()).unwrap_err();
        assert!(error.to_string().contains("no longer the leader"), "{error}");
        assert!(writing.is_held_back());
        drop(writing);
        assert!(!fence.is_haunted(), "it was never sent");
    }

    #[test]
    fn what_was_begun_in_one_term_is_not_written_in_another() {
        let fence = open();
        let term = *fence.held().borrow();
        assert_eq!(term, Some(1));
        let begun = fence.enter(None).unwrap();
        // Held on is the same term.
        fence.set(Some(Instant::now() + LONG * 2));
        assert!(begun.may_be_sent() && fence.enter(term).is_ok());
        fence.set(None);
        assert_eq!(*fence.held().borrow(), None);
        fence.set(Some(Instant::now() + LONG));
        assert_eq!(*fence.held().borrow(), Some(2));
        assert!(fence.enter(term).is_err() && fence.enter(None).is_ok());
        assert!(frame(begun.clone()).is_err() && begun.is_held_back());
    }

    #[test]
    fn it_is_quiet_when_the_last_write_has_ended() {
        let check = |is_answered: bool| {
            let fence = open();
            let writing = fence.enter(None).unwrap();
            frame(writing.clone()).unwrap();
            fence.set(None);
            assert!(fence.quiet().now_or_never().is_none());
            if is_answered {
                writing.ends();
            }
            drop(writing);
            assert!(fence.quiet().now_or_never().is_some());
            assert_eq!(fence.is_haunted(), !is_answered);
        };
        check(true);
        check(false);
    }
}

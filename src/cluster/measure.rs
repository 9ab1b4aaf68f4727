//! Answers of an API server that a tenant chose: they end where they would take too much memory.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower::{BoxError, Service};

/// Bytes of an answer, or of one event of a watch, of another cluster. A page of a list is far smaller.
pub(super) const OTHERS: usize = 64 << 20;

/// Sends requests, and measures what comes back.
#[derive(Clone)]
pub(super) struct Measuring<S> {
    service: S,
    most: usize,
}

impl<S> Measuring<S> {
    /// Lets answers have so many bytes at most.
    pub(super) fn new(service: S, most: usize) -> Self {
        Self { service, most }
    }
}

impl<S, R, B> Service<Request<R>> for Measuring<S>
where
    S: Service<Request<R>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<Measured<B>>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        let most = self.most;
        let measured = move |body| Measured { body, most, taken: 0, is_watch };
        let answer = self.service.call(request);
        answer.map(move |answer| answer.map(|answer| answer.map(measured))).boxed()
    }
}

/// A body that ends with an error where it becomes too long.
pub(super) struct Measured<B> {
    body: B,
    most: usize,
    taken: usize,
    /// Whether it is one event after the other, each on a line.
    is_watch: bool,
}

impl<B> Measured<B> {
    /// Says whether this much may still come.
    fn take(&mut self, data: &[u8]) -> bool {
        let ended = data.iter().rposition(|byte| *byte == b'\n').filter(|_| self.is_watch);
        self.taken = match ended {
            Some(at) => data.len() - at,
            None => self.taken + data.len(),
        };
        self.taken <= self.most
    }
}

impl<B> Body for Measured<B>
where
    B: Body + Unpin,
    B::Data: AsRef<[u8]>,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else {
            return Poll::Ready(None);
        };
        let frame = frame.map_err(Into::into)?;
        let may_come = frame.data_ref().is_none_or(|data| self.take(data.as_ref()));
        let much = || format!("its answer is too much: more than {} bytes", self.most);
        Poll::Ready(Some(if may_come { Ok(frame) } else { Err(much().into()) }))
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
    use super::*;

    #[test]
    fn a_watch_is_measured_by_its_events() {
        let check = |is_watch: bool, pieces: &[&str], expect: bool| {
            let mut measured = Measured { body: (), most: 4, taken: 0, is_watch };
            let found = pieces.iter().all(|piece| measured.take(piece.as_bytes()));
            assert_eq!(found, expect, "{pieces:?}");
        };
        check(false, &["ab", "cd"], true);
        check(false, &["ab", "cde"], false);
        check(false, &["ab\n", "cd"], false);
        check(true, &["ab\n", "cd"], true);
        check(true, &["abc\n", "abc\n", "abc\n"], true);
        check(true, &["ab\nab\nab", "c\n"], true);
        check(true, &["ab\nab", "cde"], false);
    }
}

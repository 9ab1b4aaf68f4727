//! What can be wrong with an API server, and what it was asked.

use axum::{
    body::Body,
    http::{Response, header::RETRY_AFTER},
};
use std::time::Duration;

/// How the proxy treats a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ApiFault {
    /// As it should.
    #[default]
    None,
    /// Answers with this status in the API server's place.
    Status {
        /// The status, such as 429.
        code: u16,
        /// Seconds after which it may be tried again.
        retry_after: Option<u32>,
    },
    /// Does not answer before the faults change; then does what they are by then.
    Hang,
    /// Cuts the connection, and the API server hears nothing of it.
    Cut,
    /// Cuts the connection once the API server has carried the request out: the response is lost.
    Lose,
    /// Passes it on after this time.
    Delay(Duration),
}

impl ApiFault {
    /// An answer of a server that limits its clients: 429, to be tried again after so many seconds.
    pub fn too_many(retry_after: u32) -> Self {
        Self::Status { code: 429, retry_after: Some(retry_after) }
    }

    /// An answer with nothing but a status.
    pub fn status(code: u16) -> Self {
        Self::Status { code, retry_after: None }
    }

    /// The API server's own words for these, in plain text as it has them.
    pub(crate) fn answer(
        code: u16,
        retry_after: Option<u32>,
    ) -> axum::http::Result<Response<Body>> {
        let words = match code {
            429 => "Too many requests, please try again later.",
            503 => "service unavailable",
            _ => "the fault proxy says so",
        };
        let answer = Response::builder().status(code);
        let answer = retry_after.iter().fold(answer, |answer, s| answer.header(RETRY_AFTER, *s));
        answer.body(Body::from(words))
    }
}

/// A request as the proxy saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// `GET`, `PATCH` and so on.
    pub method: String,
    /// Path and query.
    pub uri: String,
    /// How many were under way when it came, itself included. Watches do not count.
    pub in_flight: usize,
    /// What was to become of it when it came.
    pub fault: ApiFault,
}

impl Call {
    /// Whether it opens a watch.
    pub fn is_watch(&self) -> bool {
        self.uri.contains("watch=true")
    }

    /// Whether it changes something.
    pub fn is_write(&self) -> bool {
        self.method != "GET"
    }
}

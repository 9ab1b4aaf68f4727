//! What can be wrong with a git server.

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures::{Stream, StreamExt, future, stream};
use std::{io, time::Duration};

/// How the git server treats requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// As it should.
    #[default]
    None,
    /// Refuses whoever does not send these credentials.
    BasicAuth {
        /// The user's name.
        user: String,
        /// The password, or a token.
        password: String,
    },
    /// Refuses whoever does not send this token.
    BearerAuth {
        /// The token.
        token: String,
    },
    /// Leads to the same path at another address.
    Redirect {
        /// The address, such as `http://localhost:8080`.
        to: String,
    },
    /// Leads to another path of the same server.
    Moved {
        /// A part of the path.
        from: String,
        /// What stands there instead.
        to: String,
    },
    /// Answers with a page for people.
    WebPage,
    /// Answers as a git server does, one byte a second.
    Trickle,
    /// Lists refs without an end.
    Endless,
    /// Accepts the request and never answers.
    Hang,
    /// Begins an answer, then sends nothing more and keeps the connection open.
    Stall {
        /// How much of the body is sent.
        after_bytes: usize,
    },
    /// Breaks the connection in the middle of the answer.
    Cut {
        /// How much of the body is sent.
        after_bytes: usize,
    },
    /// Answers with nothing but this status, such as 500.
    Status(u16),
}

impl Fault {
    /// The answer to a request that is not to be served, if and when there is one.
    pub(crate) async fn refusal(&self, path: &str, headers: &HeaderMap) -> Option<Response> {
        match self {
            Self::Hang => future::pending().await,
            Self::Status(code) => Some(StatusCode::from_u16(*code).ok()?.into_response()),
            Self::Redirect { to } => {
                let location = [(header::LOCATION, format!("{to}{path}"))];
                Some((StatusCode::FOUND, location).into_response())
            }
            Self::Moved { from, to } => {
                let location = [(header::LOCATION, path.replace(from, to))];
                Some((StatusCode::MOVED_PERMANENTLY, location).into_response())
            }
            Self::WebPage => {
                let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
                Some((kind, "<html><body>Please log in</body></html>").into_response())
            }
            Self::Trickle => {
                let kind = [(header::CONTENT_TYPE, "application/x-git-upload-pack-advertisement")];
                Some((kind, Body::from_stream(trickle())).into_response())
            }
            Self::Endless => {
                let kind = [(header::CONTENT_TYPE, "application/x-git-upload-pack-advertisement")];
                Some((kind, Body::from_stream(endless())).into_response())
            }
            Self::BearerAuth { token } if !is_authorized(headers, &format!("Bearer {token}")) => {
                Some(StatusCode::UNAUTHORIZED.into_response())
            }
            Self::BasicAuth { user, password }
                if !is_authorized(headers, &basic(user, password)) =>
            {
                let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"testbed\"")];
                Some((StatusCode::UNAUTHORIZED, challenge).into_response())
            }
            _ => None,
        }
    }

    /// What reaches the client of a body.
    pub(crate) fn spoil(&self, body: Body) -> Body {
        let chunks = body.into_data_stream().map(|chunk| chunk.map_err(io::Error::other));
        match self {
            Self::Stall { after_bytes } => {
                Body::from_stream(truncate(chunks, *after_bytes).chain(stream::pending()))
            }
            Self::Cut { after_bytes } => {
                let error = Err(io::ErrorKind::ConnectionAborted.into());
                Body::from_stream(truncate(chunks, *after_bytes).chain(stream::iter([error])))
            }
            _ => Body::from_stream(chunks),
        }
    }
}

/// The beginning of a list of refs that never gets far.
fn trickle() -> impl Stream<Item = io::Result<Bytes>> {
    stream::iter(b"001e# service=git-upload-pack\n0000".repeat(100)).then(|byte| async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(Bytes::copy_from_slice(&[byte]))
    })
}

/// A list of refs that has no end.
fn endless() -> impl Stream<Item = io::Result<Bytes>> {
    let start = Bytes::from_static(b"001e# service=git-upload-pack\n0000");
    let line =
        format!("{:04x}{} refs/heads/{}\n", 4 + 40 + 12 + 100 + 1, "1".repeat(40), "x".repeat(100));
    let lines = Bytes::from(line.repeat(1000));
    stream::iter([Ok(start)]).chain(stream::repeat_with(move || Ok(lines.clone())))
}

/// Ends after `limit` bytes.
fn truncate(
    chunks: impl Stream<Item = io::Result<Bytes>>,
    limit: usize,
) -> impl Stream<Item = io::Result<Bytes>> {
    chunks.scan(limit, |left, chunk| {
        let part = chunk.map(|bytes| bytes.slice(..bytes.len().min(*left)));
        let is_over = *left == 0;
        *left -= part.as_ref().map_or(0, Bytes::len);
        future::ready((!is_over).then_some(part))
    })
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn is_authorized(headers: &HeaderMap, wanted: &str) -> bool {
    headers.get(header::AUTHORIZATION).is_some_and(|sent| sent.as_bytes() == wanted.as_bytes())
}

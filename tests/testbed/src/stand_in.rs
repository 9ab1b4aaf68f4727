//! What a server of somebody else's would answer, where the real one cannot run.

use crate::{Error, loopback::Loopback};
use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::Request,
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// Bytes of a request that are read.
const BODY: usize = 1 << 20;

/// Serves until it is dropped.
pub struct StandIn(Loopback);

/// What it is asked.
pub struct Asked {
    /// Method, path and query, such as `GET /v1/keys?page=1`.
    pub what: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl StandIn {
    /// Answers with a status and JSON.
    ///
    /// # Errors
    /// If the system has no port for it.
    pub fn start(
        name: &str,
        answer: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let answer = Arc::new(answer);
        let handle = move |request: Request| {
            let answer = answer.clone();
            async move { respond(request, &*answer).await }
        };
        Loopback::http(name, 1, Router::new().fallback(handle)).map(Self)
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.0.address())
    }
}

impl Asked {
    /// A header, if it is a text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

async fn respond(request: Request, answer: &impl Fn(&Asked) -> (u16, String)) -> Response {
    let what = format!("{} {}", request.method(), request.uri());
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let (status, body) = answer(&Asked { what, headers: head.headers, body });
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}

//! The few requests that the test bed itself makes to its API server.

use crate::Error;
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use ureq::{
    Agent, Body, SendBody,
    http::{Method, Request, Response},
    tls::{Certificate, RootCerts, TlsConfig},
};

/// Longer than any request of these takes, shorter than any deadline of those who wait.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Speaks to the API server as the administrator.
pub(crate) struct ApiClient {
    agent: Agent,
    server: String,
    token: String,
}

impl ApiClient {
    pub(crate) fn new(server: &str, ca: &str, token: String) -> Result<Self, Error> {
        let invalid = |error| Error::Invalid(format!("the test bed's own certificate: {error}"));
        let ca = Certificate::from_pem(ca.as_bytes()).map_err(invalid)?;
        let roots = RootCerts::Specific(Arc::new(vec![ca]));
        let config = Agent::config_builder()
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .timeout_global(Some(TIMEOUT))
            .proxy(None)
            .user_agent("testbed")
            .http_status_as_error(false)
            .build();
        Ok(Self { agent: config.new_agent(), server: server.to_owned(), token })
    }

    /// The body of a successful GET.
    pub(crate) fn get(&self, path: &str) -> Result<String, Error> {
        self.send(Method::GET, path, SendBody::none())
    }

    /// The body of a successful GET, or nothing if nothing is there.
    pub(crate) fn find(&self, path: &str) -> Result<Option<String>, Error> {
        match self.get(path) {
            Err(Error::Api { answer, .. }) if answer.starts_with("404 ") => Ok(None),
            found => found.map(Some),
        }
    }

    /// Creates an object in the collection at `path`.
    pub(crate) fn create(&self, path: &str, object: &Value) -> Result<String, Error> {
        let body = object.to_string();
        self.send(Method::POST, path, SendBody::from_reader(&mut body.as_bytes()))
    }

    fn send(&self, method: Method, path: &str, body: SendBody<'_>) -> Result<String, Error> {
        let request = format!("{method} {path}");
        let failed = |answer: String| Error::Api { request: request.clone(), answer };
        let call = Request::builder()
            .method(method.clone())
            .uri(format!("{}{path}", self.server))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(body)
            .map_err(|error| failed(error.to_string()))?;
        let response = self.agent.run(call).map_err(|error| failed(error.to_string()))?;
        read(response).map_err(failed)
    }
}

/// The body, as an error if the status is one.
fn read(response: Response<Body>) -> Result<String, String> {
    let status = response.status();
    let body = response.into_body().read_to_string().map_err(|error| error.to_string())?;
    if status.is_success() { Ok(body) } else { Err(format!("{status} {body}")) }
}

//! Plain HTTP requests, for metrics, health and webhooks.

use crate::Error;
use std::time::Duration;
use ureq::{Agent, http::Request};

const TIMEOUT: Duration = Duration::from_secs(60);

/// Sends a request; any status is an answer.
///
/// # Errors
/// If no answer comes.
pub fn http(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<(u16, String), Error> {
    let failed = |answer: String| Error::Api { request: format!("{method} {url}"), answer };
    let config = Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .proxy(None)
        .http_status_as_error(false)
        .build();
    let request = headers
        .iter()
        .fold(Request::builder().method(method).uri(url), |r, (name, value)| {
            r.header(*name, *value)
        })
        .body(body)
        .map_err(|error| failed(error.to_string()))?;
    let answer = config.new_agent().run(request).map_err(|error| failed(error.to_string()))?;
    let status = answer.status().as_u16();
    let text = answer.into_body().read_to_string().map_err(|error| failed(error.to_string()))?;
    Ok((status, text))
}

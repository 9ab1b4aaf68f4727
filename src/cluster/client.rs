//! The connection to one cluster: every request goes through [`Cluster::send`], with a deadline.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Status;
use kube::{Client, Config};
use serde_json::Value;

use super::error::{ApiError, chain};
use super::transport;
use crate::object::ObjectId;
use crate::plan::Resource;

/// Longest time a request may take, in seconds; the API server itself gives up after 60.
pub(super) const DEADLINE: u64 = 65;
/// Longest time a connection may take to open, in seconds.
const CONNECT: u64 = 5;

/// Which cluster to talk to.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// Kubeconfig file; `None` for `KUBECONFIG`, `~/.kube/config` or the pod's own account.
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; `None` for its current one.
    pub context: Option<String>,
}

/// Counts requests, by verb and HTTP code (0 without an answer).
pub type Count = Arc<dyn Fn(&'static str, u16) + Send + Sync>;

/// One cluster.
#[derive(Clone)]
pub struct Cluster {
    pub(super) client: Client,
    count: Count,
}

impl Cluster {
    /// Prepares a connection; nothing is sent yet.
    pub async fn connect(connection: &Connection, count: Count) -> Result<Self, ApiError> {
        let mut config = configuration(connection).await?;
        // A refusal is one object's failure, tried again by the next pass; kube's own retries would
        // hold up all others.
        config.default_retry = false;
        config.connect_timeout = Some(Duration::from_secs(CONNECT));
        let agent = concat!("gitops-sync/", env!("CARGO_PKG_VERSION"));
        let agent = http::HeaderValue::from_static(agent);
        config.headers.push((http::header::USER_AGENT, agent));
        let unusable = |error: kube::Error| ApiError::NoConfiguration(chain(&error));
        let client = transport::client(config).map_err(unusable)?;
        Ok(Self { client, count })
    }

    /// The namespace of the kubeconfig's context or of the pod, else `default`.
    pub fn default_namespace(&self) -> &str {
        self.client.default_namespace()
    }

    /// Sends a request and reads the answer.
    pub(super) async fn send(
        &self,
        verb: &'static str,
        request: Request<Vec<u8>>,
    ) -> Result<(StatusCode, Value), ApiError> {
        let answer = tokio::time::timeout(Duration::from_secs(DEADLINE), self.exchange(request));
        let answer = answer.await.unwrap_or(Err(ApiError::TimedOut(DEADLINE)));
        let code = match &answer {
            Ok((code, _)) => code.as_u16(),
            Err(error) => error.code(),
        };
        (self.count)(verb, code);
        answer
    }

    async fn exchange(&self, request: Request<Vec<u8>>) -> Result<(StatusCode, Value), ApiError> {
        let unreachable = |error: &dyn std::error::Error| ApiError::Unreachable(chain(error));
        let answer =
            self.client.send(request.map(Body::from)).await.map_err(|e| unreachable(&e))?;
        let code = answer.status();
        let body = answer.into_body().collect_bytes().await.map_err(|e| unreachable(&e))?;
        if !code.is_success() {
            return Err(ApiError::Refused(Box::new(refusal(code, &body))));
        }
        let body = serde_json::from_slice(&body);
        Ok((code, body.map_err(|error| ApiError::Unreadable(error.to_string()))?))
    }

    /// Counts requests that kube makes by itself.
    pub(super) fn count(&self, verb: &'static str, code: u16) {
        (self.count)(verb, code);
    }
}

/// The server's own words on a refusal, or what little there is of them.
fn refusal(code: StatusCode, body: &[u8]) -> Status {
    let parsed = serde_json::from_slice::<Status>(body).ok().filter(|s| !s.message.is_empty());
    let mut status = parsed.unwrap_or_else(|| {
        let text: String = String::from_utf8_lossy(body).chars().take(200).collect();
        Status::failure(text.trim(), code.canonical_reason().unwrap_or_default())
    });
    status.code = code.as_u16();
    status
}

async fn configuration(connection: &Connection) -> Result<Config, ApiError> {
    let unusable = |error: &dyn std::error::Error| ApiError::NoConfiguration(chain(error));
    let options =
        KubeConfigOptions { context: connection.context.clone(), ..KubeConfigOptions::default() };
    match &connection.kubeconfig {
        Some(file) => {
            let kubeconfig = Kubeconfig::read_from(file).map_err(|e| unusable(&e))?;
            Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|e| unusable(&e))
        }
        None if connection.context.is_some() => {
            Config::from_kubeconfig(&options).await.map_err(|e| unusable(&e))
        }
        None => Config::infer().await.map_err(|e| unusable(&e)),
    }
}

/// The URL path of a kind's objects, in one namespace or (empty) in all.
pub(super) fn path(resource: &Resource, namespace: &str) -> String {
    let base = match resource.kind.group.as_str() {
        "" => format!("/api/{}", resource.version),
        group => format!("/apis/{group}/{}", resource.version),
    };
    match namespace {
        "" => format!("{base}/{}", resource.plural),
        namespace => format!("{base}/namespaces/{namespace}/{}", resource.plural),
    }
}

/// Requests for one kind in the namespace of one object.
pub(super) fn requests(resource: &Resource, id: &ObjectId) -> kube::core::Request {
    kube::core::Request::new(path(resource, &id.namespace))
}

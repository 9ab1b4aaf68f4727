//! The connection to one cluster: every request goes through [`Cluster::send`], with a deadline. What the
//! API server refuses because it has too much to do is tried again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, Request, StatusCode};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Status;
use kube::core::response::StatusDetails;
use kube::{Client, Config};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::breaker::{self, Breaker};
use super::error::{ApiError, chain};
use super::fence::{Fence, Term, Writing};
use super::pressure::{End, Pressure, pause};
use super::transport;
use crate::object::{ObjectId, ServiceAccount};
use crate::plan::Resource;

/// Longest wait for a sign of life.
const PROBE: Duration = Duration::from_secs(5);
/// Tries of one request.
const TRIES: u32 = 10;
/// Longest time a connection may take to open, in seconds.
const CONNECT: u64 = 5;
/// The header that names whose rights a request is sent with. To a service account the API server adds
/// its groups by itself: `system:serviceaccounts`, that of its namespace, and `system:authenticated`.
const IMPERSONATE: &str = "impersonate-user";

/// Which cluster to talk to.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Kubeconfig file; `None` for `KUBECONFIG`, `~/.kube/config` or the pod's own account.
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; `None` for its current one.
    pub context: Option<String>,
    /// Longest time a request may take, with all its tries.
    pub timeout: Duration,
}

/// Counts requests, by verb and HTTP code (0 without an answer).
pub type Count = Arc<dyn Fn(&'static str, u16) + Send + Sync>;

/// One cluster, and in whose name it is talked to.
#[derive(Clone)]
pub struct Cluster {
    /// What it sends by itself is in the daemon's own name.
    pub(super) client: Client,
    /// Whose rights requests are sent with, instead of the daemon's own.
    account: Option<Arc<ServiceAccount>>,
    /// Whether the daemon itself acts as another user, as its kubeconfig says.
    is_acting: bool,
    /// The URL of the API server.
    address: Arc<str>,
    count: Count,
    timeout: Duration,
    pressure: Arc<Pressure>,
    breaker: Arc<Breaker>,
    /// The fence that writes pass, and the term that they belong to, if to one.
    fence: Option<(Arc<Fence>, Option<Term>)>,
}

impl Cluster {
    /// Prepares a connection; nothing is sent yet.
    pub async fn connect(connection: &Connection, count: Count) -> Result<Self, ApiError> {
        let config = configuration(connection).await?;
        let unusable = |error: kube::Error| ApiError::NoConfiguration(chain(&error));
        Self::new(config, connection.timeout, count, usize::MAX).map_err(unusable)
    }

    /// The cluster of this configuration, of whose answers so many bytes are taken at most.
    pub(super) fn new(
        mut config: Config,
        timeout: Duration,
        count: Count,
        most: usize,
    ) -> Result<Self, kube::Error> {
        // A refusal is one object's failure, tried again by the next pass; kube's own retries, of
        // whatever the server fails at, would hold up all others.
        config.default_retry = false;
        config.connect_timeout = Some(Duration::from_secs(CONNECT));
        let agent = concat!("gitops-sync/", env!("CARGO_PKG_VERSION"));
        let agent = HeaderValue::from_static(agent);
        config.headers.push((http::header::USER_AGENT, agent));
        let is_acting = is_acting(&config);
        let address = config.cluster_url.to_string().trim_end_matches('/').into();
        let client = transport::client(config, most)?;
        let (account, pressure, breaker) = (None, Arc::default(), Arc::default());
        let fence = None;
        Ok(Self { client, account, is_acting, address, count, timeout, pressure, breaker, fence })
    }

    /// The same cluster with the rights of a service account, over the same connections. The daemon's own
    /// are left for what shows no values: watches of metadata, the lists that they begin with, and which
    /// kinds there are.
    #[must_use]
    pub fn acting_as(&self, account: &ServiceAccount) -> Self {
        Self { account: Some(Arc::new(account.clone())), ..self.clone() }
    }

    /// Whose rights requests are sent with, if not the daemon's own.
    pub fn account(&self) -> Option<&ServiceAccount> {
        self.account.as_deref()
    }

    /// The same cluster with the daemon's own rights: for what it does for itself.
    pub(super) fn in_own_name(&self) -> Self {
        Self { account: None, ..self.clone() }
    }

    /// The same cluster, to which nothing is written but while the fence is open. That goes for all that is
    /// no GET: also for dry-runs, which a replica that does not lead has no use for, and for events, which
    /// would tell late what another replica may have undone.
    #[must_use]
    pub fn fenced(&self, fence: Arc<Fence>) -> Self {
        Self { fence: Some((fence, None)), ..self.clone() }
    }

    /// The same cluster, to which nothing is written but in this term of its fence.
    #[must_use]
    pub fn in_term(&self, term: Term) -> Self {
        let fence = self.fence.as_ref().map(|(fence, _)| (fence.clone(), Some(term)));
        Self { fence, ..self.clone() }
    }

    /// Whether writes are let through now.
    pub fn may_write(&self) -> bool {
        self.fence.as_ref().is_none_or(|(fence, _)| fence.is_open())
    }

    /// The same cluster for few requests that must not wait for others: no fence, no sharing of what is asked
    /// at once, and an answer by this time or none.
    #[must_use]
    pub(super) fn apart(&self, timeout: Duration) -> Self {
        let (pressure, breaker) = (Arc::default(), Arc::default());
        Self { timeout, pressure, breaker, fence: None, ..self.clone() }
    }

    /// The namespace of the kubeconfig's context or of the pod, else `default`.
    pub fn default_namespace(&self) -> &str {
        self.client.default_namespace()
    }

    /// The URL of the API server.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Whether both are handles of one connection.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.pressure, &other.pressure)
    }

    /// Sends a request and reads the answer.
    pub(super) async fn send(
        &self,
        verb: &'static str,
        request: Request<Vec<u8>>,
    ) -> Result<(StatusCode, Value), ApiError> {
        let sort = breaker::sort(verb, request.uri().path());
        self.let_through(&sort)?;
        let answer = self.persist(verb, || async {
            // It may have begun to hang while this request waited for its turn.
            self.let_through(&sort)?;
            let writing = self.enter(request.method())?;
            self.exchange(request.clone(), writing).await
        });
        // What waits for many things in turn keeps no room for a request.
        let answer = Box::pin(answer).await;
        let is_hanging = answer.as_ref().is_err_and(ApiError::answers_others);
        if is_hanging && !self.breaker.is_open(&sort) {
            self.breaker.open(sort, Instant::now() + self.timeout);
        }
        answer
    }

    fn let_through(&self, sort: &str) -> Result<(), ApiError> {
        let seconds = self.timeout.as_secs_f64();
        let hangs = ApiError::TimedOut { seconds, answers_others: true };
        if self.breaker.is_open(sort) { Err(hangs) } else { Ok(()) }
    }

    /// Passes the fence, before the first try as before each other.
    fn enter(&self, method: &Method) -> Result<Option<Arc<Writing>>, ApiError> {
        let fence = self.fence.as_ref().filter(|_| method != Method::GET);
        fence.map(|(fence, term)| fence.enter(*term)).transpose()
    }

    /// Tries until the API server takes the request, which it may say that it cannot for the moment. Each
    /// try is counted. The deadline begins with the first one.
    pub(super) async fn persist<T, F: Future<Output = Result<(StatusCode, T), ApiError>>>(
        &self,
        verb: &'static str,
        attempt: impl Fn() -> F,
    ) -> Result<(StatusCode, T), ApiError> {
        let (mut deadline, mut tries, mut refusal) = (None, 1, None);
        loop {
            let turn = self.pressure.turn().await;
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + self.timeout);
            if let Some(refusal) = refusal.take_if(|_| Instant::now() >= deadline) {
                return Err(refusal);
            }
            let answer = timeout_at(deadline, attempt()).await;
            let answer = match answer {
                Ok(answer) => answer,
                Err(_) => Err(self.silence().await),
            };
            let error = answer.as_ref().err();
            let code = answer.as_ref().map_or_else(ApiError::code, |(code, _)| code.as_u16());
            (self.count)(verb, code);
            let asked = error.and_then(ApiError::retry_after);
            turn.ends(match (asked, code) {
                (Some(_), _) => End::TooMuch,
                (None, 0) => End::Silent,
                _ => End::Taken,
            });
            let wait = asked.map(|asked| pause(asked, tries, rand::random()));
            match (wait.filter(|wait| tries < TRIES && Instant::now() + *wait < deadline), refusal)
            {
                (Some(wait), _) => sleep(wait).await,
                // It had not all its time to answer after that.
                (None, Some(refusal)) if error.is_some_and(ApiError::answers_others) => {
                    return Err(refusal);
                }
                (None, _) => return answer,
            }
            refusal = answer.err();
            tries += 1;
        }
    }

    /// What it means that no answer came: the API server may be away, or hang at this request alone.
    async fn silence(&self) -> ApiError {
        let probe =
            Request::get("/version").body(Vec::new()).map(|probe| self.exchange(probe, None));
        let answers_others = match probe {
            Ok(probe) => {
                matches!(timeout(PROBE, probe).await, Ok(Ok(_) | Err(ApiError::Refused(_))))
            }
            Err(_) => false,
        };
        ApiError::TimedOut { seconds: self.timeout.as_secs_f64(), answers_others }
    }

    /// Names the service account that a request is sent for.
    fn sign(&self, request: &mut Request<Vec<u8>>) -> Result<(), ApiError> {
        let Some(account) = &self.account else { return Ok(()) };
        if self.is_acting {
            // The groups that the kubeconfig names would go with it.
            return Err(ApiError::ActingAlready);
        }
        let name = HeaderValue::from_str(&account.to_string());
        let name = name.map_err(|error| ApiError::Unreadable(error.to_string()))?;
        request.headers_mut().insert(IMPERSONATE, name);
        Ok(())
    }

    async fn exchange(
        &self,
        mut request: Request<Vec<u8>>,
        writing: Option<Arc<Writing>>,
    ) -> Result<(StatusCode, Value), ApiError> {
        self.sign(&mut request)?;
        let unreachable = |error: &dyn std::error::Error| ApiError::Unreachable(chain(error));
        let mut request = request.map(Body::from);
        if let Some(writing) = &writing {
            request.extensions_mut().insert(writing.clone());
        }
        let answer = match self.client.send(request).await {
            Err(_) if writing.as_ref().is_some_and(|w| w.is_held_back()) => {
                return Err(ApiError::NotLeader);
            }
            answer => answer.map_err(|e| unreachable(&e))?,
        };
        let code = answer.status();
        // After that one, the server may still go on.
        if let Some(writing) = writing.filter(|_| code != StatusCode::GATEWAY_TIMEOUT) {
            writing.ends();
        }
        let retry_after = answer.headers().get(http::header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|seconds| seconds.to_str().ok()?.parse().ok());
        let body = answer.into_body().collect_bytes().await.map_err(|e| unreachable(&e))?;
        if !code.is_success() {
            return Err(ApiError::Refused(Box::new(refusal(code, &body, retry_after))));
        }
        let body = serde_json::from_slice(&body);
        Ok((code, body.map_err(|error| ApiError::Unreadable(error.to_string()))?))
    }

    /// Counts requests that kube makes by itself.
    pub(super) fn count(&self, verb: &'static str, code: u16) {
        (self.count)(verb, code);
    }
}

/// Whether a configuration says to act as another user.
fn is_acting(config: &Config) -> bool {
    let auth = &config.auth_info;
    auth.impersonate.is_some()
        || auth.impersonate_uid.is_some()
        || auth.impersonate_groups.is_some()
        || auth.impersonate_user_extra.is_some()
}

/// The server's own words on a refusal, or what little there is of them.
fn refusal(code: StatusCode, body: &[u8], retry_after: Option<u32>) -> Status {
    let parsed = serde_json::from_slice::<Status>(body).ok().filter(|s| !s.message.is_empty());
    let mut status = parsed.unwrap_or_else(|| {
        let text: String = String::from_utf8_lossy(body).chars().take(200).collect();
        Status::failure(text.trim(), code.canonical_reason().unwrap_or_default())
    });
    status.code = code.as_u16();
    if let Some(retry_after_seconds) = retry_after {
        let unknown = || serde_json::from_value(serde_json::json!({})).ok();
        let details = status.details.take().or_else(unknown);
        status.details = details.map(|details| StatusDetails { retry_after_seconds, ..details });
    }
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

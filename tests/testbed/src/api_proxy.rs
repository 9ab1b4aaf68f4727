//! A proxy before an API server, with faults on demand: plain HTTP before, TLS behind.

use crate::{ApiFault, Call, Error, lock::lock};
use axum::{
    body::Body,
    http::{
        HeaderValue, Request, Response, Uri,
        header::{AUTHORIZATION, HOST},
    },
};
use futures::StreamExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    net::TcpStream,
    runtime::{Builder, Runtime},
    sync::watch,
    time::sleep,
};

type Failed = Box<dyn std::error::Error + Send + Sync>;
type Rule = Arc<dyn Fn(&Call) -> ApiFault + Send + Sync>;

/// Passes requests on to an API server until it is dropped, faithfully but for the faults that are set.
/// Headers and bodies stay as they are, so that the audit log knows who asked.
pub struct ApiProxy {
    shared: Arc<Shared>,
    address: String,
    kubeconfig: PathBuf,
    runtime: Option<Runtime>,
}

struct Shared {
    server: String,
    /// For those who send none: kubectl keeps its token from plain HTTP.
    token: HeaderValue,
    client: Client<HttpsConnector<HttpConnector>, Incoming>,
    rule: watch::Sender<Rule>,
    /// Told when all connections are to be cut.
    cuts: watch::Sender<()>,
    /// Told when all answers that still stream are to end.
    ends: watch::Sender<()>,
    calls: Mutex<Vec<Call>>,
    in_flight: AtomicUsize,
}

impl ApiProxy {
    /// Starts one on a free loopback port; `configure` writes a kubeconfig for its address.
    pub(crate) fn serve(
        server: &str,
        ca: &str,
        token: &str,
        configure: impl FnOnce(&str) -> Result<PathBuf, Error>,
    ) -> Result<Self, Error> {
        let token = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|error| Error::Invalid(format!("the token: {error}")))?;
        let rule: Rule = Arc::new(|_: &Call| ApiFault::None);
        let shared = Arc::new(Shared {
            server: server.to_owned(),
            token,
            client: client(ca)?,
            rule: watch::Sender::new(rule),
            cuts: watch::Sender::new(()),
            ends: watch::Sender::new(()),
            calls: Mutex::default(),
            in_flight: AtomicUsize::new(0),
        });
        let (runtime, address) =
            start(Arc::clone(&shared)).map_err(Error::io("start the fault proxy"))?;
        let kubeconfig = configure(&address)?;
        Ok(Self { shared, address, kubeconfig, runtime: Some(runtime) })
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.address
    }

    /// A kubeconfig that leads to it.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// From now on treats all requests so.
    pub fn set_fault(&self, fault: ApiFault) {
        self.set_faults(move |_| fault.clone());
    }

    /// From now on asks about each request how to treat it.
    pub fn set_faults(&self, rule: impl Fn(&Call) -> ApiFault + Send + Sync + 'static) {
        self.shared.rule.send_replace(Arc::new(rule));
    }

    /// Cuts all connections that are open, watches as well.
    pub fn cut_connections(&self) {
        self.shared.cuts.send_replace(());
    }

    /// Ends all watches in the ordinary way, as the API server does after a while.
    pub fn end_watches(&self) {
        self.shared.ends.send_replace(());
    }

    /// All requests so far, in the order in which they came.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.shared.calls).clone()
    }
}

impl Drop for ApiProxy {
    fn drop(&mut self) {
        // A runtime may not be waited for where async code runs.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn client(ca: &str) -> Result<Client<HttpsConnector<HttpConnector>, Incoming>, Error> {
    let invalid = |error: &dyn std::error::Error| Error::Invalid(format!("the CA: {error}"));
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(ca.as_bytes()).map_err(|error| invalid(&error))?;
    roots.add(ca).map_err(|error| invalid(&error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| invalid(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let tls = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1();
    Ok(Client::builder(TokioExecutor::new()).build(tls.wrap_connector(tcp)))
}

fn start(shared: Arc<Shared>) -> io::Result<(Runtime, String)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = format!("http://{}", listener.local_addr()?);
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .thread_name("api-proxy")
        .build()?;
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (connection, _) = listener.accept().await?;
            connection.set_nodelay(true)?;
            tokio::spawn(attend(Arc::clone(&shared), connection));
        }
        #[expect(unreachable_code, reason = "tells the type of the errors above")]
        io::Result::Ok(())
    });
    Ok((runtime, address))
}

/// Answers what comes on a connection. A service that fails has it cut.
async fn attend(shared: Arc<Shared>, connection: TcpStream) {
    let mut cuts = shared.cuts.subscribe();
    let service = service_fn(move |request| answer(Arc::clone(&shared), request));
    let served = http1::Builder::new().serve_connection(TokioIo::new(connection), service);
    tokio::select! {
        _ = served => {}
        _ = cuts.changed() => {}
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, Failed> {
    let mut call = Call {
        method: request.method().to_string(),
        uri: request.uri().to_string(),
        in_flight: 0,
        fault: ApiFault::None,
    };
    let flight = Flight::begin(&shared, &call);
    call.in_flight = flight.number;
    match shared.decide(&mut call).await {
        ApiFault::Status { code, retry_after } => Ok(ApiFault::answer(code, retry_after)?),
        ApiFault::Cut => Err("cut before the answer".into()),
        ApiFault::Lose => {
            shared.pass_on(request).await?;
            Err("cut after the answer".into())
        }
        ApiFault::Delay(time) => {
            sleep(time).await;
            shared.pass_on(request).await
        }
        ApiFault::None | ApiFault::Hang => shared.pass_on(request).await,
    }
}

impl Shared {
    /// Notes what is to become of a request; waits while it is to hang.
    async fn decide(&self, call: &mut Call) -> ApiFault {
        let mut rules = self.rule.subscribe();
        let ask = |rules: &mut watch::Receiver<Rule>, call: &Call| {
            let rule = Arc::clone(&rules.borrow_and_update());
            rule(call)
        };
        call.fault = ask(&mut rules, call);
        lock(&self.calls).push(call.clone());
        let mut fault = call.fault.clone();
        while fault == ApiFault::Hang {
            // The sender lives as long as this.
            let _ = rules.changed().await;
            fault = ask(&mut rules, call);
        }
        fault
    }

    async fn pass_on(&self, request: Request<Incoming>) -> Result<Response<Body>, Failed> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = format!("{}{path}", self.server).parse::<Uri>()?;
        parts.headers.remove(HOST);
        parts.headers.entry(AUTHORIZATION).or_insert(self.token.clone());
        let mut ends = self.ends.subscribe();
        let response = self.client.request(Request::from_parts(parts, body)).await?;
        let end = async move { ends.changed().await.ok() };
        Ok(response.map(|body| {
            let chunks = Body::new(body).into_data_stream();
            Body::from_stream(chunks.take_until(Box::pin(end)))
        }))
    }
}

/// A request that is under way.
struct Flight<'a> {
    shared: &'a Shared,
    number: usize,
    weight: usize,
}

impl<'a> Flight<'a> {
    fn begin(shared: &'a Shared, call: &Call) -> Self {
        let weight = usize::from(!call.is_watch());
        let number = shared.in_flight.fetch_add(weight, Ordering::SeqCst) + weight;
        Self { shared, number, weight }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.shared.in_flight.fetch_sub(self.weight, Ordering::SeqCst);
    }
}

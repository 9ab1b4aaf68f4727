//! Bare repositories served over smart HTTP, with faults on demand.

use crate::{
    Error, Fault, Repo, folders::RunFolder, git, git_backend, lock::lock, loopback::Loopback,
};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures::TryStreamExt;
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

/// Serves until it is dropped, on threads of its own: usable from blocking and from async code.
pub struct GitServer {
    shared: Arc<Shared>,
    address: String,
    _server: Loopback,
    folder: RunFolder,
}

struct Shared {
    repositories: PathBuf,
    rule: Mutex<Rule>,
    requests: Mutex<Vec<String>>,
    bytes_served: AtomicU64,
}

/// A fault, and the part of a path that it is limited to.
#[derive(Default)]
struct Rule {
    fault: Fault,
    only: String,
}

impl GitServer {
    /// Starts a server without repositories on a free loopback port.
    ///
    /// # Errors
    /// If git is not installed with its HTTP backend.
    pub fn start() -> Result<Self, Error> {
        git::check_backend()?;
        let folder = RunFolder::create()?;
        let shared = Arc::new(Shared {
            repositories: folder.path().join("repositories"),
            rule: Mutex::default(),
            requests: Mutex::default(),
            bytes_served: AtomicU64::new(0),
        });
        let router = Router::new().fallback(handle).with_state(Arc::clone(&shared));
        let server = Loopback::http("git server", 2, router)?;
        let address = format!("http://{}", server.address());
        Ok(Self { shared, address, _server: server, folder })
    }

    /// The address before the name of a repository.
    pub fn url(&self) -> &str {
        &self.address
    }

    /// Makes an empty repository, served as `<url>/<name>.git`.
    ///
    /// # Errors
    /// If git fails.
    pub fn create_repo(&self, name: &str) -> Result<Repo, Error> {
        let bare = self.shared.repositories.join(format!("{name}.git"));
        let work = self.folder.path().join("work").join(name);
        Repo::create(bare, work, format!("{}/{name}.git", self.address))
    }

    /// From now on treats all requests so.
    pub fn set_fault(&self, fault: Fault) {
        self.set_fault_for("", fault);
    }

    /// From now on treats those requests so whose path and query contain `part`, and all others
    /// well. `/git-upload-pack` is the transfer, `/info/refs` the question before it.
    pub fn set_fault_for(&self, part: &str, fault: Fault) {
        *lock(&self.shared.rule) = Rule { fault, only: part.to_owned() };
    }

    /// Method and path of each request so far.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.shared.requests).clone()
    }

    /// The length of all bodies sent so far.
    pub fn bytes_served(&self) -> u64 {
        self.shared.bytes_served.load(Ordering::Relaxed)
    }
}

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().to_string();
    lock(&shared.requests).push(format!("{} {path}", request.method()));
    let fault = shared.fault_for(&path);
    if let Some(refusal) = fault.refusal(&path, request.headers()).await {
        return refusal;
    }
    match git_backend::answer(&shared.repositories, request).await {
        Ok(response) => response.map(|body| shared.count(fault.spoil(body))),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

impl Shared {
    fn fault_for(&self, path: &str) -> Fault {
        let rule = lock(&self.rule);
        if path.contains(&rule.only) { rule.fault.clone() } else { Fault::None }
    }

    fn count(self: Arc<Self>, body: Body) -> Body {
        Body::from_stream(body.into_data_stream().inspect_ok(move |bytes| {
            self.bytes_served.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }))
    }
}

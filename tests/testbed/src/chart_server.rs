//! A repository of Helm charts: the files of a folder, over plain HTTP.

use crate::{Error, folders::RunFolder, lock::lock, loopback::Loopback};
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse, Response},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

/// What a request of git with the password hunter2 says.
const LOGIN: &str = "Basic Z2l0Omh1bnRlcjI=";

/// Serves until it is dropped.
pub struct ChartServer {
    shared: Arc<Shared>,
    address: String,
    _server: Loopback,
    folder: RunFolder,
}

struct Shared {
    files: PathBuf,
    asks: bool,
    is_down: AtomicBool,
    requests: Mutex<Vec<String>>,
}

impl ChartServer {
    /// Starts one without charts. It may ask who it is: git, with the password hunter2.
    ///
    /// # Errors
    /// If the system has no port or no folder for it.
    pub fn start(asks: bool) -> Result<Self, Error> {
        let folder = RunFolder::create()?;
        let shared = Arc::new(Shared {
            files: folder.path().to_owned(),
            asks,
            is_down: AtomicBool::new(false),
            requests: Mutex::default(),
        });
        let router = Router::new().fallback(handle).with_state(Arc::clone(&shared));
        let server = Loopback::http("chart server", 1, router)?;
        let address = format!("http://{}", server.address());
        Ok(Self { shared, address, _server: server, folder })
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.address
    }

    /// The folder whose files it serves.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// From now on answers nothing but that it cannot, or all again.
    pub fn set_down(&self, is_down: bool) {
        self.shared.is_down.store(is_down, Ordering::Relaxed);
    }

    /// The paths of the requests so far.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.shared.requests).clone()
    }
}

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    lock(&shared.requests).push(path.clone());
    if shared.is_down.load(Ordering::Relaxed) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if shared.asks && !is_login(request.headers()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    // Only names of files in the folder itself.
    match fs::read(shared.files.join(path.rsplit('/').next().unwrap_or_default())) {
        Ok(bytes) => bytes.into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

fn is_login(headers: &HeaderMap) -> bool {
    headers.get(AUTHORIZATION).is_some_and(|value| value == LOGIN)
}

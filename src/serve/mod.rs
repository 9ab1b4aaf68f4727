//! HTTP: metrics, health and webhooks.

mod api;
mod hooks;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::report::Metrics;
use crate::sync::{Directory, Stop};
pub use hooks::{Hooks, WebhookSecret};

/// What the server shows.
#[derive(Clone)]
pub struct Shared {
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The apps.
    pub apps: Directory,
    /// Whether `/api` is for everybody who reaches the port, not for this machine alone.
    pub is_open: bool,
    /// Whether what runs has begun: the first pass has ended, or all apps are known.
    pub ready: Vec<watch::Receiver<bool>>,
}

/// A server that has its port, so that a port in use is an error at the start.
pub struct Server {
    listener: TcpListener,
    router: Router,
}

impl Server {
    /// Takes the port. Without `hooks` there are no webhooks.
    pub async fn bind(
        address: SocketAddr,
        shared: Shared,
        hooks: Option<Hooks>,
    ) -> std::io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, router: router(shared, hooks) })
    }

    /// The address it listens on.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the process is to end.
    pub async fn run(self, stop: Stop) -> std::io::Result<()> {
        let stopped = async move { stop.wait().await };
        let service = self.router.into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(self.listener, service).with_graceful_shutdown(stopped).await
    }
}

fn router(shared: Shared, hooks: Option<Hooks>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/api/v1/apps", get(api::apps))
        .route("/api/v1/apps/{name}", get(api::app))
        .merge(hooks.map_or_else(Router::new, Hooks::routes))
        .with_state(shared)
}

async fn metrics(
    State(shared): State<Shared>,
) -> Result<([(&'static str, &'static str); 1], String), StatusCode> {
    let text = shared.metrics.text().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([("content-type", prometheus::TEXT_FORMAT)], text))
}

/// Ready once the first pass has ended, either way: how the sync goes is told by metrics, not by
/// restarting pods.
async fn readyz(State(shared): State<Shared>) -> (StatusCode, &'static str) {
    if shared.ready.iter().all(|ready| *ready.borrow()) {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the first sync has not ended\n")
    }
}

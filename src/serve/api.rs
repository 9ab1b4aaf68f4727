//! `/api/v1`: the states of the apps, as JSON.

use std::net::SocketAddr;

use axum::Json;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Shared;
use crate::report::AppStatus;

/// Why somebody is shown nothing.
type Refused = (StatusCode, &'static str);

/// All apps.
pub(super) async fn apps(
    State(shared): State<Shared>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
) -> Result<Json<Value>, Refused> {
    admit(&shared, peer)?;
    let apps: Vec<AppStatus> = shared.apps.iter().map(|app| app.borrow().clone()).collect();
    Ok(Json(json!({"apps": apps})))
}

/// One app.
pub(super) async fn app(
    State(shared): State<Shared>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(name): Path<String>,
) -> Result<Json<AppStatus>, Refused> {
    admit(&shared, peer)?;
    let mut found = shared.apps.iter().filter(|app| app.borrow().name == name);
    let app = found.next().ok_or((StatusCode::NOT_FOUND, "no such app\n"))?;
    Ok(Json(app.borrow().clone()))
}

/// Names of objects are not for everybody.
fn admit(shared: &Shared, peer: SocketAddr) -> Result<(), Refused> {
    if shared.is_open || peer.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    Err((StatusCode::FORBIDDEN, "only for this machine: use kubectl port-forward, or set --api\n"))
}

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
    let all = shared.apps.all();
    let apps: Vec<AppStatus> = all.iter().map(|app| app.status.borrow().clone()).collect();
    Ok(Json(json!({"apps": apps})))
}

/// One app.
pub(super) async fn app(
    State(shared): State<Shared>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(name): Path<String>,
) -> Result<Json<AppStatus>, Refused> {
    admit(&shared, peer)?;
    let all = shared.apps.all();
    let mut states = all.iter().map(|app| app.status.borrow().clone());
    let app = states.find(|app| app.name == name);
    app.map(Json).ok_or((StatusCode::NOT_FOUND, "no such app\n"))
}

/// Names of objects are not for everybody.
fn admit(shared: &Shared, peer: SocketAddr) -> Result<(), Refused> {
    if shared.is_open || peer.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    Err((StatusCode::FORBIDDEN, "only for this machine: use kubectl port-forward, or set --api\n"))
}

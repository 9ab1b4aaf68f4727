//! How curl is told what to do.

use std::time::{Duration, Instant};

use curl::easy::{Auth, Easy2, HttpVersion, List};

use super::answer::Answer;
use crate::source::authorities;
use crate::source::credentials::{Login, Proxy, Tls};

/// Longest time to connect, TLS included.
const CONNECT: Duration = Duration::from_secs(15);
/// A transfer slower than this, in bytes a second...
const SLOW: u32 = 10;
/// ...for so long is given up. What git servers say of their progress is more.
const PATIENCE: Duration = Duration::from_secs(30);
/// As whom we come. Some servers answer only what calls itself git.
const AGENT: &str = concat!("git/2.0 (gitops-sync ", env!("CARGO_PKG_VERSION"), ")");

/// What every request has.
pub fn basics(handle: &mut Easy2<Answer>, url: &str) -> Result<(), curl::Error> {
    handle.url(url)?;
    handle.useragent(AGENT)?;
    handle.http_version(HttpVersion::V11)?;
    handle.follow_location(false)?;
    handle.tcp_nodelay(true)?;
    handle.connect_timeout(CONNECT)?;
    handle.low_speed_limit(SLOW)?;
    handle.low_speed_time(PATIENCE)
}

/// When it is given up, whatever it does.
pub fn end(handle: &mut Easy2<Answer>, until: Option<Instant>) -> Result<(), curl::Error> {
    let Some(until) = until else { return Ok(()) };
    // None at all would be no limit.
    handle.timeout(until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)))
}

/// Whom it trusts, and which certificate it shows.
pub fn tls(handle: &mut Easy2<Answer>, tls: &Tls) -> Result<(), curl::Error> {
    if let Some(ca) = &tls.ca {
        handle.ssl_cainfo_blob(authorities::beside(ca).as_bytes())?;
    }
    if let Some(client) = &tls.client {
        handle.ssl_cert_type("PEM")?;
        handle.ssl_cert_blob(client.certificate.as_bytes())?;
        handle.ssl_key_type("PEM")?;
        handle.ssl_key_blob(client.key.0.as_bytes())?;
    }
    Ok(())
}

/// What it goes through, if not what the environment says, and whom it trusts to be that where it speaks TLS.
pub fn proxy(
    handle: &mut Easy2<Answer>,
    proxy: Option<&Proxy>,
    tls: &Tls,
) -> Result<(), curl::Error> {
    match (&tls.ca, authorities::file().as_ref().and_then(|file| file.to_str())) {
        (Some(ca), _) => handle.proxy_ssl_cainfo_blob(authorities::beside(ca).as_bytes())?,
        (None, Some(file)) => handle.proxy_cainfo(file)?,
        (None, None) => {}
    }
    let Some(proxy) = proxy else { return Ok(()) };
    handle.proxy(&proxy.address)?;
    // What the environment excepts, it excepts from its own proxies.
    handle.noproxy("")?;
    if let Some(username) = &proxy.username {
        handle.proxy_username(username)?;
    }
    if let Some(password) = &proxy.password {
        handle.proxy_password(&password.0)?;
    }
    Ok(())
}

/// Who it is, and the headers for that.
pub fn login(handle: &mut Easy2<Answer>, login: Option<&Login>) -> Result<List, curl::Error> {
    let mut headers = List::new();
    match login {
        Some(Login::Basic { username, password }) => {
            handle.http_auth(Auth::new().basic(true))?;
            handle.username(username)?;
            handle.password(&password.0)?;
        }
        Some(Login::Bearer(token)) => {
            headers.append(&format!("Authorization: Bearer {}", token.0))?;
        }
        // It logs in with a token that it gets first.
        Some(Login::App(_) | Login::Identity(_)) | None => {}
    }
    Ok(headers)
}

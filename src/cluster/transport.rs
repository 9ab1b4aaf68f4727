//! The way to the API server: what kube builds by itself, but without Nagle's delay.

use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{ClientBuilder, ConfigExt as _};
use kube::{Client, Config, Error};
use tower::{BoxError, ServiceBuilder};

use super::fence::Guarded;
use super::measure::Measuring;

/// A client with this configuration, which takes so many bytes of an answer at most.
pub(super) fn client(config: Config, most: usize) -> Result<Client, Error> {
    if config.proxy_url.is_some() {
        // kube says what is wrong with proxies. Here a write passes its fence only before it waits for a
        // connection.
        return Ok(ClientBuilder::try_from(config)?.build());
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    // The end of a handshake and of a long request would wait for the other side's delayed
    // acknowledgement of what went before: 40 ms each time.
    tcp.set_nodelay(true);
    let mut connector = TimeoutConnector::new(config.rustls_https_connector_with_connector(tcp)?);
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_write_timeout(config.write_timeout);
    connector.set_reset_reader_on_write(config.reset_reader_on_write);
    let http: HttpClient<_, Guarded> = HttpClient::builder(TokioExecutor::new()).build(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .map_request(Guarded::request)
        .service(Measuring::new(http, most));
    Ok(ClientBuilder::new(service, config.default_namespace).build())
}

//! TLS before a server that speaks none.

use crate::{Error, loopback::Loopback, pki::Pki};
use std::sync::Arc;
use tokio::{io::copy_bidirectional, net::TcpStream};
use tokio_rustls::TlsAcceptor;

/// Speaks TLS on a loopback port and passes on what it hears, until it is dropped.
pub struct TlsFront {
    server: Loopback,
    pki: Pki,
}

impl TlsFront {
    /// Stands before the server at `url`, such as [`GitServer::url`](crate::GitServer::url), with a certificate
    /// of an authority of its own. It may demand a certificate of that authority.
    ///
    /// # Errors
    /// If no certificate can be made, or the system has no port.
    pub fn start(url: &str, demands_client: bool) -> Result<Self, Error> {
        let pki = Pki::generate()?;
        let acceptor = TlsAcceptor::from(Arc::new(pki.server_config(demands_client)?));
        let to = url.trim_start_matches("http://").to_owned();
        let server = Loopback::start("TLS server", move |stream| {
            let (acceptor, to) = (acceptor.clone(), to.clone());
            async move {
                let mut outside = acceptor.accept(stream).await?;
                let mut inside = TcpStream::connect(to).await?;
                inside.set_nodelay(true)?;
                copy_bidirectional(&mut outside, &mut inside).await.map(|_| ())
            }
        })?;
        Ok(Self { server, pki })
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("https://{}", self.server.address())
    }

    /// The certificate of its authority.
    pub fn ca(&self) -> &str {
        &self.pki.ca
    }

    /// A certificate of that authority.
    pub fn client_certificate(&self) -> &str {
        &self.pki.client
    }

    /// The key of that certificate.
    pub fn client_key(&self) -> &str {
        &self.pki.client_key
    }
}

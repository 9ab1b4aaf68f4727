//! A server on a loopback port, as far as all servers are alike.

use crate::Error;
use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
};
use tokio::{
    net::TcpStream,
    runtime::{Builder, Runtime},
};

/// Serves until it is dropped, on a thread of its own.
pub(crate) struct Loopback {
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Loopback {
    /// Has each connection to a free port served.
    pub(crate) fn start<F>(
        name: &str,
        serve: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> Result<Self, Error>
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        Self::try_start(name, serve).map_err(Error::io(format!("start the {name}")))
    }

    fn try_start<F>(name: &str, serve: impl Fn(TcpStream) -> F + Send + 'static) -> io::Result<Self>
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime =
            Builder::new_multi_thread().worker_threads(1).enable_all().thread_name(name).build()?;
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            loop {
                let (stream, _) = listener.accept().await?;
                // As servers do: else each answer waits for an acknowledgement.
                stream.set_nodelay(true)?;
                tokio::spawn(serve(stream));
            }
            #[expect(unreachable_code, reason = "it tells what the task ends with")]
            io::Result::Ok(())
        });
        Ok(Self { address, runtime: Some(runtime) })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        // A runtime may not be waited for where async code runs.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

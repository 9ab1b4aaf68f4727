//! A server on a loopback port, as far as all servers are alike.

use crate::Error;
use axum::{
    Router,
    serve::{Listener, ListenerExt, TapIo},
};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
};
use tokio::{
    net::TcpStream,
    runtime::{Builder, Runtime},
};

/// What comes to a port, answered without delay.
type Prompt = TapIo<tokio::net::TcpListener, fn(&mut TcpStream)>;

/// Serves until it is dropped, on threads of its own.
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
        Self::listening(name, 1, async move |mut listener| {
            loop {
                let (stream, _) = Listener::accept(&mut listener).await;
                tokio::spawn(serve(stream));
            }
            #[expect(unreachable_code, reason = "it tells what the task ends with")]
            io::Result::Ok(())
        })
    }

    /// Has the requests to a free port answered.
    pub(crate) fn http(name: &str, threads: usize, router: Router) -> Result<Self, Error> {
        Self::listening(name, threads, async |listener| axum::serve(listener, router).await)
    }

    /// Has a task listen on a free port.
    fn listening<F>(
        name: &str,
        threads: usize,
        serve: impl FnOnce(Prompt) -> F + Send + 'static,
    ) -> Result<Self, Error>
    where
        F: Future<Output = io::Result<()>> + Send,
    {
        let bind = || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            let mut runtime = Builder::new_multi_thread();
            let runtime = runtime.worker_threads(threads).enable_all().thread_name(name).build()?;
            Ok((listener, address, runtime))
        };
        let (listener, address, runtime) =
            bind().map_err(Error::io(format!("start the {name}")))?;
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            // As servers do: else each answer waits for an acknowledgement.
            let prompt: fn(&mut TcpStream) = |connection| drop(connection.set_nodelay(true));
            serve(listener.tap_io(prompt)).await
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

//! Proxies: what stands between a client and the servers that it may not reach by itself.

use crate::{Error, lock::lock, loopback::Loopback};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::TcpStream,
};

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// HTTP: `CONNECT`, and requests for whole URLs.
    Http,
    /// SOCKS, version 5.
    Socks5,
}

/// A proxy on a loopback port, until it is dropped.
pub struct ProxyServer {
    server: Loopback,
    kind: ProxyKind,
    seen: Arc<Mutex<Vec<String>>>,
}

/// Who may use a proxy.
struct Rule {
    user: Option<(String, String)>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl ProxyServer {
    /// A proxy for whoever comes, or for one user with a password.
    ///
    /// # Errors
    /// If the system has no port.
    pub fn start(kind: ProxyKind, user: Option<(&str, &str)>) -> Result<Self, Error> {
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let user = user.map(|(name, password)| (name.to_owned(), password.to_owned()));
        let rule = Arc::new(Rule { user, seen: Arc::clone(&seen) });
        let server = Loopback::start("proxy", move |stream| {
            let rule = Arc::clone(&rule);
            async move {
                match kind {
                    ProxyKind::Http => rule.http(stream).await,
                    ProxyKind::Socks5 => rule.socks5(stream).await,
                }
            }
        })?;
        Ok(Self { server, kind, seen })
    }

    /// Its URL, without a user.
    pub fn url(&self) -> String {
        let scheme = if self.kind == ProxyKind::Http { "http" } else { "socks5" };
        format!("{scheme}://{}", self.server.address())
    }

    /// Where it has let someone through to, as `host:port`, one entry for each connection.
    pub fn seen(&self) -> Vec<String> {
        lock(&self.seen).clone()
    }
}

impl Rule {
    async fn http(&self, stream: TcpStream) -> io::Result<()> {
        let mut client = BufReader::new(stream);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if client.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if line.trim().is_empty() {
                break;
            }
            head.push(line);
        }
        if !head.iter().any(|line| self.is_let_in_by(line)) {
            let refusal = b"HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n";
            return client.write_all(refusal).await;
        }
        let first = head.first().cloned().unwrap_or_default();
        let (method, rest) = first.split_once(' ').unwrap_or_default();
        let target = rest.split(' ').next().unwrap_or_default();
        let host = target.trim_start_matches("http://").split('/').next().unwrap_or_default();
        let mut server = self.connect(host).await?;
        if method == "CONNECT" {
            client.write_all(b"HTTP/1.1 200 Go on\r\n\r\n").await?;
        } else {
            let kept = head.iter().filter(|line| !line.to_ascii_lowercase().starts_with("proxy-"));
            let head: String = kept.map(String::as_str).chain(["\r\n"]).collect();
            server.write_all(head.as_bytes()).await?;
        }
        copy_bidirectional(&mut client, &mut server).await.map(|_| ())
    }

    fn is_let_in_by(&self, line: &str) -> bool {
        let Some((user, password)) = &self.user else { return true };
        let wanted = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let (name, value) = line.split_once(':').unwrap_or_default();
        name.eq_ignore_ascii_case("proxy-authorization") && value.trim() == wanted
    }

    /// RFC 1928 and, for the password, RFC 1929.
    async fn socks5(&self, mut client: TcpStream) -> io::Result<()> {
        let [_, count] = read(&mut client).await?;
        let mut methods = vec![0; count.into()];
        client.read_exact(&mut methods).await?;
        let method = if self.user.is_some() { 2 } else { 0 };
        if !methods.contains(&method) {
            return client.write_all(&[5, 0xff]).await;
        }
        client.write_all(&[5, method]).await?;
        if let Some((user, password)) = &self.user {
            let [_, length] = read(&mut client).await?;
            let name = text(&mut client, length).await?;
            let [length] = read(&mut client).await?;
            let is_right = (&name, &text(&mut client, length).await?) == (user, password);
            client.write_all(&[1, u8::from(!is_right)]).await?;
            if !is_right {
                return Ok(());
            }
        }
        let [_, _, _, kind] = read(&mut client).await?;
        let host = match kind {
            1 => std::net::Ipv4Addr::from(read::<4>(&mut client).await?).to_string(),
            4 => std::net::Ipv6Addr::from(read::<16>(&mut client).await?).to_string(),
            _ => {
                let [length] = read(&mut client).await?;
                text(&mut client, length).await?
            }
        };
        let port = u16::from_be_bytes(read(&mut client).await?);
        let mut server = self.connect(&format!("{host}:{port}")).await?;
        client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
        copy_bidirectional(&mut client, &mut server).await.map(|_| ())
    }

    /// Names are all of this machine: `git.example:80` is a server on its port 80.
    async fn connect(&self, host: &str) -> io::Result<TcpStream> {
        lock(&self.seen).push(host.to_owned());
        let port = host.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(80);
        TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).await
    }
}

async fn read<const N: usize>(stream: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn text(stream: &mut TcpStream, length: u8) -> io::Result<String> {
    let mut bytes = vec![0; length.into()];
    stream.read_exact(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

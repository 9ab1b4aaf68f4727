//! What stands before a registry and wants a token of its own, as those of clouds do.

use crate::lock::lock;
use crate::{Error, loopback::Loopback};
use std::{
    io,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy},
    net::TcpStream,
};

/// The token that it gives.
const TOKEN: &str = "token-hunter2";
/// Who comes to the registry behind it: git, with the password hunter2.
const LOGIN: &str = "Authorization: Basic Z2l0Omh1bnRlcjI=\r\n";

/// Gives tokens to whoever has an identity, and lets them in.
pub struct TokenFront {
    server: Loopback,
    seen: Arc<Mutex<Vec<String>>>,
}

/// A request, without its body.
struct Head {
    first: String,
    lines: Vec<String>,
}

impl TokenFront {
    /// Stands before the registry at this address. `identity` is the token that its tokens are to be had for.
    ///
    /// # Errors
    /// If the system has no port.
    pub fn start(registry: &str, identity: &'static str) -> Result<Self, Error> {
        let to = registry.to_owned();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let all = Arc::clone(&seen);
        let server = Loopback::start("token server", move |stream| {
            let (to, seen) = (to.clone(), Arc::clone(&all));
            async move { serve(stream, &to, identity, &seen).await }
        })?;
        Ok(Self { server, seen })
    }

    /// Method and path of each request so far that it has let in.
    pub fn seen(&self) -> Vec<String> {
        lock(&self.seen).clone()
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        self.server.address().to_string()
    }
}

/// Answers one request.
async fn serve(
    stream: TcpStream,
    to: &str,
    identity: &str,
    seen: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let own = stream.local_addr()?;
    let mut client = BufReader::new(stream);
    let Some(head) = Head::read(&mut client).await? else { return Ok(()) };
    if head.first.starts_with("POST /token ") {
        let mut form =
            vec![0; head.header("content-length").and_then(|it| it.parse().ok()).unwrap_or(0)];
        client.read_exact(&mut form).await?;
        let form = String::from_utf8_lossy(&form);
        let has = |pair: &str| form.split('&').any(|it| it == pair);
        let is_known = has("grant_type=refresh_token")
            && has(&format!("refresh_token={identity}"))
            && form.contains("scope=repository%3Ateam%2F");
        let answer =
            if is_known { format!("{{\"access_token\": \"{TOKEN}\"}}") } else { String::new() };
        let status = if is_known { "200 Yes" } else { "401 Who" };
        return say(&mut client, status, "", &answer).await;
    }
    if head.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
        let challenge =
            format!("WWW-Authenticate: Bearer realm=\"http://{own}/token\",service=\"r\"\r\n");
        return say(&mut client, "401 Who", &challenge, "").await;
    }
    lock(seen).push(head.first.clone());
    let mut server = TcpStream::connect(to).await?;
    let kept = head.lines.iter().filter(|line| {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        name != "authorization" && name != "connection"
    });
    let kept: String = kept.map(String::as_str).collect();
    let request = format!("{}{kept}{LOGIN}Connection: close\r\n\r\n", head.first);
    server.write_all(request.as_bytes()).await?;
    copy(&mut server, &mut client).await.map(|_| ())
}

async fn say(
    client: &mut BufReader<TcpStream>,
    status: &str,
    header: &str,
    body: &str,
) -> io::Result<()> {
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\n{header}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    client.write_all(answer.as_bytes()).await
}

impl Head {
    async fn read(client: &mut BufReader<TcpStream>) -> io::Result<Option<Self>> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if client.read_line(&mut line).await? == 0 {
                return Ok(None);
            }
            if line.trim().is_empty() {
                break;
            }
            lines.push(line);
        }
        let mut lines = lines.into_iter();
        let first = lines.next();
        Ok(first.map(|first| Self { first, lines: lines.collect() }))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let pairs = self.lines.iter().filter_map(|line| line.split_once(':'));
        let mut found = pairs.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim())
    }
}

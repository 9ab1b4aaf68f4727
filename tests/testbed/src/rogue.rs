//! A server that somebody passes off as an API server: TLS, and whatever answers they like.

use crate::{Error, kubeconfig, lock::lock, pki::Pki};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::{
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// What a rogue server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RogueAnswer {
    /// This status and body.
    Body(u16, String),
    /// Leads elsewhere.
    Redirect(String),
    /// A body that goes on and on, up to so many bytes.
    Endless(usize),
}

type Answers = dyn Fn(&str) -> RogueAnswer + Send + Sync;

/// A rogue server. It serves until the process ends.
pub struct RogueServer {
    kubeconfig: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl RogueServer {
    /// Starts one on a free loopback port. It is asked with method and path of a request.
    ///
    /// # Errors
    /// If the system has no port for it, or no certificate can be made.
    pub fn start(
        answers: impl Fn(&str) -> RogueAnswer + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let pki = Pki::generate()?;
        let config = Arc::new(pki.server_config(false)?);
        let start = Error::io("start the rogue server");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(start)?;
        let address = listener.local_addr().map_err(Error::io("start the rogue server"))?;
        let kubeconfig = kubeconfig::render(&format!("https://{address}"), &pki.ca, "rogue");
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let (seen, answers): (_, Arc<Answers>) = (Arc::clone(&requests), Arc::new(answers));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, seen, answers) = (config.clone(), seen.clone(), answers.clone());
                thread::spawn(move || serve(config, stream, &seen, &*answers));
            }
        });
        Ok(Self { kubeconfig, requests })
    }

    /// A kubeconfig that leads to it, with the token `rogue`.
    pub fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    /// The requests so far, such as `GET /version`.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.requests).clone()
    }
}

/// Answers one request and hangs up.
fn serve(
    config: Arc<ServerConfig>,
    stream: TcpStream,
    seen: &Mutex<Vec<String>>,
    answers: &Answers,
) -> io::Result<()> {
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut reader = BufReader::new(StreamOwned::new(connection, stream));
    let (mut first, mut line) = (String::new(), String::new());
    reader.read_line(&mut first)?;
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let asked = first.rsplit_once(' ').map_or(first.as_str(), |(asked, _)| asked).to_owned();
    lock(seen).push(asked.clone());
    let mut out = reader.into_inner();
    match answers(&asked) {
        RogueAnswer::Body(code, body) => write!(
            out,
            "HTTP/1.1 {code} Rogue\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?,
        RogueAnswer::Redirect(to) => write!(
            out,
            "HTTP/1.1 307 Rogue\r\nlocation: {to}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        )?,
        RogueAnswer::Endless(bytes) => {
            write!(
                out,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n\""
            )?;
            let piece = [b'x'; 1 << 16];
            for _ in 0..bytes / piece.len() {
                out.write_all(&piece)?;
            }
        }
    }
    out.conn.send_close_notify();
    out.flush()
}

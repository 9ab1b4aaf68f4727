//! `git http-backend`, a CGI program: one process answers one request.

use crate::git::git;
use axum::{
    body::Body,
    extract::Request,
    http::{HeaderName, header, request::Parts, response::Builder},
    response::Response,
};
use futures::TryStreamExt;
use std::{io, path::Path, process::Stdio};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, BufReader},
    process::{ChildStdin, Command},
};
use tokio_util::io::{ReaderStream, StreamReader};

/// Request headers and the variables that carry them to the program.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_TYPE, "CONTENT_TYPE"),
    (header::CONTENT_LENGTH, "CONTENT_LENGTH"),
    (header::CONTENT_ENCODING, "HTTP_CONTENT_ENCODING"),
    (HeaderName::from_static("git-protocol"), "GIT_PROTOCOL"),
];

/// Answers `request` from the repositories in a folder; both bodies are streamed. The program ends
/// when its output is no longer read.
pub(crate) async fn answer(repositories: &Path, request: Request) -> io::Result<Response> {
    let (head, body) = request.into_parts();
    let mut child = command(repositories, &head).spawn()?;
    let (stdin, stdout) =
        child.stdin.take().zip(child.stdout.take()).ok_or(io::ErrorKind::BrokenPipe)?;
    tokio::spawn(feed(body, stdin));
    let mut output = BufReader::new(stdout);
    let response = read_head(&mut output).await?;
    response.body(Body::from_stream(ReaderStream::new(output))).map_err(io::Error::other)
}

fn command(repositories: &Path, head: &Parts) -> Command {
    let mut command = Command::from(git());
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", repositories)
        .env("GIT_HTTP_EXPORT_ALL", "1");
    command.env("REQUEST_METHOD", head.method.as_str()).env("PATH_INFO", head.uri.path());
    command
        .env("QUERY_STRING", head.uri.query().unwrap_or_default())
        .env("REMOTE_ADDR", "127.0.0.1");
    let value = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    command.envs(HEADERS.iter().filter_map(|(name, variable)| Some((variable, value(name)?))));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// The program may end without reading all: what it printed tells whether that is an error.
async fn feed(body: Body, mut stdin: ChildStdin) {
    let mut body = StreamReader::new(body.into_data_stream().map_err(io::Error::other));
    let _ = tokio::io::copy(&mut body, &mut stdin).await;
}

/// Reads the lines before the first empty one: headers, and the status if it is not 200.
async fn read_head(output: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Builder> {
    let mut response = Response::builder();
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).await? == 0 {
            return Err(io::Error::other("git http-backend ended without an answer"));
        }
        response = match line.trim_end().split_once(": ") {
            Some(("Status", status)) => {
                response.status(status.split(' ').next().unwrap_or_default())
            }
            Some((name, value)) => response.header(name, value),
            None => return Ok(response),
        };
    }
}

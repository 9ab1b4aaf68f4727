//! Answers by http.

use std::sync::mpsc::SyncSender;

use curl::easy::{Easy2, Handler, WriteError};

/// Most bytes of an answer that is kept whole: the refs of a very large repository.
const LIMIT: usize = 64 << 20;

/// An answer that is coming in. Of one that tells of a failure only the status is of interest.
pub struct Answer {
    /// The last status: before it there may be that of a proxy.
    pub status: u32,
    sink: Sink,
}

/// Where the body goes.
pub enum Sink {
    /// It is kept.
    Kept(Vec<u8>),
    /// It is passed on.
    Passed(SyncSender<Vec<u8>>),
}

impl Answer {
    /// An answer whose body goes there.
    pub fn new(sink: Sink) -> Self {
        Self { status: 0, sink }
    }

    /// An answer that is kept.
    pub fn kept() -> Self {
        Self::new(Sink::Kept(Vec::new()))
    }
}

impl Handler for Answer {
    fn header(&mut self, line: &[u8]) -> bool {
        if line.starts_with(b"HTTP/") {
            let status = str::from_utf8(line).ok().and_then(|line| line.split(' ').nth(1));
            self.status = status.and_then(|status| status.trim().parse().ok()).unwrap_or(0);
        }
        true
    }

    fn write(&mut self, data: &[u8]) -> Result<usize, WriteError> {
        if !(200..300).contains(&self.status) {
            return Ok(data.len());
        }
        let is_taken = match &mut self.sink {
            Sink::Kept(body) => {
                body.extend_from_slice(data);
                body.len() <= LIMIT
            }
            Sink::Passed(to) => to.send(data.to_vec()).is_ok(),
        };
        // Fewer than all makes curl give up.
        Ok(if is_taken { data.len() } else { 0 })
    }
}

/// An answer that is complete.
pub struct Reply {
    /// Its status.
    pub status: u32,
    /// Where it leads to.
    pub redirect: Option<String>,
    /// The type of its body.
    pub kind: String,
    /// Its body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The answer that a request came to.
    pub fn of(handle: &mut Easy2<Answer>) -> Self {
        let text = |bytes: Option<&[u8]>| bytes.map(|it| String::from_utf8_lossy(it).into_owned());
        let kind = text(handle.content_type_bytes().ok().flatten()).unwrap_or_default();
        let redirect = text(handle.redirect_url_bytes().ok().flatten());
        let status = handle.get_ref().status;
        let body = match &mut handle.get_mut().sink {
            Sink::Kept(body) => std::mem::take(body),
            Sink::Passed(_) => Vec::new(),
        };
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        Self { status, redirect, kind, body }
    }

    /// What it is, where it is no git server's.
    pub fn what(&self) -> String {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/+.-".contains(c);
        match self.kind.as_str() {
            "text/html" | "application/xhtml+xml" => "a web page".to_owned(),
            kind if !kind.is_empty() && kind.len() <= 80 && kind.chars().all(is_plain) => {
                format!("content of the type {kind}")
            }
            _ => "content of no known type".to_owned(),
        }
    }
}

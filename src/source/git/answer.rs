//! Answers by http.

use std::sync::mpsc::SyncSender;

use curl::easy::{Easy2, Handler, WriteError};

/// Most bytes of an answer that is kept whole: some 500,000 refs.
const LIMIT: usize = 32 << 20;
/// The same of what a server says of a failure.
const WORDS: usize = 16 << 10;

/// An answer that is coming in. Of one that tells of a failure only the beginning is of interest.
pub struct Answer {
    /// The last status: before it there may be that of a proxy.
    pub status: u32,
    /// Whether there was more of it than is kept.
    pub is_too_much: bool,
    sink: Sink,
    headers: Vec<(String, String)>,
}

/// Where the body goes.
pub enum Sink {
    /// It is kept, up to so many bytes.
    Kept(Vec<u8>, usize),
    /// It is passed on.
    Passed(SyncSender<Vec<u8>>),
}

impl Answer {
    /// An answer whose body goes there.
    pub fn new(sink: Sink) -> Self {
        Self { status: 0, is_too_much: false, sink, headers: Vec::new() }
    }

    /// An answer that is kept.
    pub fn kept() -> Self {
        Self::up_to(LIMIT)
    }

    /// The same, if it has no more bytes than this.
    pub fn up_to(limit: usize) -> Self {
        Self::new(Sink::Kept(Vec::new(), limit))
    }
}

impl Handler for Answer {
    fn header(&mut self, line: &[u8]) -> bool {
        if line.starts_with(b"HTTP/") {
            let status = str::from_utf8(line).ok().and_then(|line| line.split(' ').nth(1));
            self.status = status.and_then(|status| status.trim().parse().ok()).unwrap_or(0);
            self.headers.clear();
        } else if let Some((name, value)) =
            str::from_utf8(line).ok().and_then(|it| it.split_once(':'))
        {
            self.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        true
    }

    fn write(&mut self, data: &[u8]) -> Result<usize, WriteError> {
        let is_failure = !(200..300).contains(&self.status);
        let is_taken = match &mut self.sink {
            Sink::Kept(body, _) if is_failure => {
                let rest = WORDS.saturating_sub(body.len()).min(data.len());
                body.extend_from_slice(&data[..rest]);
                true
            }
            Sink::Passed(_) if is_failure => true,
            Sink::Kept(body, limit) => {
                body.extend_from_slice(data);
                self.is_too_much = body.len() > *limit;
                !self.is_too_much
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
    headers: Vec<(String, String)>,
}

impl Reply {
    /// The answer that a request came to.
    pub fn of(handle: &mut Easy2<Answer>) -> Self {
        let text = |bytes: Option<&[u8]>| bytes.map(|it| String::from_utf8_lossy(it).into_owned());
        let kind = text(handle.content_type_bytes().ok().flatten()).unwrap_or_default();
        let redirect = text(handle.redirect_url_bytes().ok().flatten());
        let status = handle.get_ref().status;
        let body = match &mut handle.get_mut().sink {
            Sink::Kept(body, _) => std::mem::take(body),
            Sink::Passed(_) => Vec::new(),
        };
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let headers = std::mem::take(&mut handle.get_mut().headers);
        Self { status, redirect, kind, body, headers }
    }

    /// The first header of this name, in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
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

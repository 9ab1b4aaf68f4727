//! libgit2's way to http and https: ours, over libcurl.
//!
//! libgit2's own knows neither a client's certificate nor a proxy with a password, has no deadline but the
//! process's, and follows redirects before one could look at them. The crate `git2-curl` would be shorter: it keeps
//! whole packs in memory, and replaces the headers that a bearer token needs.

use std::io::{self, Cursor, Read, Write};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream, Transport};

use super::answer::Sink;
use super::http::Shared;
use crate::source::SourceError;

/// Parts of an answer that wait for libgit2.
const WAITING: usize = 16;

/// The repository that is spoken to: libgit2's table of transports is one for the whole process.
static NOW: Mutex<Option<Shared>> = Mutex::new(None);

/// From now on speaks to this repository. Only one is spoken to at a time.
pub fn lead(shared: &Shared) {
    *NOW.lock().unwrap_or_else(PoisonError::into_inner) = Some(shared.clone());
}

/// Has libgit2 send all requests by http and https so. Done once.
#[expect(unsafe_code, reason = "libgit2 keeps its transports in a table without a lock")]
pub fn register() -> Result<(), SourceError> {
    for scheme in ["http", "https"] {
        let make = move |remote: &git2::Remote<'_>| {
            let now = NOW.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let shared = now.ok_or_else(|| git2::Error::from_str("nobody is to be spoken to"))?;
            Transport::smart(remote, true, Subtransport(shared))
        };
        // SAFETY: this process is a fetching child, which opens no remote before this, and none on
        // another thread.
        let done = unsafe { git2::transport::register(scheme, make) };
        done.map_err(|error| SourceError::Defect { why: error.message().to_owned() })?;
    }
    Ok(())
}

struct Subtransport(Shared);

impl SmartSubtransport for Subtransport {
    fn action(
        &self,
        _url: &str,
        action: Service,
    ) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        let shared = self.0.clone();
        match action {
            Service::UploadPackLs => match shared.list() {
                Ok(refs) => Ok(Box::new(Stream::Listed(Cursor::new(refs)))),
                Err(error) => Err(shared.give_up(error)),
            },
            Service::UploadPack => Ok(Box::new(Stream::Asking(shared, Vec::new()))),
            Service::ReceivePackLs | Service::ReceivePack => {
                Err(git2::Error::from_str("nothing is ever pushed"))
            }
        }
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

/// One question of libgit2's, and its answer.
enum Stream {
    Listed(Cursor<Vec<u8>>),
    Asking(Shared, Vec<u8>),
    Answered(Shared, Running),
}

/// An answer that is coming in.
struct Running {
    chunks: Receiver<Vec<u8>>,
    chunk: Cursor<Vec<u8>>,
    thread: Option<JoinHandle<Result<(), SourceError>>>,
}

impl Running {
    /// Asks, and has the answer passed on while it comes.
    fn of(shared: &Shared, body: Vec<u8>) -> Self {
        let (sender, chunks) = sync_channel(WAITING);
        let shared = shared.clone();
        let thread = std::thread::spawn(move || shared.send(&body, Sink::Passed(sender)));
        Self { chunks, chunk: Cursor::default(), thread: Some(thread) }
    }

    fn read(&mut self, into: &mut [u8]) -> Result<usize, SourceError> {
        loop {
            match self.chunk.read(into) {
                Ok(0) => {}
                Ok(length) => return Ok(length),
                Err(error) => return Err(SourceError::Defect { why: error.to_string() }),
            }
            match self.chunks.recv() {
                Ok(chunk) => self.chunk = Cursor::new(chunk),
                Err(_) => return self.end().map(|()| 0),
            }
        }
    }

    /// How the answer ended.
    fn end(&mut self) -> Result<(), SourceError> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        let defect = || SourceError::Defect { why: "the thread that fetches ended".to_owned() };
        thread.join().unwrap_or_else(|_| Err(defect()))
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Self::Asking(shared, body) = self {
            let running = Running::of(shared, std::mem::take(body));
            *self = Self::Answered(shared.clone(), running);
        }
        match self {
            Self::Listed(refs) => refs.read(into),
            Self::Answered(shared, running) => running
                .read(into)
                .map_err(|error| io::Error::other(shared.give_up(error).message().to_owned())),
            Self::Asking(..) => Ok(0),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Asking(_, body) => {
                body.extend_from_slice(bytes);
                Ok(bytes.len())
            }
            _ => Err(io::Error::other("nothing more is asked")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

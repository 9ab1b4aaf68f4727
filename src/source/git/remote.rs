//! Speaking to the remote of a clone.

use std::path::Path;
use std::time::{Duration, Instant};

use git2::{
    AutotagOption, CertificateCheckStatus, Direction, FetchOptions, Remote, RemoteCallbacks,
    RemoteConnection,
};

use super::ssh::{Host, refusal};
use super::trouble::{Note, Trouble};
use super::{http, transport};
use crate::source::Repository;
use crate::source::SourceError;
use crate::source::credentials::{Credentials, Login};
use crate::source::error::display_url;
use crate::source::request::Request;
use crate::source::way::Way;

/// Bytes that any fetch may take.
pub const FETCH_MAX: usize = 1 << 30;

/// How the remote is reached.
pub struct Link {
    note: Note,
    host: Option<Host>,
    login: http::Shared,
    /// When it was made.
    since: Instant,
    /// When it is given up, if before the whole child.
    until: Option<Instant>,
}

impl Link {
    /// Makes ready for a repository.
    pub fn new(
        repository: &Repository,
        credentials: Option<&Credentials>,
    ) -> Result<Self, SourceError> {
        transport::register()?;
        Self::beside(repository, credentials, None)
    }

    /// The same for one more, which is given up then.
    pub fn beside(
        repository: &Repository,
        credentials: Option<&Credentials>,
        until: Option<Instant>,
    ) -> Result<Self, SourceError> {
        let note = Note::default();
        let host = match Way::of(&repository.url) {
            Way::Ssh => Some(Host::of(&repository.url, credentials, &note)?),
            _ => None,
        };
        let login = http::Shared::new(&repository.url, credentials, note.clone(), until);
        Ok(Self { note, host, login, since: Instant::now(), until })
    }

    /// Time that is left to the child of a request.
    pub fn left(&self, request: &Request) -> Duration {
        // Its parent is there first.
        let all = Duration::from_secs(request.seconds.saturating_sub(1));
        all.saturating_sub(self.since.elapsed())
    }

    /// Who logs in by http now.
    pub fn login(&self) -> Option<Login> {
        self.login.login()
    }

    /// From now on logs in so by http.
    pub fn log_in(&self, login: Login) {
        self.login.log_in(login);
    }

    /// Requests beside those of git, with the same certificates and proxy.
    pub fn requests(&self) -> &http::Shared {
        &self.login
    }

    /// Writes down beside a clone what libgit2 wants to read from a file.
    pub fn prepare(&self) -> std::io::Result<()> {
        let home = std::env::var_os("HOME");
        match (&self.host, home) {
            (Some(host), Some(home)) => host.prepare(Path::new(&home)),
            _ => Ok(()),
        }
    }

    /// Connects to the remote, and lists its refs.
    pub fn connect<'repo, 'remote, 'link>(
        &'link self,
        remote: &'remote mut Remote<'repo>,
        source: &Repository,
    ) -> Result<RemoteConnection<'repo, 'remote, 'link>, Trouble> {
        transport::lead(&self.login);
        let connection = remote.connect_auth(Direction::Fetch, Some(self.callbacks()), None);
        connection.map_err(|error| self.note.remote_error(&error, source).into())
    }

    /// Downloads what a refspec names, if it takes no more bytes than this.
    pub fn download(
        &self,
        remote: &mut Remote<'_>,
        source: &Repository,
        refspec: &str,
        depth: Option<usize>,
        limit: usize,
    ) -> Result<(), Trouble> {
        transport::lead(&self.login);
        let mut options = FetchOptions::new();
        let mut callbacks = self.callbacks();
        let until = self.until;
        let is_late = move || until.is_some_and(|until| Instant::now() > until);
        callbacks
            .transfer_progress(move |progress| progress.received_bytes() <= limit && !is_late());
        options.remote_callbacks(callbacks);
        options.download_tags(AutotagOption::None).update_fetchhead(false);
        // libgit2's local transport cannot make a shallow clone.
        if let Some(depth) = depth.filter(|_| Way::of(&source.url) != Way::Other) {
            options.depth(i32::try_from(depth).unwrap_or(i32::MAX));
        }
        // The default message of the reflog holds the URL, and with it a password.
        let fetched = remote.fetch(&[refspec], Some(&mut options), Some("fetch"));
        fetched.map_err(|error| match self.note.error(error, source) {
            Trouble::TooMuch if is_late() => slow(source).into(),
            trouble => trouble,
        })
    }

    /// Gives the credentials once: libgit2 asks again when they were refused.
    fn callbacks(&self) -> RemoteCallbacks<'_> {
        let mut asked = git2::CredentialType::empty();
        let mut callbacks = RemoteCallbacks::new();
        let Some(host) = &self.host else { return callbacks };
        callbacks.credentials(move |_url, user, allowed| {
            if asked.intersects(allowed) {
                return Err(refusal("it does not know the key"));
            }
            asked |= allowed;
            host.login(user, allowed)
        });
        callbacks.certificate_check(|shown, _| match shown.as_hostkey() {
            Some(_) => host.check(shown),
            None => Ok(CertificateCheckStatus::CertificatePassthrough),
        });
        callbacks
    }
}

fn slow(source: &Repository) -> SourceError {
    let why = "it takes too long".to_owned();
    SourceError::RepositoryUnreachable { url: display_url(&source.url), why }
}

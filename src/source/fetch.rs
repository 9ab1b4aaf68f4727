//! Fetches what is followed: runs the fetching child with a deadline, then reads the commit's blobs.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::Instant;

use super::clones::{Shared, Wish};
use super::error::display_url;
use super::git::tree::Unread;
use super::head::Head;
use super::reference::Kind;
use super::request::{Answer, Request};
use super::submodule::Missing;
use super::way::Way;
use super::{Credentials, Limits, Repository, Revision, Snapshot, SourceError, git};
use crate::api::Render;
use crate::render::Rendered;

/// Environment that a fetching child keeps: where homes, certificates, proxies and agents are.
/// Certificates are read only where TLS is spoken: it takes longer than everything else.
const CHILD_ENVIRONMENT: &[&str] = &[
    "HOME",
    "PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SSH_AUTH_SOCK",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// A proxy for URLs without TLS, as libcurl does not read it: to a CGI program it is a header of its client.
const HTTP_PROXY: (&str, &str) = ("HTTP_PROXY", "http_proxy");

/// Fetches what is followed of one repository into one clone.
#[derive(Clone, Debug)]
pub struct Fetcher {
    /// What to fetch.
    pub repository: Repository,
    /// Where the clone is.
    pub dir: PathBuf,
    /// Folder of the repository that holds the manifests.
    pub path: String,
    /// How its files become objects: that decides which are read.
    pub render: Arc<Render>,
    /// How much of it is read.
    pub limits: Limits,
    /// Longest time a fetch may take.
    pub timeout: Duration,
    /// This program, which is its own fetching child.
    pub program: PathBuf,
    /// What is known of the clone, shared with all others who read it.
    pub shared: Arc<Shared>,
}

impl Fetcher {
    /// The commit that is followed, as a fetch found it that began not before `since`. An unchanged head costs one
    /// listing of refs.
    pub async fn fetch(&self, since: Instant) -> Result<Revision, SourceError> {
        let Head { kind, reference, commit, tree, time, author, subject, tag, digest, .. } =
            self.fetched(since, Wish::default()).await?;
        let name = match kind {
            Kind::Commit => None,
            Kind::Head | Kind::Branch | Kind::Tag | Kind::Ref | Kind::Range => reference,
        };
        Ok(Revision { name, commit, tree, time, author, subject, tag, digest })
    }

    /// Waits until another commit is known to be followed than this commit, by the fetch of another app.
    pub async fn other_than(&self, commit: Option<&str>) {
        self.shared.other_than(commit).await;
    }

    /// What a fetch came to that began not before `since` and did what is wanted.
    pub(super) async fn fetched(&self, since: Instant, wish: Wish) -> Result<Head, SourceError> {
        self.shared.fetched(since, wish, |wish| self.ask(wish)).await
    }

    /// Has a child fetch, within the deadline.
    async fn ask(&self, Wish { fresh, depth }: Wish) -> Result<Head, SourceError> {
        let request = Request {
            repository: self.repository.clone(),
            dir: self.dir.clone(),
            credentials: self.credentials()?,
            token: self.shared.token(),
            seconds: self.timeout.as_secs() + 1,
            fresh,
            depth,
            resting: self.shared.resting(),
        };
        let child = run_child(&self.program, &request);
        let answer = tokio::time::timeout(self.timeout, child).await;
        let Answer { head, token } = answer.map_err(|_| SourceError::FetchTimedOut {
            url: display_url(&self.repository.url),
            limit: self.timeout,
        })??;
        self.shared.keep_token(token);
        let mut head = head?;
        self.shared.keep_missing(std::mem::take(&mut head.missing), &request.resting);
        Ok(head)
    }

    fn credentials(&self) -> Result<Option<Credentials>, SourceError> {
        match &self.repository.credentials {
            Some(credentials) => Ok(Some(Credentials::clone(credentials))),
            None => self.repository.files.read(&self.repository.url),
        }
    }

    /// Reads the manifests below the path of a fetched commit, but for what was rendered before. A
    /// clone that turns out to be damaged is fetched afresh, once.
    pub async fn read(
        &self,
        revision: &Revision,
        before: Option<Arc<Rendered>>,
    ) -> Result<Snapshot, SourceError> {
        let began = Instant::now();
        match self.read_blobs(&revision.commit, before.clone()).await {
            Err(SourceError::CloneUnusable { .. }) => {}
            found => return self.found(found?, revision),
        }
        // Another app may have had it made anew while this one read, and must not find it gone for that.
        self.fetched(began, Wish::FRESH).await?;
        self.found(self.read_blobs(&revision.commit, before).await?, revision)
    }

    /// Reads the manifests below the path of any commit in the clone. `None` if it has no such folder.
    pub(super) async fn read_blobs(
        &self,
        commit: &str,
        before: Option<Arc<Rendered>>,
    ) -> Result<Option<Snapshot>, SourceError> {
        let (dir, commit, path) = (self.dir.clone(), commit.to_owned(), self.path.clone());
        let (submodules, render) = (self.submodules(), self.render.clone());
        let limits = self.limits;
        let read = move || {
            let (submodules, before) = (submodules.as_deref(), before.as_deref());
            git::tree::read(&dir, &commit, &path, submodules, &render, limits, before)
        };
        self.off_thread(read).await.map_err(|unread| match unread {
            Unread::Clone(why) => self.unusable(why),
            Unread::Submodule(error) => error,
        })
    }

    /// Those submodules that are missing, if submodules are read.
    pub(super) fn submodules(&self) -> Option<Vec<Missing>> {
        self.repository.submodules.as_ref().map(|_| self.shared.missing())
    }

    /// Reads from the clone on a thread of its own, within the deadline.
    pub(super) async fn off_thread<T: Send + 'static, E: From<String> + Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        tokio::time::timeout(self.timeout, tokio::task::spawn_blocking(read))
            .await
            .map_err(|_| "reading took too long".to_owned())?
            .map_err(|error| error.to_string())?
    }

    pub(super) fn unusable(&self, why: String) -> SourceError {
        SourceError::CloneUnusable { dir: self.dir.clone(), why }
    }

    fn found(&self, found: Option<Snapshot>, revision: &Revision) -> Result<Snapshot, SourceError> {
        let place = format!("{} at {revision}", display_url(&self.repository.url));
        found.ok_or_else(|| SourceError::PathNotFound { path: self.path.clone(), place })
    }
}

/// Runs `gitops-sync git-fetch`; dropping the future kills it.
async fn run_child(program: &Path, request: &Request) -> Result<Answer, SourceError> {
    let failed = |why: String| SourceError::ChildFailed { why };
    let kept = CHILD_ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    let (theirs, ours) = HTTP_PROXY;
    let proxy = std::env::var_os(theirs).filter(|_| std::env::var_os(ours).is_none());
    // There libgit2 looks for keys of servers, which are this app's own.
    let home = (Way::of(&request.repository.url) == Way::Ssh).then(|| request.dir.join("home"));
    let mut child = Command::new(program)
        .arg(git::CHILD_VERB)
        .env_clear()
        .envs(kept)
        .envs(proxy.map(|proxy| (ours, proxy)))
        .envs(home.map(|home| ("HOME", home)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let input = serde_json::to_vec(request).map_err(|error| failed(error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&input).await.map_err(|error| failed(error.to_string()))?;
    }
    let output = child.wait_with_output().await.map_err(|error| failed(error.to_string()))?;
    let answer: Result<Answer, _> = serde_json::from_slice(&output.stdout);
    // So ends what is not given the memory that it wants.
    if answer.is_err() && output.status.signal() == Some(Signal::ABORT.as_raw()) {
        return Err(SourceError::RepositoryTooLarge { url: display_url(&request.repository.url) });
    }
    answer.map_err(|_| failed(format!("it ended without an answer ({})", output.status)))
}

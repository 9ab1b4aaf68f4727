//! Fetches what is followed: runs the fetching child with a deadline, then reads the commit's blobs.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::Instant;

use super::clones::Shared;
use super::error::display_url;
use super::oci::Address;
use super::reference::Kind;
use super::{Credentials, Revision, Snapshot, SourceError, git};
use crate::render::Rendered;

/// Environment that a fetching child keeps: where homes, certificates, proxies and agents are.
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

/// Where a child that needs no certificates looks for them: reading all that a system trusts takes
/// it longer than everything else, and OpenSSL does so whether or not they are used.
const NO_CERTIFICATES: [(&str, &str); 2] =
    [("SSL_CERT_FILE", "/dev/null"), ("SSL_CERT_DIR", "/dev/null")];

/// What is followed of a repository, and how to get at it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Repository {
    /// URL or local path.
    pub url: String,
    /// What of it is followed, see [`reference`](super::reference).
    pub branch: String,
    /// Name for basic authentication.
    pub username: Option<String>,
    /// File with the password or token for basic authentication, read anew for each fetch.
    pub password_file: Option<PathBuf>,
    /// Credentials from a Secret, in place of those two.
    #[serde(skip)]
    pub credentials: Option<Arc<Credentials>>,
    /// Whether the keys of this process's ssh agent may be offered: they are not every app's.
    pub agent: bool,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Repository({} {})", display_url(&self.url), self.branch)
    }
}

/// What the fetching child is asked, on its standard input.
#[derive(Serialize, Deserialize)]
pub struct Request {
    /// What to fetch.
    pub repository: Repository,
    /// Where the clone is or shall be.
    pub dir: PathBuf,
    /// Who fetches it, unless that is anyone.
    pub credentials: Option<Credentials>,
    /// Seconds after which the child ends by itself, should its parent be gone by then.
    pub seconds: u64,
    /// Start over with a fresh clone.
    pub fresh: bool,
    /// Have this many commits of history, also if the head is known. The first fetch takes one
    /// otherwise, and those after it what is new.
    pub depth: Option<usize>,
}

/// What the fetching child answers, on its standard output.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Head {
    /// What was asked for.
    pub kind: Kind,
    /// The ref that it was found by.
    pub reference: Option<String>,
    /// The commit, in hex.
    pub commit: String,
    /// Its tree, in hex.
    pub tree: String,
    /// When it was committed, seconds since 1970.
    pub time: i64,
    /// Name of who wrote it.
    pub author: String,
    /// First line of its message.
    pub subject: String,
    /// The tag that is followed, if it is one.
    #[serde(default)]
    pub tag: Option<Tag>,
    /// The digest of the artifact that the commit stands for, if it is from a registry.
    #[serde(default)]
    pub digest: Option<String>,
}

/// A tag that is followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// Its name.
    pub name: String,
    /// The object, in hex, that says who made it. A tag that is but a name has none.
    pub object: Option<String>,
}

/// Fetches what is followed of one repository into one clone.
#[derive(Clone, Debug)]
pub struct Fetcher {
    /// What to fetch.
    pub repository: Repository,
    /// Where the clone is.
    pub dir: PathBuf,
    /// Folder of the repository that holds the manifests.
    pub path: String,
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
        let Head { kind, reference, commit, tree, time, author, subject, tag, digest } =
            self.shared.fetched(since, false, self.ask(false, None)).await?;
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

    /// Has a child fetch, within the deadline.
    pub(super) async fn ask(&self, fresh: bool, depth: Option<usize>) -> Result<Head, SourceError> {
        let request = Request {
            repository: self.repository.clone(),
            dir: self.dir.clone(),
            credentials: self.credentials()?,
            seconds: self.timeout.as_secs() + 1,
            fresh,
            depth,
        };
        let answer = tokio::time::timeout(self.timeout, self.ask_child(&request)).await;
        answer.map_err(|_| SourceError::FetchTimedOut {
            url: display_url(&self.repository.url),
            limit: self.timeout,
        })?
    }

    /// Has a child fetch. A server without TLS may still lead to one with it.
    async fn ask_child(&self, request: &Request) -> Result<Head, SourceError> {
        let url = &request.repository.url;
        let is_tls = url.starts_with("https://") || Address::is_in(url);
        match run_child(&self.program, request, is_tls).await {
            Err(SourceError::CertificateUntrusted { .. }) if !is_tls => {
                run_child(&self.program, request, true).await
            }
            answer => answer,
        }
    }

    fn credentials(&self) -> Result<Option<Credentials>, SourceError> {
        if let Some(credentials) = &self.repository.credentials {
            return Ok(Some(Credentials::clone(credentials)));
        }
        let Some(file) = &self.repository.password_file else { return Ok(None) };
        let text = std::fs::read_to_string(file).map_err(|error| {
            SourceError::PasswordUnreadable { file: file.clone(), why: error.to_string() }
        })?;
        let (username, password) = (self.repository.username.clone(), text.trim_end().to_owned());
        Ok(Some(Credentials::basic(username, password)))
    }

    /// Reads the manifests below the path of a fetched commit, but for what was rendered before. A
    /// clone that turns out to be damaged is fetched afresh, once.
    pub async fn read(
        &self,
        revision: &Revision,
        before: Option<Arc<Rendered>>,
    ) -> Result<Snapshot, SourceError> {
        let began = Instant::now();
        if let Ok(found) = self.read_blobs(&revision.commit, before.clone()).await {
            return self.found(found, revision);
        }
        // Another app may have had it made anew while this one read, and must not find it gone for that.
        self.shared.fetched(began, true, self.ask(true, None)).await?;
        let found = self.read_blobs(&revision.commit, before).await;
        self.found(found.map_err(|why| self.unusable(why))?, revision)
    }

    /// Reads the manifests below the path of any commit in the clone. `None` if it has no such folder.
    pub(super) async fn read_blobs(
        &self,
        commit: &str,
        before: Option<Arc<Rendered>>,
    ) -> Result<Option<Snapshot>, String> {
        let (dir, commit, path) = (self.dir.clone(), commit.to_owned(), self.path.clone());
        self.off_thread(move || git::tree::read(&dir, &commit, &path, before.as_deref())).await
    }

    /// Reads from the clone on a thread of its own, within the deadline.
    pub(super) async fn off_thread<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
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
async fn run_child(
    program: &Path,
    request: &Request,
    with_certificates: bool,
) -> Result<Head, SourceError> {
    let failed = |why: String| SourceError::ChildFailed { why };
    let kept = CHILD_ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    let mut child = Command::new(program)
        .arg(git::CHILD_VERB)
        .env_clear()
        .envs(kept)
        .envs(NO_CERTIFICATES.into_iter().filter(|_| !with_certificates))
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
    let answer: Result<Result<Head, SourceError>, _> = serde_json::from_slice(&output.stdout);
    answer.map_err(|_| failed(format!("it ended without an answer ({})", output.status)))?
}

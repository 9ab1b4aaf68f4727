//! The fetching child's work: bring a clone to the head of a branch.
//!
//! Runs in a process of its own that may be killed at any instruction; whatever it leaves behind,
//! the next run repairs, with a fresh clone at worst.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use git2::{
    AutotagOption, Cred, CredentialType, Direction, ErrorClass, ErrorCode, FetchOptions,
    ProxyOptions, Remote, RemoteCallbacks, RemoteRedirect,
};

use super::wanted::{ALL, Target, Wanted};
use crate::source::error::display_url;
use crate::source::fetch::{Head, Repository, Request};
use crate::source::reference::Kind;
use crate::source::{Credentials, SourceError};

/// Packs of a clone that are kept. Each fetch adds one and none is ever joined with another: a fresh clone
/// is smaller.
const PACKS_MAX: usize = 100;
/// Bytes of a clone beyond which a fresh one takes its place.
const BYTES_MAX: u64 = 2 << 30;

/// Bytes that a fetch of what is new may take. History that was rewritten may be endless, for all that comes before
/// the first commit of a shallow clone: then that much of it is given up, and its newest commit fetched alone.
const NEWS_MAX: usize = 16 << 20;
/// Bytes that any fetch may take.
const FETCH_MAX: usize = 1 << 30;

/// Answers one request, from standard input to standard output.
pub fn serve(input: &mut impl Read, output: &mut impl Write) -> std::io::Result<()> {
    let mut text = Vec::new();
    input.read_to_end(&mut text)?;
    let request: Request = serde_json::from_slice(&text)?;
    end_after(Duration::from_secs(request.seconds));
    serde_json::to_writer(output, &fetch(&request))?;
    Ok(())
}

/// Ends this process at its deadline also when its parent, which would kill it, is gone.
fn end_after(time: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(time);
        std::process::exit(1);
    });
}

/// Fetches the branch and resets the clone to it. A clone that cannot be used is made anew.
fn fetch(request: &Request) -> Result<Head, SourceError> {
    let unusable = |why: String| SourceError::CloneUnusable { dir: request.dir.clone(), why };
    let _lock = lock(&request.dir).map_err(|error| unusable(error.to_string()))?;
    let (packs, bytes) = packs(&request.dir);
    if request.fresh || packs > PACKS_MAX || bytes > BYTES_MAX {
        wipe(&request.dir).map_err(|error| unusable(error.to_string()))?;
    }
    match attempt(request) {
        Err(Trouble::Clone(_)) => {}
        Err(trouble) => return Err(said(trouble, request)),
        Ok(head) => return Ok(head),
    }
    wipe(&request.dir).map_err(|error| unusable(error.to_string()))?;
    attempt(request).map_err(|trouble| said(trouble, request))
}

fn said(trouble: Trouble, request: &Request) -> SourceError {
    match trouble {
        Trouble::Source(error) => error,
        Trouble::TooMuch => {
            SourceError::RepositoryTooLarge { url: display_url(&request.repository.url) }
        }
        Trouble::Clone(error) => {
            let (dir, why) = (request.dir.clone(), error.message().to_owned());
            SourceError::CloneUnusable { dir, why }
        }
    }
}

/// What went wrong.
pub enum Trouble {
    /// On the remote side.
    Source(SourceError),
    /// With the clone on disk.
    Clone(git2::Error),
    /// It takes more bytes than it may.
    TooMuch,
}

impl From<git2::Error> for Trouble {
    fn from(error: git2::Error) -> Self {
        Self::Clone(error)
    }
}

fn attempt(request: &Request) -> Result<Head, Trouble> {
    let wanted = Wanted::new(&request.repository);
    let clone = open(&request.dir, &wanted.tracking)?;
    let at_hand = wanted.at_hand(&clone).filter(|_| request.depth.is_none());
    let target = at_hand.map_or_else(|| bring(request, &wanted, &clone), Ok)?;
    let commit = wanted.commit(&clone, &target)?;
    // Last: until HEAD moved, nothing counts as done.
    if clone.head().ok().and_then(|h| h.target()) != Some(commit.id()) {
        clone.set_head_detached(commit.id())?;
    }
    Ok(Head { reference: target.reference, kind: target.kind, ..super::head::head(&commit) })
}

/// Has the server give what is wanted, as far as it is not in the clone.
fn bring(
    request: &Request,
    wanted: &Wanted<'_>,
    clone: &git2::Repository,
) -> Result<Target, Trouble> {
    let mut remote = clone.remote_anonymous(&request.repository.url)?;
    // Only the first fetch is shallow: asking for depth 1 each time costs more than it saves.
    let depth = request.depth.or(wanted.known(clone).is_none().then_some(1));
    let is_there =
        |target: &Target| request.depth.is_none() && clone.find_commit(target.commit).is_ok();
    if request.credentials.is_some() {
        let target = list_confided(&mut remote, request, wanted, clone, depth)?;
        if is_there(&target) {
            return Ok(target);
        }
        return fill(&mut remote, request, wanted, clone, target, depth);
    }
    let failed = |error| Trouble::Source(remote_error(&error, &request.repository));
    let mut connection = remote
        .connect_auth(Direction::Fetch, Some(callbacks(request)), Some(proxy()))
        .map_err(failed)?;
    let target = wanted.choose(clone, connection.list().map_err(failed)?)?;
    if is_there(&target) {
        return Ok(target);
    }
    fill(connection.remote(), request, wanted, clone, target, depth)
}

/// Downloads what is missing, and says what that came to: something may have been pushed since it was listed.
fn fill(
    remote: &mut Remote<'_>,
    request: &Request,
    wanted: &Wanted<'_>,
    clone: &git2::Repository,
    target: Target,
    depth: Option<usize>,
) -> Result<Target, Trouble> {
    let refspec = wanted.refspec(&target.source(), target.kind);
    let again = |refspec: &str, depth| {
        let mut remote = clone.remote_anonymous(&request.repository.url)?;
        download(&mut remote, request, refspec, depth, FETCH_MAX)?;
        Ok::<_, Trouble>(remote.list().ok().and_then(|list| wanted.choose(clone, list).ok()))
    };
    let is_news = depth.is_none() && clone.is_shallow();
    let limit = if is_news { NEWS_MAX } else { FETCH_MAX };
    let now = match download(remote, request, &refspec, depth, limit) {
        Err(Trouble::TooMuch) if is_news => again(&refspec, Some(1))?,
        Err(_) if Wanted::needs_detour(&target) => {
            for refspec in ALL {
                again(refspec, None)?;
            }
            None
        }
        Err(trouble) => return Err(trouble),
        Ok(()) => remote.list().ok().and_then(|list| wanted.choose(clone, list).ok()),
    };
    Ok(now.filter(|now| clone.find_commit(now.commit).is_ok()).unwrap_or(target))
}

/// The same with credentials: only a download, which lists first, can be told to carry none elsewhere.
fn list_confided(
    remote: &mut Remote<'_>,
    request: &Request,
    wanted: &Wanted<'_>,
    clone: &git2::Repository,
    depth: Option<usize>,
) -> Result<Target, Trouble> {
    let failed = |error| Trouble::Source(remote_error(&error, &request.repository));
    let refspec = wanted.refspec(&wanted.guess(), Kind::Branch);
    let fetched = download(remote, request, &refspec, depth, FETCH_MAX);
    match (fetched, remote.list()) {
        // It did not come to looking at the clone.
        (Err(Trouble::Clone(error)), Err(_)) => Err(failed(error)),
        (Err(trouble), Err(_)) => Err(trouble),
        (_, list) => wanted.choose(clone, list.map_err(failed)?),
    }
}

/// Opens the clone, without what a killed predecessor left in it, or starts an empty one.
fn open(dir: &Path, tracking: &str) -> Result<git2::Repository, git2::Error> {
    if !dir.exists() {
        return git2::Repository::init_bare(dir);
    }
    // A branch may be called anything, also what leads out of the clone.
    let branch = Some(tracking).filter(|name| git2::Reference::is_valid_name(name));
    for locked in ["HEAD", "config", "packed-refs", "shallow"].into_iter().chain(branch) {
        let _ = fs::remove_file(dir.join(format!("{locked}.lock")));
    }
    remove_unfinished_packs(&dir.join("objects/pack"));
    git2::Repository::open_bare(dir)
}

/// A killed fetch leaves its pack under a temporary name, without an extension.
fn remove_unfinished_packs(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.path().extension().is_none() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The number of packs of a clone, and their bytes.
fn packs(dir: &Path) -> (usize, u64) {
    let entries = fs::read_dir(dir.join("objects/pack")).into_iter().flatten().flatten();
    let packs = entries.filter(|entry| entry.path().extension().is_some_and(|end| end == "pack"));
    let sizes = packs.filter_map(|pack| Some(pack.metadata().ok()?.len()));
    sizes.fold((0, 0), |(packs, bytes), size| (packs + 1, bytes + size))
}

fn download(
    remote: &mut Remote<'_>,
    request: &Request,
    refspec: &str,
    depth: Option<usize>,
    limit: usize,
) -> Result<(), Trouble> {
    let source = &request.repository;
    let mut options = FetchOptions::new();
    let mut callbacks = callbacks(request);
    callbacks.transfer_progress(move |progress| progress.received_bytes() <= limit);
    options.remote_callbacks(callbacks).proxy_options(proxy());
    options.download_tags(AutotagOption::None).update_fetchhead(false);
    let header = request.credentials.as_ref().and_then(Credentials::header);
    options.custom_headers(&header.iter().map(String::as_str).collect::<Vec<_>>());
    if request.credentials.is_some() {
        // libgit2 would send the header to whatever host the server names.
        options.follow_redirects(RemoteRedirect::None);
    }
    if let Some(depth) = depth.filter(|_| can_be_shallow(&source.url)) {
        options.depth(i32::try_from(depth).unwrap_or(i32::MAX));
    }
    // The default message of the reflog holds the URL, and with it a password.
    let fetched = remote.fetch(&[refspec], Some(&mut options), Some("fetch"));
    fetched.map_err(|error| match error.class() {
        _ if error.code() == ErrorCode::User => Trouble::TooMuch,
        ErrorClass::Net | ErrorClass::Http | ErrorClass::Ssh | ErrorClass::Ssl => {
            Trouble::Source(remote_error(&error, source))
        }
        _ => Trouble::Clone(error),
    })
}

/// libgit2's local transport cannot make a shallow clone.
fn can_be_shallow(url: &str) -> bool {
    ["http://", "https://", "ssh://"].iter().any(|scheme| url.starts_with(scheme))
        || (!url.starts_with("file://") && !url.starts_with('/') && url.contains('@'))
}

fn proxy() -> ProxyOptions<'static> {
    let mut proxy = ProxyOptions::new();
    proxy.auto();
    proxy
}

/// Gives the credentials once: libgit2 asks again when they were refused.
fn callbacks(request: &Request) -> RemoteCallbacks<'_> {
    let mut asked = false;
    let mut callbacks = RemoteCallbacks::new();
    callbacks.credentials(move |_url, user, allowed| {
        if std::mem::replace(&mut asked, true) {
            return Err(refusal("the credentials are wrong"));
        }
        if allowed.contains(CredentialType::SSH_KEY) {
            if !request.repository.agent {
                return Err(refusal("keys for ssh are not supported yet: use a URL of https"));
            }
            return Cred::ssh_key_from_agent(user.unwrap_or("git"));
        }
        match &request.credentials {
            Some(Credentials::Basic { username, password }) => {
                Cred::userpass_plaintext(username, password)
            }
            Some(Credentials::Bearer(_)) => Err(refusal("the token is wrong")),
            None => Err(refusal("it wants credentials")),
        }
    });
    callbacks
}

fn refusal(why: &str) -> git2::Error {
    git2::Error::new(ErrorCode::Auth, ErrorClass::Callback, why)
}

/// Sorts libgit2's error into what a user can act on.
fn remote_error(error: &git2::Error, source: &Repository) -> SourceError {
    let (url, why) = (display_url(&source.url), error.message().to_owned());
    let says = |text: &str| why.contains(text);
    if error.code() == ErrorCode::Auth || says("status code: 401") || says("status code: 403") {
        SourceError::CredentialsRefused { url, why }
    } else if error.code() == ErrorCode::NotFound || says("status code: 404") {
        SourceError::RepositoryNotFound { url }
    } else if says("cannot redirect from") {
        SourceError::RedirectRefused { url }
    } else if error.code() == ErrorCode::Certificate {
        SourceError::CertificateUntrusted { url, why }
    } else {
        SourceError::RepositoryUnreachable { url, why: why.replace(&source.url, "the repository") }
    }
}

/// Holds the clone for this process; the system lets go of it even after a kill.
fn lock(dir: &Path) -> std::io::Result<File> {
    let mut name = dir.as_os_str().to_owned();
    name.push(".lock");
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent)?;
    }
    let file = File::create(PathBuf::from(name))?;
    file.lock()?;
    Ok(file)
}

fn wipe(dir: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

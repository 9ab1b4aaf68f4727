//! The fetching child's work: bring a clone to the head of a branch.
//!
//! Runs in a process of its own that may be killed at any instruction; whatever it leaves behind,
//! the next run repairs, with a fresh clone at worst.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use git2::Remote;
use rustix::process::{Resource, Rlimit, setrlimit};

use super::remote::{FETCH_MAX, Link};
use super::trouble::Trouble;
use super::wanted::{ALL, Target, Wanted};
use super::{github, submodules};
use crate::source::SourceError;
use crate::source::credentials::Login;
use crate::source::error::display_url;
use crate::source::head::Head;
use crate::source::oci::{self, Address};
use crate::source::request::{Answer, Request};

/// Packs of a clone that are kept. Each fetch adds one and none is ever joined with another: a fresh clone
/// is smaller.
const PACKS_MAX: usize = 100;
/// Bytes of a clone beyond which a fresh one takes its place.
const BYTES_MAX: u64 = 2 << 30;

/// Bytes that a fetch of what is new may take. History that was rewritten may be endless, for all that comes before
/// the first commit of a shallow clone: then that much of it is given up, and its newest commit fetched alone.
const NEWS_MAX: usize = 16 << 20;
/// Bytes of memory that a child may take. A small pack may hold deltas that come to any size.
const MEMORY_MAX: u64 = 192 << 20;
/// Bytes of the commit that is followed: the daemon reads it whole.
const COMMIT_MAX: usize = 1 << 20;

/// Answers one request, from standard input to standard output.
pub fn serve(input: &mut impl Read, output: &mut impl Write) -> std::io::Result<()> {
    let mut text = Vec::new();
    input.read_to_end(&mut text)?;
    let request: Request = serde_json::from_slice(&text)?;
    end_after(Duration::from_secs(request.seconds));
    let most = Rlimit { current: Some(MEMORY_MAX), maximum: Some(MEMORY_MAX) };
    setrlimit(Resource::Data, most)?;
    serde_json::to_writer(output, &answer(&request))?;
    Ok(())
}

/// Ends this process at its deadline also when its parent, which would kill it, is gone.
fn end_after(time: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(time);
        std::process::exit(1);
    });
}

/// Fetches as who the credentials say. A token of an app that is refused is replaced, once.
fn answer(request: &Request) -> Answer {
    let credentials = request.credentials.as_ref();
    let link = match Link::new(&request.repository, credentials) {
        Ok(link) => link,
        Err(error) => return Answer { head: Err(error), token: None },
    };
    let Some(Login::App(app)) = credentials.and_then(|found| found.login.as_ref()) else {
        return Answer { head: fetch(request, &link), token: None };
    };
    let now = jiff::Timestamp::now().as_second();
    if let Some(token) = request.token.as_ref().filter(|token| token.is_of(app, now)) {
        link.log_in(github::login(token));
        let head = fetch(request, &link);
        if !matches!(head, Err(SourceError::CredentialsRefused { .. })) {
            return Answer { head, token: Some(token.clone()) };
        }
    }
    match github::mint(app, link.requests()) {
        Ok(token) => {
            link.log_in(github::login(&token));
            Answer { head: fetch(request, &link), token: Some(token) }
        }
        Err(error) => Answer { head: Err(error), token: None },
    }
}

/// Fetches the branch and resets the clone to it. A clone that cannot be used is made anew.
fn fetch(request: &Request, link: &Link) -> Result<Head, SourceError> {
    let unusable = |why: String| SourceError::CloneUnusable { dir: request.dir.clone(), why };
    let _lock = lock(&request.dir).map_err(|error| unusable(error.to_string()))?;
    let (packs, bytes) = packs(&request.dir);
    if request.fresh || packs > PACKS_MAX || bytes > BYTES_MAX || oci::is_full(&request.dir) {
        wipe(&request.dir).map_err(|error| unusable(error.to_string()))?;
    }
    match attempt(request, link) {
        Err(Trouble::Clone(_)) => {}
        Err(trouble) => return Err(said(trouble, request)),
        Ok(head) => return Ok(head),
    }
    wipe(&request.dir).map_err(|error| unusable(error.to_string()))?;
    attempt(request, link).map_err(|trouble| said(trouble, request))
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

fn attempt(request: &Request, link: &Link) -> Result<Head, Trouble> {
    if Address::is_in(&request.repository.url) {
        let clone = open(&request.dir, "HEAD")?;
        return oci::fetch(request, &clone).map_err(Trouble::Source);
    }
    let wanted = Wanted::new(&request.repository);
    let clone = open(&request.dir, &wanted.tracking)?;
    link.prepare().map_err(|error| git2::Error::from_str(&error.to_string()))?;
    let at_hand = wanted.at_hand(&clone).filter(|_| request.depth.is_none());
    let target = at_hand.map_or_else(|| bring(request, link, &wanted, &clone), Ok)?;
    if clone.odb()?.read_header(target.commit).is_ok_and(|(size, _)| size > COMMIT_MAX) {
        return Err(Trouble::TooMuch);
    }
    let commit = wanted.commit(&clone, &target)?;
    // Last: until HEAD moved, nothing counts as done.
    let mut missing = Vec::new();
    if clone.head().ok().and_then(|h| h.target()) != Some(commit.id()) {
        if let Some(submodules) = &request.repository.submodules {
            missing = submodules::bring(request, submodules, link, &clone, commit.id())?;
        }
        if missing.is_empty() {
            clone.set_head_detached(commit.id())?;
        }
    }
    let (kind, tag) = (target.kind, target.tag());
    Ok(Head { reference: target.reference, kind, tag, missing, ..super::head::head(&commit) })
}

/// Has the server give what is wanted, as far as it is not in the clone.
fn bring(
    request: &Request,
    link: &Link,
    wanted: &Wanted<'_>,
    clone: &git2::Repository,
) -> Result<Target, Trouble> {
    let mut remote = clone.remote_anonymous(&request.repository.url)?;
    // Only the first fetch is shallow: asking for depth 1 each time costs more than it saves.
    let depth = request.depth.or(wanted.known(clone).is_none().then_some(1));
    let is_there = |target: &Target| {
        let is_here = clone.find_commit(target.commit).is_ok() && target.has_object(clone);
        request.depth.is_none() && is_here
    };
    let mut connection = link.connect(&mut remote, &request.repository)?;
    let target = wanted.choose(clone, connection.list()?)?;
    if is_there(&target) {
        return Ok(target);
    }
    fill(connection.remote(), request, link, wanted, clone, target, depth)
}

/// Downloads what is missing, and says what that came to: something may have been pushed since it was listed.
fn fill(
    remote: &mut Remote<'_>,
    request: &Request,
    link: &Link,
    wanted: &Wanted<'_>,
    clone: &git2::Repository,
    target: Target,
    depth: Option<usize>,
) -> Result<Target, Trouble> {
    let refspec = wanted.refspec(&target.source(), target.kind);
    let again = |refspec: &str, depth| {
        let mut remote = clone.remote_anonymous(&request.repository.url)?;
        link.download(&mut remote, &request.repository, refspec, depth, FETCH_MAX)?;
        Ok::<_, Trouble>(remote.list().ok().and_then(|list| wanted.choose(clone, list).ok()))
    };
    let is_news = depth.is_none() && clone.is_shallow();
    let limit = if is_news { NEWS_MAX } else { FETCH_MAX };
    let now = match link.download(remote, &request.repository, &refspec, depth, limit) {
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
    remove_locks(&dir.join(submodules::REFS));
    remove_unfinished_packs(&dir.join("objects/pack"));
    git2::Repository::open_bare(dir)
}

/// Of refs below this folder, which are named by commits.
fn remove_locks(refs: &Path) {
    for entry in fs::read_dir(refs).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_locks(&path);
        } else if path.extension().is_some_and(|end| end == "lock") {
            let _ = fs::remove_file(path);
        }
    }
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

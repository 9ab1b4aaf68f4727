//! The fetching child's work: bring a clone to the head of a branch.
//!
//! Runs in a process of its own that may be killed at any instruction; whatever it leaves behind,
//! the next run repairs, with a fresh clone at worst.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::github;
use super::remote::Link;
use super::trouble::Trouble;
use crate::source::SourceError;
use crate::source::credentials::Login;
use crate::source::error::display_url;
use crate::source::fetch::{Answer, Head, Repository, Request};

/// Packs of a clone that are kept. Each fetch adds one and none is ever joined with another: a fresh clone
/// is smaller.
const PACKS_MAX: usize = 100;

/// Answers one request, from standard input to standard output.
pub fn serve(input: &mut impl Read, output: &mut impl Write) -> std::io::Result<()> {
    let mut text = Vec::new();
    input.read_to_end(&mut text)?;
    let request: Request = serde_json::from_slice(&text)?;
    end_after(Duration::from_secs(request.seconds));
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
    if request.fresh || packs(&request.dir) > PACKS_MAX {
        wipe(&request.dir).map_err(|error| unusable(error.to_string()))?;
    }
    match attempt(request, link) {
        Err(Trouble::Clone(_)) => {}
        Err(Trouble::Source(error)) => return Err(error),
        Ok(head) => return Ok(head),
    }
    wipe(&request.dir).map_err(|error| unusable(error.to_string()))?;
    attempt(request, link).map_err(|trouble| match trouble {
        Trouble::Clone(error) => unusable(error.message().to_owned()),
        Trouble::Source(error) => error,
    })
}

fn attempt(request: &Request, link: &Link) -> Result<Head, Trouble> {
    let source = &request.repository;
    let tracking = format!("refs/remotes/origin/{}", source.branch);
    let clone = open(&request.dir, &tracking)?;
    link.prepare().map_err(|error| git2::Error::from_str(&error.to_string()))?;
    let mut remote = clone.remote_anonymous(&source.url)?;
    let known = clone.find_reference(&tracking).and_then(|known| known.peel_to_commit());
    let known = known.ok().map(|commit| commit.id());
    // Only the first fetch is shallow: asking for depth 1 each time costs more than it saves.
    let depth = request.depth.or(known.is_none().then_some(1));
    let mut connection = link.connect(&mut remote, source)?;
    let (name, head) = followed(connection.list()?, source)?;
    let is_whole =
        request.depth.is_none() && known == Some(head) && clone.find_commit(head).is_ok();
    if !is_whole {
        link.download(connection.remote(), request, &format!("+{name}:{tracking}"), depth)?;
    }
    drop(connection);
    let commit = clone.find_commit(head)?;
    // Last: until HEAD moved, nothing counts as done.
    if clone.head().ok().and_then(|h| h.target()) != Some(head) {
        clone.set_head_detached(head)?;
    }
    Ok(super::head::head(&commit))
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

/// The number of packs of a clone.
fn packs(dir: &Path) -> usize {
    let entries = fs::read_dir(dir.join("objects/pack")).into_iter().flatten().flatten();
    entries.filter(|entry| entry.path().extension().is_some_and(|end| end == "pack")).count()
}

/// The ref that is followed in the remote's list of refs, and its commit: a branch, HEAD, or a tag, of which one
/// that is annotated is listed a second time with its commit.
fn followed(
    list: &[git2::RemoteHead<'_>],
    source: &Repository,
) -> Result<(String, git2::Oid), Trouble> {
    let find = |name: &str| list.iter().find(|head| head.name() == name).map(git2::RemoteHead::oid);
    let (branch, tag) =
        (format!("refs/heads/{}", source.branch), format!("refs/tags/{}", source.branch));
    let head = Some("HEAD".to_owned()).filter(|head| *head == source.branch);
    let names = [Some(branch), head, Some(tag)].into_iter().flatten();
    let found = names.into_iter().find_map(|name| {
        let commit = find(&format!("{name}^{{}}")).or_else(|| find(&name))?;
        Some((name, commit))
    });
    found.ok_or_else(|| {
        let (url, branch) = (display_url(&source.url), source.branch.clone());
        Trouble::Source(SourceError::BranchNotFound { url, branch })
    })
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

//! Submodules: which ones a commit names, and the fetching child's work of bringing them into its clone.
//!
//! Their commits lie in the clone of the repository itself, each under a ref of its own: from there on they are
//! folders of one tree. What they hold hangs on nothing but the commit that names them.

use std::collections::{HashSet, VecDeque};
use std::path::Path;

use git2::{Commit, Error, ObjectType, Oid};

use super::remote::{FETCH_MAX, Link};
use super::trouble::Trouble;
use crate::render::text::is_plain;
use crate::source::Repository;
use crate::source::SourceError;
use crate::source::credentials::Credentials;
use crate::source::error::display_url;
use crate::source::request::Request;
use crate::source::submodule::file::{self, BadLine};
use crate::source::submodule::place::Host;
use crate::source::submodule::{Source, Submodules};
use crate::source::tree::join;

/// What names submodules.
pub const FILE: &str = ".gitmodules";
/// Largest such file that is read, in bytes.
const FILE_LIMIT: usize = 256 << 10;
/// Submodules of a commit, with those of its submodules. Each is a pack of the clone.
const COUNT_MAX: usize = 50;
/// Submodules within each other.
const DEPTH_MAX: usize = 5;

/// A submodule of a commit.
struct Named {
    /// Where it stands.
    path: String,
    /// Its URL, as it is written.
    url: String,
    /// The commit that stands for it.
    commit: Oid,
}

/// Why submodules cannot be told.
enum Flaw {
    /// What names them is wrong, and where.
    Bad(String, String),
    /// The clone is.
    Clone(Error),
}

impl From<Error> for Flaw {
    fn from(error: Error) -> Self {
        Self::Clone(error)
    }
}

impl From<Flaw> for Trouble {
    fn from(flaw: Flaw) -> Self {
        match flaw {
            Flaw::Bad(path, why) => SourceError::SubmoduleRefused { path, why }.into(),
            Flaw::Clone(error) => error.into(),
        }
    }
}

/// A repository, whose submodules are to be told.
struct Parent {
    /// Where it stands in the first one.
    path: String,
    /// Its URL.
    url: String,
    commit: Oid,
    depth: usize,
}

/// The commits of all submodules of a commit that the clone has, by which their folders are found.
pub fn commits(clone: &git2::Repository, commit: &Commit<'_>) -> Result<HashSet<Oid>, String> {
    let said = |flaw| match flaw {
        Flaw::Bad(path, why) => format!("submodule {path}: {why}"),
        Flaw::Clone(error) => error.message().to_owned(),
    };
    // Those of another commit than the one that was fetched last may be missing.
    let is_whole = clone.head().ok().and_then(|head| head.target()) == Some(commit.id());
    let mut found = HashSet::new();
    let mut todo = vec![commit.id()];
    while let Some(id) = todo.pop() {
        let commit = match clone.find_commit(id) {
            Ok(commit) => commit,
            Err(error) if is_whole => return Err(error.message().to_owned()),
            Err(_) => continue,
        };
        for named in named(clone, &commit, "").map_err(said)? {
            if found.len() <= COUNT_MAX && found.insert(named.commit) {
                todo.push(named.commit);
            }
        }
    }
    Ok(found)
}

/// Fetches the submodules of a commit, as far as they are not in the clone.
pub fn bring(
    request: &Request,
    wanted: &Submodules,
    link: &Link,
    clone: &git2::Repository,
    commit: Oid,
) -> Result<(), Trouble> {
    let root = &request.repository.url;
    let parent = Parent { path: String::new(), url: root.clone(), commit, depth: 0 };
    let (mut todo, mut count, mut left) = (VecDeque::from([parent]), 0, FETCH_MAX);
    while let Some(Parent { path, url: parent, commit, depth }) = todo.pop_front() {
        let commit = clone.find_commit(commit)?;
        for Named { path, url, commit } in named(clone, &commit, &path)? {
            count += 1;
            if count > COUNT_MAX {
                let why = format!("there are more than {COUNT_MAX} submodules");
                return Err(Flaw::Bad(path, why).into());
            }
            if depth == DEPTH_MAX {
                let why = format!("it is the {DEPTH_MAX}th within another");
                return Err(Flaw::Bad(path, why).into());
            }
            let source = wanted.source(&path, root, &parent, &url)?;
            if clone.find_commit(commit).is_err() {
                let taken = fetch(request, link, clone, &source, commit, left);
                left -= taken.map_err(|trouble| said(trouble, &path, &source))?.min(left);
            }
            todo.push_back(Parent { path, url: source.url, commit, depth: depth + 1 });
        }
    }
    Ok(())
}

/// The submodules that a commit names, shown below `at`. One without a URL, or that is no submodule, is none.
fn named(clone: &git2::Repository, commit: &Commit<'_>, at: &str) -> Result<Vec<Named>, Flaw> {
    let tree = commit.tree()?;
    let Some(entry) = tree.get_name(FILE) else { return Ok(Vec::new()) };
    let bad = |why: String| Flaw::Bad(join(at, FILE), why);
    // A link might lead anywhere.
    if entry.kind() != Some(ObjectType::Blob) || entry.filemode() == 0o120_000 {
        return Err(bad("it is no file".to_owned()));
    }
    let (size, _) = clone.odb()?.read_header(entry.id())?;
    if size > FILE_LIMIT {
        return Err(bad(format!("it has more than {} KiB", FILE_LIMIT >> 10)));
    }
    let blob = clone.find_blob(entry.id())?;
    let text = String::from_utf8_lossy(blob.content());
    let parsed = file::parse(&text)
        .map_err(|BadLine(line)| bad(format!("line {line} is none of git's configuration")))?;
    let all = parsed.into_iter().filter_map(|(path, url)| {
        // Of such a name the walk of the tree tells.
        let entry = tree.get_path(Path::new(&path)).ok().filter(|_| path.chars().all(is_plain))?;
        let is_submodule = entry.kind() == Some(ObjectType::Commit);
        is_submodule.then(|| Named { path: join(at, &path), url, commit: entry.id() })
    });
    Ok(all.collect())
}

/// Fetches one commit, and says how many bytes that took.
fn fetch(
    request: &Request,
    link: &Link,
    clone: &git2::Repository,
    source: &Source,
    commit: Oid,
    limit: usize,
) -> Result<usize, Trouble> {
    let Repository { files, .. } = &request.repository;
    let (url, branch, files) = (source.url.clone(), commit.to_string(), files.clone());
    let repository =
        Repository { url, branch, insecure: false, submodules: None, files, credentials: None };
    let link = Link::beside(&repository, Some(&credentials(request, link, source.host)))?;
    link.prepare().map_err(|error| Error::from_str(&error.to_string()))?;
    let take = |refspec: &str, depth| {
        let mut remote = clone.remote_anonymous(&repository.url)?;
        link.download(&mut remote, &repository, refspec, depth, limit)?;
        Ok::<_, Trouble>(remote.stats().received_bytes())
    };
    let refs = format!("refs/gitops-sync/submodules/{commit}");
    let mut taken = match take(&format!("+{commit}:{refs}"), Some(1)) {
        // Many servers give no commit by its name.
        Err(Trouble::Clone(_) | Trouble::Source(SourceError::RepositoryUnreachable { .. })) => {
            take(&format!("+refs/heads/*:{refs}-heads/*"), None)?
        }
        taken => taken?,
    };
    if clone.find_commit(commit).is_err() {
        taken += take(&format!("+refs/tags/*:{refs}-tags/*"), None)?;
    }
    if clone.find_commit(commit).is_err() {
        let (url, commit) = (display_url(&repository.url), repository.branch);
        return Err(SourceError::CommitNotFound { url, commit }.into());
    }
    Ok(taken)
}

/// Who fetches from a host: on the repository's own it is who fetches that, elsewhere nobody. A proxy leads to any.
fn credentials(request: &Request, link: &Link, host: Host) -> Credentials {
    let own = request.credentials.clone().unwrap_or_default();
    match host {
        Host::Same => Credentials { login: link.login(), ..own },
        Host::Other => Credentials { proxy: own.proxy, ..Credentials::default() },
    }
}

/// What went wrong with a submodule.
fn said(trouble: Trouble, path: &str, source: &Source) -> Trouble {
    let (path, url) = (path.to_owned(), display_url(&source.url));
    let error = match trouble {
        Trouble::Source(SourceError::CredentialsRefused { .. }) if source.host == Host::Other => {
            let why = format!(
                "{url} wants credentials, which only the repository's own host gets: move it there"
            );
            SourceError::SubmoduleRefused { path, why }
        }
        Trouble::Source(error) => {
            SourceError::SubmoduleUnavailable { path, why: error.to_string() }
        }
        Trouble::TooMuch => {
            let why = SourceError::RepositoryTooLarge { url }.to_string();
            SourceError::SubmoduleUnavailable { path, why }
        }
        Trouble::Clone(error) => return error.into(),
    };
    error.into()
}

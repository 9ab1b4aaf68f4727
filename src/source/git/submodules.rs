//! Submodules: which ones a commit names, and the fetching child's work of bringing them into its clone.
//!
//! Their commits lie in the clone of the repository itself, each under a ref of its own: from there on they are
//! folders of one tree. What they hold hangs on nothing but the commit that names them.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use git2::{Commit, Error, ObjectType, Oid};

use super::remote::{FETCH_MAX, Link};
use super::trouble::Trouble;
use crate::render::text::is_plain;
use crate::source::Repository;
use crate::source::SourceError;
use crate::source::credentials::{Credentials, Hidden};
use crate::source::error::display_url;
use crate::source::request::Request;
use crate::source::submodule::file::{self, BadLine};
use crate::source::submodule::place::Host;
use crate::source::submodule::{Missing, Source, Submodules};
use crate::source::tree::{LIST_LIMIT, join};

/// What names submodules.
pub const FILE: &str = ".gitmodules";
/// Where a clone keeps them.
pub const REFS: &str = "refs/gitops-sync/submodules";
/// Largest such file that is read, in bytes.
const FILE_LIMIT: usize = 256 << 10;
/// Submodules that one file names, of which some may be gone. Each is looked for.
const NAMES_MAX: usize = 200;
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

/// A repository, whose submodules are to be told.
struct Parent {
    /// Where it stands in the first one.
    path: String,
    /// Its URL.
    url: String,
    commit: Oid,
    depth: usize,
}

/// The commits of all submodules of a commit that the clone has, by which their folders are found, with where each
/// stands in its repository.
pub fn commits(
    clone: &git2::Repository,
    commit: &Commit<'_>,
) -> Result<HashMap<Oid, String>, String> {
    // Those of another commit than the one that was fetched last may be missing, and those that could not be.
    let is_whole = clone.head().ok().and_then(|head| head.target()) == Some(commit.id());
    let mut found = HashMap::new();
    let mut todo = vec![commit.id()];
    while let Some(id) = todo.pop() {
        let all = clone.find_commit(id).map_err(Flaw::Clone);
        let all = match all.and_then(|commit| named(clone, &commit, "")) {
            Ok(all) => all,
            Err(Flaw::Clone(error)) if is_whole => return Err(error.message().to_owned()),
            // That was told when it was fetched.
            Err(_) => continue,
        };
        for named in all {
            if found.len() <= COUNT_MAX && found.insert(named.commit, named.path).is_none() {
                todo.push(named.commit);
            }
        }
    }
    Ok(found)
}

/// Fetches the submodules of a commit, as far as they are not in the clone, and says which of them could not be.
pub fn bring(
    request: &Request,
    wanted: &Submodules,
    link: &Link,
    clone: &git2::Repository,
    commit: Oid,
) -> Result<Vec<Missing>, Trouble> {
    let url = request.repository.url.clone();
    let parent = Parent { path: String::new(), url, commit, depth: 0 };
    let todo = VecDeque::from([parent]);
    let missing = Vec::new();
    let mut bringing =
        Bringing { request, wanted, link, clone, todo, count: 0, left: FETCH_MAX, missing };
    while let Some(parent) = bringing.todo.pop_front() {
        let commit = clone.find_commit(parent.commit)?;
        match named(clone, &commit, &parent.path) {
            Ok(all) => all.into_iter().for_each(|named| bringing.one(&parent, named)),
            Err(Flaw::Clone(error)) if parent.depth == 0 => return Err(error.into()),
            Err(Flaw::Clone(error)) => {
                let (path, why) = (parent.path, error.message().to_owned());
                bringing.lacks(SourceError::SubmoduleUnavailable { path, why });
            }
            Err(Flaw::Bad(path, why)) => {
                bringing.lacks(SourceError::SubmoduleRefused { path, why });
            }
        }
        if bringing.count > COUNT_MAX {
            break;
        }
    }
    Ok(bringing.missing)
}

/// The submodules of a commit, of which some are fetched.
struct Bringing<'a> {
    request: &'a Request,
    wanted: &'a Submodules,
    link: &'a Link,
    clone: &'a git2::Repository,
    /// Those whose own are to be told.
    todo: VecDeque<Parent>,
    count: usize,
    /// Bytes that the others may take.
    left: usize,
    missing: Vec<Missing>,
}

impl Bringing<'_> {
    /// Fetches one, if that is to be done.
    fn one(&mut self, parent: &Parent, Named { path, url, commit }: Named) {
        self.count += 1;
        if self.count > COUNT_MAX {
            if self.count == COUNT_MAX + 1 {
                let why = format!("there are more than {COUNT_MAX} submodules");
                self.lacks(SourceError::SubmoduleRefused { path, why });
            }
            return;
        }
        let name = commit.to_string();
        if let Some(known) = self.request.resting.iter().find(|it| it.is_same(&name, &url)) {
            self.missing.push(known.clone());
            return;
        }
        let began = Instant::now();
        match self.brought(parent, &path, &url, commit) {
            Ok(url) => self.todo.push_back(Parent { path, url, commit, depth: parent.depth + 1 }),
            Err(error) => {
                let (commit, url, took) = (Some(name), Hidden(url), began.elapsed());
                self.missing.push(Missing { commit, url, error, took });
            }
        }
    }

    /// Has one in the clone, and gives its URL.
    fn brought(
        &mut self,
        parent: &Parent,
        path: &str,
        url: &str,
        commit: Oid,
    ) -> Result<String, SourceError> {
        if parent.depth == DEPTH_MAX {
            let why = format!("it is the {DEPTH_MAX}th within another");
            return Err(SourceError::SubmoduleRefused { path: path.to_owned(), why });
        }
        let root = &self.request.repository.url;
        let source = self.wanted.source(path, root, &parent.url, url)?;
        if self.clone.find_commit(commit).is_err() {
            let taken = fetch(self.request, self.link, self.clone, &source, commit, self.left);
            if matches!(taken, Err(Trouble::TooMuch)) {
                self.left = 0;
            }
            self.left -= taken.map_err(|trouble| said(trouble, path, &source))?.min(self.left);
        }
        Ok(source.url)
    }

    /// Notes that something is missing of which the commit is not known.
    fn lacks(&mut self, error: SourceError) {
        let (url, took) = (Hidden(String::new()), Duration::ZERO);
        self.missing.push(Missing { commit: None, url, error, took });
    }
}

/// The submodules that a commit names, shown below `at`. One without a URL, or that is no submodule, is none.
fn named(clone: &git2::Repository, commit: &Commit<'_>, at: &str) -> Result<Vec<Named>, Flaw> {
    if !is_readable(clone, commit.tree_id()) {
        let why = "it stands in a folder that cannot be read".to_owned();
        return Err(Flaw::Bad(join(at, FILE), why));
    }
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
    if parsed.len() > NAMES_MAX {
        return Err(bad(format!("it has more than {NAMES_MAX} submodules")));
    }
    let all = parsed.into_iter().filter_map(|(path, url)| {
        let commit = submodule(clone, commit.tree_id(), &path)?;
        Some(Named { path: join(at, &path), url, commit })
    });
    Ok(all.collect())
}

/// The commit that stands for a submodule at a path below a folder. Of folders on the way that cannot be read, and
/// of names that are none, the walk of the tree tells.
fn submodule(clone: &git2::Repository, mut folder: Oid, path: &str) -> Option<Oid> {
    let mut names = path.split('/').filter(|_| path.chars().all(is_plain)).peekable();
    while let Some(name) = names.next() {
        let tree = is_readable(clone, folder).then(|| clone.find_tree(folder).ok()).flatten()?;
        let entry = tree.get_name(name)?;
        match (entry.kind()?, names.peek()) {
            (ObjectType::Commit, None) => return Some(entry.id()),
            (ObjectType::Tree, Some(_)) => folder = entry.id(),
            _ => return None,
        }
    }
    None
}

/// Whether a folder has no more entries than are read anywhere.
fn is_readable(clone: &git2::Repository, folder: Oid) -> bool {
    let header = clone.odb().and_then(|odb| odb.read_header(folder));
    header.is_ok_and(|(size, _)| size as u64 <= LIST_LIMIT)
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
    let credentials = credentials(request, link, source.host);
    // What hangs leaves as much time to the others.
    let until = Some(Instant::now() + link.left(request) / 2);
    let link = Link::beside(&repository, Some(&credentials), until)?;
    link.prepare().map_err(|error| Error::from_str(&error.to_string()))?;
    let take = |refspec: &str, depth| {
        let mut remote = clone.remote_anonymous(&repository.url)?;
        link.download(&mut remote, &repository, refspec, depth, limit)?;
        Ok::<_, Trouble>(remote.stats().received_bytes())
    };
    let refs = format!("{REFS}/{commit}");
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
fn said(trouble: Trouble, path: &str, source: &Source) -> SourceError {
    let (path, url) = (path.to_owned(), display_url(&source.url));
    let why = match trouble {
        Trouble::Source(SourceError::CredentialsRefused { .. }) if source.host == Host::Other => {
            let why = format!(
                "{url} wants credentials, which only the repository's own host gets: move it there"
            );
            return SourceError::SubmoduleRefused { path, why };
        }
        Trouble::Source(error) => error.to_string(),
        Trouble::TooMuch => SourceError::RepositoryTooLarge { url }.to_string(),
        // Its server may well have sent what no clone can keep.
        Trouble::Clone(error) => format!("what {url} sent cannot be kept: {}", error.message()),
    };
    SourceError::SubmoduleUnavailable { path, why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    /// What a commit names with this file, in a tree with so many entries more: its submodules, or what is wrong.
    fn names(file: &str, more: usize) -> String {
        let folder = tempfile::tempdir().unwrap();
        let clone = git2::Repository::init_bare(folder.path()).unwrap();
        let odb = clone.odb().unwrap();
        let entry = |mode: &str, name: &str, id: Oid| {
            [mode.as_bytes(), b" ", name.as_bytes(), b"\0", id.as_bytes()].concat()
        };
        let base = Oid::from_str(&"1".repeat(40)).unwrap();
        let mut raw: Vec<u8> =
            (0..more).flat_map(|n| entry("100644", &format!("{n:0100}"), base)).collect();
        raw.extend(entry("160000", "base", base));
        let libs = odb.write(ObjectType::Tree, &raw).unwrap();
        let bad = odb.write(ObjectType::Tree, b"none").unwrap();
        let file = clone.blob(file.as_bytes()).unwrap();
        let root =
            [entry("100644", FILE, file), entry("40000", "bad", bad), entry("40000", "libs", libs)];
        let root = odb.write(ObjectType::Tree, &root.concat()).unwrap();
        let text = format!("tree {root}\nauthor a <a> 1 +0000\ncommitter a <a> 1 +0000\n\nx");
        let commit = odb.write(ObjectType::Commit, text.as_bytes()).unwrap();
        match named(&clone, &clone.find_commit(commit).unwrap(), "") {
            Ok(all) => all.into_iter().map(|named| named.path).collect::<Vec<_>>().join(" "),
            Err(Flaw::Bad(path, why)) => format!("{path}: {why}"),
            Err(Flaw::Clone(error)) => error.message().to_owned(),
        }
    }

    #[test]
    fn what_a_file_names_is_looked_for_within_bounds() {
        let file = |paths: &[&str]| {
            paths.iter().fold(String::new(), |mut text, path| {
                writeln!(text, "[submodule \"{path}\"]\npath = {path}\nurl = ../x").unwrap();
                text
            })
        };
        let check = |paths: &[&str], more: usize, expect: &str| {
            assert_eq!(names(&file(paths), more), expect, "{paths:?}");
        };
        check(&["libs/base"], 0, "libs/base");
        check(
            &["libs/none", "libs", "bad/x", "libs/base/x", "/libs/base", "libs//base", ""],
            0,
            "",
        );
        // As many entries as are read nowhere.
        check(&["libs/base"], 150_000, "");
        let many: Vec<_> = (0..=NAMES_MAX).map(|n| format!("gone{n}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        check(&many, 0, ".gitmodules: it has more than 200 submodules");
        check(&many[1..], 0, "");
    }
}

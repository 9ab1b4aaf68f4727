//! A commit as a tree of files, read from its blobs.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::path::Path;

use git2::{Oid, Repository, TreeEntry};

use super::submodules;
use crate::api::Render;
use crate::render::{ContentId, Rendered};
use crate::source::submodule::Missing;
use crate::source::tree::{Entry, LIST_LIMIT, Listing, Node, Place, Tree, folder, joined, resolve};
use crate::source::{Limits, Snapshot, SourceError, ignore, layout};

/// The part of a mode that says what an entry is.
const KIND: i32 = 0o170_000;
/// Kind of a file.
const FILE: i32 = 0o100_000;
/// Kind of a folder.
const FOLDER: i32 = 0o040_000;
/// Kind of a symbolic link.
const LINK: i32 = 0o120_000;
/// Kind of a submodule.
const SUBMODULE: i32 = 0o160_000;

/// Longest target of a link, in bytes: `PATH_MAX` of Linux.
const LINK_LIMIT: u64 = 4096;

/// Why a commit cannot be read.
#[derive(Debug)]
pub enum Unread {
    /// For the clone.
    Clone(String),
    /// For a submodule that the app reaches and the clone lacks.
    Submodule(SourceError),
}

impl From<String> for Unread {
    fn from(why: String) -> Self {
        Self::Clone(why)
    }
}

/// Reads what the app at `path` of a commit is made of; of manifests, not what was rendered before. `None` if the
/// commit has no such folder. `submodules` are those that are missing, where any are read.
pub fn read(
    clone: &Path,
    commit: &str,
    path: &str,
    submodules: Option<&[Missing]>,
    render: &Render,
    limits: Limits,
    before: Option<&Rendered>,
) -> Result<Option<Snapshot>, Unread> {
    let tree = CommitTree { limits, ..CommitTree::open(clone, commit, submodules)? };
    let found = layout::read(&tree, path, render, before);
    if let Some(error) = tree.reached.take() {
        return Err(Unread::Submodule(error));
    }
    let Some(snapshot) = found? else { return Ok(None) };
    let scope = if snapshot.has_left { None } else { tree.scope(path)? };
    Ok(Some(Snapshot { scope, ..snapshot }))
}

/// What everything below `path` of a commit hangs on, as long as no link leads out of it: where it is, what it
/// holds, and what is ignored. `None` if the commit has no such folder.
pub fn scope(
    clone: &Path,
    commit: &str,
    path: &str,
    submodules: Option<&[Missing]>,
) -> Result<Option<String>, String> {
    CommitTree::open(clone, commit, submodules)?.scope(path)
}

struct CommitTree {
    repository: Repository,
    root: Oid,
    /// The commits of submodules that are folders of the tree, unless none is to be.
    submodules: Option<HashMap<Oid, String>>,
    /// Those that are not in the clone.
    missing: Vec<Missing>,
    /// Where they would be folders, and why they are not: whatever looks into one would take it for empty.
    absent: RefCell<HashMap<Oid, SourceError>>,
    /// The first of them that was looked into.
    reached: RefCell<Option<SourceError>>,
    limits: Limits,
    /// Folders in which something was looked for, and what is in them from the second time on: git reads all of a
    /// folder to find one name.
    looked: RefCell<HashMap<Oid, Option<Names>>>,
}

/// What is in a folder, by name.
type Names = HashMap<String, Node<Oid>>;

impl CommitTree {
    fn open(clone: &Path, commit: &str, submodules: Option<&[Missing]>) -> Result<Self, String> {
        let repository = Repository::open_bare(clone).map_err(said)?;
        let id = Oid::from_str(commit).map_err(said)?;
        let commit = repository.find_commit(id).map_err(said)?;
        let missing = submodules.map(<[_]>::to_vec).unwrap_or_default();
        let submodules = submodules.map(|_| submodules::commits(&repository, &commit));
        let (root, submodules) = (commit.tree_id(), submodules.transpose()?);
        drop(commit);
        Ok(Self {
            repository,
            root,
            submodules,
            missing,
            absent: RefCell::default(),
            reached: RefCell::default(),
            limits: Limits::default(),
            looked: RefCell::default(),
        })
    }

    fn scope(&self, path: &str) -> Result<Option<String>, String> {
        let Place::At(root) = resolve(self, &[], path)?.place else { return Ok(None) };
        let Some(id) = folder(self, &root) else { return Ok(None) };
        let mut scope = format!("{}\n{id}", joined(&root));
        for depth in 0..=root.len() {
            let Some(folder) = folder(self, &root[..depth]) else { continue };
            let ignored = Some(ignore::NAME).filter(|_| depth < root.len());
            let modules = self.submodules.as_ref().map(|_| submodules::FILE);
            for name in [ignored, modules].into_iter().flatten() {
                let _ = write!(scope, "\n{:?}", self.find(&folder, name)?);
            }
        }
        Ok(Some(scope))
    }

    /// All that is in a folder under names that can be asked for. Of two of one name, the first counts.
    fn names(&self, tree: &git2::Tree<'_>) -> Names {
        let mut names = Names::new();
        for entry in tree {
            if let Ok(name) = entry.name() {
                names.entry(name.to_owned()).or_insert_with(|| self.node(&entry));
            }
        }
        names
    }

    /// An entry with its name.
    fn named(&self, entry: &TreeEntry<'_>) -> Entry<Oid> {
        if let Ok(name) = entry.name() {
            return (name.to_owned(), self.node(entry));
        }
        let name = String::from_utf8_lossy(entry.name_bytes()).into_owned();
        (name, Node::Other("has a name that is not UTF-8"))
    }

    /// What an entry is by its mode, also by one that git never writes.
    fn node(&self, entry: &TreeEntry<'_>) -> Node<Oid> {
        match entry.filemode_raw() & KIND {
            FOLDER => Node::Folder(entry.id()),
            FILE => Node::File(entry.id()),
            LINK => Node::Link(entry.id()),
            SUBMODULE => self.submodule(entry.id()),
            _ => Node::Other("has the mode of a pipe, socket or device"),
        }
    }

    /// What is at the place of a submodule.
    fn submodule(&self, commit: Oid) -> Node<Oid> {
        let Some(known) = &self.submodules else {
            return Node::Other(
                "is a submodule, and submodules are not fetched without spec.submodules or --git-submodules",
            );
        };
        let tree = self.repository.find_commit(commit).map(|commit| commit.tree_id()).ok();
        let (tree, path) = (tree.filter(|_| known.contains_key(&commit)), known.get(&commit));
        let why = match (self.why_missing(commit, tree.is_some()), tree, path) {
            (Some(why), ..) => why.clone(),
            (None, Some(tree), _) => return Node::Folder(tree),
            // Another commit was fetched meanwhile.
            (None, None, Some(path)) => SourceError::SubmoduleUnavailable {
                path: path.clone(),
                why: "it is not in the clone; retrying".to_owned(),
            },
            (None, None, None) => {
                return Node::Other("is a submodule that .gitmodules does not name");
            }
        };
        self.absent.borrow_mut().insert(commit, why);
        Node::Folder(commit)
    }

    /// Why a submodule is not to be read. What is in the clone may be so from a time when it was allowed.
    fn why_missing(&self, commit: Oid, is_there: bool) -> Option<&SourceError> {
        let commit = commit.to_string();
        let is_it = |missing: &&Missing| missing.commit.as_ref() == Some(&commit);
        let exact = self.missing.iter().find(is_it);
        let any = || self.missing.iter().find(|missing| missing.commit.is_none() && !is_there);
        exact.or_else(any).map(|missing| &missing.error)
    }

    /// Notes when a folder is looked into that is a missing submodule, which ends the reading.
    fn reach(&self, folder: Oid) -> Result<(), String> {
        let Some(why) = self.absent.borrow().get(&folder).cloned() else { return Ok(()) };
        let said = why.to_string();
        self.reached.borrow_mut().get_or_insert(why);
        Err(said)
    }

    /// A folder, or why it cannot be read although the clone is sound: then somebody made it so.
    fn folder(&self, id: Oid) -> Result<Result<git2::Tree<'_>, &'static str>, String> {
        self.reach(id)?;
        let odb = self.repository.odb().map_err(said)?;
        let (size, _) = odb.read_header(id).map_err(said)?;
        if size as u64 > LIST_LIMIT {
            return Ok(Err("is a folder of too many entries"));
        }
        match self.repository.find_tree(id) {
            Ok(tree) => Ok(Ok(tree)),
            Err(_) if odb.read(id).is_ok() => Ok(Err("is a folder that git cannot read")),
            Err(error) => Err(said(error)),
        }
    }
}

impl Tree for CommitTree {
    type Id = Oid;

    fn limits(&self) -> Limits {
        self.limits
    }

    fn root(&self) -> Oid {
        self.root
    }

    fn list(&self, folder: &Oid) -> Result<Listing<Oid>, String> {
        let tree = match self.folder(*folder)? {
            Ok(tree) => tree,
            Err(why) => return Ok(Listing::Unreadable(why)),
        };
        let mut names = HashSet::new();
        let entries = tree.iter().map(|entry| match self.named(&entry) {
            (name, _) if !names.insert(name.clone()) => {
                (name, Node::Other("stands in its folder a second time"))
            }
            entry => entry,
        });
        Ok(Listing::Entries(entries.collect()))
    }

    fn find(&self, folder: &Oid, name: &str) -> Result<Option<Node<Oid>>, String> {
        let mut looked = self.looked.borrow_mut();
        if let Some(Some(names)) = looked.get(folder) {
            return Ok(names.get(name).cloned());
        }
        let Ok(tree) = self.folder(*folder)? else { return Ok(None) };
        let names = looked.contains_key(folder).then(|| self.names(&tree));
        looked.insert(*folder, names);
        Ok(tree.get_name(name).map(|entry| self.node(&entry)))
    }

    fn target(&self, link: &Oid) -> Result<Option<String>, String> {
        if self.size(link)? > LINK_LIMIT {
            return Ok(None);
        }
        Ok(Some(String::from_utf8_lossy(&self.content(link)?).into_owned()))
    }

    fn size(&self, file: &Oid) -> Result<u64, String> {
        let header = self.repository.odb().and_then(|odb| odb.read_header(*file));
        header.map(|(size, _)| size as u64).map_err(said)
    }

    fn content(&self, file: &Oid) -> Result<Vec<u8>, String> {
        let odb = self.repository.odb().map_err(said)?;
        Ok(odb.read(*file).map_err(said)?.data().to_vec())
    }

    fn content_id(&self, file: &Oid) -> Option<ContentId> {
        file.as_bytes().try_into().ok().map(ContentId)
    }
}

fn said(error: git2::Error) -> String {
    error.message().to_owned()
}

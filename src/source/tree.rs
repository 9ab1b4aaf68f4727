//! A tree of files, from a git commit or a folder, and the places in it.
//!
//! A tree is hostile input (design.md, rule 10): paths are resolved component by component and never leave the
//! tree, and what a resolution takes is bounded.

use super::Limits;
use crate::render::ContentId;

/// Links on the way to one place at most.
const LINK_LIMIT: usize = 64;
/// Names looked up on the way to one place at most.
const STEP_LIMIT: usize = 1024;

/// Largest list of a folder that is read, in bytes.
pub const LIST_LIMIT: u64 = 16 << 20;

/// What stands at a place of a tree; `Id` is how the tree finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node<Id> {
    /// A file.
    File(Id),
    /// A folder.
    Folder(Id),
    /// A link.
    Link(Id),
    /// Nothing to read, and why.
    Other(&'static str),
}

/// A name and what stands under it.
pub type Entry<Id> = (String, Node<Id>);

/// All that is in a folder.
#[derive(Debug)]
pub enum Listing<Id> {
    /// Its entries.
    Entries(Vec<Entry<Id>>),
    /// Not to be read, and why.
    Unreadable(&'static str),
}

/// A tree of files.
pub trait Tree {
    /// Names a file, folder or link of the tree.
    type Id: Clone;
    /// How much of it is read.
    fn limits(&self) -> Limits {
        Limits::default()
    }
    /// The folder that holds everything.
    fn root(&self) -> Self::Id;
    /// All that is in a folder.
    fn list(&self, folder: &Self::Id) -> Result<Listing<Self::Id>, String>;
    /// What a folder has under a name; `None` if nothing.
    fn find(&self, folder: &Self::Id, name: &str) -> Result<Option<Node<Self::Id>>, String>;
    /// Where a link leads, as written; `None` if that is no path.
    fn target(&self, link: &Self::Id) -> Result<Option<String>, String>;
    /// The bytes of a file.
    fn size(&self, file: &Self::Id) -> Result<u64, String>;
    /// The content of a file.
    fn content(&self, file: &Self::Id) -> Result<Vec<u8>, String>;
    /// What tells the content of a file without reading it, if anything does.
    fn content_id(&self, file: &Self::Id) -> Option<ContentId>;
}

/// A place of a tree: the names on the way to it, from the root, and what stands at each.
pub type Trail<Id> = Vec<Entry<Id>>;

/// Where a path leads once its links are followed.
pub enum Place<Id> {
    /// To what stands there.
    At(Trail<Id>),
    /// Nowhere, and why.
    Nowhere(&'static str),
}

/// A path that was followed.
pub struct Resolved<Id> {
    /// Where it leads.
    pub place: Place<Id>,
    /// The fewest names on the way from the root to anywhere it led by.
    pub highest: usize,
    /// Names that were looked up.
    pub steps: usize,
    /// The links that it led through.
    pub links: Vec<Link>,
}

/// A link that leads to something in its tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where it is.
    pub path: String,
    /// Where it leads, as written.
    pub target: String,
}

/// Follows `path` from `base`, one component at a time.
pub fn resolve<T: Tree>(
    tree: &T,
    base: &[Entry<T::Id>],
    path: &str,
) -> Result<Resolved<T::Id>, String> {
    let mut way = Way { highest: base.len(), steps: 0, links: Vec::new() };
    let place = follow(tree, base.to_vec(), path, &mut way)?;
    let Way { highest, steps, links } = way;
    Ok(Resolved { place, highest, steps, links })
}

/// What a path led by so far.
struct Way {
    highest: usize,
    steps: usize,
    links: Vec<Link>,
}

fn follow<T: Tree>(
    tree: &T,
    mut at: Trail<T::Id>,
    path: &str,
    way: &mut Way,
) -> Result<Place<T::Id>, String> {
    let mut todo: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
    if path.starts_with('/') {
        return Ok(Place::Nowhere("leads out of the tree"));
    }
    while let Some(name) = todo.pop() {
        match name.as_str() {
            "" | "." => continue,
            ".." if at.pop().is_some() => {
                way.highest = at.len().min(way.highest);
                continue;
            }
            ".." => return Ok(Place::Nowhere("leads out of the tree")),
            _ => way.steps += 1,
        }
        if way.steps > STEP_LIMIT {
            return Ok(Place::Nowhere("leads through too many folders"));
        }
        match below(tree, &at, &name)? {
            None => return Ok(Place::Nowhere("leads nowhere")),
            Some(Node::Link(link)) => {
                let Some(target) = tree.target(&link)? else {
                    at.push((name, Node::Other("is a link whose target is no path")));
                    continue;
                };
                if target.starts_with('/') {
                    return Ok(Place::Nowhere("leads out of the tree"));
                }
                if way.links.len() >= LINK_LIMIT {
                    return Ok(Place::Nowhere("leads in a circle"));
                }
                todo.extend(target.split('/').rev().map(str::to_owned));
                way.links.push(Link { path: join(&joined(&at), &name), target });
            }
            Some(node) => at.push((name, node)),
        }
    }
    Ok(Place::At(at))
}

/// What stands under a name at a place; nothing does in a file.
fn below<T: Tree>(
    tree: &T,
    at: &[Entry<T::Id>],
    name: &str,
) -> Result<Option<Node<T::Id>>, String> {
    match folder(tree, at) {
        Some(folder) => tree.find(&folder, name),
        None => Ok(None),
    }
}

/// The folder at a place, if one is there.
pub fn folder<T: Tree>(tree: &T, at: &[Entry<T::Id>]) -> Option<T::Id> {
    match at.last() {
        None => Some(tree.root()),
        Some((_, Node::Folder(folder))) => Some(folder.clone()),
        Some(_) => None,
    }
}

/// Whether a folder has a file of this name, or a link, which may lead to one.
pub fn has_file<T: Tree>(tree: &T, folder: &T::Id, name: &str) -> Result<bool, String> {
    Ok(matches!(tree.find(folder, name)?, Some(Node::File(_) | Node::Link(_))))
}

/// Whether this is a link.
pub fn is_link<Id>(node: &Node<Id>) -> bool {
    matches!(node, Node::Link(_))
}

/// The path of a name in a folder.
pub fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The path of a place.
pub fn joined<Id>(at: &[Entry<Id>]) -> String {
    at.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("/")
}

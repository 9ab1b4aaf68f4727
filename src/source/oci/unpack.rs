//! A tarball as a tree of a repository, within bounds: it is anybody's.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Component, Path};

use flate2::read::MultiGzDecoder;
use git2::{FileMode, Oid, Repository};
use tar::{Archive, Entry, EntryType};

/// Bytes that an artifact may have when it is unpacked.
const BYTES: u64 = 256 << 20;
/// The same as a multiple of what was fetched, beyond the first mebibyte.
const RATIO: u64 = 100;
/// Files, folders and links that it may have.
const ENTRIES: usize = 100_000;
/// Folders within each other.
const DEPTH: usize = 40;

/// Why an artifact cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It is no tarball, or is cut off.
    #[error("it cannot be unpacked: {0}")]
    Broken(#[from] std::io::Error),
    /// It would be too much.
    #[error("it has more than {0}")]
    TooMuch(&'static str),
    /// An entry that no folder of manifests has.
    #[error("it has {what}: {path:?}")]
    Entry {
        /// What it is.
        what: &'static str,
        /// Its name.
        path: String,
    },
    /// The clone cannot take it.
    #[error("the clone cannot take it: {0}")]
    Clone(#[from] git2::Error),
}

/// A folder that is not written yet.
#[derive(Default)]
struct Folder(BTreeMap<String, Node>);

enum Node {
    Folder(Folder),
    File(Oid),
    Link(Oid),
}

/// Unpacks a compressed tarball, and gives the tree that it makes.
pub fn unpack(repository: &Repository, packed: &[u8]) -> Result<Oid, Unfit> {
    let limit = (RATIO * packed.len() as u64 + (1 << 20)).min(BYTES);
    let mut archive = Archive::new(MultiGzDecoder::new(packed).take(limit));
    let mut root = Folder::default();
    let mut number = 0;
    for entry in archive.entries()? {
        number += 1;
        if number > ENTRIES {
            return Err(Unfit::TooMuch("100,000 entries"));
        }
        add(repository, &mut root, &mut entry?)?;
    }
    let rest = archive.into_inner().limit();
    if rest == 0 {
        Err(Unfit::TooMuch("256 MiB, or a hundred times its size"))
    } else {
        root.write(repository)
    }
}

/// Adds an entry of the tarball.
fn add(
    repository: &Repository,
    root: &mut Folder,
    entry: &mut Entry<'_, impl Read>,
) -> Result<(), Unfit> {
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let unfit = |what| Unfit::Entry { what, path: name.chars().take(200).collect() };
    let kind = entry.header().entry_type();
    if kind == EntryType::XGlobalHeader {
        return Ok(());
    }
    let parts = parts(&name).map_err(unfit)?;
    let node = match kind {
        EntryType::Directory => {
            return root
                .folder(&parts)
                .map(|_| ())
                .ok_or_else(|| unfit("a folder in the place of a file"));
        }
        EntryType::Regular | EntryType::Continuous => {
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            Node::File(repository.blob(&content)?)
        }
        EntryType::Symlink => {
            let target = entry.link_name_bytes().unwrap_or_default();
            Node::Link(repository.blob(&target)?)
        }
        EntryType::Link => return Err(unfit("a hard link")),
        _ => return Err(unfit("a device, or something else that is no file")),
    };
    let (name, folders) = parts.split_last().ok_or_else(|| unfit("a file without a name"))?;
    let folder = root.folder(folders).ok_or_else(|| unfit("a folder in the place of a file"))?;
    match folder.0.insert((*name).to_owned(), node) {
        Some(_) => Err(unfit("a name twice")),
        None => Ok(()),
    }
}

/// The names on the way to an entry.
fn parts(name: &str) -> Result<Vec<&str>, &'static str> {
    let mut parts = Vec::new();
    for component in Path::new(name).components() {
        match component {
            Component::CurDir => {}
            Component::Normal(part) => parts.push(part.to_str().ok_or("a name that is no text")?),
            Component::ParentDir => return Err("a name with .."),
            Component::RootDir | Component::Prefix(_) => return Err("a name that begins with /"),
        }
    }
    if parts.len() > DEPTH { Err("too many folders within each other") } else { Ok(parts) }
}

impl Folder {
    /// The folder at the end of a way, made where there is none. `None` if a file or a link is there.
    fn folder(&mut self, way: &[&str]) -> Option<&mut Self> {
        let mut here = self;
        for name in way {
            let next = here.0.entry((*name).to_owned());
            let Node::Folder(folder) = next.or_insert_with(|| Node::Folder(Self::default())) else {
                return None;
            };
            here = folder;
        }
        Some(here)
    }

    fn write(&self, repository: &Repository) -> Result<Oid, Unfit> {
        let mut tree = repository.treebuilder(None)?;
        for (name, node) in &self.0 {
            let (id, mode) = match node {
                Node::Folder(folder) => (folder.write(repository)?, FileMode::Tree),
                Node::File(id) => (*id, FileMode::Blob),
                Node::Link(id) => (*id, FileMode::Link),
            };
            tree.insert(name, id, mode.into())?;
        }
        Ok(tree.write()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    /// Entries as `kind name content`.
    fn packed(entries: &[(EntryType, &str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
        for (kind, name, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            // As it is: the crate itself would make no such name.
            let bytes = name.as_bytes();
            header.as_old_mut().name[..bytes.len()].copy_from_slice(bytes);
            let content = match kind {
                EntryType::Symlink | EntryType::Link => {
                    header.set_link_name(content).unwrap();
                    ""
                }
                _ => content,
            };
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    /// What is in the tree, or why there is none.
    fn unpacked(packed: &[u8]) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let repository = Repository::init_bare(folder.path()).map_err(|error| error.to_string())?;
        let tree = unpack(&repository, packed).map_err(|why| why.to_string())?;
        let tree = repository.find_tree(tree).map_err(|error| error.to_string())?;
        let mut all = Vec::new();
        let walked = tree.walk(git2::TreeWalkMode::PreOrder, |at, entry| {
            let name = String::from_utf8_lossy(entry.name_bytes()).into_owned();
            all.push(format!("{:o} {at}{name}", entry.filemode()));
            git2::TreeWalkResult::Ok
        });
        walked.map_err(|error| error.to_string())?;
        Ok(all)
    }

    const FILE: EntryType = EntryType::Regular;

    #[test]
    fn a_tarball_becomes_a_tree() {
        let packed = packed(&[
            (EntryType::XGlobalHeader, "pax_global_header", ""),
            (EntryType::Directory, "./", ""),
            (EntryType::Directory, "apps/", ""),
            (FILE, "./apps/web/a.yaml", "a: 1"),
            (EntryType::Symlink, "apps/b.yaml", "web/a.yaml"),
        ]);
        let expect =
            ["40000 apps", "120000 apps/b.yaml", "40000 apps/web", "100644 apps/web/a.yaml"];
        assert_eq!(unpacked(&packed).unwrap(), expect);
        assert!(unpacked(&[]).unwrap_or_default().is_empty());
    }

    #[test]
    fn what_no_folder_of_manifests_has_is_refused() {
        let check = |entries: &[(EntryType, &str, &str)], expect: &str| {
            let said = unpacked(&packed(entries)).unwrap_err();
            assert!(said.contains(expect), "{said}");
        };
        check(&[(FILE, "../a", "")], "a name with ..");
        check(&[(FILE, "a/../../b", "")], "a name with ..");
        check(&[(FILE, "/etc/passwd", "")], "begins with /");
        check(&[(EntryType::Link, "a", "b")], "a hard link");
        check(&[(EntryType::Char, "a", "")], "a device");
        check(&[(EntryType::Fifo, "a", "")], "a device");
        check(&[(FILE, "a", ""), (FILE, "a", "")], "a name twice");
        check(&[(FILE, "a", ""), (FILE, "a/b", "")], "in the place of a file");
        check(&[(EntryType::Symlink, "a", "/etc"), (FILE, "a/b", "")], "in the place of a file");
        check(&[(FILE, ".git/config", "")], "the clone cannot take it");
        check(&[(FILE, &"a/".repeat(45), "")], "too many folders");
    }

    #[test]
    fn what_is_too_much_or_broken_is_refused() {
        let zeros = "0".repeat(8 << 20);
        let said = unpacked(&packed(&[(FILE, "a", &zeros)])).unwrap_err();
        assert!(said.contains("a hundred times") || said.contains("cannot be unpacked"), "{said}");
        let whole = packed(&[(FILE, "a", "b")]);
        assert!(unpacked(&whole[..whole.len() / 2]).is_err());
        assert!(unpacked(b"hunter2").is_err());
        let mut not_tar = GzEncoder::new(Vec::new(), Compression::default());
        not_tar.write_all(&[b'x'; 2048]).unwrap();
        assert!(unpacked(&not_tar.finish().unwrap()).is_err());
    }
}

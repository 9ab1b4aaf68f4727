//! Gathers what kustomize needs to build a kustomization: its folder, and everything that it refers to, wherever in
//! the tree that is.

use std::collections::BTreeSet;

use super::gather::Gather;
use super::select::Selection;
use super::tree::{Entry, Node, Trail, Tree, folder, has_file, join, joined};
use super::{Layout, Snapshot, walk};
use crate::api::kustomize::Kustomize;
use crate::render::kustomize::{Kustomization, NAMES, Part, Parts, Role, cleaned, place_of};
use crate::render::{Origin, Problem, Reads, text, yaml};

/// Kustomizations that one is made of at most.
const KUSTOMIZATIONS: usize = 1_000;
/// What looks like this is somewhere else, whatever there is in the tree.
const REMOTE: &[&str] = &["://", "git@", "git::"];
/// What a path has that is most likely meant to be somewhere else.
const HOSTS: &[&str] = &["github.com/", "gitlab.com/", "bitbucket.org/", "?ref="];

/// Gathers the kustomization in the folder `root`, with what an app adds to it.
pub(super) fn read<T: Tree>(
    tree: &T,
    root: Trail<T::Id>,
    options: &Kustomize,
) -> Result<Snapshot, String> {
    let top = joined(&root);
    let (gather, seen) = (Gather::new(tree, &root), BTreeSet::new());
    let parts = Parts::default();
    let mut closure = Closure { tree, gather, seen, says_origins: false, parts };
    let mut todo = vec![root.clone()];
    if let Some(folder) = folder(tree, &root)
        && !is_in(tree, &folder)?
    {
        closure.generate(&root)?;
    }
    while let Some(mut at) = todo.pop() {
        if closure.seen.len() >= KUSTOMIZATIONS {
            let problem = Problem::TooMuch(format!("{KUSTOMIZATIONS} kustomizations"));
            closure.gather.problem(Origin::file(joined(&at)), problem);
            break;
        }
        if closure.gather.is_too_much(&joined(&at)) {
            break;
        }
        if closure.seen.insert(joined(&at)) {
            closure.gather.take(&mut at)?;
            let extra = (joined(&at) == top).then_some(options);
            todo.extend(closure.kustomization(&at, extra)?);
        }
    }
    let Closure { says_origins, parts, .. } = closure;
    let layout = Layout::Kustomize { top, says_origins, parts };
    Ok(Snapshot { layout, ..closure.gather.snapshot() })
}

/// Whether a folder has a kustomization.
pub(super) fn is_in<T: Tree>(tree: &T, folder: &T::Id) -> Result<bool, String> {
    for name in NAMES {
        if has_file(tree, folder, name)? {
            return Ok(true);
        }
    }
    Ok(false)
}

struct Closure<'a, T: Tree> {
    tree: &'a T,
    gather: Gather<'a, T>,
    /// Folders of kustomizations, by their paths.
    seen: BTreeSet<String>,
    says_origins: bool,
    parts: Parts,
}

impl<T: Tree> Closure<'_, T> {
    /// Makes a kustomization of a folder that has none: of all its manifests.
    fn generate(&mut self, root: &Trail<T::Id>) -> Result<(), String> {
        let top = joined(root);
        let Some(found) = walk::read(self.tree, &top, &Selection::default(), None)? else {
            return Ok(());
        };
        let paths = found
            .files
            .iter()
            .map(|file| file.path.strip_prefix(&top).unwrap_or(&file.path).trim_start_matches('/'));
        let generated = Kustomization::of(&paths.collect::<Vec<_>>());
        self.gather.put(join(&top, NAMES[0]), generated.text().into_bytes());
        Ok(())
    }

    /// Reads the kustomization in a folder and gathers what it refers to. Returns the folders that it builds on.
    fn kustomization(
        &mut self,
        at: &Trail<T::Id>,
        options: Option<&Kustomize>,
    ) -> Result<Vec<Trail<T::Id>>, String> {
        let path = joined(at);
        let mut names = NAMES.map(|name| join(&path, name)).to_vec();
        names.retain(|name| self.gather.content(name).is_some());
        let Some(name) = names.pop() else {
            let problem = Problem::NothingToRender(NAMES[0]);
            self.gather.problem(Origin::file(path), problem);
            return Ok(Vec::new());
        };
        let origin = Origin::file(name.as_str());
        if !names.is_empty() {
            let problem = Problem::NotRead("is one of two kustomizations of its folder");
            self.gather.problem(origin, problem);
            return Ok(Vec::new());
        }
        let content = self.gather.content(&name).unwrap_or_default();
        match Kustomization::parse(content) {
            Ok(kustomization) => self.references(at, &origin, name, kustomization, options),
            Err((line, column, problem)) => {
                self.gather.problem(Origin { line, column, ..origin }, problem);
                Ok(Vec::new())
            }
        }
    }

    fn references(
        &mut self,
        at: &Trail<T::Id>,
        origin: &Origin,
        name: String,
        mut kustomization: Kustomization,
        options: Option<&Kustomize>,
    ) -> Result<Vec<Trail<T::Id>>, String> {
        if let Some(options) = options {
            kustomization.apply(options);
        }
        if kustomization.is_empty() {
            const EMPTY: &str = "a kustomization that says nothing is refused: list its resources, or write resources: []";
            let origin = Origin { line: 1, column: 1, ..origin.clone() };
            self.gather.problem(origin, Problem::Malformed(EMPTY.to_owned()));
        }
        let text = self.gather.content(&name).unwrap_or_default().to_vec();
        let text = String::from_utf8_lossy(&text);
        let at_place = |place: Option<yaml::Place>| {
            let (line, column) = place.unwrap_or_default();
            Origin { line, column, ..origin.clone() }
        };
        for (field, problem) in kustomization.refused() {
            self.gather.problem(at_place(place_of(field, &text)), problem);
        }
        let mut folders = Vec::new();
        let mut part = Part { is_component: kustomization.is_component(), ..Part::default() };
        for reference in kustomization.references() {
            let why = match self.reference(at, reference.path)? {
                Err(why) => why,
                Ok(mut to) if !is_folder(&to) => {
                    part.reads.extend(reads(reference.role).map(|reads| (joined(&to), reads)));
                    self.gather.take_named(&mut to)?;
                    continue;
                }
                Ok(to) if reference.role == Role::Resource => {
                    part.builds_on.push(joined(&to));
                    folders.push(to);
                    continue;
                }
                Ok(_) => "is a folder, and has to be a file",
            };
            let (field, path) = (reference.field, shown(reference.path));
            let problem = Problem::BadReference { field, path, why };
            self.gather.problem(at_place(reference.place(&text)), problem);
        }
        part.file.clone_from(&name);
        part.text = text.into_owned();
        self.parts.add(joined(at), part);
        if options.is_some() {
            self.says_origins = kustomization.with_origins();
        }
        self.gather.put(name, kustomization.text().into_bytes());
        Ok(folders)
    }

    /// Where a path of a kustomization leads.
    fn reference(
        &mut self,
        at: &[Entry<T::Id>],
        path: &str,
    ) -> Result<Result<Trail<T::Id>, &'static str>, String> {
        const ELSEWHERE: &str = "is not in this repository, and nothing else is read: copy it here, or add it as a submodule";
        if REMOTE.iter().any(|mark| path.contains(mark)) {
            return Ok(Err(ELSEWHERE));
        }
        // As kustomize does it: a name and the .. after it are nothing, also where the name is that of a link.
        let found = self.gather.follow(at, &cleaned(path))?;
        Ok(found.map_err(|why| {
            if HOSTS.iter().any(|mark| path.contains(mark)) { ELSEWHERE } else { why }
        }))
    }
}

/// What kustomize reads a file as that it does this with.
fn reads(role: Role) -> Option<Reads> {
    match role {
        Role::Resource => Some(Reads::Objects),
        Role::File => Some(Reads::Yaml),
        Role::Text => None,
    }
}

fn is_folder<Id>(at: &[Entry<Id>]) -> bool {
    matches!(at.last(), None | Some((_, Node::Folder(_))))
}

/// A path as it may be shown: without what may be a password, and without what moves a cursor.
pub(super) fn shown(path: &str) -> String {
    const LENGTH: usize = 200;
    let path = super::error::display_url(path);
    path.chars().filter(|c| text::is_plain(*c)).take(LENGTH).collect()
}

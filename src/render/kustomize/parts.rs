//! The kustomizations that one is made of, and which of them are to blame when it cannot be built.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Reads;

/// The kustomizations that one is made of, by their folders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts(BTreeMap<String, Part>);

/// A kustomization that another is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Files that it has read, and as what.
    pub reads: BTreeMap<String, Reads>,
    /// Folders of those that it takes in.
    pub builds_on: Vec<String>,
    /// Whether it makes sense only with what takes it in.
    pub is_component: bool,
    /// Its file,
    pub file: String,
    /// and what that says, before anything is added to it.
    pub text: String,
}

impl Parts {
    /// Adds the one in a folder.
    pub fn add(&mut self, folder: String, part: Part) {
        self.0.insert(folder, part);
    }

    /// The one in a folder.
    pub fn at(&self, folder: &str) -> Option<&Part> {
        self.0.get(folder)
    }

    /// What a file is read as, if any of them reads it.
    pub fn reads(&self, path: &str) -> Option<Reads> {
        self.0.values().filter_map(|part| part.reads.get(path)).max().copied()
    }

    /// Folders of those that can be built by themselves and have none of these files in them.
    pub fn without(&self, flawed: &BTreeSet<&str>) -> Vec<&str> {
        let is_whole = |folder: &str| {
            let below = self.below(folder);
            let mut parts = below.iter().filter_map(|folder| self.0.get(*folder));
            parts.all(|part| part.reads.keys().all(|path| !flawed.contains(path.as_str())))
        };
        let alone = self.0.iter().filter(|(folder, part)| !part.is_component && is_whole(folder));
        alone.map(|(folder, _)| folder.as_str()).collect()
    }

    /// Those that failed by their own fault: of what they are made of, nothing did.
    pub fn at_fault<'a>(&self, failed: &BTreeSet<&'a str>) -> Vec<&'a str> {
        let is_own = |folder: &&&str| {
            self.below(folder).iter().all(|below| below == *folder || !failed.contains(below))
        };
        failed.iter().filter(is_own).copied().collect()
    }

    /// The folder, and all that the one there is made of.
    fn below<'a>(&'a self, folder: &'a str) -> BTreeSet<&'a str> {
        let (mut found, mut todo) = (BTreeSet::new(), vec![folder]);
        while let Some(folder) = todo.pop() {
            if found.insert(folder) {
                let part = self.0.get(folder);
                todo.extend(part.iter().flat_map(|part| &part.builds_on).map(String::as_str));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Parts {
        let mut parts = Parts::default();
        let mut add = |folder: &str, reads: &str, builds_on: &[&str], is_component| {
            let reads = [(reads.to_owned(), Reads::Yaml)].into();
            let builds_on = builds_on.iter().map(|&folder| folder.to_owned()).collect();
            parts
                .add(folder.to_owned(), Part { reads, builds_on, is_component, ..Part::default() });
        };
        add("top", "t", &["a", "b"], false);
        add("a", "x", &["c"], false);
        add("b", "y", &["d"], false);
        add("c", "z", &["c"], false);
        add("d", "w", &[], true);
        parts
    }

    #[test]
    fn who_is_to_blame_is_found() {
        let parts = parts();
        let whole = |flawed: &[&str]| parts.without(&flawed.iter().copied().collect());
        assert_eq!(whole(&[]), ["a", "b", "c", "top"]);
        assert_eq!(whole(&["z"]), ["b"]);
        assert_eq!(whole(&["w"]), ["a", "c"]);
        assert_eq!(whole(&["t"]), ["a", "b", "c"]);
        let fault = |failed: &[&'static str]| parts.at_fault(&failed.iter().copied().collect());
        assert_eq!(fault(&["top"]), ["top"]);
        assert_eq!(fault(&["top", "a", "c"]), ["c"]);
        assert_eq!(fault(&["top", "a", "b"]), ["a", "b"]);
        assert_eq!((parts.reads("z"), parts.reads("v")), (Some(Reads::Yaml), None));
    }
}

//! Which of the files below an app's path are read, as the app says it.

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::api::Render;

/// What an app reads of what is below its path. Without a word on it, everything.
#[derive(Debug, Default)]
pub struct Selection {
    include: Option<Gitignore>,
    exclude: Option<Gitignore>,
}

impl Selection {
    /// What an app says.
    pub fn of(render: &Render) -> Self {
        Self { include: patterns(&render.include), exclude: patterns(&render.exclude) }
    }

    /// Whether what stands at a path below the app's is looked at: folders are entered unless they are excluded.
    pub fn shows(&self, path: &str, is_folder: bool) -> bool {
        !self.exclude.as_ref().is_some_and(|all| all.matched(path, is_folder).is_ignore())
    }

    /// Whether a file at a path below the app's is read.
    pub fn reads(&self, path: &str) -> bool {
        let includes = |all: &Gitignore| all.matched_path_or_any_parents(path, false).is_ignore();
        self.include.as_ref().is_none_or(includes)
    }
}

/// What is no pattern has been refused before (`api::render`).
fn patterns(texts: &[String]) -> Option<Gitignore> {
    if texts.is_empty() {
        return None;
    }
    let mut builder = GitignoreBuilder::new("");
    for text in texts {
        let _ = builder.add_line(None, text);
    }
    builder.build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_gitignore() {
        let check = |include: &[&str], exclude: &[&str], expect: &[&str]| {
            let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect();
            let render =
                Render { include: texts(include), exclude: texts(exclude), ..Render::default() };
            let selection = Selection::of(&render);
            let all = ["a.yaml", "b.json", "c/a.yaml", "c/d/a.yaml"];
            let found: Vec<_> = all
                .into_iter()
                .filter(|path| selection.shows(path, false) && selection.reads(path))
                .collect();
            assert_eq!(found, expect, "{include:?} {exclude:?}");
        };
        check(&[], &[], &["a.yaml", "b.json", "c/a.yaml", "c/d/a.yaml"]);
        check(&["*.json"], &[], &["b.json"]);
        check(&["/a.yaml"], &[], &["a.yaml"]);
        check(&["c/"], &[], &["c/a.yaml", "c/d/a.yaml"]);
        check(&["c/*.yaml", "b.*"], &[], &["b.json", "c/a.yaml"]);
        check(&["**/d/**"], &[], &["c/d/a.yaml"]);
        check(&["*.yaml"], &["c/d/*"], &["a.yaml", "c/a.yaml"]);
        check(&[], &["a.yaml"], &["b.json"]);
        let folder = Render { exclude: vec!["c/".to_owned()], ..Render::default() };
        let selection = Selection::of(&folder);
        assert!(!selection.shows("c", true) && selection.shows("c", false));
    }
}

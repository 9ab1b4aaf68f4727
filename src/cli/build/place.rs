//! Which folder is built, and what nothing in it may lead out of.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, bail};

/// A folder in a tree.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Where the tree is.
    pub root: PathBuf,
    /// Path of the folder in it.
    pub path: String,
}

impl Place {
    /// The folder at a path, or the one that an app names in the tree around here.
    pub fn find(
        path: Option<&Path>,
        root: Option<&Path>,
        of_app: Option<&str>,
    ) -> anyhow::Result<Self> {
        let whole = |path: &Path| {
            path.canonicalize().with_context(|| format!("cannot find {}", path.display()))
        };
        let here = whole(path.unwrap_or_else(|| root.unwrap_or(Path::new("."))))?;
        let root = root.map(whole).transpose()?.or_else(|| work_tree(&here).map(Path::to_owned));
        let root = root.unwrap_or_else(|| here.clone());
        if let (None, Some(path)) = (path, of_app) {
            if !root.join(path).is_dir() {
                bail!("there is no folder {path}, which spec.path names, in {}", root.display());
            }
            return Ok(Self { root, path: path.to_owned() });
        }
        if !here.is_dir() {
            bail!("{} is a file: give the folder that it is in", here.display());
        }
        let Ok(inside) = here.strip_prefix(&root) else {
            bail!("{} is not in {}: give another --root", here.display(), root.display());
        };
        let path = text(inside).with_context(|| format!("{} is not UTF-8", here.display()))?;
        Ok(Self { root, path })
    }

    /// The folder's name.
    pub fn name(&self) -> &str {
        let last = self.path.rsplit('/').next().filter(|name| !matches!(*name, "" | "."));
        let root = || self.root.file_name().and_then(|name| name.to_str());
        last.or_else(root).unwrap_or_default()
    }
}

/// The git work tree around a folder.
fn work_tree(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|folder| folder.join(".git").exists())
}

/// With `/`, as in git.
fn text(path: &Path) -> Option<String> {
    let names = path.components().map(|component| match component {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    names.collect::<Option<Vec<_>>>().map(|names| names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn nothing_leads_out_of_the_work_tree() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().canonicalize().unwrap().join(path);
        fs::create_dir_all(at("repo/apps/web")).unwrap();
        fs::create_dir_all(at("repo/.git")).unwrap();
        fs::create_dir_all(at("plain/web")).unwrap();
        let check = |path: Option<&str>, root: Option<&str>, app, expect: (&str, &str)| {
            let (path, root) = (path.map(at), root.map(at));
            let found = Place::find(path.as_deref(), root.as_deref(), app).unwrap();
            assert_eq!((found.root, found.path.as_str()), (at(expect.0), expect.1));
        };
        check(Some("repo/apps/web"), None, None, ("repo", "apps/web"));
        check(Some("repo"), None, None, ("repo", ""));
        check(Some("repo/apps/web"), None, Some("other"), ("repo", "apps/web"));
        check(Some("repo/apps/web"), Some("repo/apps"), None, ("repo/apps", "web"));
        check(Some("plain/web"), None, None, ("plain/web", ""));
        check(None, Some("repo"), Some("apps/web"), ("repo", "apps/web"));
        fs::write(at("plain/web/a.yaml"), "").unwrap();
        let refused = |path: Option<&str>, app, expect: &str| {
            let path = path.map(at);
            let said = Place::find(path.as_deref(), Some(&at("")), app).unwrap_err().to_string();
            assert!(said.contains(expect), "{said}");
        };
        refused(Some("plain/web/a.yaml"), None, "is a file: give the folder that it is in");
        refused(
            None,
            Some("apps/none"),
            "there is no folder apps/none, which spec.path names, in ",
        );
        let other = Place::find(Some(&at("plain")), Some(&at("repo")), None);
        assert!(other.unwrap_err().to_string().contains("give another --root"));
    }
}

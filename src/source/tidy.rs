//! Clones that nobody uses any more, and what is left of those: removed from the folder of clones, which is this
//! process's own.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::{debug, info};

use super::Clones;

/// Characters of the name of a clone.
pub const NAME: usize = 24;
/// How what is being removed is called.
const GONE: &str = "gone";

/// Looks so often, for as long as it is not dropped. A clone that nobody uses at two looks is removed: apps that begin
/// anew, as all do after a restart, find theirs.
pub async fn run(clones: Clones, dir: PathBuf, period: Duration) {
    let mut unused = BTreeSet::new();
    loop {
        let (clones, dir, before) = (clones.clone(), dir.clone(), unused.clone());
        let tidied = tokio::task::spawn_blocking(move || tidy(&clones, &dir, &before)).await;
        unused = tidied.unwrap_or_default();
        tokio::time::sleep(period).await;
    }
}

/// Removes the clones that are not in use and were not before, and says which are not in use and still there.
fn tidy(clones: &Clones, dir: &Path, before: &BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
    let mut unused = BTreeSet::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if !is_ours(&path) {
            continue;
        }
        let is_gone = path.extension().is_some_and(|end| end == GONE);
        if is_gone || (before.contains(&path) && take_away(clones, &path)) {
            remove(&path.with_extension(GONE));
        } else if !clones.has(&path) {
            unused.insert(path);
        }
    }
    unused
}

/// Whether this is a clone by its name, or one that is being removed: nothing else is touched.
fn is_ours(path: &Path) -> bool {
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let is_name = name.len() == NAME && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_name && path.is_dir() && path.extension().is_none_or(|end| end == GONE)
}

/// Takes a clone out of the way, unless somebody uses it by now.
fn take_away(clones: &Clones, path: &Path) -> bool {
    let moved = clones.unless_used(path, || fs::rename(path, path.with_extension(GONE)));
    moved.is_some_and(|moved| moved.is_ok())
}

fn remove(path: &Path) {
    match fs::remove_dir_all(path) {
        Ok(()) => {
            info!(clone = %path.with_extension("").display(), "Clone removed: no app uses it");
        }
        Err(error) => debug!("Cannot remove {}: {error}", path.display()),
    }
    let _ = fs::remove_file(path.with_extension("lock"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clones_that_nobody_uses_for_long_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (dir, clones) = (folder.path(), Clones::default());
        let path = |name: &str| dir.join(name);
        let (used, idle, late) = ("a".repeat(NAME), "b".repeat(NAME), "c".repeat(NAME));
        let half = format!("{}.gone", "d".repeat(NAME));
        for name in [&used, &idle, &late, &half, "other", "e", &"g".repeat(NAME)] {
            fs::create_dir_all(path(name).join("objects/pack")).unwrap();
            fs::write(path(name).join("HEAD"), "").unwrap();
        }
        fs::write(path(&format!("{idle}.lock")), "").unwrap();
        let in_use = clones.at(&path(&used), "");
        let names = |set: BTreeSet<PathBuf>| {
            set.into_iter()
                .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let left = || {
            let entries = fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path());
            names(entries.collect())
        };
        let first = tidy(&clones, dir, &BTreeSet::new());
        assert_eq!(names(first.clone()), [idle.as_str(), late.as_str()]);
        assert!(path(&idle).exists() && !path(&half).exists());
        let in_late_use = clones.at(&path(&late), "");
        assert_eq!(names(tidy(&clones, dir, &first)), Vec::<String>::new());
        assert_eq!(left(), [&used, &late, "e", &"g".repeat(NAME), "other"]);
        // The last app of one goes.
        drop((in_use, in_late_use));
        let unused = tidy(&clones, dir, &BTreeSet::new());
        assert_eq!(unused.len(), 2);
        assert_eq!(tidy(&clones, dir, &unused), BTreeSet::new());
        assert_eq!(left().len(), 3);
        assert_eq!(tidy(&clones, &path("none"), &unused), BTreeSet::new());
    }
}

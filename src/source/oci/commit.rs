//! The commit that stands for an artifact: the same one wherever it is made.

use std::collections::BTreeMap;
use std::path::Path;

use git2::{Commit, Error, Oid, Repository, Signature, Time};
use jiff::Timestamp;

/// Where commits of artifacts are kept.
const REFS: &str = "refs/oci";
/// Who makes them.
const MAKER: (&str, &str) = ("oci", "oci@localhost");
/// When an artifact was made, as its maker says.
const CREATED: &str = "org.opencontainers.image.created";
/// What it was made of.
const REVISION: &str = "org.opencontainers.image.revision";

/// Artifacts that a clone keeps.
const KEPT: usize = 20;

/// What is told of an artifact.
pub type Annotations = BTreeMap<String, String>;

/// The commit of an artifact, if the clone has it.
pub fn known<'a>(repository: &'a Repository, digest: &str) -> Option<Commit<'a>> {
    let commit = repository.find_reference(&name(digest)).ok()?.peel_to_commit().ok()?;
    commit.tree().is_ok().then_some(commit)
}

/// Whether a clone has any artifact.
pub fn has_any(repository: &Repository) -> bool {
    let names = repository.references_glob(&format!("{REFS}/*"));
    names.is_ok_and(|mut names| names.next().is_some())
}

/// Whether a clone has so many artifacts that it is to be made anew.
pub fn is_full(clone: &Path) -> bool {
    let Ok(repository) = Repository::open_bare(clone) else { return false };
    repository.references_glob(&format!("{REFS}/*")).is_ok_and(|names| names.count() > KEPT)
}

/// Makes the commit of an artifact that was unpacked to this tree.
pub fn make<'a>(
    repository: &'a Repository,
    digest: &str,
    tree: Oid,
    annotations: &Annotations,
) -> Result<Commit<'a>, Error> {
    let text = |key: &str| annotations.get(key).map(String::as_str);
    let created = text(CREATED).and_then(|time| time.parse::<Timestamp>().ok());
    let seconds = created.map_or(0, Timestamp::as_second);
    let who = Signature::new(MAKER.0, MAKER.1, &Time::new(seconds, 0))?;
    let of = text(REVISION).and_then(|text| text.lines().next()).unwrap_or_default();
    // The digest ends it, so that nothing that others wrote stands where trailers do.
    let message = format!("{of}\n\n{digest}\n");
    let tree = repository.find_tree(tree)?;
    let id = repository.commit(None, &who, &who, message.trim_start(), &tree, &[])?;
    repository.reference(&name(digest), id, true, "fetch")?;
    repository.find_commit(id)
}

fn name(digest: &str) -> String {
    format!("{REFS}/{}", digest.replace(':', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_full_of_a_few_artifacts() {
        let folder = tempfile::tempdir().unwrap();
        let clone = Repository::init_bare(folder.path()).unwrap();
        assert!(!has_any(&clone));
        let tree = clone.treebuilder(None).unwrap().write().unwrap();
        for n in 0..=KEPT {
            assert!(!is_full(folder.path()), "{n}");
            let digest = format!("sha256:{n:064x}");
            make(&clone, &digest, tree, &Annotations::new()).unwrap();
            assert!(has_any(&clone) && known(&clone, &digest).is_some());
        }
        assert!(is_full(folder.path()));
    }
}

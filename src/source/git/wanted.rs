//! What the fetching child asks a server for: the ref or the commit that is to be followed, and how it is found
//! again in the clone.

use git2::{Error, ErrorCode, ObjectType, Oid, RemoteHead};

use super::trouble::Trouble;
use crate::source::Repository;
use crate::source::SourceError;
use crate::source::error::display_url;
use crate::source::head::Tag;
use crate::source::reference::{self, Choice, Kind, Listed, Unmatched};

/// Where a clone keeps what cannot be the name of a ref, such as a range.
const FOLLOWED: &str = "refs/gitops-sync/followed";
/// What brings all that leads to commits into the clone, for servers that give no commit by its name.
pub const ALL: [&str; 2] =
    ["+refs/heads/*:refs/gitops-sync/heads/*", "+refs/tags/*:refs/gitops-sync/tags/*"];

/// What is to be followed of a repository.
pub struct Wanted<'a> {
    source: &'a Repository,
    /// The ref of the clone that keeps it.
    pub tracking: String,
}

/// What that is at the moment.
pub struct Target {
    /// What it is.
    pub kind: Kind,
    /// The ref that it was found by.
    pub reference: Option<String>,
    /// The commit.
    pub commit: Oid,
    /// The object of an annotated tag, which says who made it.
    pub object: Option<Oid>,
}

impl<'a> Wanted<'a> {
    /// What is followed of this repository.
    pub fn new(source: &'a Repository) -> Self {
        let tracking = format!("refs/remotes/origin/{}", source.branch);
        let is_name = git2::Reference::is_valid_name(&tracking);
        Self { source, tracking: if is_name { tracking } else { FOLLOWED.to_owned() } }
    }

    /// The commit that was followed last, as far as the clone knows.
    pub fn known(&self, clone: &git2::Repository) -> Option<Oid> {
        let names = [self.tracking.as_str(), FOLLOWED];
        let mut known = names.into_iter().filter_map(|name| clone.find_reference(name).ok());
        known.find_map(|known| known.peel_to_commit().ok()).map(|commit| commit.id())
    }

    /// A commit that was asked for by its name and is in the clone: then no server need be asked.
    pub fn at_hand(&self, clone: &git2::Repository) -> Option<Target> {
        let target = self.pinned()?;
        clone.find_commit(target.commit).is_ok().then_some(target)
    }

    /// Chooses among the refs that the server has.
    pub fn choose(
        &self,
        clone: &git2::Repository,
        list: &[RemoteHead<'_>],
    ) -> Result<Target, Trouble> {
        let listed = |head: &'_ RemoteHead<'_>| (head.name().to_owned(), head.oid());
        let list: Vec<_> = list.iter().map(listed).collect();
        let list: Vec<_> = list.iter().map(|(name, id)| Listed { name, id: *id }).collect();
        let Choice { kind, reference, id } = reference::choose(&self.source.branch, &list)
            .map_err(|why| Trouble::Source(self.unmatched(why)))?;
        // A branch that is gone, such as 1.x, is no range now.
        if kind == Kind::Range && self.tracking != FOLLOWED && has(clone, &self.tracking) {
            return Err(Trouble::Source(self.unmatched(Unmatched::Nothing)));
        }
        match id {
            Some(commit) => {
                let named = list.iter().find(|listed| Some(listed.name) == reference.as_deref());
                let object = named.map(|listed| listed.id).filter(|id| *id != commit);
                Ok(Target { kind, reference, commit, object })
            }
            None => self.pinned().ok_or_else(|| Error::from_str("a ref leads nowhere").into()),
        }
    }

    /// What brings this into the clone.
    pub fn refspec(&self, source: &str, kind: Kind) -> String {
        // Of what a range chose, nothing is to be left under the name of a branch.
        let tracking = if kind == Kind::Range { FOLLOWED } else { &self.tracking };
        format!("+{source}:{tracking}")
    }

    /// Whether a commit is wanted that no ref leads to right now: many servers give none of those by its name.
    pub fn needs_detour(target: &Target) -> bool {
        target.kind == Kind::Commit && target.reference.is_none()
    }

    /// The commit that is in the clone now.
    pub fn commit<'c>(
        &self,
        clone: &'c git2::Repository,
        target: &Target,
    ) -> Result<git2::Commit<'c>, Trouble> {
        let (url, name) = (display_url(&self.source.url), self.source.branch.clone());
        match clone.find_object(target.commit, None) {
            Err(error) if error.code() == ErrorCode::NotFound && target.kind == Kind::Commit => {
                Err(Trouble::Source(SourceError::CommitNotFound { url, commit: name }))
            }
            Ok(object) if object.kind() != Some(ObjectType::Commit) => {
                Err(Trouble::Source(SourceError::NotACommit { url, name }))
            }
            found => Ok(found?.into_commit().map_err(|_| Error::from_str("it is no commit"))?),
        }
    }

    fn pinned(&self) -> Option<Target> {
        let text = &self.source.branch;
        let commit = reference::is_commit(text).then(|| Oid::from_str(text).ok()).flatten()?;
        Some(Target { kind: Kind::Commit, reference: None, commit, object: None })
    }

    fn unmatched(&self, why: Unmatched) -> SourceError {
        let (url, text) = (display_url(&self.source.url), self.source.branch.clone());
        match why {
            Unmatched::Nothing => SourceError::BranchNotFound { url, branch: text },
            Unmatched::Shortened => SourceError::CommitShortened { url, commit: text },
            Unmatched::NoVersion(newest) => {
                let newest = if newest.is_empty() {
                    "it has no tags like v1.2.3".to_owned()
                } else {
                    format!("the newest are {}", newest.join(", "))
                };
                SourceError::VersionNotFound { url, range: text, newest }
            }
        }
    }
}

impl Target {
    /// The tag that is followed, if it is one.
    pub fn tag(&self) -> Option<Tag> {
        let name = self.reference.as_ref()?.strip_prefix("refs/tags/")?.to_owned();
        let object = self.object.as_ref().map(Oid::to_string);
        (self.kind != Kind::Commit).then_some(Tag { name, object })
    }

    /// Whether the clone has the object of the tag, if there is one: it may be another with the same commit.
    pub fn has_object(&self, clone: &git2::Repository) -> bool {
        self.object.is_none_or(|id| clone.odb().is_ok_and(|objects| objects.exists(id)))
    }

    /// What a server is asked for.
    pub fn source(&self) -> String {
        self.reference.clone().unwrap_or_else(|| self.commit.to_string())
    }
}

fn has(clone: &git2::Repository, reference: &str) -> bool {
    clone.find_reference(reference).is_ok()
}

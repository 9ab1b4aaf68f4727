//! The commits between two, and the approvals in their messages, as far as the clone has them.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use git2::{Commit, Error, Oid, Repository, RepositoryOpenFlags, Sort};

/// Key of the trailer that approves deletions; its case does not matter.
const TRAILER: &str = "GitOps-Prune";
/// Value of the trailer that approves all that its commit removes.
const ALL: &str = "all";
/// Longest value of the trailer that is kept, in bytes.
const VALUE_MAX: usize = 128;
/// Commits that are looked at; older ones are left out.
pub(super) const COMMITS_MAX: usize = 1_000;
/// Commits that may approve all they remove: each costs two trees.
const ALL_MAX: usize = 20;

/// Commits on top of one that approves all it removes: each costs a tree.
const LATER_MAX: usize = 100;

/// The approvals of a range of commits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approvals {
    /// Hashes of approved sets, each with the newest commit that approves it.
    pub hashes: BTreeMap<String, String>,
    /// Commits that approve all they remove themselves, newest first.
    pub commits: Vec<Approval>,
    /// Whether some commits were left out: they are too many, or history is too deep.
    pub truncated: bool,
}

/// A commit that approves all it removes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The commit, in hex.
    pub commit: String,
    /// Its first parent, in hex.
    pub parent: String,
    /// The commits that build on it, in hex: what one of them declares again is not approved to go.
    pub later: Vec<String>,
}

/// What a clone tells of the approvals. Nothing is in it that more history could take away.
#[derive(Debug, PartialEq, Eq)]
pub struct Reading {
    /// What is approved.
    pub approvals: Approvals,
    /// The number of commits in the clone's history, if there may be approvals in what it lacks.
    pub cut_at: Option<usize>,
}

/// Reads the approvals of the commits that are in `head` and not in `since`.
pub fn read(clone: &Path, head: &str, since: Option<&str>) -> Result<Reading, String> {
    let read = || {
        let history = History::open(clone)?;
        history.read(Oid::from_str(head)?, since.and_then(|since| Oid::from_str(since).ok()))
    };
    read().map_err(|error: Error| error.message().to_owned())
}

/// Whether a commit is in the clone and not in the history of another one. Of history that begins with that one,
/// nothing can be told.
pub fn is_rewritten(clone: &Path, before: &str, now: &str) -> Result<bool, String> {
    let read = || {
        let history = History::open(clone)?;
        let (before, now) = (Oid::from_str(before)?, Oid::from_str(now)?);
        let is_told = history.repository.find_commit(before).is_ok() && !history.cut.contains(&now);
        Ok(is_told && before != now && !history.is_ancestor(before, now)?)
    };
    read().map_err(|error: Error| error.message().to_owned())
}

/// A clone, as far as it goes.
pub(super) struct History {
    /// The clone.
    pub repository: Repository,
    /// Commits whose parents are not in the clone; libgit2 shows them without any.
    pub cut: HashSet<Oid>,
}

/// Commits, newest first, that may give approvals.
struct Range {
    commits: Vec<Oid>,
    /// The commit they come after.
    since: Option<Oid>,
    /// Whether others may belong to it that the clone lacks.
    is_cut: bool,
}

/// Whether a commit comes after another.
pub(super) enum After {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// More history would tell.
    Unknown,
}

impl History {
    /// Opens it.
    pub fn open(clone: &Path) -> Result<Self, Error> {
        // `open_bare` would not heed the cuts.
        let flags = RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::NO_DOTGIT;
        let nowhere: [&Path; 0] = [];
        let repository = Repository::open_ext(clone, flags, nowhere)?;
        let shallow = match std::fs::read_to_string(clone.join("shallow")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::from_str(&error.to_string()));
            }
            text => text.unwrap_or_default(),
        };
        let cut = shallow.lines().map(Oid::from_str).collect::<Result<_, _>>()?;
        Ok(Self { repository, cut })
    }

    fn read(&self, head: Oid, since: Option<Oid>) -> Result<Reading, Error> {
        let range = self.range(head, since)?;
        let mut approvals =
            Approvals { truncated: range.commits.len() > COMMITS_MAX, ..Approvals::default() };
        let mut is_cut = range.is_cut;
        for commit in range.commits.iter().take(COMMITS_MAX) {
            is_cut |= !self.collect(*commit, head, range.since, &mut approvals)?;
        }
        let cut_at = if is_cut { Some(self.ancestors(head)?.len()) } else { None };
        Ok(Reading { approvals, cut_at })
    }

    fn range(&self, head: Oid, since: Option<Oid>) -> Result<Range, Error> {
        match since {
            None => Ok(Range { commits: vec![head], since, is_cut: false }),
            Some(since) if since == head || self.is_ancestor(since, head)? => {
                let mut walk = self.repository.revwalk()?;
                walk.push(head)?;
                walk.hide(since)?;
                let commits: Vec<_> = walk.take(COMMITS_MAX + 1).collect::<Result<_, _>>()?;
                let is_cut = commits.iter().any(|commit| self.cut.contains(commit));
                Ok(Range { commits, since: Some(since), is_cut })
            }
            Some(_) => {
                let is_cut = self.is_cut_below(head)?;
                Ok(Range { commits: vec![head], since: None, is_cut })
            }
        }
    }

    /// Adds what a commit approves. False if only more history can tell.
    fn collect(
        &self,
        id: Oid,
        head: Oid,
        since: Option<Oid>,
        approvals: &mut Approvals,
    ) -> Result<bool, Error> {
        let commit = self.repository.find_commit(id)?;
        let values = values(commit.message_raw_bytes());
        if values.is_empty() {
            return Ok(true);
        }
        match since.map(|since| self.is_after(id, since)).transpose()? {
            Some(After::No) => return Ok(true),
            Some(After::Unknown) => return Ok(false),
            Some(After::Yes) | None => {}
        }
        let (all, hashes): (Vec<_>, Vec<_>) =
            values.into_iter().partition(|value| value.eq_ignore_ascii_case(ALL));
        for hash in hashes {
            approvals.hashes.entry(hash).or_insert_with(|| id.to_string());
        }
        Ok(all.is_empty() || self.collect_all(&commit, head, approvals)?)
    }

    /// Adds a commit that approves all it removes. False if its parent is missing.
    fn collect_all(
        &self,
        commit: &Commit<'_>,
        head: Oid,
        approvals: &mut Approvals,
    ) -> Result<bool, Error> {
        let Ok(parent) = commit.parent_id(0) else {
            // A commit that is truly the first has removed nothing.
            return Ok(!self.cut.contains(&commit.id()));
        };
        let later = self.later(commit.id(), head)?;
        if approvals.commits.len() == ALL_MAX || later.len() > LATER_MAX {
            approvals.truncated = true;
        } else {
            let (commit, parent) = (commit.id().to_string(), parent.to_string());
            approvals.commits.push(Approval { commit, parent, later });
        }
        Ok(true)
    }

    /// The commits of `head`'s history that build on another one.
    fn later(&self, commit: Oid, head: Oid) -> Result<Vec<String>, Error> {
        let mut walk = self.repository.revwalk()?;
        walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE)?;
        walk.push(head)?;
        walk.hide(commit)?;
        let (mut found, mut later) = (HashSet::from([commit]), Vec::new());
        for id in walk {
            let id = id?;
            if self.repository.find_commit(id)?.parent_ids().any(|id| found.contains(&id)) {
                found.insert(id);
                later.push(id.to_string());
            }
        }
        Ok(later)
    }

    /// Whether a commit is not in the history of `since`. The walk is not sure of it: it goes by the
    /// time of commits, and ends at cuts.
    pub fn is_after(&self, commit: Oid, since: Oid) -> Result<After, Error> {
        Ok(if self.is_ancestor(since, commit)? {
            After::Yes
        } else if self.is_ancestor(commit, since)? {
            After::No
        } else if self.is_cut_below(since)? {
            // A merge may lead around a cut to what it cuts off.
            After::Unknown
        } else {
            After::Yes
        })
    }

    /// Whether history that ends in a commit is cut anywhere.
    pub fn is_cut_below(&self, commit: Oid) -> Result<bool, Error> {
        Ok(!self.cut.is_empty() && self.ancestors(commit)?.iter().any(|id| self.cut.contains(id)))
    }

    /// A commit and all before it.
    pub fn ancestors(&self, commit: Oid) -> Result<Vec<Oid>, Error> {
        let mut walk = self.repository.revwalk()?;
        walk.push(commit)?;
        walk.collect()
    }

    /// Whether a commit is in the history of another one.
    pub fn is_ancestor(&self, ancestor: Oid, commit: Oid) -> Result<bool, Error> {
        let is_here = self.repository.find_commit(ancestor).is_ok();
        Ok(is_here && self.repository.graph_descendant_of(commit, ancestor)?)
    }
}

/// The values of a message's approving trailers. A message that is no text has none.
fn values(message: &[u8]) -> Vec<String> {
    let Ok(trailers) = git2::message_trailers_bytes(message) else { return Vec::new() };
    let is_ours = |key: &[u8]| key.eq_ignore_ascii_case(TRAILER.as_bytes());
    let value = |value: &[u8]| Some(std::str::from_utf8(value).ok()?.trim().to_owned());
    let values = trailers.iter().filter(|(key, _)| is_ours(key)).filter_map(|(_, v)| value(v));
    values.filter(|value| !value.is_empty() && value.len() <= VALUE_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::fmt::Write as _;

    use git2::{Signature, Time};

    #[test]
    fn trailers_are_read_as_git_reads_them() {
        let check = |message: &str, expect: &[&str]| {
            assert_eq!(values(message.as_bytes()), expect, "{message:?}");
        };
        check("Title\n\nGitOps-Prune: all\n", &["all"]);
        check("Title\n\nBody.\n\ngitops-PRUNE:  ab12  \nSigned-off-by: x\n", &["ab12"]);
        check(
            "T\n\nGitOps-Prune: all\nGitOps-Prune: ab12\nGitOps-Prune: cd34",
            &["all", "ab12", "cd34"],
        );
        check("T\r\n\r\nGitOps-Prune: all\r\n", &["all"]);
        check("T\n\nSee the docs.\nGitOps-Prune: all\nSigned-off-by: x\n", &["all"]);
        // Not a trailer: in the title, the body, running text, another key, or without a value.
        check("GitOps-Prune: all", &[]);
        check("T\n\nGitOps-Prune: all\n\nThat was the plan.\n", &[]);
        check("T\n\nLet us add\nGitOps-Prune: all\n", &[]);
        check("T\n\n  GitOps-Prune: all\n", &[]);
        check("T\n\n> GitOps-Prune: all\n", &[]);
        check("T\n\nGitOps-Prune-Not: all\nX-GitOps-Prune: all\n", &[]);
        check("T\n\nGitOps-Prune:\n", &[]);
        check("T\n\n---\n\nGitOps-Prune: all\n", &[]);
        check(&format!("T\n\nGitOps-Prune: {}\n", "a".repeat(VALUE_MAX + 1)), &[]);
        check("T\0\n\nGitOps-Prune: all\n", &[]);
        assert!(values(b"T\n\nGitOps-Prune: \xff\xfe\n").is_empty());
        assert_eq!(values(b"T\xff\n\nGitOps-Prune: all\n"), ["all"]);
    }

    /// A clone with commits that are called by letters.
    struct Clone {
        folder: tempfile::TempDir,
        commits: BTreeMap<String, Oid>,
    }

    impl Clone {
        /// Makes commits from `name: parents: values of the trailer`, all separated by blanks.
        fn new(commits: &[&str]) -> Self {
            Self::by_clock(commits, |time| time)
        }

        fn by_clock(commits: &[&str], clock: fn(i64) -> i64) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let repository = Repository::init_bare(folder.path()).unwrap();
            let tree = repository.treebuilder(None).unwrap().write().unwrap();
            let tree = repository.find_tree(tree).unwrap();
            let mut ids = BTreeMap::new();
            for (time, commit) in (0..).zip(commits) {
                let [name, parents, values] = commit.split(':').collect::<Vec<_>>()[..] else {
                    panic!("{commit}")
                };
                let find = |name| repository.find_commit(ids[name]).unwrap();
                let parents: Vec<_> = parents.split_whitespace().map(find).collect();
                let parents: Vec<_> = parents.iter().collect();
                let mut message = format!("{name}\n\n");
                for value in values.split_whitespace() {
                    writeln!(message, "{TRAILER}: {value}").unwrap();
                }
                let who = Signature::new("n", "n@example", &Time::new(clock(time), 0)).unwrap();
                let id = repository.commit(None, &who, &who, &message, &tree, &parents).unwrap();
                ids.insert(name.to_owned(), id);
            }
            Self { folder, commits: ids }
        }

        /// Cuts history off below these commits.
        fn cut(self, names: &str) -> Self {
            let lines = names.split_whitespace().map(|name| format!("{}\n", self.commits[name]));
            std::fs::write(self.folder.path().join("shallow"), lines.collect::<String>()).unwrap();
            self
        }

        fn read(&self, head: &str, since: Option<&str>) -> Reading {
            let since = since.map(|s| self.commits.get(s).map_or(s.to_owned(), Oid::to_string));
            read(self.folder.path(), &self.commits[head].to_string(), since.as_deref()).unwrap()
        }

        fn name<'a>(&'a self, id: &'a str) -> &'a str {
            let found = self.commits.iter().find(|(_, known)| known.to_string() == id);
            found.map_or(id, |(name, _)| name)
        }

        /// Compares with `hash@commit`, `commit-parent` for `all`, `cut@commits`, and `truncated`.
        fn check(&self, head: &str, since: Option<&str>, expect: &str) {
            let Reading { approvals, cut_at } = self.read(head, since);
            let hashes = approvals.hashes.iter();
            let mut found: Vec<_> =
                hashes.map(|(hash, by)| format!("{hash}@{}", self.name(by))).collect();
            found.extend(approvals.commits.iter().map(|Approval { commit, parent, .. }| {
                format!("{}-{}", self.name(commit), self.name(parent))
            }));
            found.extend(cut_at.map(|count| format!("cut@{count}")));
            found.extend(approvals.truncated.then(|| "truncated".to_owned()));
            assert_eq!(found.join(" "), expect, "{head} since {since:?}");
        }
    }

    const UNKNOWN: &str = "0123456789012345678901234567890123456789";

    #[test]
    fn commits_after_since_count_and_no_others() {
        let clone = Clone::new(&["a::all 1", "b:a:all 2", "c:b:", "d:c:3", "e:d:ALL 3"]);
        clone.check("e", Some("c"), "3@e e-d");
        clone.check("e", Some("a"), "2@b 3@e e-d b-a");
        clone.check("e", Some("e"), "");
        // Nothing to compare with: only the head itself.
        for since in [None, Some(UNKNOWN), Some("nonsense"), Some("")] {
            clone.check("e", since, "3@e e-d");
        }
        clone.check("d", Some("e"), "3@d");
        // A first commit removed nothing, but may know a hash.
        clone.check("a", None, "1@a");
    }

    #[test]
    fn rewritten_history_leaves_only_the_head() {
        let clone = Clone::new(&["a::", "b:a:", "x:a:all 1", "y:x:all 2"]);
        clone.check("y", Some("b"), "2@y y-x");
        let unrelated = Clone::new(&["a::", "x::all 1", "y:x:2"]);
        unrelated.check("y", Some("a"), "2@y");
    }

    #[test]
    fn a_merge_brings_what_its_parents_approve_and_is_compared_with_the_first() {
        let clone = Clone::new(&["a::", "f:a:all 1", "b:a:all 2", "m:b f:all 3"]);
        clone.check("m", Some("a"), "1@f 2@b 3@m m-b b-a f-a");
        clone.check("m", Some("b"), "1@f 3@m m-b f-a");
        clone.check("m", Some("f"), "2@b 3@m m-b b-a");
    }

    #[test]
    fn what_builds_on_an_approving_commit_is_known() {
        let clone = Clone::new(&["a::", "f:a:all", "b:a:", "m:b f:", "c:m:all", "d:c:"]);
        let check = |at: usize, expect: &str| {
            let approval = &clone.read("d", Some("a")).approvals.commits[at];
            let later: Vec<_> = approval.later.iter().map(|id| clone.name(id)).collect();
            assert_eq!(later.join(" "), expect);
        };
        // What runs beside it does not build on it.
        check(0, "d");
        check(1, "m c d");
    }

    #[test]
    fn what_lies_behind_a_cut_may_matter() {
        let line = || Clone::new(&["a::", "b:a:all", "c:b:1", "d:c:all 2"]);
        // `since` is there: all is known.
        line().cut("b").check("d", Some("b"), "1@c 2@d d-c");
        // It is not, and may be behind the cut.
        line().cut("b").check("d", Some(UNKNOWN), "2@d d-c cut@3");
        line().cut("b").check("d", Some("a"), "2@d d-c cut@3");
        // The parent of a commit that approves all is not.
        line().cut("d").check("d", None, "2@d cut@1");
        line().cut("c").check("c", None, "1@c");
    }

    #[test]
    fn a_way_around_a_cut_approves_nothing() {
        // `f` went into `since` by the merge behind the cut, and comes again with `g`.
        let branch =
            Clone::new(&["a::", "f:a:all 1", "b:a f:", "c:b:", "since:c:", "g:f:2", "h:since g:3"]);
        branch.check("h", Some("since"), "2@g 3@h");
        branch.cut("c").check("h", Some("since"), "3@h cut@6");
        // A side branch that is cut itself.
        let side = Clone::new(&["a::", "f:a:all 1", "g:f:2", "since:a:", "h:since g:3"]).cut("g");
        side.check("h", Some("since"), "2@g 3@h cut@4");
    }

    #[test]
    fn clocks_that_go_wrong_approve_nothing() {
        // The walk goes by time, and stops some commits after the last that it takes for new.
        let chain: Vec<_> = (2..12)
            .map(|n| format!("{n}:{}:", if n == 2 { 'f'.to_string() } else { (n - 1).to_string() }))
            .collect();
        let chain = chain.iter().map(String::as_str);
        let commits: Vec<_> =
            ["a::", "f:a:all 1"].into_iter().chain(chain).chain(["g:f:2", "h:11 g:3"]).collect();
        let slow = |time| if (2..12).contains(&time) { time } else { 100 + time };
        for clock in [|time| time, slow] {
            Clone::by_clock(&commits, clock).check("h", Some("11"), "2@g 3@h");
        }
    }

    #[test]
    fn what_is_too_much_is_left_out_and_said() {
        let line = |count: usize, value: &str| {
            let name = |n: usize| {
                format!("{n}:{}:{value}", if n == 0 { String::new() } else { (n - 1).to_string() })
            };
            let commits: Vec<_> = (0..count).map(name).collect();
            Clone::new(&commits.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let many = line(ALL_MAX + 3, "all").read(&(ALL_MAX + 2).to_string(), Some("0")).approvals;
        assert_eq!((many.commits.len(), many.truncated), (ALL_MAX, true));
        let long = line(COMMITS_MAX + 2, "7");
        let old = long.read(&(COMMITS_MAX + 1).to_string(), Some("0")).approvals;
        assert!(old.truncated);
        let just = long.read(&COMMITS_MAX.to_string(), Some("0")).approvals;
        assert!(!just.truncated);
    }

    #[test]
    fn a_clone_that_cannot_be_read_approves_nothing() {
        let clone = Clone::new(&["a::", "b:a:all 1"]);
        let head = clone.commits["b"].to_string();
        assert!(read(clone.folder.path(), UNKNOWN, None).is_err());
        std::fs::write(clone.folder.path().join("shallow"), "nonsense").unwrap();
        assert!(read(clone.folder.path(), &head, None).is_err());
        assert!(read(&clone.folder.path().join("nowhere"), &head, None).is_err());
    }
}

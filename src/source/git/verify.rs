//! Which commits and tags of a clone have to be signed, and whether they are, as far as the clone has them.

use std::path::Path;
use std::sync::Arc;

use git2::{Error, Oid};
use jiff::Timestamp;

use super::history::{After, COMMITS_MAX, History};
use crate::source::SourceError;
use crate::source::head::Tag;
use crate::source::snapshot::short;
use crate::source::verify::{Key, Keyring, Mode, Refused, Signed, signer};

/// What is asked of a commit.
#[derive(Clone, Debug)]
pub struct Question {
    /// The commit.
    pub head: String,
    /// The tag that led to it.
    pub tag: Option<Tag>,
    /// The commit that was accepted last.
    pub since: Option<String>,
    /// What has to be signed, and by whom, if anything has.
    pub signed: Option<(Mode, Arc<Keyring>)>,
    /// Whether it has to descend from the one that was accepted last.
    pub no_rollback: bool,
    /// When it is asked.
    pub now: Timestamp,
}

/// What a clone says to it.
#[derive(Debug)]
pub enum Answer {
    /// It may be applied, and this key vouches for it.
    Accepted(Option<Key>),
    /// It may not.
    Refused(SourceError),
    /// More history would tell.
    Cut {
        /// The number of commits that the clone has of it.
        commits: usize,
        /// Why it may not, if there is no more.
        otherwise: SourceError,
    },
}

/// Answers by what the clone has.
pub fn answer(clone: &Path, question: &Question) -> Result<Answer, String> {
    answer_within(clone, question, COMMITS_MAX)
}

/// The same, looking at no more than so many commits.
fn answer_within(clone: &Path, question: &Question, most: usize) -> Result<Answer, String> {
    let answer = || {
        let history = History::open(clone)?;
        let head = Oid::from_str(&question.head)?;
        // One that is no name of a commit is one that is not known.
        let since = question.since.as_deref().map(|since| Oid::from_str(since).unwrap_or(ZERO));
        Asked { history, head, since, question, most }.answer()
    };
    answer().map_err(|error: Error| error.message().to_owned())
}

const ZERO: Oid = Oid::ZERO_SHA1;

struct Asked<'a> {
    history: History,
    head: Oid,
    since: Option<Oid>,
    question: &'a Question,
    /// Commits that are looked at.
    most: usize,
}

impl Asked<'_> {
    fn answer(&self) -> Result<Answer, Error> {
        let mut by = None;
        if let Some((mode, keys)) = &self.question.signed {
            if mode.wants_tag() {
                match self.tag(keys)? {
                    Ok(key) => by = Some(key),
                    Err((what, why)) => return Ok(refused(what, why)),
                }
            }
            if mode.wants_head() {
                match self.commit(self.head, keys)? {
                    Ok(key) => by = Some(key),
                    Err(why) => return Ok(refused(named(self.head), why)),
                }
            }
        }
        // A commit that goes back is refused as such, whoever has signed what it brings.
        if let Some(obstacle) = self.rollback()? {
            return Ok(obstacle);
        }
        Ok(self.range()?.unwrap_or(Answer::Accepted(by)))
    }

    /// Why the commit does not build on the one that was accepted last, if that matters.
    fn rollback(&self) -> Result<Option<Answer>, Error> {
        let Some(since) = self.since.filter(|_| self.question.no_rollback) else { return Ok(None) };
        if since == self.head || self.history.is_ancestor(since, self.head)? {
            return Ok(None);
        }
        let (head, last) = (short(&self.question.head), self.last());
        let refusal = SourceError::RollbackRefused { head, last };
        let is_cut = self.history.is_cut_below(self.head)?;
        Ok(Some(if is_cut { self.cut(refusal)? } else { Answer::Refused(refusal) }))
    }

    /// Which of the commits since the one that was accepted last cannot be, if they matter.
    fn range(&self) -> Result<Option<Answer>, Error> {
        let (Some((Mode::Range, keys)), Some(since)) = (&self.question.signed, self.since) else {
            return Ok(None);
        };
        let commits = self.commits(since)?;
        for commit in commits.iter().copied().filter(|commit| *commit != self.head) {
            let Err(why) = self.commit(commit, keys)? else { continue };
            let head = short(&self.question.head);
            let what = format!("{}, which commit {head} brings,", named(commit));
            let refusal = SourceError::VerificationFailed { what, why };
            match self.is_new(commit, since)? {
                // The walk goes by the time of commits, and may go too far.
                After::No => {}
                After::Unknown => return self.cut(refusal).map(Some),
                After::Yes => return Ok(Some(Answer::Refused(refusal))),
            }
        }
        let (what, why) = (named(self.head), Refused::TooMany { since: self.last() });
        let refusal = SourceError::VerificationFailed { what, why };
        let is_more = commits.len() > self.most;
        let is_cut = if is_more {
            self.history.is_cut_below(self.head)?
        } else {
            commits.iter().any(|commit| self.history.cut.contains(commit))
        };
        match (is_cut, is_more) {
            (true, _) => self.cut(refusal).map(Some),
            (false, true) => Ok(Some(Answer::Refused(refusal))),
            (false, false) => Ok(None),
        }
    }

    /// Whether a commit is not in the history of the one that was accepted last.
    fn is_new(&self, commit: Oid, since: Oid) -> Result<After, Error> {
        if self.is_here(since) {
            return self.history.is_after(commit, since);
        }
        let is_cut = self.history.is_cut_below(self.head)?;
        Ok(if is_cut { After::Unknown } else { After::Yes })
    }

    fn is_here(&self, commit: Oid) -> bool {
        self.history.repository.find_commit(commit).is_ok()
    }

    /// The commits that are in the head's history and not in that of another, and perhaps some more.
    fn commits(&self, since: Oid) -> Result<Vec<Oid>, Error> {
        let mut walk = self.history.repository.revwalk()?;
        walk.push(self.head)?;
        if self.is_here(since) {
            walk.hide(since)?;
        }
        walk.take(self.most + 1).collect()
    }

    fn cut(&self, otherwise: SourceError) -> Result<Answer, Error> {
        Ok(Answer::Cut { commits: self.history.ancestors(self.head)?.len(), otherwise })
    }

    /// Who signed a commit.
    fn commit(&self, id: Oid, keys: &Keyring) -> Result<Result<Key, Refused>, Error> {
        let repository = &self.history.repository;
        let time = repository.find_commit(id)?.time().seconds();
        let objects = repository.odb()?;
        let raw = objects.read(id)?;
        let signed = Signed::commit(raw.data(), time);
        Ok(signed.and_then(|signed| signer(&signed, keys, self.question.now)))
    }

    /// Who signed the tag, which has to be of this name and lead to the head.
    fn tag(&self, keys: &Keyring) -> Result<Result<Key, (String, Refused)>, Error> {
        let repository = &self.history.repository;
        let Some(tag) = &self.question.tag else {
            return Ok(Err((named(self.head), Refused::NoTag)));
        };
        let refused = |why| Ok(Err((format!("tag {}", tag.name), why)));
        let Some(id) = &tag.object else { return refused(Refused::NotAnnotated) };
        let object = repository.find_tag(Oid::from_str(id)?)?;
        if object.name_bytes() != tag.name.as_bytes() {
            let name = String::from_utf8_lossy(object.name_bytes());
            return refused(Refused::renamed(&name));
        }
        if object.as_object().peel_to_commit()?.id() != self.head {
            return Err(Error::from_str("the tag leads to another commit"));
        }
        let time = object.tagger().map_or(0, |tagger| tagger.when().seconds());
        let objects = repository.odb()?;
        let raw = objects.read(object.id())?;
        let signed = Signed::tag(raw.data(), time);
        match signed.and_then(|signed| signer(&signed, keys, self.question.now)) {
            Ok(key) => Ok(Ok(key)),
            Err(why) => refused(why),
        }
    }

    fn last(&self) -> String {
        self.question.since.as_deref().map(short).unwrap_or_default()
    }
}

fn named(commit: Oid) -> String {
    format!("commit {}", short(&commit.to_string()))
}

fn refused(what: String, why: Refused) -> Answer {
    Answer::Refused(SourceError::VerificationFailed { what, why })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use git2::{Repository, Signature, Time};
    use ssh_key::private::{Ed25519Keypair, KeypairData};
    use ssh_key::{HashAlg, LineEnding, PrivateKey};

    const UNKNOWN: &str = "0123456789012345678901234567890123456789";

    fn key() -> PrivateKey {
        let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(&[7; 32]));
        PrivateKey::new(pair, "ada").unwrap()
    }

    /// A clone with commits that are called by letters; capitals are signed.
    struct Clone {
        folder: tempfile::TempDir,
        commits: BTreeMap<String, Oid>,
    }

    impl Clone {
        /// Makes commits from `name:parents`, separated by blanks, whose clocks go as `clock` says.
        fn new(commits: &str, clock: fn(i64) -> i64) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let repository = Repository::init_bare(folder.path()).unwrap();
            let tree = repository.treebuilder(None).unwrap().write().unwrap();
            let tree = repository.find_tree(tree).unwrap();
            let mut ids: BTreeMap<String, Oid> = BTreeMap::new();
            for (time, commit) in (0..).zip(commits.split_whitespace()) {
                let (name, parents) = commit.split_once(':').unwrap();
                let find = |name: char| repository.find_commit(ids[&name.to_string()]).unwrap();
                let parents: Vec<_> = parents.chars().map(find).collect();
                let parents: Vec<_> = parents.iter().collect();
                let who = Signature::new("n", "n@example", &Time::new(clock(time), 0)).unwrap();
                let text = repository.commit_create_buffer(&who, &who, name, &tree, &parents);
                let text = text.unwrap();
                let text = text.as_str().unwrap();
                let id = if name.chars().all(char::is_uppercase) {
                    let signature = key().sign("git", HashAlg::Sha256, text.as_bytes()).unwrap();
                    let signature = signature.to_pem(LineEnding::LF).unwrap();
                    repository.commit_signed(text, &signature, None).unwrap()
                } else {
                    let odb = repository.odb().unwrap();
                    odb.write(git2::ObjectType::Commit, text.as_bytes()).unwrap()
                };
                ids.insert(name.to_owned(), id);
            }
            Self { folder, commits: ids }
        }

        /// Cuts history off below these commits.
        fn cut(self, names: &str) -> Self {
            let lines = names.chars().map(|name| format!("{}\n", self.commits[&name.to_string()]));
            std::fs::write(self.folder.path().join("shallow"), lines.collect::<String>()).unwrap();
            self
        }

        /// `ok`, `back`, `cut`, `many`, or the first commit that is not signed.
        fn ask(&self, head: &str, since: Option<&str>, mode: Option<Mode>) -> String {
            self.ask_within(head, since, mode, COMMITS_MAX)
        }

        /// The same where no more than so many commits are looked at.
        fn ask_within(
            &self,
            head: &str,
            since: Option<&str>,
            mode: Option<Mode>,
            most: usize,
        ) -> String {
            let keys = key().public_key().to_openssh().unwrap();
            let keys = Keyring::parse([("key", keys.as_bytes())], "keys").unwrap();
            let id = |name: &str| self.commits.get(name).map_or(name.to_owned(), Oid::to_string);
            let question = Question {
                head: id(head),
                tag: None,
                since: since.map(id),
                signed: mode.map(|mode| (mode, Arc::new(keys))),
                no_rollback: mode.is_none(),
                now: Timestamp::now(),
            };
            let answer = answer_within(self.folder.path(), &question, most).unwrap();
            match answer {
                Answer::Accepted(_) => "ok".to_owned(),
                Answer::Cut { .. } => "cut".to_owned(),
                Answer::Refused(SourceError::RollbackRefused { .. }) => "back".to_owned(),
                Answer::Refused(SourceError::VerificationFailed { what, why }) => match why {
                    Refused::TooMany { .. } => "many".to_owned(),
                    Refused::Unsigned => {
                        let is = |id: &&Oid| what.starts_with(&named(**id));
                        let name = |(name, id)| is(&id).then(|| String::clone(name));
                        self.commits.iter().find_map(name).unwrap()
                    }
                    why => why.to_string(),
                },
                Answer::Refused(other) => other.to_string(),
            }
        }
    }

    #[test]
    fn every_commit_since_the_last_one_has_to_be_signed() {
        let line = || Clone::new("a: b:a C:b d:C E:d F:E", |time| time);
        let check = |clone: &Clone, head: &str, since: Option<&str>, expect: &str| {
            assert_eq!(clone.ask(head, since, Some(Mode::Range)), expect, "{head} since {since:?}");
        };
        let whole = line();
        check(&whole, "F", Some("E"), "ok");
        check(&whole, "F", Some("d"), "ok");
        check(&whole, "F", Some("C"), "d");
        check(&whole, "d", Some("d"), "d");
        check(&whole, "F", Some("F"), "ok");
        check(&whole, "F", None, "ok");
        check(&whole, "a", None, "a");
        // What was last is not there: everything has to be signed.
        check(&whole, "F", Some(UNKNOWN), "d");
        check(&whole, "F", Some("nonsense"), "d");
        check(&line().cut("E"), "F", Some("E"), "ok");
        check(&line().cut("E"), "F", Some(UNKNOWN), "cut");
        // History was rewritten: what both have counts as before.
        let fork = || Clone::new("a: b:a C:b D:b e:b", |time| time);
        check(&fork(), "D", Some("C"), "ok");
        check(&fork(), "e", Some("C"), "e");
        check(&fork().cut("b"), "D", Some("C"), "ok");
    }

    #[test]
    fn more_commits_than_are_looked_at_are_refused() {
        const MOST: usize = 4;
        let check = |clone: &Clone, since: &str, expect: &str| {
            let found = clone.ask_within("G", Some(since), Some(Mode::Range), MOST);
            assert_eq!(found, expect, "{since}");
        };
        let clone = || Clone::new("a: B:a C:B D:C E:D F:E G:F", |time| time);
        check(&clone(), "F", "ok");
        check(&clone(), "C", "ok");
        check(&clone(), "B", "many");
        check(&clone(), "a", "many");
        // With more history it could be fewer.
        check(&clone().cut("C"), "C", "ok");
        check(&clone().cut("C"), UNKNOWN, "cut");
    }

    #[test]
    fn a_merge_brings_all_that_is_new() {
        let check = |clone: Clone, head: &str, since: &str, expect: &str| {
            assert_eq!(clone.ask(head, Some(since), Some(Mode::Range)), expect);
        };
        let graph = "a: b:a C:b f:a G:C H:f M:GH";
        for clock in [|time| time, |time| 100 - time] {
            check(Clone::new(graph, clock), "M", "C", "f");
            check(Clone::new("a: b:a C:b F:a G:C H:F M:GH", clock), "M", "C", "ok");
            // The branch begins below the cut, and what lies there was there before.
            check(Clone::new("a: b:a C:b F:a M:CF", clock).cut("C"), "M", "C", "cut");
        }
    }

    #[test]
    fn what_goes_back_is_refused_and_what_builds_on_it_is_not() {
        let graph = || Clone::new("a: b:a c:b x:a m:cx", |time| time);
        let check = |clone: &Clone, head: &str, since: Option<&str>, expect: &str| {
            assert_eq!(clone.ask(head, since, None), expect, "{head} since {since:?}");
        };
        let whole = graph();
        check(&whole, "c", Some("b"), "ok");
        check(&whole, "b", Some("b"), "ok");
        check(&whole, "m", Some("x"), "ok");
        check(&whole, "b", None, "ok");
        check(&whole, "b", Some("c"), "back");
        check(&whole, "x", Some("c"), "back");
        check(&whole, "c", Some(UNKNOWN), "back");
        check(&graph().cut("b"), "b", Some("c"), "cut");
    }
}

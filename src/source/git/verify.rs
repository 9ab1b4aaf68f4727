//! Which commits and tags of a clone have to be signed, and whether they are, as far as the clone has them.

use std::path::Path;
use std::sync::Arc;

use git2::{Error, Oid};
use jiff::Timestamp;

use super::history::{After, COMMITS_MAX, History};
use crate::source::SourceError;
use crate::source::fetch::Tag;
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
    let answer = || {
        let history = History::open(clone)?;
        let head = Oid::from_str(&question.head)?;
        // One that is no name of a commit is one that is not known.
        let since = question.since.as_deref().map(|since| Oid::from_str(since).unwrap_or(ZERO));
        Asked { history, head, since, question }.answer()
    };
    answer().map_err(|error: Error| error.message().to_owned())
}

const ZERO: Oid = Oid::ZERO_SHA1;

struct Asked<'a> {
    history: History,
    head: Oid,
    since: Option<Oid>,
    question: &'a Question,
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
        let is_more = commits.len() > COMMITS_MAX;
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
        walk.take(COMMITS_MAX + 1).collect()
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

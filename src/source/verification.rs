//! What has to be true of a commit before anything of it is applied, beside what it declares.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use super::clones::Wish;
use super::git::verify::{self, Answer, Question};
use super::verify::{Key, Keyring, Mode};
use super::{Fetcher, Revision, SourceError, mounted};

/// Depth of the first fetch of history.
const FIRST_DEPTH: usize = 50;
/// Commits beyond which no more history is fetched.
const HISTORY_MAX: usize = 5_000;

/// What has to be true of a commit.
#[derive(Clone, Debug)]
pub struct Verification {
    /// What has to be signed, and by whom, if anything has.
    pub signed: Option<(Mode, Keys)>,
    /// Whether it has to descend from the one that was accepted last.
    pub no_rollback: bool,
}

/// Where the keys are of those who may sign.
#[derive(Clone, Debug)]
pub enum Keys {
    /// Here.
    Given(Arc<Keyring>),
    /// In files, or folders of them, which are read anew each time.
    Files(Vec<PathBuf>),
}

impl Keys {
    /// The keys as they are now.
    pub fn read(&self) -> Result<Arc<Keyring>, SourceError> {
        match self {
            Self::Given(keys) => Ok(keys.clone()),
            Self::Files(places) => {
                let files = places.iter().map(|place| files(place));
                let files = files.collect::<Result<Vec<_>, SourceError>>()?.concat();
                let texts = files.iter().map(|file| Ok((file.to_string_lossy(), text(file)?)));
                let texts = texts.collect::<Result<Vec<_>, SourceError>>()?;
                let texts = texts.iter().map(|(name, text)| (name.as_ref(), text.as_slice()));
                let keys = Keyring::parse(texts, "--verify-keys");
                keys.map(Arc::new).map_err(|bad| SourceError::KeysUnusable { why: bad.to_string() })
            }
        }
    }
}

fn files(place: &Path) -> Result<Vec<PathBuf>, SourceError> {
    mounted::files(place).map_err(|error| unreadable(place, &error))
}

fn text(file: &Path) -> Result<Vec<u8>, SourceError> {
    mounted::text(file).map_err(|error| unreadable(file, &error))
}

fn unreadable(place: &Path, error: &std::io::Error) -> SourceError {
    SourceError::KeysUnusable { why: format!("cannot read {}: {error}", place.display()) }
}

impl Verification {
    /// Whether it matters which commit was accepted last.
    pub fn looks_back(&self) -> bool {
        self.no_rollback || matches!(self.signed, Some((Mode::Range, _)))
    }
}

impl Fetcher {
    /// Whose signature vouches for a revision, if it may be applied on top of the commit that was accepted last.
    /// Fetches more history only if the answer is in it.
    pub async fn verify(&self, question: Question) -> Result<Option<Key>, SourceError> {
        let began = Instant::now();
        let mut seen = 0;
        let mut is_fresh = false;
        loop {
            let asked = Instant::now();
            match self.answer(question.clone()).await {
                Ok(Answer::Accepted(by)) => return Ok(by),
                Ok(Answer::Refused(error)) => return Err(error),
                Ok(Answer::Cut { commits, .. }) if seen < commits && commits < HISTORY_MAX => {
                    seen = commits;
                    // Counted in commits, of which no path is longer: a fetch never makes history shorter.
                    let depth = (10 * commits).clamp(FIRST_DEPTH, HISTORY_MAX);
                    self.fetched(asked, Wish::deep(depth)).await?;
                }
                Ok(Answer::Cut { otherwise, .. }) => return Err(otherwise),
                Err(_) if !is_fresh => {
                    is_fresh = true;
                    // A clone that turns out to be damaged is fetched afresh, once.
                    self.fetched(began, Wish::FRESH).await?;
                }
                Err(why) => return Err(self.unusable(why)),
            }
        }
    }

    async fn answer(&self, question: Question) -> Result<Answer, String> {
        let dir = self.dir.clone();
        self.off_thread(move || verify::answer(&dir, &question)).await
    }
}

impl Question {
    /// Asks of a revision what a verification wants to know.
    pub fn of(
        revision: &Revision,
        signed: Option<(Mode, Arc<Keyring>)>,
        no_rollback: bool,
        since: Option<&str>,
    ) -> Self {
        let (head, tag) = (revision.commit.clone(), revision.tag.clone());
        let (since, now) = (since.map(ToOwned::to_owned), Timestamp::now());
        Self { head, tag, since, signed, no_rollback, now }
    }

    /// Whether it is the same but for the time.
    pub fn is_same(&self, other: &Self) -> bool {
        let signed = |it: &Self| it.signed.as_ref().map(|(mode, keys)| (*mode, keys.id));
        (&self.head, &self.tag, &self.since, signed(self), self.no_rollback)
            == (&other.head, &other.tag, &other.since, signed(other), other.no_rollback)
    }
}

//! Charts that are kept elsewhere: fetched once, and kept by what is in them.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::pull::pull;
use super::stage::Stage;
use super::{Recipe, Tools};
use crate::api::helm::HelmChart;
use crate::source::{SourceError, reference};

/// Time after which an archive that no process has asked for is removed.
const UNUSED: Duration = Duration::from_hours(7 * 24);
/// The end of the names of archives.
const ARCHIVE: &str = "tgz";
/// The end of the names of the files that say which archive a chart of one version is.
const FOUND: &str = "json";

/// A chart as it was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Sha256 of it.
    pub digest: String,
    /// The file that it is in.
    pub file: PathBuf,
}

/// Charts that were fetched.
#[derive(Clone, Debug, Default)]
pub(super) struct Charts {
    /// One for each chart and version, so that one fetches it and the others wait.
    known: Arc<Mutex<HashMap<String, Known>>>,
}

/// What is known of a chart: which archive it was, and when that was asked.
type Known = Arc<tokio::sync::Mutex<Option<(Instant, Arc<Archive>)>>>;

/// What stands on disk for a chart of one version.
#[derive(Serialize, Deserialize)]
struct Found {
    digest: String,
}

/// The chart that an app names, as its repository had it not before `since`. Nothing takes the place of a version
/// that was fetched once.
pub async fn chart(
    tools: &Tools,
    recipe: &Recipe,
    since: Instant,
) -> Result<Option<Arc<Archive>>, SourceError> {
    let Some(wanted) = &recipe.render.helm.chart else { return Ok(None) };
    let key = key(wanted, &recipe.owner);
    let known = tools.charts.at(&key);
    let mut known = known.lock().await;
    let is_exact = reference::is_version(&wanted.version);
    let is_new_enough = |asked: &Instant| is_exact || *asked >= since;
    if let Some((_, archive)) =
        known.as_ref().filter(|(asked, archive)| is_new_enough(asked) && archive.file.is_file())
    {
        return Ok(Some(archive.clone()));
    }
    let asked = Instant::now();
    let folder = tools.charts().map_err(Stage::failed)?;
    let kept = if is_exact { kept(&folder, &key) } else { None };
    let archive = if let Some(archive) = kept {
        archive
    } else {
        let bytes = pull(tools, wanted, recipe.credentials.as_deref()).await?;
        keep(&folder, &key, &bytes).map_err(Stage::failed)?
    };
    let archive = Arc::new(archive);
    *known = Some((asked, archive.clone()));
    Ok(Some(archive))
}

impl Charts {
    fn at(&self, key: &str) -> Known {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(key.to_owned()).or_default().clone()
    }
}

/// Tells a chart of one version, fetched by one, from any other. Who may not read one must not find it here.
fn key(chart: &HelmChart, owner: &str) -> String {
    let HelmChart { repo_url, name, version, .. } = chart;
    hex::encode(Sha256::digest(format!("{repo_url}\n{name}\n{version}\n{owner}")))
}

/// The archive that was found before for a chart of one version, if it is still what it was.
fn kept(folder: &Path, key: &str) -> Option<Archive> {
    let found = fs::read(folder.join(key).with_extension(FOUND)).ok()?;
    let Found { digest } = serde_json::from_slice(&found).ok()?;
    let file = folder.join(&digest).with_extension(ARCHIVE);
    let is_whole = hex::encode(Sha256::digest(fs::read(&file).ok()?)) == digest;
    touch(&file);
    touch(&folder.join(key).with_extension(FOUND));
    is_whole.then_some(Archive { digest, file })
}

fn keep(folder: &Path, key: &str, bytes: &[u8]) -> io::Result<Archive> {
    let digest = hex::encode(Sha256::digest(bytes));
    let file = folder.join(&digest).with_extension(ARCHIVE);
    write(folder, &file, bytes)?;
    let found = serde_json::to_vec(&Found { digest: digest.clone() })?;
    write(folder, &folder.join(key).with_extension(FOUND), &found)?;
    Ok(Archive { digest, file })
}

/// Writes a file that is there as a whole or not at all.
fn write(folder: &Path, file: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = tempfile::NamedTempFile::new_in(folder)?;
    fs::write(unfinished.path(), bytes)?;
    unfinished.persist(file)?;
    Ok(())
}

/// Marks a file as used. If that fails, it is fetched once more in a week.
fn touch(file: &Path) {
    let _ = File::options().append(true).open(file).and_then(|f| f.set_modified(SystemTime::now()));
}

/// Removes what nobody has used for long.
pub(super) fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let used = entry.metadata().and_then(|found| found.modified());
        let is_unused = used.is_ok_and(|used| used.elapsed().is_ok_and(|age| age > UNUSED));
        if is_unused {
            // What cannot be removed now is tried again at the next start.
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_found_again_as_long_as_it_is_whole_and_used() {
        let folder = tempfile::tempdir().unwrap();
        let archive = keep(folder.path(), "key", b"chart").unwrap();
        assert_eq!(kept(folder.path(), "key"), Some(archive.clone()));
        assert_eq!(kept(folder.path(), "other"), None);
        sweep(folder.path());
        assert!(archive.file.is_file());
        fs::write(&archive.file, b"other").unwrap();
        assert_eq!(kept(folder.path(), "key"), None);
        let old = SystemTime::now() - UNUSED - Duration::from_hours(1);
        File::options().append(true).open(&archive.file).unwrap().set_modified(old).unwrap();
        sweep(folder.path());
        assert!(!archive.file.exists());
    }
}

//! Submodules that a fetch did not bring: they stop the apps that reach them, and no others.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::source::SourceError;
use crate::source::credentials::Hidden;

/// A submodule that is not in the clone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Missing {
    /// Its commit. Where not even that can be told, it is any that is not in the clone.
    pub commit: Option<String>,
    /// Its URL, as it is written.
    pub url: Hidden,
    /// Why it is missing.
    pub error: SourceError,
    /// How long it took to find out.
    pub took: Duration,
}

impl Missing {
    /// Whether both are the same submodule.
    pub fn is_same(&self, commit: &str, url: &str) -> bool {
        self.commit.as_deref() == Some(commit) && self.url.0 == url
    }
}

/// What takes longer to fail is not tried in each fetch.
const QUICK: Duration = Duration::from_secs(3);
/// It is tried again after so many times as long as it took.
const REST: u32 = 10;

/// What a clone lacks, and since when each is known to be missing.
#[derive(Debug, Default)]
pub struct Absent(Vec<(Missing, Instant)>);

impl Absent {
    /// What is not worth a try now: or all apps of a repository would wait in each fetch for what one of them wants.
    pub fn resting(&self, now: Instant) -> Vec<Missing> {
        let rests = |(missing, since): &&(Missing, Instant)| {
            missing.took > QUICK && now < *since + missing.took * REST
        };
        self.0.iter().filter(rests).map(|(missing, _)| missing.clone()).collect()
    }

    /// Takes in what a fetch found missing, or left so as it was resting.
    pub fn renew(&mut self, found: Vec<Missing>, resting: &[Missing], now: Instant) {
        let same = |one: &Missing, other: &Missing| {
            one.commit.as_deref().is_some_and(|commit| other.is_same(commit, &one.url.0))
        };
        let since = |missing: &Missing| {
            let was = resting.iter().any(|it| same(it, missing));
            let known = self.0.iter().find(|(it, _)| was && same(it, missing));
            known.map_or(now, |(_, since)| *since)
        };
        let renewed = found.into_iter().map(|missing| (since(&missing), missing));
        self.0 = renewed.map(|(since, missing)| (missing, since)).collect();
    }

    /// All that is missing.
    pub fn all(&self) -> Vec<Missing> {
        self.0.iter().map(|(missing, _)| missing.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(commit: &str, took: u64) -> Missing {
        Missing {
            commit: Some(commit.to_owned()),
            url: Hidden(format!("../{commit}")),
            error: SourceError::SubmoduleUnavailable { path: commit.into(), why: String::new() },
            took: Duration::from_secs(took),
        }
    }

    #[test]
    fn what_takes_long_to_fail_rests_ten_times_as_long() {
        let (start, mut absent) = (Instant::now(), Absent::default());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        absent.renew(vec![missing("quick", 1), missing("slow", 5)], &[], start);
        let names = |found: Vec<Missing>| -> Vec<_> {
            found.into_iter().filter_map(|missing| missing.commit).collect()
        };
        assert_eq!(names(absent.resting(at(1))), ["slow"]);
        // It was left as it was: that does not make it rest anew.
        let resting = absent.resting(at(40));
        absent.renew(vec![missing("quick", 1), missing("slow", 5)], &resting, at(40));
        assert_eq!(names(absent.resting(at(49))), ["slow"]);
        assert_eq!(names(absent.resting(at(51))), [""; 0]);
        // It was tried again.
        absent.renew(vec![missing("slow", 5)], &[], at(51));
        assert_eq!(names(absent.resting(at(52))), ["slow"]);
        assert_eq!(names(absent.all()), ["slow"]);
        absent.renew(Vec::new(), &[], at(60));
        assert_eq!(names(absent.all()), [""; 0]);
    }
}

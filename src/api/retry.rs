//! What happens after a sync that failed.

use std::time;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;

/// How a failed sync is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Retry {
    /// How often a failed sync is tried again before the next interval or change is waited for; 0 for
    /// never.
    #[serde(default = "Retry::default_limit")]
    #[schemars(range(min = 0, max = 100))]
    pub limit: u32,
    /// How long is waited before each try.
    #[serde(default)]
    pub backoff: Backoff,
}

impl Retry {
    fn default_limit() -> u32 {
        5
    }
}

impl Retry {
    /// The wait before the try after so many failures in a row; `None` if there is none but in its turn.
    pub fn wait(&self, failures: u32) -> Option<time::Duration> {
        let Backoff { duration, factor, max_duration } = self.backoff;
        let (first, longest) = (time::Duration::from(duration), time::Duration::from(max_duration));
        let grown = factor.saturating_pow(failures.saturating_sub(1).min(31));
        (failures <= self.limit).then(|| first.saturating_mul(grown).min(longest))
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self { limit: Self::default_limit(), backoff: Backoff::default() }
    }
}

/// Waiting times that grow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "duration(self.maxDuration) >= duration(self.duration)",
    "message": "must not be shorter than duration",
    "fieldPath": ".maxDuration",
}]))]
pub struct Backoff {
    /// Time before the first try, such as 1s.
    #[serde(default = "Backoff::default_duration")]
    pub duration: Duration,
    /// By what each time is longer than the one before it.
    #[serde(default = "Backoff::default_factor")]
    #[schemars(range(min = 1, max = 10))]
    pub factor: u32,
    /// The longest time between two tries, such as 3m.
    #[serde(default = "Backoff::default_max_duration")]
    pub max_duration: Duration,
}

impl Backoff {
    fn default_duration() -> Duration {
        Duration::from_secs(1)
    }

    fn default_factor() -> u32 {
        2
    }

    fn default_max_duration() -> Duration {
        Duration::from_secs(180)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            duration: Self::default_duration(),
            factor: Self::default_factor(),
            max_duration: Self::default_max_duration(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_longest_and_end_at_the_limit() {
        let check = |limit, factor, failures, seconds: Option<u64>| {
            let retry = Retry { limit, backoff: Backoff { factor, ..Backoff::default() } };
            assert_eq!(retry.wait(failures).map(|wait| wait.as_secs()), seconds, "{failures}");
        };
        check(5, 2, 1, Some(1));
        check(5, 2, 4, Some(8));
        check(5, 2, 5, Some(16));
        check(5, 2, 6, None);
        check(100, 2, 9, Some(180));
        check(100, 10, 100, Some(180));
        check(100, 1, 100, Some(1));
        check(0, 2, 1, None);
    }
}

//! How an object fares, as far as that is remembered of it.

use std::fmt;

/// How an object fares. In kstatus' words these are Current, `InProgress`, Failed and Terminating.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It works, or there is nothing about it that could fail.
    Healthy,
    /// It is on its way, and what is missing.
    Progressing(String),
    /// It does not work, and nothing will change that by itself.
    Failed(String),
    /// It is being deleted.
    Terminating,
}

impl Health {
    /// Still on its way, for this reason.
    pub fn progressing(why: &str) -> Self {
        Self::Progressing(why.to_owned())
    }

    /// Failed, for this reason.
    pub fn failed(why: &str) -> Self {
        Self::Failed(why.to_owned())
    }
}

/// In one word, and why.
impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Healthy => write!(f, "Healthy"),
            Self::Progressing(why) => write!(f, "Progressing: {why}"),
            Self::Failed(why) => write!(f, "Failed: {why}"),
            Self::Terminating => write!(f, "Terminating"),
        }
    }
}

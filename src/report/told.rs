//! Something that is told as an event on the resource of an app. Pure.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::cluster::events::{Event, Regarding};

/// Something that is told of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What happened, in one word.
    pub reason: &'static str,
    /// What we did or tried, in one word.
    pub action: &'static str,
    /// Whether it asks for attention.
    pub is_warning: bool,
    /// What happened, as a sentence.
    pub note: String,
}

impl Told {
    /// The event on the resource.
    pub fn on(self, regarding: &Regarding, time: Timestamp) -> Event {
        let Self { reason, action, is_warning, note } = self;
        Event { regarding: regarding.clone(), reason, action, is_warning, note, time }
    }
}

/// What is as it should be.
pub fn normal(reason: &'static str, action: &'static str, note: String) -> Told {
    Told { reason, action, is_warning: false, note }
}

/// What asks for attention.
pub fn warning(reason: &'static str, action: &'static str, note: String) -> Told {
    Told { reason, action, is_warning: true, note }
}

/// Which tools changed something, as part of a sentence.
pub fn by(tools: &BTreeSet<String>) -> String {
    if tools.is_empty() {
        return String::new();
    }
    format!(" by {}", tools.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
}

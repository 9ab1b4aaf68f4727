//! How an app fares. It holds names, counts and times, never a value of a field, and stays small.

use std::collections::BTreeMap;
use std::time;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounded::{First, LINE, Last, MESSAGE, text};
use super::conditions::{Conditions, whole};
use super::duration::written;
use crate::object::ObjectId;

/// Characters of a commit's name that people read.
const SHORT: usize = 8;

/// How the app fares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GitOpsAppStatus {
    /// The generation of the app that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, Reconciling, Stalled, Healthy and Drifted.
    #[serde(skip_serializing_if = "Conditions::is_empty")]
    pub conditions: Conditions,
    /// The commit that a sync was tried with last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_attempted_revision: Option<Revision>,
    /// The commit that was applied last, all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_applied_revision: Option<Revision>,
    /// The value of the annotation by which a sync was requested last, once it has taken place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// Number of objects by state: synced, drifted, failed, waiting, held and others.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub objects: BTreeMap<String, u32>,
    /// The first objects that could not be applied or deleted.
    #[serde(skip_serializing_if = "First::is_empty")]
    pub failures: First<Failure>,
    /// The first objects that are not as git declares them because of what others did, and stay so.
    #[serde(skip_serializing_if = "First::is_empty")]
    pub drifted: First<ObjectId>,
    /// Sets of objects that are deleted only when a person approves.
    #[serde(skip_serializing_if = "First::is_empty")]
    pub held: First<HeldSet>,
    /// Objects that were left to others for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abandoned: Option<Abandoned>,
    /// What others changed last, the newest first.
    #[serde(skip_serializing_if = "Last::is_empty")]
    pub last_drifts: Last<Drift>,
    /// The last syncs, the newest first.
    #[serde(skip_serializing_if = "Last::is_empty")]
    pub history: Last<SyncRecord>,
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// Its name.
    pub sha: String,
    /// The beginning of its name.
    pub short: String,
    /// Who wrote it.
    pub author: String,
    /// The first line of its message.
    pub subject: String,
    /// When it was committed.
    pub time: Timestamp,
    /// The name of its tree, which is of all that is in it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tree: String,
    /// The branch or tag that it was found by, such as refs/tags/v1.4.2. None if it was asked for by its own name.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The digest of the artifact that it stands for, where the repository is one of a registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The key whose signature vouches for it, where that is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_by: Option<String>,
}

impl Revision {
    /// A commit of this author, with this message.
    pub fn new(sha: &str, author: &str, message: &str, time: Timestamp) -> Self {
        Self {
            sha: text(sha, LINE),
            short: sha.chars().take(SHORT).collect(),
            author: text(author, LINE),
            subject: text(message.lines().next().unwrap_or_default().trim(), LINE),
            time: whole(time),
            tree: String::new(),
            reference: None,
            digest: None,
            verified_by: None,
        }
    }

    /// The same with the name of its tree, and what it was found by.
    #[must_use]
    pub fn found(self, tree: &str, reference: Option<&str>) -> Self {
        let reference = reference.map(|reference| text(reference, LINE));
        Self { tree: text(tree, LINE), reference, ..self }
    }
}

/// An object that could not be applied or deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// The object.
    pub object: ObjectId,
    /// Why, in one word.
    pub reason: String,
    /// Why, as a sentence.
    pub message: String,
}

impl Failure {
    /// What went wrong with an object.
    pub fn new(object: ObjectId, reason: &'static str, message: &str) -> Self {
        Self { object, reason: reason.to_owned(), message: text(message, MESSAGE) }
    }
}

/// Objects that are deleted only when a person approves, all of them together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldSet {
    /// Why they wait.
    pub reason: String,
    /// What an approval has to name.
    pub hash: String,
    /// How many they are.
    pub count: u32,
    /// The first of them.
    pub objects: First<ObjectId>,
}

impl HeldSet {
    /// A set with the hash by which it is approved.
    pub fn new(reason: &str, hash: &str, objects: &[ObjectId]) -> Self {
        Self {
            reason: text(reason, LINE),
            hash: text(hash, LINE),
            count: number(objects.len()),
            objects: objects.iter().cloned().collect(),
        }
    }
}

/// Objects that were left to others for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Abandoned {
    /// How many they are.
    pub count: u32,
    /// The first of them.
    pub objects: First<ObjectId>,
}

impl Abandoned {
    /// These objects; `None` without any.
    pub fn new<'a>(objects: impl ExactSizeIterator<Item = &'a ObjectId>) -> Option<Self> {
        let count = number(objects.len());
        (count > 0).then(|| Self { count, objects: objects.cloned().collect() })
    }
}

/// A field that others changed, never its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// The object.
    pub object: ObjectId,
    /// The field; without one, the object was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The tool that changed it, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// When it was seen.
    pub time: Timestamp,
}

impl Drift {
    /// What was changed, and by which tool.
    pub fn new(
        object: ObjectId,
        field: Option<&str>,
        manager: Option<&str>,
        time: Timestamp,
    ) -> Self {
        let line = |line: &str| text(line, LINE);
        Self { object, field: field.map(line), manager: manager.map(line), time: whole(time) }
    }
}

/// A sync that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncRecord {
    /// The commit, if one was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// What started it.
    pub trigger: String,
    /// How long it took.
    pub duration: String,
    /// Synced, or what went wrong, in one word.
    pub result: String,
    /// When it ended.
    pub time: Timestamp,
    /// The key whose signature vouches for the commit, where that is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_by: Option<String>,
}

impl SyncRecord {
    /// A sync that ended at this time.
    pub fn new(
        revision: Option<&str>,
        trigger: &'static str,
        duration: time::Duration,
        result: &'static str,
        time: Timestamp,
    ) -> Self {
        Self {
            revision: revision.map(|sha| text(sha, LINE)),
            trigger: trigger.to_owned(),
            duration: written(duration),
            result: result.to_owned(),
            time: whole(time),
            verified_by: None,
        }
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{ConditionType, Finding, Truth};
    use crate::object::GroupKind;

    /// An object with the longest names there are.
    fn object(n: usize) -> ObjectId {
        let kind = GroupKind::new(&"g".repeat(253), &"K".repeat(63));
        ObjectId::new(kind, &"n".repeat(63), &format!("{n:0253}"))
    }

    #[test]
    fn it_stays_small_at_twenty_thousand_objects_of_long_names() {
        let (objects, long) = ((0..20_000).map(object).collect::<Vec<_>>(), "ö".repeat(100_000));
        let now = Timestamp::from_second(1).unwrap();
        let failure = |id: &ObjectId| Failure::new(id.clone(), "ApplyFailed", &long);
        let mut status = GitOpsAppStatus {
            failures: objects.iter().map(failure).collect(),
            drifted: objects.iter().cloned().collect(),
            held: (0..100).map(|_| HeldSet::new(&long, &long, &objects)).collect(),
            abandoned: Abandoned::new(objects.iter()),
            last_applied_revision: Some(Revision::new(&long, &long, &long, now)),
            ..GitOpsAppStatus::default()
        };
        for id in &objects {
            status.last_drifts.push(Drift::new(id.clone(), Some(&long), Some(&long), now));
            let took = time::Duration::MAX;
            status.history.push(SyncRecord::new(Some(&long), "interval", took, "Synced", now));
        }
        let found = Finding { status: Truth::False, reason: "SyncFailed", message: long };
        status.conditions.set(ConditionType::Ready, found, 1, now);
        let size = serde_json::to_string(&status).unwrap().len();
        assert!(size < 150_000, "{size} bytes");
        assert_eq!(status.abandoned.unwrap().count, 20_000);
    }

    #[test]
    fn a_revision_has_what_people_look_for() {
        let time = Timestamp::from_millisecond(1500).unwrap();
        let revision = Revision::new("0123456789abcdef", "Ada", "Scale the web\n\nBody", time);
        let expect = serde_json::json!({
            "sha": "0123456789abcdef", "short": "01234567", "author": "Ada",
            "subject": "Scale the web", "time": "1970-01-01T00:00:01Z",
        });
        assert_eq!(serde_json::to_value(revision).unwrap(), expect);
    }
}

//! Conditions, as `kubectl wait` and kstatus read them.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounded::{MESSAGE, text};

/// What a condition is about. For kstatus an app is ready if Ready is true, being worked on if Reconciling
/// is, and failed for good if Stalled is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
pub enum ConditionType {
    /// Whether the last commit is applied and all is in place.
    Ready,
    /// Whether a sync is under way or about to be tried again.
    Reconciling,
    /// Whether nothing will happen until a person changes something.
    Stalled,
    /// Whether the objects work.
    Healthy,
    /// Whether objects are not as git declares them.
    Drifted,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Truth {
    /// It does.
    True,
    /// It does not.
    False,
    /// It cannot be told.
    Unknown,
}

/// What was found about a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it holds.
    pub status: Truth,
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, as a sentence.
    pub message: String,
}

/// A condition of the Kubernetes API conventions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    #[schemars(length(max = 316), regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9./_-]*[A-Za-z0-9])?$"))]
    pub kind: String,
    /// Whether it holds: True, False or Unknown.
    pub status: Truth,
    /// The generation of the app that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// When its status changed last.
    pub last_transition_time: Timestamp,
    /// Why, in one word.
    #[schemars(
        length(min = 1, max = 1024),
        regex(pattern = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
    )]
    pub reason: String,
    /// Why, as a sentence.
    #[schemars(length(max = 32768))]
    pub message: String,
}

/// The conditions of an app, one of each type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend(
    "maxItems" = 16,
    "x-kubernetes-list-type" = "map",
    "x-kubernetes-list-map-keys" = ["type"]
))]
pub struct Conditions(Vec<Condition>);

impl Conditions {
    /// The condition of this type.
    pub fn get(&self, kind: ConditionType) -> Option<&Condition> {
        let name: &str = kind.into();
        self.0.iter().find(|condition| condition.kind == name)
    }

    /// Whether the condition of this type is known to hold.
    pub fn is_true(&self, kind: ConditionType) -> bool {
        self.get(kind).is_some_and(|condition| condition.status == Truth::True)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets a condition for this generation of the app. Its time is `now` only if its status changed.
    pub fn set(&mut self, kind: ConditionType, found: Finding, generation: i64, now: Timestamp) {
        let before = self.get(kind).filter(|before| before.status == found.status);
        let last_transition_time = before.map_or(whole(now), |before| before.last_transition_time);
        let condition = Condition {
            kind: <&str>::from(kind).to_owned(),
            status: found.status,
            observed_generation: Some(generation),
            last_transition_time,
            reason: found.reason.to_owned(),
            message: text(&found.message, MESSAGE),
        };
        match self.0.iter_mut().find(|other| other.kind == condition.kind) {
            Some(other) => *other = condition,
            None => self.0.push(condition),
        }
    }

    /// Takes a condition away, as is usual for Reconciling and Stalled when they no longer hold.
    pub fn clear(&mut self, kind: ConditionType) {
        let name: &str = kind.into();
        self.0.retain(|condition| condition.kind != name);
    }
}

/// Times of the Kubernetes API have whole seconds.
pub(super) fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(status: Truth, reason: &'static str) -> Finding {
        Finding { status, reason, message: format!("{reason}.") }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millisecond(second * 1000 + 700).unwrap()
    }

    #[test]
    fn only_another_status_changes_the_time() {
        let mut conditions = Conditions::default();
        let mut check = |status, reason: &'static str, second: i64, since: i64| {
            conditions.set(ConditionType::Ready, found(status, reason), second, at(second));
            let ready = conditions.get(ConditionType::Ready).unwrap();
            assert_eq!(ready.last_transition_time.as_millisecond(), since * 1000, "{reason}");
            assert_eq!((ready.status, ready.reason.as_str()), (status, reason));
            assert_eq!(ready.message, format!("{reason}."));
            assert_eq!(ready.observed_generation, Some(second));
        };
        check(Truth::True, "Synced", 10, 10);
        check(Truth::True, "Synced", 20, 10);
        check(Truth::True, "Partly", 30, 10);
        check(Truth::False, "SyncFailed", 40, 40);
        check(Truth::Unknown, "Progressing", 50, 50);
        check(Truth::False, "SyncFailed", 60, 60);
    }

    #[test]
    fn there_is_one_of_each_type() {
        use ConditionType::{Ready, Reconciling, Stalled};
        let mut conditions = Conditions::default();
        for kind in [Ready, Reconciling, Ready, Stalled] {
            conditions.set(kind, found(Truth::True, "Because"), 1, at(1));
        }
        let kinds = |conditions: &Conditions| -> Vec<String> {
            conditions.0.iter().map(|condition| condition.kind.clone()).collect()
        };
        assert_eq!(kinds(&conditions), ["Ready", "Reconciling", "Stalled"]);
        conditions.clear(Reconciling);
        assert_eq!(kinds(&conditions), ["Ready", "Stalled"]);
        assert!(conditions.is_true(Stalled) && !conditions.is_true(Reconciling));
    }

    #[test]
    fn a_condition_is_written_as_kubernetes_writes_it() {
        let mut conditions = Conditions::default();
        conditions.set(ConditionType::Drifted, found(Truth::False, "InSync"), 3, at(0));
        let expect = serde_json::json!([{
            "type": "Drifted", "status": "False", "observedGeneration": 3,
            "lastTransitionTime": "1970-01-01T00:00:00Z", "reason": "InSync", "message": "InSync.",
        }]);
        assert_eq!(serde_json::to_value(&conditions).unwrap(), expect);
    }
}

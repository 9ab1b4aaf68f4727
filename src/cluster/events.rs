//! Kubernetes Events (events.k8s.io/v1): what `kubectl describe` tells of an object.

use jiff::Timestamp;
use kube::api::PostParams;
use serde_json::{Value, json};

use super::{ApiError, Cluster, client};
use crate::object::{GroupKind, ObjectId};
use crate::plan::Resource;

/// Longest note that the API server takes, in bytes.
pub const NOTE_MAX: usize = 1024;
/// Longest `reportingInstance` that it takes.
const INSTANCE_MAX: usize = 128;
/// Longest name of an object.
const NAME_MAX: usize = 253;
/// Who tells.
const CONTROLLER: &str = "gitops-sync.dev/gitops-sync";
/// Where events on objects without a namespace go, as Kubernetes does it.
const CLUSTER_SCOPE: &str = "default";

/// Something that happened to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The object.
    pub regarding: Regarding,
    /// What happened, in one word.
    pub reason: &'static str,
    /// What we did or tried, in one word.
    pub action: &'static str,
    /// Whether it asks for attention.
    pub is_warning: bool,
    /// What happened, for people. It is cut to [`NOTE_MAX`].
    pub note: String,
    /// When.
    pub time: Timestamp,
}

/// The object that an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regarding {
    /// Which object.
    pub id: ObjectId,
    /// The version of its kind.
    pub version: String,
    /// Its uid, if known: `kubectl describe` finds by it.
    pub uid: Option<String>,
}

impl Cluster {
    /// Posts an event, in the name of this instance of the daemon and with its own rights.
    pub async fn post(&self, event: &Event, instance: &str) -> Result<(), ApiError> {
        let body = body(event, instance, rand::random());
        let id = ObjectId::new(events().kind, namespace(event), "");
        let request = client::requests(&events(), &id)
            .create(&PostParams::default(), body.to_string().into_bytes())
            .map_err(ApiError::BadRequest)?;
        self.in_own_name().send("create", request).await.map(drop)
    }
}

fn events() -> Resource {
    Resource {
        kind: GroupKind::new("events.k8s.io", "Event"),
        version: "v1".to_owned(),
        plural: "events".to_owned(),
        namespaced: true,
        listable: true,
    }
}

fn namespace(event: &Event) -> &str {
    match event.regarding.id.namespace.as_str() {
        "" => CLUSTER_SCOPE,
        namespace => namespace,
    }
}

fn body(event: &Event, instance: &str, unique: u64) -> Value {
    let Regarding { id, version, uid } = &event.regarding;
    let mut regarding = json!({
        "apiVersion": id.kind.api_version(version), "kind": id.kind.kind, "name": id.name,
    });
    if !id.namespace.is_empty() {
        regarding["namespace"] = json!(id.namespace);
    }
    if let Some(uid) = uid {
        regarding["uid"] = json!(uid);
    }
    json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name(&id.name, unique), "namespace": namespace(event)},
        // Microseconds: metav1.MicroTime.
        "eventTime": format!("{:.6}", event.time),
        "reportingController": CONTROLLER,
        "reportingInstance": cut(instance, INSTANCE_MAX),
        "regarding": regarding,
        "reason": event.reason,
        "action": event.action,
        "type": if event.is_warning { "Warning" } else { "Normal" },
        "note": cut(&event.note, NOTE_MAX),
    })
}

/// The event's own name: the object's, as far as a DNS subdomain can hold it, and a unique end.
fn name(object: &str, unique: u64) -> String {
    let end = format!("{unique:016x}");
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let labels = object.split('.').map(|label| label.chars().map(plain).collect::<String>());
    let labels = labels.map(|label| label.trim_matches('-').to_owned());
    let mut name = labels.filter(|label| !label.is_empty()).collect::<Vec<_>>().join(".");
    name.truncate(NAME_MAX - end.len() - 1);
    match name.trim_end_matches(['-', '.']) {
        "" => end,
        name => format!("{name}.{end}"),
    }
}

/// A text of at most so many bytes.
pub fn cut(text: &str, max: usize) -> String {
    const MORE: char = '…';
    if text.len() <= max {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(max.saturating_sub(MORE.len_utf8()));
    format!("{}{MORE}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_object_gets_a_valid_name() {
        let check = |object: &str, expect: &str| {
            assert_eq!(name(object, 0xAB), format!("{expect}00000000000000ab"), "{object}");
        };
        check("web", "web.");
        check("things.example.com", "things.example.com.");
        check("system:controller:X", "system-controller-x.");
        check("a:.b", "a.b.");
        check("..:", "");
        check("ü", "");
        check(&"a".repeat(253), &format!("{}.", "a".repeat(236)));
        check(&format!("{}.b", "a".repeat(235)), &format!("{}.", "a".repeat(235)));
    }

    #[test]
    fn texts_are_cut_in_bytes_between_characters() {
        let check = |text: &str, max, expect: &str| assert_eq!(cut(text, max), expect);
        check("abcdef", 6, "abcdef");
        check("abcdefg", 6, "abc…");
        check("äöüß", 7, "äö…");
    }

    #[test]
    fn an_event_on_a_cluster_scoped_object_goes_to_default() {
        let event = |namespace: &str| Event {
            regarding: Regarding {
                id: ObjectId::new(GroupKind::new("apps", "X"), namespace, "web"),
                version: "v1".to_owned(),
                uid: None,
            },
            reason: "Pruned",
            action: "Delete",
            is_warning: false,
            note: "ü".repeat(NOTE_MAX),
            time: Timestamp::constant(1_000_000_000, 5_000),
        };
        let cluster_scoped = body(&event(""), "pod", 1);
        assert_eq!(cluster_scoped["metadata"]["namespace"], "default");
        assert_eq!(
            cluster_scoped["regarding"],
            json!({"apiVersion": "apps/v1", "kind": "X", "name": "web"})
        );
        assert_eq!(cluster_scoped["eventTime"], "2001-09-09T01:46:40.000005Z");
        assert!(cluster_scoped["note"].as_str().unwrap().len() <= NOTE_MAX);
        let namespaced = body(&event("demo"), "pod", 1);
        assert_eq!(namespaced["metadata"]["namespace"], "demo");
        assert_eq!(namespaced["regarding"]["namespace"], "demo");
    }
}

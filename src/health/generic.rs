//! What the API conventions say of any object.

use serde_json::Value;

use super::Health;

/// The status of a condition of this type, and its message or else its reason.
pub fn condition<'a>(object: &'a Value, kind: &'a str) -> Option<(&'a str, &'a str)> {
    let conditions = object["status"]["conditions"].as_array()?;
    let found = conditions.iter().find(|condition| condition["type"] == kind)?;
    let text = |key: &str| found[key].as_str().filter(|text| !text.is_empty());
    Some((text("status")?, text("message").or_else(|| text("reason")).unwrap_or(kind)))
}

/// What keeps any object from working: a controller that has not seen it yet, or says that it is at it or
/// stuck.
pub fn obstacle(object: &Value) -> Option<Health> {
    let seen = object["status"]["observedGeneration"].as_i64();
    if seen.is_some_and(|seen| Some(seen) != object["metadata"]["generation"].as_i64()) {
        return Some(Health::progressing("its controller has not seen the last change yet"));
    }
    if let Some(("True", why)) = condition(object, "Stalled") {
        return Some(Health::failed(why));
    }
    match condition(object, "Reconciling") {
        Some(("True", why)) => Some(Health::progressing(why)),
        _ => None,
    }
}

/// By the condition Ready, where there is one.
pub fn ready(object: &Value) -> Health {
    match condition(object, "Ready") {
        Some(("False" | "Unknown", why)) => Health::progressing(why),
        _ => Health::Healthy,
    }
}

#[cfg(test)]
mod tests {
    use super::super::health;
    use super::*;
    use crate::object::GroupKind;
    use serde_json::json;

    #[test]
    fn conditions_tell() {
        let check = |status: Value, expect: &str| {
            let object = json!({"metadata": {"generation": 2}, "status": status});
            let found = health(&GroupKind::new("example.com", "Database"), &object);
            assert_eq!(found.to_string(), expect, "{status}");
        };
        let of = |kind: &str, status: &str| json!({"conditions": [{"type": kind, "status": status, "reason": "Why"}]});
        check(json!(null), "Healthy");
        check(json!({"observedGeneration": 2}), "Healthy");
        let unseen = "Progressing: its controller has not seen the last change yet";
        check(json!({"observedGeneration": 1}), unseen);
        check(of("Ready", "True"), "Healthy");
        check(of("Ready", "False"), "Progressing: Why");
        check(of("Ready", "Unknown"), "Progressing: Why");
        check(of("Stalled", "True"), "Failed: Why");
        check(of("Stalled", "False"), "Healthy");
        check(of("Reconciling", "True"), "Progressing: Why");
        check(json!({"conditions": "none"}), "Healthy");
    }
}

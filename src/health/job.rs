//! Jobs.

use serde_json::Value;

use super::Health;
use super::generic::condition;

/// A Job: it has run, or is not to.
pub fn job(object: &Value) -> Health {
    if let Some(("True", why)) = condition(object, "Failed") {
        return Health::failed(why);
    }
    let is_true = |kind| matches!(condition(object, kind), Some(("True", _)));
    if is_true("Complete") || is_true("Suspended") {
        return Health::Healthy;
    }
    Health::progressing("not complete yet")
}

#[cfg(test)]
mod tests {
    use super::super::health;
    use crate::object::GroupKind;
    use serde_json::json;

    #[test]
    fn a_job_works_once_it_is_complete() {
        let check = |kind: &str, expect: &str| {
            let conditions = json!([{"type": kind, "status": "True", "message": "why"}]);
            let object = json!({"status": {"conditions": conditions}});
            assert_eq!(health(&GroupKind::new("batch", "Job"), &object).to_string(), expect);
        };
        check("Complete", "Healthy");
        check("Suspended", "Healthy");
        check("Failed", "Failed: why");
        check("Other", "Progressing: not complete yet");
    }
}

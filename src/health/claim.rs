//! Claims of volumes.

use serde_json::Value;

use super::Health;

/// A claim: it has its volume.
pub fn claim(object: &Value) -> Health {
    match object["status"]["phase"].as_str() {
        Some("Bound") => Health::Healthy,
        Some("Lost") => Health::failed("its volume is lost"),
        _ => Health::progressing("not bound yet"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::health;
    use crate::object::GroupKind;
    use serde_json::json;

    #[test]
    fn a_claim_works_once_it_is_bound() {
        let check = |phase: &str, expect: &str| {
            let object = json!({"status": {"phase": phase}});
            let kind = GroupKind::new("", "PersistentVolumeClaim");
            assert_eq!(health(&kind, &object).to_string(), expect);
        };
        check("Bound", "Healthy");
        check("Pending", "Progressing: not bound yet");
        check("Lost", "Failed: its volume is lost");
    }
}

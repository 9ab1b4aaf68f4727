//! Tells refusals to change an immutable field from all others.

use kube::core::response::StatusCause;

use super::ApiError;

/// What the API server says of fields that cannot be changed.
const WORDS: &[&str] = &[
    "immutable",
    "may not change",
    "may not be changed",
    "may not be updated",
    "cannot change",
    "cannot be changed",
    "cannot be updated",
    "are forbidden",
    "oldSelf",
];

impl ApiError {
    /// The fields that cannot be changed, if that is all there is to a refusal. A bad value beside them, or
    /// the word of a webhook or a policy, makes it another.
    pub fn immutable(&self) -> Vec<&str> {
        let Self::Refused(status) = self else { return Vec::new() };
        let causes = status.details.as_ref().map(|details| details.causes.as_slice());
        let causes = causes.unwrap_or_default();
        let is_validation = status.code == 422 && status.message.contains("\" is invalid: ");
        if is_validation && causes.iter().all(is_immutable) {
            causes.iter().map(|cause| cause.field.as_str()).collect()
        } else {
            Vec::new()
        }
    }
}

fn is_immutable(StatusCause { reason, message, field }: &StatusCause) -> bool {
    let first = message.lines().next().unwrap_or_default();
    // A value may hold any words: what is said of it comes after it.
    let said = match reason.as_str() {
        "FieldValueForbidden" => first,
        "FieldValueInvalid" => first.rsplit(": ").next().unwrap_or_default(),
        _ => return false,
    };
    !field.is_empty() && WORDS.iter().any(|word| said.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;
    use kube::core::response::StatusDetails;

    fn refused(message: &str, causes: &[(&str, &str, &str)]) -> ApiError {
        let cause = |(reason, message, field): &(&str, &str, &str)| StatusCause {
            reason: (*reason).into(),
            message: (*message).into(),
            field: (*field).into(),
        };
        let causes = causes.iter().map(cause).collect();
        let text = String::new;
        let (name, group, kind, uid) = (text(), text(), text(), text());
        let details = StatusDetails { name, group, kind, uid, causes, retry_after_seconds: 0 };
        let mut status = Status::failure(message, "Invalid").with_details(details);
        status.code = 422;
        ApiError::Refused(Box::new(status))
    }

    #[test]
    fn only_a_field_that_cannot_change_is_immutable() {
        const INVALID: &str = "FieldValueInvalid";
        const FORBIDDEN: &str = "FieldValueForbidden";
        let check = |reason: &str, message: &str, expect: bool| {
            let error = refused("X \"x\" is invalid: spec: no", &[(reason, message, "spec")]);
            assert_eq!(error.immutable() == ["spec"], expect, "{message}");
        };
        // As Kubernetes 1.36 says it: see tests/e2e/replace.rs for the real ones.
        check(INVALID, "Invalid value: [\"10.0.0.9\"]: may not change once set", true);
        check(INVALID, "Invalid value: {\"matchLabels\":{\"a\":\"b\"}}: field is immutable", true);
        check(
            FORBIDDEN,
            "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden",
            true,
        );
        check(FORBIDDEN, "Forbidden: field is immutable when `immutable` is set", true);
        check(
            FORBIDDEN,
            "Forbidden: spec is immutable after creation except resources.requests\n  Spec{\n",
            true,
        );
        check(INVALID, "Invalid value: {\"kind\":\"Role\"}: cannot change roleRef", true);
        check(INVALID, "Invalid value: \"string\": failed rule: self == oldSelf", true);
        check(
            INVALID,
            "Invalid value: \"immutable: x\": a lowercase RFC 1123 label must consist of",
            false,
        );
        check("FieldValueRequired", "Required value: it is immutable", false);
        check("FieldValueNotSupported", "Unsupported value: \"immutable\"", false);
    }

    #[test]
    fn a_bad_value_beside_it_or_a_webhook_makes_it_another_refusal() {
        let immutable =
            ("FieldValueInvalid", "Invalid value: 1: field is immutable", "spec.selector");
        let typo = ("FieldValueRequired", "Required value", "spec.image");
        let invalid = "X \"x\" is invalid: [spec.selector, spec.image]";
        assert_eq!(refused(invalid, &[immutable]).immutable(), ["spec.selector"]);
        assert!(refused(invalid, &[immutable, typo]).immutable().is_empty());
        assert!(refused(invalid, &[]).immutable().is_empty());
        let webhook = "admission webhook \"w\" denied the request: spec is immutable";
        assert!(refused(webhook, &[immutable]).immutable().is_empty());
    }
}

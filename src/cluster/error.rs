//! What a request to the API server can end in.

use std::error::Error;
use std::time::Duration;

use kube::core::Status;
use kube::core::response::StatusCause;

use crate::object::GroupKind;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The API server answered, and refused.
    #[error("{}", one_line(&.0.message))]
    Refused(Box<Status>),
    /// No answer came.
    #[error("the API server cannot be reached: {0}")]
    Unreachable(String),
    /// No answer came in time.
    #[error(
        "the API server did not answer within {seconds} s{}",
        if *answers_others { ", though it answers others" } else { "" }
    )]
    TimedOut {
        /// How long was waited.
        seconds: f64,
        /// Whether it has answered other requests meanwhile.
        answers_others: bool,
    },
    /// The answer made no sense.
    #[error("the API server's answer cannot be read: {0}")]
    Unreadable(String),
    /// The request was not sent: only a leader writes.
    #[error(
        "no longer the leader: another replica may write by now, and goes on with what is to be done"
    )]
    NotLeader,
    /// The request could not be made.
    #[error("cannot make the request: {0}")]
    BadRequest(#[source] kube::core::request::Error),
    /// An app is to act as a service account, and the daemon acts as another user already.
    #[error(
        "the kubeconfig says to act as another user already, and an app's service account cannot be acted as beside that: remove \"as\" from it"
    )]
    ActingAlready,
    /// There is no usable configuration for a cluster.
    #[error("no cluster to talk to: {0}; set KUBECONFIG or --kubeconfig, or run inside a cluster")]
    NoConfiguration(String),
}

impl ApiError {
    /// HTTP code of a refusal, else 0.
    pub fn code(&self) -> u16 {
        match self {
            Self::Refused(status) => status.code,
            _ => 0,
        }
    }

    /// Whether the server says that the object of this name does not exist. Any other 404 (a version
    /// that is not served, a proxy) tells nothing about the object.
    pub fn says_gone(&self, name: &str) -> bool {
        let Self::Refused(status) = self else { return false };
        let about = status.details.as_ref().is_some_and(|details| details.name == name);
        status.code == 404 && status.reason == "NotFound" && about
    }

    /// Whether the object is not the one that the request was meant for: it changed, or there is one where
    /// none was expected. Fields that others own are no such refusal.
    pub fn is_stale(&self) -> bool {
        let Self::Refused(status) = self else { return false };
        status.code == 409 && status.reason == "Conflict" && self.conflicts().is_empty()
    }

    /// Whether whoever asks has no right to. Admission refuses with the same code, in other words.
    pub fn lacks_rights(&self) -> bool {
        let Self::Refused(status) = self else { return false };
        status.code == 403 && status.message.contains(" is forbidden: User \"")
    }

    /// Whether the server says that there is an object of this name already.
    pub fn says_exists(&self) -> bool {
        matches!(self, Self::Refused(status) if status.code == 409 && status.reason == "AlreadyExists")
    }

    /// The fields for which an apply without force was refused because others own them, as the API server
    /// writes them.
    pub fn conflicts(&self) -> Vec<&str> {
        self.causes("FieldManagerConflict").map(|cause| cause.field.as_str()).collect()
    }

    fn causes(&self, reason: &'static str) -> impl Iterator<Item = &StatusCause> {
        let status = match self {
            Self::Refused(status) => Some(status),
            _ => None,
        };
        let details = status.and_then(|status| status.details.as_ref());
        let causes = details.into_iter().flat_map(|details| &details.causes);
        causes.filter(move |cause| cause.reason == reason)
    }

    /// Whether nothing was wrong with the request itself, so that all others would fail as well.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::TimedOut { answers_others: false, .. })
    }

    /// Whether the pass is over, whatever else is to be sent: an outage, or others may write by now.
    pub fn ends_pass(&self) -> bool {
        self.is_outage() || matches!(self, Self::NotLeader)
    }

    /// Whether the server answers, but not this request.
    pub fn answers_others(&self) -> bool {
        matches!(self, Self::TimedOut { answers_others: true, .. })
    }

    /// Whether another answer may come soon: a server in trouble, not a refusal.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::TimedOut { .. }) || matches!(self.code(), 429 | 500..600)
    }

    /// How long to wait before another try, if the server has too much to do for the moment and says so.
    /// A broken extension of it answers 503 as well, but names no time.
    pub fn retry_after(&self) -> Option<Duration> {
        let Self::Refused(status) = self else { return None };
        let asked = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
        match (status.code, asked) {
            (429, 0) => Some(Duration::from_secs(1)),
            (429 | 503, 1..) => Some(Duration::from_secs(asked.into())),
            _ => None,
        }
    }

    /// The message about an object of this kind, as it may be shown. The API server quotes values; a
    /// Secret's are withheld.
    pub fn shown(&self, kind: &GroupKind) -> String {
        self.shown_of(kind, false)
    }

    /// The same about an object of which it is known whether it holds values of Secrets.
    pub fn shown_of(&self, kind: &GroupKind, holds_secrets: bool) -> String {
        match self {
            Self::Refused(status) if holds_secrets || kind.is("", "Secret") => {
                let reason = if status.reason.is_empty() { "refused" } else { &status.reason };
                format!(
                    "{reason} ({}): the API server's message is withheld because it may quote \
                     values of a Secret; look at it with kubectl apply --server-side --dry-run=server",
                    status.code
                )
            }
            _ => one_line(&self.to_string()),
        }
    }

    /// Whether nothing can be created because the namespace is being deleted.
    pub fn is_ending_namespace(&self) -> bool {
        self.causes("NamespaceTerminating").next().is_some()
    }

    /// Plural and name of the object that a refusal says does not exist.
    pub fn missing(&self) -> Option<(&str, &str)> {
        let Self::Refused(status) = self else { return None };
        let details = status.details.as_ref().filter(|details| !details.name.is_empty())?;
        (status.code == 404).then_some((details.kind.as_str(), details.name.as_str()))
    }
}

/// A message without its line breaks, and without the comparison of whole objects that the API server
/// appends to some. It may come from a server that anybody runs: what moves a cursor is left out, and its end if it
/// is long.
fn one_line(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default().trim_end();
    let words = || message.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = match first.strip_suffix("errors:") {
        _ if first.is_empty() => words(),
        Some(about) => format!("{about}{}", listed(message)),
        None => first.to_owned(),
    };
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect()
}

/// What the API server lists below the first line, in the order of the alphabet: its own differs from time to time, and
/// would make the same refusal look like another.
fn listed(message: &str) -> String {
    let lines = message.lines().skip(1).map(str::trim).filter(|line| !line.is_empty());
    let mut lines: Vec<_> = lines.collect();
    lines.sort_unstable();
    lines.join("; ")
}

/// Characters of a message.
const LONGEST: usize = 4096;

/// An error with all that caused it, without repetitions.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    one_line(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_says_when_to_come_again_is_asked_again() {
        let check = |code: u16, asked: u32, wait: Option<u64>| {
            let details = serde_json::json!({"retryAfterSeconds": asked});
            let status = Status::failure("no", "no").with_code(code);
            let status = status.with_details(serde_json::from_value(details).unwrap());
            let wait = wait.map(Duration::from_secs);
            assert_eq!(ApiError::Refused(Box::new(status)).retry_after(), wait, "{code} {asked}");
        };
        check(429, 0, Some(1));
        check(429, 7, Some(7));
        check(503, 7, Some(7));
        check(503, 0, None);
        check(500, 7, None);
        check(409, 7, None);
    }

    #[test]
    fn rights_are_told_from_admission() {
        let check = |code: u16, message: &str, expect: bool| {
            let status = Status::failure(message, "Forbidden").with_code(code);
            assert_eq!(ApiError::Refused(Box::new(status)).lacks_rights(), expect, "{message}");
        };
        let denied = "configmaps \"a\" is forbidden: User \"bob\" cannot patch resource \"configmaps\" in API group \"\" in the namespace \"demo\"";
        check(403, denied, true);
        check(422, denied, false);
        check(403, "pods \"a\" is forbidden: exceeded quota: q, requested: pods=1", false);
        check(403, "admission webhook \"w\" denied the request: no", false);
    }

    #[test]
    fn messages_are_one_line() {
        let check = |message: &str, shown: &str| {
            let error = ApiError::Refused(Box::new(Status::failure(message, "Invalid")));
            assert_eq!(error.shown(&GroupKind::new("", "ConfigMap")), shown);
        };
        check(
            "spec: Forbidden: it is immutable\n  Spec{\n+ a\n",
            "spec: Forbidden: it is immutable",
        );
        check("\n a\n b", "a b");
        // A pass that fails in the same way says the same.
        let typed = "failed to create typed patch object (x/d; apps/v1, Kind=Deployment): ";
        for order in [".spec.b: no\n  .spec.a: no", ".spec.a: no\n  .spec.b: no\n"] {
            check(
                &format!("{typed}errors:\n  {order}"),
                &format!("{typed}.spec.a: no; .spec.b: no"),
            );
        }
        check("a\u{1b}[2J\rb", "a [2J b");
        check(&"ü".repeat(LONGEST + 1), &"ü".repeat(LONGEST));
    }
}

//! Who sends webhooks, and how each of them signs and says what happened.

use http::HeaderMap;

use super::push::{Bitbucket, Generic, Github, Gitlab, Push};
use super::secret::WebhookSecret;

/// A sender of webhooks. Its name is the last part of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Provider {
    /// GitHub.
    Github,
    /// GitLab.
    Gitlab,
    /// Gitea, and Forgejo.
    Gitea,
    /// Bitbucket Cloud and Bitbucket Data Center.
    Bitbucket,
    /// Anything else that can sign.
    Generic,
}

/// What a webhook is about.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A push.
    Push(Push),
    /// Something that moves no branch, such as a ping.
    Other,
    /// Something not further told: it may concern any app.
    Unspecified,
    /// A push that cannot be read.
    Unreadable,
}

impl Provider {
    /// The header that shows that a request knows the secret.
    pub fn credential(self) -> &'static str {
        match self {
            Self::Github | Self::Generic => "X-Hub-Signature-256",
            Self::Gitlab => "X-Gitlab-Token",
            Self::Gitea => "X-Gitea-Signature",
            Self::Bitbucket => "X-Hub-Signature",
        }
    }

    /// Whether a request knows the secret.
    pub fn admits(self, secret: &WebhookSecret, headers: &HeaderMap, body: &[u8]) -> bool {
        let Some(credential) = headers.get(self.credential()) else { return false };
        let signature = credential.to_str().unwrap_or_default();
        match self {
            Self::Gitlab => secret.is(credential.as_bytes()),
            Self::Gitea => secret.signed(body, signature),
            Self::Github | Self::Bitbucket | Self::Generic => {
                signature.strip_prefix("sha256=").is_some_and(|hex| secret.signed(body, hex))
            }
        }
    }

    /// What a request is about.
    pub fn event(self, headers: &HeaderMap, body: &[u8]) -> Event {
        let is = |header: &str, values: &[&str]| {
            let value = headers.get(header).and_then(|value| value.to_str().ok());
            value.is_some_and(|value| values.contains(&value))
        };
        let (is_push, push): (bool, fn(&[u8]) -> Option<Push>) = match self {
            Self::Github => (is("X-GitHub-Event", &["push"]), Push::parse::<Github>),
            Self::Gitea => (is("X-Gitea-Event", &["push"]), Push::parse::<Github>),
            Self::Gitlab if is("X-Gitlab-Event", &["System Hook"]) => {
                // The header is the same for all events of the system.
                return Push::parse::<Gitlab>(body).map_or(Event::Other, Event::Push);
            }
            Self::Gitlab => {
                (is("X-Gitlab-Event", &["Push Hook", "Tag Push Hook"]), Push::parse::<Gitlab>)
            }
            Self::Bitbucket => {
                (is("X-Event-Key", &["repo:push", "repo:refs_changed"]), Push::parse::<Bitbucket>)
            }
            Self::Generic => {
                return Push::parse::<Generic>(body).map_or(Event::Unspecified, Event::Push);
            }
        };
        if !is_push {
            return Event::Other;
        }
        push(body).map_or(Event::Unreadable, Event::Push)
    }
}

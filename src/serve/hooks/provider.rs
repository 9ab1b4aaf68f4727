//! Who sends webhooks, and how each of them signs and says what happened.

use http::HeaderMap;

use super::push::{Bitbucket, Generic, Github, Gitlab, Push};
use super::secret::WebhookSecret;

const GITLAB_EVENT: &str = "X-Gitlab-Event";
/// The same for all events of the system.
const GITLAB_SYSTEM: &str = "System Hook";

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
        if !self.tells_of_push(headers) {
            return Event::Other;
        }
        let push = match self {
            Self::Github | Self::Gitea => Push::parse::<Github>(body),
            Self::Gitlab => Push::parse::<Gitlab>(body),
            Self::Bitbucket => Push::parse::<Bitbucket>(body),
            Self::Generic => Push::parse::<Generic>(body),
        };
        let otherwise = || match self {
            Self::Generic => Event::Unspecified,
            _ if has(headers, GITLAB_EVENT, &[GITLAB_SYSTEM]) => Event::Other,
            _ => Event::Unreadable,
        };
        push.map_or_else(otherwise, Event::Push)
    }

    /// Whether the headers let a push be in the body.
    fn tells_of_push(self, headers: &HeaderMap) -> bool {
        match self {
            Self::Github => has(headers, "X-GitHub-Event", &["push"]),
            Self::Gitea => has(headers, "X-Gitea-Event", &["push"]),
            Self::Gitlab => {
                has(headers, GITLAB_EVENT, &["Push Hook", "Tag Push Hook", GITLAB_SYSTEM])
            }
            Self::Bitbucket => has(headers, "X-Event-Key", &["repo:push", "repo:refs_changed"]),
            Self::Generic => true,
        }
    }
}

/// Whether a header has one of these values.
fn has(headers: &HeaderMap, name: &str, values: &[&str]) -> bool {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| values.contains(&value))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn each_sender_shows_that_it_knows_the_secret_in_its_own_way() {
        let secret = WebhookSecret::from_file_content(b"It's a Secret to Everybody").unwrap();
        // Test vector of GitHub's documentation of X-Hub-Signature-256.
        let hex = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let prefixed = format!("sha256={hex}");
        let check = |provider: Provider, header: &'static str, value: &str, ok: bool| {
            let headers = headers(&[(header, value)]);
            let is_admitted = provider.admits(&secret, &headers, b"Hello, World!");
            assert_eq!(is_admitted, ok, "{provider:?} {header}: {value}");
        };
        use Provider::{Bitbucket, Generic, Gitea, Github, Gitlab};
        check(Github, "x-hub-signature-256", &prefixed, true);
        check(Generic, "x-hub-signature-256", &prefixed, true);
        check(Bitbucket, "x-hub-signature", &prefixed, true);
        check(Gitea, "x-gitea-signature", hex, true);
        check(Gitlab, "x-gitlab-token", "It's a Secret to Everybody", true);
        check(Gitlab, "x-gitlab-token", "It's a Secret to Everybod", false);
        check(Gitlab, "x-gitlab-token", "", false);
        for (provider, header) in [
            (Github, "x-hub-signature-256"),
            (Bitbucket, "x-hub-signature"),
            (Generic, "x-hub-signature-256"),
        ] {
            check(provider, header, hex, false);
            check(provider, header, "sha256=", false);
            check(provider, header, &format!("sha1={hex}"), false);
            check(provider, header, "It's a Secret to Everybody", false);
        }
        check(Gitea, "x-gitea-signature", &prefixed, false);
        // What proves it to one is nothing to another, so that none is weaker than it says.
        check(Github, "x-gitlab-token", "It's a Secret to Everybody", false);
        check(Github, "x-hub-signature", &prefixed, false);
        check(Gitlab, "x-hub-signature-256", &prefixed, false);
        check(Bitbucket, "x-gitea-signature", hex, false);
    }

    /// The event of a body under an event header.
    fn event(provider: Provider, header: (&'static str, &str), body: &Value) -> Event {
        provider.event(&headers(&[header]), body.to_string().as_bytes())
    }

    fn push(urls: &[&str], refs: &[&str]) -> Event {
        let owned = |all: &[&str]| all.iter().map(ToString::to_string).collect();
        Event::Push(Push { urls: owned(urls), refs: Some(owned(refs)) })
    }

    #[test]
    fn pushes_of_github_and_gitea_are_read() {
        let body = json!({
            "ref": "refs/heads/main", "before": "0".repeat(40), "after": "1".repeat(40),
            "created": false, "deleted": false, "forced": true, "pusher": {"name": "bob"},
            "repository": {
                "id": 1, "full_name": "team/config", "private": true,
                "url": "https://git.example/api/repos/team/config",
                "html_url": "https://git.example/team/config",
                "clone_url": "https://git.example/team/config.git",
                "ssh_url": "git@git.example:team/config.git",
                "git_url": "git://git.example/team/config.git",
            },
            "commits": [{"id": "1".repeat(40), "modified": ["apps/a.yaml"]}],
        });
        let urls = [
            "https://git.example/team/config.git",
            "git@git.example:team/config.git",
            "git://git.example/team/config.git",
            "https://git.example/team/config",
        ];
        let mut tag = body.clone();
        tag["ref"] = json!("refs/tags/v1");
        let mut gitea = body.clone();
        gitea["repository"].as_object_mut().unwrap().remove("git_url");
        use Provider::{Gitea, Github};
        let check = |provider, header: (&'static str, &str), body: &Value, expected: Event| {
            assert_eq!(event(provider, header, body), expected, "{provider:?} {header:?}");
        };
        let (github, main) = (("x-github-event", "push"), ["refs/heads/main"]);
        check(Github, github, &body, push(&urls, &main));
        check(Github, github, &tag, push(&urls, &["refs/tags/v1"]));
        let three = [urls[0], urls[1], urls[3]];
        check(Gitea, ("x-gitea-event", "push"), &gitea, push(&three, &main));
        check(Github, ("x-github-event", "ping"), &json!({"zen": "Keep it simple."}), Event::Other);
        check(Github, ("x-github-event", "pull_request"), &body, Event::Other);
        check(Gitea, github, &body, Event::Other);
        check(Github, ("x-other", ""), &body, Event::Other);
        check(Github, github, &json!({"ref": "refs/heads/main"}), Event::Unreadable);
        check(Github, github, &json!({"ref": 1, "repository": {}}), Event::Unreadable);
        let form = Github.event(&headers(&[github]), b"payload=%7B%22ref%22%3A%22%22%7D");
        assert_eq!(form, Event::Unreadable);
    }

    #[test]
    fn pushes_of_gitlab_are_read() {
        let body = json!({
            "object_kind": "push", "event_name": "push", "ref": "refs/heads/main",
            "checkout_sha": "1".repeat(40), "user_username": "bob", "project_id": 15,
            "project": {
                "id": 15, "name": "config", "path_with_namespace": "team/config",
                "web_url": "https://git.example/team/config",
                "git_ssh_url": "git@git.example:team/config.git",
                "git_http_url": "https://git.example/team/config.git",
                "avatar_url": null, "ci_config_path": null,
            },
            "total_commits_count": 0, "commits": [],
        });
        let read = || {
            let urls = ["https://git.example/team/config.git", "git@git.example:team/config.git"];
            push(&[urls[0], urls[1], "https://git.example/team/config"], &["refs/heads/main"])
        };
        let check = |header: &str, body: &Value, expected: Event| {
            let found = event(Provider::Gitlab, ("x-gitlab-event", header), body);
            assert_eq!(found, expected, "{header}");
        };
        check("Push Hook", &body, read());
        check("Tag Push Hook", &body, read());
        check("System Hook", &body, read());
        check("System Hook", &json!({"event_name": "project_create"}), Event::Other);
        check("Issue Hook", &body, Event::Other);
        check("Push Hook", &json!({}), Event::Unreadable);
    }

    #[test]
    fn pushes_of_both_bitbuckets_are_read() {
        let cloud = json!({
            "actor": {"nickname": "bob"},
            "repository": {
                "full_name": "team/config", "scm": "git",
                "links": {
                    "self": {"href": "https://api.bitbucket.example/2.0/repositories/team/config"},
                    "html": {"href": "https://bitbucket.example/team/config"},
                },
            },
            "push": {"changes": [
                {"new": {"type": "branch", "name": "main"}, "old": {"type": "branch", "name": "main"}},
                {"new": {"type": "tag", "name": "v1"}, "old": null},
                {"new": null, "old": {"type": "branch", "name": "gone"}},
            ]},
        });
        let server = json!({
            "eventKey": "repo:refs_changed", "date": "2026-01-01T00:00:00+0000",
            "repository": {
                "slug": "config", "scmId": "git", "project": {"key": "TEAM"},
                "links": {
                    "clone": [
                        {"href": "ssh://git@bitbucket.example:7999/team/config.git", "name": "ssh"},
                        {"href": "https://bitbucket.example/scm/team/config.git", "name": "http"},
                    ],
                    "self": [{"href": "https://bitbucket.example/projects/TEAM/repos/config/browse"}],
                },
            },
            "changes": [{
                "ref": {"id": "refs/heads/main", "displayId": "main", "type": "BRANCH"},
                "refId": "refs/heads/main", "type": "UPDATE",
            }],
        });
        let check = |key: &str, body: &Value, expected: Event| {
            let found = event(Provider::Bitbucket, ("x-event-key", key), body);
            assert_eq!(found, expected, "{key}");
        };
        let refs = ["refs/heads/main", "refs/tags/v1", "refs/heads/gone"];
        check("repo:push", &cloud, push(&["https://bitbucket.example/team/config"], &refs));
        let urls = [
            "ssh://git@bitbucket.example:7999/team/config.git",
            "https://bitbucket.example/scm/team/config.git",
        ];
        check("repo:refs_changed", &server, push(&urls, &refs[..1]));
        check("diagnostics:ping", &json!({"test": true}), Event::Other);
        check("pullrequest:created", &cloud, Event::Other);
        check("repo:push", &json!({"push": {"changes": []}}), Event::Unreadable);
    }

    #[test]
    fn a_generic_webhook_may_name_a_repository_and_a_branch() {
        let check = |body: &str, expected: Event| {
            assert_eq!(
                Provider::Generic.event(&HeaderMap::new(), body.as_bytes()),
                expected,
                "{body}"
            );
        };
        let url = "https://git.example/team/config";
        let at = |name: &str| json!({"repository": url, "ref": name}).to_string();
        check(&at("main"), push(&[url], &["refs/heads/main"]));
        check(&at("refs/tags/v1"), push(&[url], &["refs/tags/v1"]));
        let any = Event::Push(Push { urls: vec![url.to_owned()], refs: None });
        check(&json!({"repository": url}).to_string(), any);
        for body in ["", "{}", "hello", "[1]", "{\"repository\": {\"html_url\": \"x\"}}"] {
            check(body, Event::Unspecified);
        }
    }
}

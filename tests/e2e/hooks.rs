//! Webhooks, as each provider sends them, to the real daemon.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};

use crate::support::{DEADLINE, Daemon, Fixture, config_map};

/// Knows the secret, and cannot be found in anything else.
const SECRET: &str = "s3cret-of-the-hooks";

/// A daemon that has synced once, and syncs again only when it is woken.
struct Woken {
    test: Fixture,
    daemon: Daemon,
}

impl Woken {
    fn new(name: &str) -> Self {
        let test = Fixture::new(name);
        test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
        let file = test.data.path().join("secret");
        fs::write(&file, format!("{SECRET}\n")).unwrap();
        let arguments = ["--interval", "1h", "--webhook-secret-file", file.to_str().unwrap()];
        let mut command = test.run_command_at(test.repo.url(), "apps", &arguments);
        command.env("RUST_LOG", "trace");
        let daemon = Daemon::start(command);
        daemon.line(&["INFO", "Synced", "created=1"]);
        Self { test, daemon }
    }

    fn post(&self, provider: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
        let url = format!("{}/hooks/{provider}", self.daemon.url());
        testbed::http("POST", &url, headers, body).unwrap()
    }

    /// Sends an event as a provider does, signed with a secret.
    fn send(&self, provider: &str, event: &str, secret: &str, body: &[u8]) -> (u16, String) {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(body);
        let hex = hex::encode(mac.finalize().into_bytes());
        let prefixed = format!("sha256={hex}");
        let headers = match provider {
            "github" => [("X-Hub-Signature-256", &*prefixed), ("X-GitHub-Event", event)],
            "gitea" => [("X-Gitea-Signature", &*hex), ("X-Gitea-Event", event)],
            "gitlab" => [("X-Gitlab-Token", secret), ("X-Gitlab-Event", event)],
            "bitbucket" => [("X-Hub-Signature", &*prefixed), ("X-Event-Key", event)],
            _ => [("X-Hub-Signature-256", &*prefixed), ("X-Event", event)],
        };
        self.post(provider, &headers, body)
    }

    /// Announces a body of this length, and gives the first line of the answer. The body itself is never
    /// sent: a client that is refused while it writes may not get to see why.
    fn announce(&self, provider: &str, length: usize) -> String {
        let url = self.daemon.url();
        let address = url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let path = format!("/hooks/{provider}");
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\n\r\n"
        )
        .unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    }

    /// Sends a signed event, which must be accepted; says what came of it.
    fn accepted(&self, provider: &str, event: &str, body: &Value) -> String {
        let (code, text) = self.send(provider, event, SECRET, body.to_string().as_bytes());
        assert_eq!(code, 202, "{provider} {event}: {text}");
        text
    }

    /// Sends what wakes the app, and waits for the commit of this moment.
    fn wakes(&self, value: &str, send: impl FnOnce() -> String) {
        let commit = self.test.commit(&[("apps/a.yaml", &config_map("a", value))]);
        assert_eq!(send(), "sync requested\n", "{value}");
        self.daemon.line(&["INFO", "Synced", "trigger=\"webhook\"", &commit, "configured=1"]);
    }

    /// Passes that a webhook started.
    fn passes(&self) -> usize {
        let lines = self.daemon.0.lines();
        lines.iter().filter(|l| l.contains("Synced") && l.contains("trigger=\"webhook\"")).count()
    }
}

/// A push as GitHub and Gitea tell it.
fn github(url: &str, branch: &str) -> Value {
    json!({"ref": format!("refs/heads/{branch}"), "repository": {"clone_url": url}})
}

#[test]
fn a_push_wakes_the_app_at_once_whoever_tells_it() {
    let woken = Woken::new("hooks");
    let url = woken.test.repo.url();
    let gitlab = json!({"ref": "refs/heads/main", "project": {"git_http_url": url}});
    let change = json!({"new": {"type": "branch", "name": "main"}, "old": null});
    let links = json!({"html": {"href": url.trim_end_matches(".git")}});
    let cloud = json!({"repository": {"links": links}, "push": {"changes": [change]}});
    let links = json!({"clone": [{"href": url, "name": "http"}]});
    let change = json!({"ref": {"id": "refs/heads/main"}});
    let server = json!({"repository": {"links": links}, "changes": [change]});
    let by_ssh = url.replace("http://", "ssh://git@");
    let sent = [
        ("github", "push", github(url, "main")),
        ("gitea", "push", github(&by_ssh, "main")),
        ("gitlab", "Push Hook", gitlab),
        ("bitbucket", "repo:push", cloud),
        ("bitbucket", "repo:refs_changed", server),
        ("generic", "", json!({"repository": url, "ref": "main"})),
        ("generic", "", json!({})),
    ];
    for (n, (provider, event, body)) in sent.iter().enumerate() {
        let value = format!("{provider} {n}");
        woken.wakes(&value, || woken.accepted(provider, event, body));
    }
    for path in ["/livez", "/readyz", "/healthz", "/metrics"] {
        let url = format!("{}{path}", woken.daemon.url());
        assert_eq!(testbed::http("GET", &url, &[], b"").unwrap().0, 200, "{path}");
    }
    let said = woken.daemon.0.lines();
    assert!(said.iter().all(|line| !line.contains(SECRET)), "the secret is in the log");
}

#[test]
fn what_concerns_no_app_is_accepted_and_wakes_none() {
    let woken = Woken::new("hooks-other");
    let url = woken.test.repo.url();
    let other = url.replace("config", "other");
    let none = "no app follows this branch of this repository\n";
    let tag = json!({"ref": "refs/tags/main2", "repository": {"clone_url": url}});
    let sent = [
        ("github", "push", github(url, "dev"), none),
        ("github", "push", github(&other, "main"), none),
        ("gitea", "push", tag, none),
        ("generic", "", json!({"repository": other}), none),
        ("github", "ping", json!({"zen": "Keep it simple."}), "only pushes start a sync\n"),
        ("gitlab", "Issue Hook", json!({}), "only pushes start a sync\n"),
    ];
    for (provider, event, body, answer) in &sent {
        assert_eq!(woken.accepted(provider, event, body), *answer, "{provider} {event} {body}");
    }
    assert_eq!(woken.send("github", "push", SECRET, b"payload=%7B%7D").0, 400);
    // What would have been woken before has passed before the second of these.
    for value in ["2", "3"] {
        woken.wakes(value, || woken.accepted("github", "push", &github(url, "main")));
    }
    assert_eq!(woken.passes(), 2);
}

#[test]
fn no_url_of_a_payload_is_fetched() {
    let woken = Woken::new("hooks-urls");
    let url = woken.test.repo.url();
    let trap = url.replace("config", "trap");
    let urls = json!({"clone_url": trap, "ssh_url": trap, "html_url": url, "git_url": trap});
    let push = json!({"ref": "refs/heads/main", "repository": urls, "compare": trap});
    woken.wakes("2", || woken.accepted("github", "push", &push));
    let requests = woken.test.git.requests();
    assert!(requests.iter().any(|request| request.contains("config")), "{requests:?}");
    assert!(requests.iter().all(|request| !request.contains("trap")), "{requests:?}");
}

#[test]
fn who_does_not_know_the_secret_wakes_nothing_and_uses_nothing_up() {
    let woken = Woken::new("hooks-noise");
    let push = github(woken.test.repo.url(), "main").to_string();
    for provider in ["github", "gitea", "gitlab", "bitbucket", "generic"] {
        assert_eq!(woken.send(provider, "push", "guessed", push.as_bytes()).0, 401, "{provider}");
        assert_eq!(woken.post(provider, &[], push.as_bytes()).0, 401, "{provider}");
        let refused = woken.announce(provider, (1 << 20) + 1);
        assert!(refused.starts_with("HTTP/1.1 413 "), "{provider}: {refused}");
    }
    assert_eq!(woken.post("sourceforge", &[], push.as_bytes()).0, 404);
    let noise = || woken.send("github", "push", "guessed", push.as_bytes()).0;
    assert!((0..2_000).any(|_| noise() == 429), "noise is never too much");
    for value in ["2", "3"] {
        woken.wakes(value, || woken.send("github", "push", SECRET, push.as_bytes()).1);
    }
    assert_eq!(woken.passes(), 2);
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
    let woken = Woken::new("hooks-slow");
    let refused = woken.announce("github", 100);
    assert!(refused.starts_with("HTTP/1.1 408 "), "{refused}");
}

#[test]
fn too_many_webhooks_are_refused_and_later_ones_are_served_again() {
    let woken = Woken::new("hooks-many");
    let push = github(woken.test.repo.url(), "main").to_string();
    let send = || woken.send("github", "push", SECRET, push.as_bytes());
    let refused = (0..2_000).map(|_| send()).find(|(code, _)| *code != 202);
    assert_eq!(refused, Some((429, "too many webhooks: send it again later\n".to_owned())));
    let commit = woken.test.commit(&[("apps/a.yaml", &config_map("a", "2"))]);
    let served = testbed::eventually(DEADLINE, "a webhook to be served", || {
        let (code, text) = send();
        if code == 202 { Ok(Some(())) } else { Err(text) }
    });
    served.unwrap();
    woken.daemon.line(&["INFO", "Synced", "trigger=\"webhook\"", &commit, "configured=1"]);
}

#[test]
fn without_a_secret_there_are_no_webhooks() {
    let test = Fixture::new("nohook");
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=1"]);
    for provider in ["github", "gitea", "gitlab", "bitbucket", "generic"] {
        let url = format!("{}/hooks/{provider}", daemon.url());
        assert_eq!(testbed::http("POST", &url, &[], b"").unwrap().0, 404, "{provider}");
    }
}

//! Kubeconfigs that lead to a server of the tenant's own making.

use std::fs;

use serde_json::json;
use testbed::{RogueAnswer, RogueServer, eventually};

use super::Attack;
use super::clusters::there;
use crate::support::{DEADLINE, config_map};

/// An app of the tenant whose cluster is a rogue server, beside an honest one that is ready.
fn led_astray(
    attack: &Attack,
    answers: impl Fn(&str) -> RogueAnswer + Send + Sync + 'static,
) -> RogueServer {
    let rogue = RogueServer::start(answers).unwrap();
    attack.apps.test.commit(&[("web/a.yaml", &config_map("a", "1"))]);
    attack.secret("other", json!({"value": rogue.kubeconfig()}));
    attack.app("astray", "web", there(json!({})));
    attack.app("honest", "web", json!({}));
    attack.apps.wait("honest", "Ready");
    rogue
}

/// Waits until the app says that it cannot be synced, and why.
fn trouble(attack: &Attack) -> String {
    eventually(DEADLINE, "the app to be in trouble", || {
        let ready = attack.apps.condition("astray", "Ready");
        let said = ready["message"].as_str().unwrap_or_default().to_owned();
        if ready["status"] == "False" { Ok(Some(said)) } else { Err(ready.to_string()) }
    })
    .unwrap_or_else(|error| panic!("{error}\n{:#?}", attack.apps.daemon.0.lines()))
}

#[test]
fn a_server_that_leads_elsewhere_is_not_followed() {
    let attack = Attack::new("redirected");
    let to = attack.theirs.url().to_owned();
    let rogue = led_astray(&attack, move |_| RogueAnswer::Redirect(to.clone()));
    trouble(&attack);
    assert!(!rogue.requests().is_empty());
    let requests = attack.apps.test.git.requests();
    assert!(requests.iter().all(|request| !request.contains("victim")), "{requests:#?}");
}

#[test]
fn a_server_that_never_stops_talking_takes_no_memory() {
    let attack = Attack::new("endless");
    let rogue = led_astray(&attack, |_| RogueAnswer::Endless(400 << 20));
    let said = trouble(&attack);
    assert!(said.contains("too much"), "{said}");
    assert!(!rogue.requests().is_empty());
    let status = format!("/proc/{}/status", attack.apps.daemon.0.id());
    let status = fs::read_to_string(status).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: usize = most.split_whitespace().next().unwrap().parse().unwrap();
    assert!(kilobytes < 250 << 10, "{kilobytes} kB");
}

#[test]
fn a_server_that_forges_words_does_not_forge_lines_of_the_log() {
    let attack = Attack::new("forged-words");
    led_astray(&attack, |_| {
        let message = "no\n2026-01-01T00:00:00Z  INFO forged\u{1b}[2J\r\nforged";
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403,
            "reason": "Forbidden", "message": message,
        });
        RogueAnswer::Body(403, status.to_string())
    });
    let said = trouble(&attack);
    assert!(!said.contains('\u{1b}'), "{said:?}");
    let lines = attack.apps.daemon.0.lines();
    let forged = lines.iter().find(|line| {
        line.contains('\u{1b}') || line.starts_with("forged") || line.starts_with("2026-01-01")
    });
    assert_eq!(forged, None);
}

//! A key management service, by a stand-in for Vault's transit engine that checks the token: sops asks it for keys.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::{Asked, StandIn, Tool};

use crate::support::{Daemon, Fixture, plane};

const TOKEN: &str = "canary-of-vault";
const CANARY: &str = "hunter2-transit";

/// A stand-in for Vault, and the address of its key.
fn vault() -> (StandIn, String) {
    let server = StandIn::start("Vault", answer).unwrap();
    let key = format!("{}/v1/transit/keys/app", server.url());
    (server, key)
}

fn answer(asked: &Asked) -> (u16, String) {
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let is_known = asked.header("x-vault-token") == Some(TOKEN);
    let (status, answer) = match (is_known, body["plaintext"].as_str(), body["ciphertext"].as_str())
    {
        (true, Some(plain), _) => (200, json!({"data": {"ciphertext": sealed(plain)}})),
        (true, None, Some(sealed)) => (200, json!({"data": {"plaintext": opened(sealed)}})),
        _ => (403, json!({"errors": ["permission denied"]})),
    };
    (status, answer.to_string())
}

fn sealed(plain: &str) -> String {
    format!("vault:v1:{}", plain.chars().rev().collect::<String>())
}

fn opened(sealed: &str) -> String {
    sealed.trim_start_matches("vault:v1:").chars().rev().collect()
}

/// A Secret, encrypted with the key at this address.
fn encrypted(test: &Fixture, key: &str) -> String {
    let file = test.data.path().join("secret.yaml");
    let text = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\nstringData: {{p: {CANARY}}}\n"
    );
    fs::write(&file, text).unwrap();
    let mut command: Command = plane().programs().command(Tool::Sops);
    command.args(["encrypt", "--hc-vault-transit", key, "--encrypted-regex", "^stringData$"]);
    let output = command.arg(&file).env("VAULT_TOKEN", TOKEN).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    fs::remove_file(file).unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn assert_silent(daemon: &Daemon) {
    let said = daemon.0.lines().join("\n") + &daemon.metrics();
    assert!(!said.contains(TOKEN) && !said.contains(CANARY), "{said}");
}

/// A folder of keys with these entries, and the flag that names it.
fn keys(entries: &[(&str, &str)]) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in entries {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let flag = format!("--decryption-keys={}", folder.path().display());
    (folder, flag)
}

#[test]
fn vault_gives_keys_to_whom_has_a_token() {
    let test = Fixture::new("sopsvault");
    let (server, key) = vault();
    test.commit(&[("apps/a.yaml", &encrypted(&test, &key))]);
    let (folder, keys) =
        keys(&[("sops.vault-token", "another"), ("sops.vault-address", &server.url())]);
    let daemon = test.run(&[&keys]);
    daemon.line(&["apps/a.yaml: is encrypted for app", "has a key of none of them"]);
    fs::write(folder.path().join("sops.vault-token"), TOKEN).unwrap();
    daemon.line(&["INFO Synced", "created=1"]);
    assert_silent(&daemon);
}

#[test]
fn what_the_environment_gives_access_to_counts_only_where_that_is_said() {
    let test = Fixture::new("sopskms");
    let (server, key) = vault();
    test.commit(&[("apps/a.yaml", &encrypted(&test, &key))]);
    let run = |arguments: &[&str]| {
        let mut command = test.run_command_at(test.repo.url(), "apps", arguments);
        command.env("VAULT_TOKEN", TOKEN).env("VAULT_ADDR", server.url());
        Daemon::start(command)
    };
    let age = plane().programs().command(Tool::AgeKeygen).output().unwrap().stdout;
    let (_folder, keys) = keys(&[("k.agekey", std::str::from_utf8(&age).unwrap())]);
    let daemon = run(&[&keys]);
    daemon.line(&["apps/a.yaml: is encrypted for app", "has a key of none of them"]);
    assert_silent(&daemon);
    drop(daemon);
    let daemon = run(&["--sops-kms"]);
    daemon.line(&["INFO Synced", "created=1"]);
    assert_silent(&daemon);
}

/// Which Vault is asked stands in the file, where anybody writes it.
#[test]
fn a_token_is_sent_nowhere_but_where_its_owner_said() {
    let test = Fixture::new("sopsthief");
    let (server, key) = vault();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let thief = StandIn::start("thief", move |request| {
        count.fetch_add(1, Relaxed);
        answer(request)
    });
    let thief = thief.unwrap();
    let stolen = encrypted(&test, &key).replace(&server.url(), &thief.url());
    test.commit(&[("apps/a.yaml", &stolen)]);
    let (_folder, keys) =
        keys(&[("sops.vault-token", TOKEN), ("sops.vault-address", &server.url())]);
    for (flag, address) in
        [("--sops-kms", server.url()), ("--sops-kms", String::new()), (&*keys, String::new())]
    {
        let mut command = test.run_command_at(test.repo.url(), "apps", &[flag]);
        command.env("VAULT_TOKEN", TOKEN).env("VAULT_ADDR", address);
        let daemon = Daemon::start(command);
        daemon.line(&[
            "apps/a.yaml: is encrypted by a Vault whose address only the file itself gives",
        ]);
        assert_silent(&daemon);
    }
    assert_eq!(asked.load(Relaxed), 0);
}

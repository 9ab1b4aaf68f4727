//! A key management service, by a stand-in for Vault's transit engine that checks the token: sops asks it for keys.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use serde_json::{Value, json};
use testbed::Tool;

use crate::support::{Daemon, Fixture, plane};

const TOKEN: &str = "canary-of-vault";
const CANARY: &str = "hunter2-transit";

/// Starts a stand-in for Vault, and gives the address of its key.
fn vault() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            thread::spawn(move || serve(connection));
        }
    });
    format!("http://{address}/v1/transit/keys/app")
}

/// Answers one request.
fn serve(mut connection: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    let (mut lines, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        let line = line.trim().to_owned();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = value.parse().ok()?;
        }
        lines.push(line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body: Value = serde_json::from_slice(&body).ok()?;
    let is_known = lines.iter().any(|line| line.ends_with(&format!(": {TOKEN}")));
    let (status, answer) = match (is_known, body["plaintext"].as_str(), body["ciphertext"].as_str())
    {
        (true, Some(plain), _) => ("200 OK", json!({"data": {"ciphertext": sealed(plain)}})),
        (true, None, Some(sealed)) => ("200 OK", json!({"data": {"plaintext": opened(sealed)}})),
        _ => ("403 Forbidden", json!({"errors": ["permission denied"]})),
    };
    let answer = answer.to_string();
    let length = answer.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    connection.write_all((head + &answer).as_bytes()).ok()
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

#[test]
fn vault_gives_keys_to_whom_has_a_token() {
    let test = Fixture::new("sopsvault");
    let key = vault();
    test.commit(&[("apps/a.yaml", &encrypted(&test, &key))]);
    let folder = tempfile::tempdir().unwrap();
    let keys = format!("--decryption-keys={}", folder.path().display());
    fs::write(folder.path().join("sops.vault-token"), "another").unwrap();
    let daemon = test.run(&[&keys]);
    daemon.line(&["apps/a.yaml: is encrypted for app", "has a key of none of them"]);
    fs::write(folder.path().join("sops.vault-token"), TOKEN).unwrap();
    daemon.line(&["INFO Synced", "created=1"]);
    assert_silent(&daemon);
}

#[test]
fn what_the_environment_gives_access_to_counts_only_where_that_is_said() {
    let test = Fixture::new("sopskms");
    let key = vault();
    test.commit(&[("apps/a.yaml", &encrypted(&test, &key))]);
    let run = |arguments: &[&str]| {
        let mut command = test.run_command_at(test.repo.url(), "apps", arguments);
        command.env("VAULT_TOKEN", TOKEN);
        Daemon::start(command)
    };
    let folder = tempfile::tempdir().unwrap();
    let age = plane().programs().command(Tool::AgeKeygen).output().unwrap().stdout;
    fs::write(folder.path().join("k.agekey"), age).unwrap();
    let keys = format!("--decryption-keys={}", folder.path().display());
    let daemon = run(&[&keys]);
    daemon.line(&["apps/a.yaml: is encrypted for app", "has a key of none of them"]);
    assert_silent(&daemon);
    drop(daemon);
    let daemon = run(&["--sops-kms"]);
    daemon.line(&["INFO Synced", "created=1"]);
    assert_silent(&daemon);
}

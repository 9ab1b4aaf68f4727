//! Commits that are signed, and those that change nothing for want of it: by real git, gpg and ssh-keygen.

mod range;
mod signers;
mod tags;

use serde_json::{Value, json};
use testbed::{Repo, eventually};

use crate::apps::Apps;
use crate::object;
use crate::support::{DEADLINE, config_map};
use signers::{People, Signer, push};

/// A public key to let sign.
fn verify(mode: &str, keys: &[&Signer]) -> Value {
    let keys: Vec<_> = keys.iter().map(|signer| &signer.public).collect();
    json!({"mode": mode, "keys": keys})
}

/// Writes the one object of an app.
fn write(repo: &Repo, name: &str, value: &str) {
    repo.write("apps/a.yaml", config_map(name, value)).unwrap();
}

impl Apps {
    /// Waits until an app says that it refuses a commit, or what else is named, and why.
    fn refuses(&self, app: &str, reason: &str, words: &[&str]) {
        eventually(DEADLINE, &format!("{app} to refuse {words:?}"), || {
            let ready = self.condition(app, "Ready");
            let message = ready["message"].as_str().unwrap_or_default();
            let is_said =
                ready["reason"] == reason && words.iter().all(|word| message.contains(word));
            if is_said { Ok(Some(())) } else { Err(ready.to_string()) }
        })
        .unwrap_or_else(|error| panic!("{error}\n{:#?}", self.daemon.0.lines()));
    }

    fn app_of(&self, name: &str, repo: &Repo, verify: &Value, more: Value) {
        let mut spec =
            json!({"repoURL": repo.url(), "path": "apps", "interval": "1s", "verify": verify});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.apply(name, &spec);
    }

    /// The events on an app for this reason, each with its note.
    fn notes(&self, app: &str, reason: &str) -> Vec<String> {
        let all = object::list(&self.test.namespace, "events.events.k8s.io");
        let of_it = all.iter().filter(|e| e["regarding"]["name"] == app && e["reason"] == reason);
        of_it.map(|event| event["note"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

/// A commit that was signed by somebody, with another tree than was signed.
fn tampered(repo: &Repo, signed: &str) -> String {
    let tree = repo.git(&["rev-parse", "HEAD^{tree}"]).unwrap();
    let raw = repo.git(&["cat-file", "commit", signed]).unwrap();
    let old = repo.git(&["rev-parse", &format!("{signed}^{{tree}}")]).unwrap();
    let file = repo.path().join("tampered");
    std::fs::write(&file, format!("{}\n", raw.replace(&old, &tree))).unwrap();
    repo.git(&["hash-object", "-t", "commit", "-w", file.to_str().unwrap()]).unwrap()
}

/// Pushes a commit that somebody signs, or nobody, or that has another tree than was signed.
fn push_next(repo: &Repo, name: &str, signer: Option<&Signer>) -> String {
    let good = repo.head().unwrap();
    write(repo, name, "2");
    let Some(signer) = signer else {
        let commit = repo.commit("Next").unwrap();
        if name != "tampered" {
            return commit;
        }
        repo.git(&["reset", "-q", "--hard", &tampered(repo, &good)]).unwrap();
        return push(repo);
    };
    signer.push(repo, "Next")
}

#[test]
fn a_commit_counts_by_who_has_signed_it() {
    let Some(people) = People::new() else { return };
    let apps = Apps::new("verify");
    let (ada, eve) = (people.gpg("ada", "ed25519"), people.gpg("eve", "rsa2048"));
    let (old, lost) = (people.gpg_expired("old"), people.gpg("lost", "nistp256"));
    let ssh = |name: &str, algorithm: &[&str]| people.ssh(name, algorithm);
    let ed25519 = ssh("ed25519", &["ed25519"]);
    let (rsa, ecdsa) = (ssh("rsa", &["rsa", "-b", "2048"]), ssh("ecdsa", &["ecdsa", "-b", "384"]));
    let (late, trent) = (ssh("late", &["ed25519"]), ssh("trent", &["ed25519"]));
    let lines = [
        format!("ed@example.com namespaces=\"git\" {}", ed25519.public),
        format!("late@example.com valid-before=\"20200101\" {}", late.public),
        format!("{}{}", rsa.public, ecdsa.public),
    ];
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"},
        "stringData": {
            "ada.asc": ada.public, "old.asc": old.public, "lost.asc": people.revoked("lost", &lost),
            "allowed_signers": lines.concat(),
        },
    });
    let arguments = ["create", "-n", &apps.test.namespace, "-f", "-"];
    crate::support::plane().kubectl_with_stdin(&arguments, &secret.to_string()).unwrap();
    let cases: [(&str, Option<&Signer>, Option<&str>); 11] = [
        ("by-ada", Some(&ada), None),
        ("by-ed25519", Some(&ed25519), None),
        ("by-rsa", Some(&rsa), None),
        ("by-ecdsa", Some(&ecdsa), None),
        ("by-nobody", None, Some("is not signed")),
        ("by-eve", Some(&eve), Some("which spec.verify does not have")),
        ("by-trent", Some(&trent), Some("which spec.verify does not have")),
        ("by-old", Some(&old), Some("has expired")),
        ("by-late", Some(&late), Some("has expired")),
        ("by-lost", Some(&lost), Some("is revoked")),
        ("tampered", None, Some("does not fit")),
    ];
    let begin = |name: &str| {
        let repo = apps.test.git.create_repo(name).unwrap();
        write(&repo, name, "1");
        ada.push(&repo, "Good");
        apps.app_of(name, &repo, &json!({"secretRef": {"name": "keys"}}), json!({}));
        repo
    };
    let repos: Vec<Repo> = cases.iter().map(|(name, ..)| begin(name)).collect();
    for (name, ..) in &cases {
        apps.wait(name, "Ready");
    }
    let push = |(case, repo): (&(&str, Option<&Signer>, _), _)| push_next(repo, case.0, case.1);
    let pushed: Vec<String> = cases.iter().zip(&repos).map(push).collect();
    for ((name, _, refused), commit) in cases.iter().zip(&pushed) {
        let Some(why) = refused else {
            apps.applied(name, commit);
            continue;
        };
        apps.refuses(name, "VerificationFailed", &[&commit[..8], why]);
        assert_eq!(apps.test.field(&format!("configmap/{name}"), ".data.key"), "1");
        let applied = ".status.lastAppliedRevision.sha";
        assert_ne!(apps.test.field(&format!("gapp/{name}"), applied), *commit);
    }
    let by = ".status.lastAppliedRevision.verifiedBy";
    assert!(apps.test.field("gapp/by-ada", by).starts_with("OpenPGP key "));
    assert!(apps.test.field("gapp/by-rsa", by).starts_with("SSH key SHA256:"));
    let of_newest = ".status.history[0].verifiedBy";
    assert!(apps.test.field("gapp/by-rsa", of_newest).starts_with("SSH key SHA256:"));
}

#[test]
fn a_refused_commit_is_told_once_and_what_is_in_place_stays() {
    let Some(people) = People::new() else { return };
    let apps = Apps::new("verify-stays");
    let (ada, repo) = (people.ssh("ada", &["ed25519"]), &apps.test.repo);
    write(repo, "a", "1");
    repo.write("apps/b.yaml", config_map("b", "1")).unwrap();
    let first = ada.push(repo, "One");
    apps.app_of("web", repo, &verify("HEAD", &[&ada]), json!({}));
    apps.applied("web", &first);
    write(repo, "a", "2");
    repo.remove("apps/b.yaml").unwrap();
    let bad = repo.commit("Two").unwrap();
    apps.refuses("web", "VerificationFailed", &[&bad[..8], "is not signed"]);
    // What others change is put back, to what was accepted.
    apps.test.kubectl(&["patch", "configmap/a", "-p", r#"{"data":{"key":"3"}}"#]);
    apps.test.expect("configmap/a", ".data.key", "1");
    apps.test.kubectl(&["delete", "configmap/b"]);
    apps.test.expect("configmap/b", ".data.key", "1");
    // Passes go on, and say it no more.
    let app = format!("app=\"{}.web\"", apps.test.namespace);
    let series = format!("gitops_sync_failures_total{{{app},reason=\"VerificationFailed\"}}");
    eventually(DEADLINE, "three passes", || {
        let metrics = apps.daemon.metrics();
        let count =
            metrics.lines().find_map(|line| line.strip_prefix(&series)?.trim().parse().ok());
        if count.unwrap_or(0) >= 3 { Ok(Some(())) } else { Err(metrics) }
    })
    .unwrap();
    let metrics = apps.daemon.metrics();
    let is_shown = |commit: &str| {
        metrics
            .lines()
            .any(|line| line.starts_with("gitops_sync_revision") && line.contains(commit))
    };
    assert!(is_shown(&first) && !is_shown(&bad), "{metrics}");
    let lines = apps.daemon.0.lines();
    let said = lines.iter().filter(|line| line.contains("is refused") && line.contains(&bad[..8]));
    assert_eq!(said.count(), 1, "{lines:#?}");
    let notes = apps.notes("web", "SyncFailed");
    assert!(matches!(&notes[..], [note] if note.contains("VerificationFailed")), "{notes:?}");
    // A good commit on top is as good as any.
    write(repo, "a", "4");
    let good = ada.push(repo, "Mended");
    apps.applied("web", &good);
    apps.test.expect("configmap/a", ".data.key", "4");
    apps.gone("configmap/b");
}

#[test]
fn without_its_keys_nothing_is_applied_and_new_ones_count_at_once() {
    let Some(people) = People::new() else { return };
    let apps = Apps::new("verify-keys");
    let (ada, bob) = (people.ssh("ada", &["ed25519"]), people.ssh("bob", &["ed25519"]));
    write(&apps.test.repo, "a", "1");
    let first = ada.push(&apps.test.repo, "One");
    let by_secret = json!({"secretRef": {"name": "keys"}});
    apps.app_of("web", &apps.test.repo, &by_secret, json!({"interval": "1h"}));
    apps.refuses("web", "SecretUnavailable", &["keys"]);
    let set = |key: &str, text: &str| {
        let data = json!({"stringData": {key: text}}).to_string();
        apps.test.kubectl(&["patch", "secret", "keys", "--type=merge", "-p", &data]);
    };
    apps.test.kubectl(&["create", "secret", "generic", "keys", "--from-literal=a=hunter2"]);
    apps.refuses("web", "SecretUnavailable", &["a, line 1, is neither"]);
    let found = apps.test.kubectl(&["get", "configmap", "a", "--ignore-not-found", "-o", "name"]);
    assert_eq!(found, "");
    set("a", &bob.public);
    apps.refuses("web", "VerificationFailed", &[&first[..8], "which spec.verify does not have"]);
    set("a", &ada.public);
    apps.applied("web", &first);
    // Who may no longer sign is refused from now on, also what is there by their word.
    set("a", &bob.public);
    apps.refuses("web", "VerificationFailed", &[&first[..8]]);
    assert_eq!(apps.test.field("configmap/a", ".data.key"), "1");
    let lines = apps.daemon.0.lines().join("\n");
    assert!(!lines.contains("hunter2"), "{lines}");
}

#[test]
fn one_app_is_told_by_flags_whose_commits_count() {
    let Some(people) = People::new() else { return };
    let (ada, eve) = (people.gpg("ada", "ed25519"), people.ssh("eve", &["ed25519"]));
    let test = crate::support::Fixture::new("verify-flags");
    let keys = test.data.path().join("keys");
    std::fs::write(&keys, &ada.public).unwrap();
    write(&test.repo, "a", "1");
    let first = eve.push(&test.repo, "One");
    let daemon = test.run(&["--verify", "HEAD", "--verify-keys", keys.to_str().unwrap()]);
    daemon.line(&["Sync failed", "VerificationFailed", &first[..8], "does not have"]);
    let metrics = daemon.metrics();
    assert!(metrics.contains(r#"reason="VerificationFailed""#), "{metrics}");
    let found = test.kubectl(&["get", "configmap", "a", "--ignore-not-found", "-o", "name"]);
    assert_eq!(found, "");
    // Files are read anew.
    std::fs::write(&keys, format!("{}{}", eve.public, ada.public)).unwrap();
    test.expect("configmap/a", ".data.key", "1");
    std::fs::remove_file(&keys).unwrap();
    write(&test.repo, "a", "2");
    ada.push(&test.repo, "Two");
    daemon.line(&["Sync failed", "KeysUnusable"]);
    assert_eq!(test.field("configmap/a", ".data.key"), "1");
}

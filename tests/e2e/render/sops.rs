//! Files that SOPS encrypted, decrypted by the real sops.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitops_sync::api::Render;
use gitops_sync::builder::{Inputs, Keys, Recipe, Tools, build};
use gitops_sync::render::Rendered;
use gitops_sync::source::{Limits, SourceError, folder};
use serde_json::json;
use tempfile::TempDir;
use testbed::Tool;

use super::vault::{Recipient, Vault, has_gpg};
use crate::apps::Apps;
use crate::support::{DEADLINE, Daemon, Fixture, config_map, plane};

const CANARY: &str = "hunter2-c0ffee";

fn secret(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {{p: {CANARY}}}\n"
    )
}

/// What an entry of a Secret holds.
fn entry(test: &Fixture, secret: &str, key: &str) -> String {
    let text = test.field(&format!("secret/{secret}"), &format!(".data.{key}"));
    String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
}

/// Nothing secret was ever said.
fn assert_silent(test: &Fixture, daemon: &Daemon) {
    let events = test.kubectl(&["get", "events", "-o", "yaml"]);
    let said = daemon.0.lines().join("\n") + &daemon.metrics() + &events;
    let coded = STANDARD.encode(CANARY);
    for canary in [CANARY, &coded, "AGE-SECRET-KEY"] {
        assert!(!said.contains(canary), "{canary}: {said}");
    }
    let left = std::fs::read_dir(test.data.path().join("build")).unwrap().count();
    assert_eq!(left, 0, "folders of programs");
}

fn keys(vault: &Vault) -> [&str; 2] {
    ["--decryption-keys", vault.path().to_str().unwrap()]
}

#[test]
fn encrypted_manifests_are_decrypted_alone_together_and_joined() {
    let test = Fixture::new("sops");
    let vault = Vault::new();
    let ada = Vault::age("ada");
    vault.give(&ada);
    let encrypt = |name: &str, text: &str| vault.encrypt(name, text, &ada);
    let together = encrypt("t.yaml", &format!("{}---\n{}", secret("b"), secret("c")));
    let [d, e] = ["d", "e"].map(|name| encrypt("x.yaml", &secret(name)));
    test.commit(&[
        ("apps/a.yaml", &encrypt("a.yaml", &secret("a"))),
        ("apps/together.yaml", &together),
        ("apps/joined.yaml", &format!("{}---\n{d}---\n{e}", config_map("open", "1"))),
    ]);
    let daemon = test.run(&keys(&vault));
    daemon.line(&["INFO Synced", "created=6"]);
    for name in ["a", "b", "c", "d", "e"] {
        assert_eq!(entry(&test, name, "p"), CANARY, "{name}");
    }
    // What others change is put back, and not shown.
    let patch = r#"{"stringData": {"p": "mine"}}"#;
    test.kubectl(&["patch", "secret/a", "-p", patch]);
    daemon.line(&["Drift reverted", "secret/a"]);
    assert_eq!(entry(&test, "a", "p"), CANARY);
    assert_silent(&test, &daemon);
}

#[test]
fn what_generators_read_is_decrypted_first() {
    let test = Fixture::new("sopsgen");
    let vault = Vault::new();
    let (ada, eve) = (Vault::age("ada"), Vault::age("eve"));
    vault.give(&ada);
    let env = vault.encrypt("a.env", &format!("USER=me\nPASSWORD={CANARY}\n"), &ada);
    let key = vault.encrypt("key.pem", &format!("-----BEGIN {CANARY}\n"), &ada);
    let patch = "apiVersion: v1\nkind: Secret\nmetadata: {name: own}\nstringData: {q: patched}\n";
    let kustomization = "
resources: [own.yaml]
patches: [{path: patch.yaml}]
secretGenerator:
- {name: env, envs: [a.env]}
- {name: file, files: [key.pem]}
configMapGenerator: [{name: open, envs: [a.env]}]
generatorOptions: {disableNameSuffixHash: true}
";
    test.commit(&[
        ("apps/kustomization.yaml", kustomization),
        ("apps/own.yaml", &vault.encrypt("own.yaml", &secret("own"), &ada)),
        ("apps/patch.yaml", &vault.encrypt("patch.yaml", patch, &ada)),
        ("apps/a.env", &env),
        ("apps/key.pem", &key),
        // Nobody reads it.
        ("apps/other.yaml", &vault.encrypt("other.yaml", &secret("other"), &eve)),
    ]);
    let daemon = test.run(&keys(&vault));
    daemon.line(&["INFO Synced", "created=4"]);
    // What was encrypted is not shown of any kind of object; what was not is.
    test.kubectl(&["patch", "cm/open", "-p", r#"{"data": {"PASSWORD": "mine", "note": "x"}}"#]);
    let reverted = daemon.line(&["Drift reverted", "configmap/open", "data.PASSWORD"]);
    assert!(!reverted.contains("mine"), "{reverted}");
    test.expect("cm/open", ".data.PASSWORD", CANARY);
    assert_eq!(entry(&test, "env", "PASSWORD"), CANARY);
    assert_eq!(entry(&test, "file", "key\\.pem"), format!("-----BEGIN {CANARY}\n"));
    assert_eq!(entry(&test, "own", "p"), CANARY);
    assert_eq!(entry(&test, "own", "q"), "patched");
    assert_silent(&test, &daemon);
}

#[test]
fn nothing_is_applied_that_cannot_be_decrypted() {
    let test = Fixture::new("sopsbad");
    let vault = Vault::new();
    let (ada, eve) = (Vault::age("ada"), Vault::age("eve"));
    vault.give(&ada);
    let good = vault.encrypt("a.yaml", &secret("a"), &ada);
    test.commit(&[("apps/a.yaml", &good), ("apps/open.yaml", &config_map("open", "1"))]);
    // Without keys.
    let daemon = test.run(&["--prune"]);
    daemon.line(&["apps/a.yaml: is encrypted with SOPS, and its app decrypts nothing"]);
    test.expect("configmap/open", ".data.key", "1");
    assert_eq!(test.field("secret/a", ".metadata.name"), "");
    drop(daemon);
    let arguments = ["--prune", "--prune-max-objects", "0", keys(&vault)[0], keys(&vault)[1]];
    let daemon = test.run(&arguments);
    daemon.line(&["INFO Synced", "created=1"]);
    // Changed by hand since.
    test.commit(&[("apps/a.yaml", &good.replace("name: a", "name: evil"))]);
    daemon.line(&["apps/a.yaml: was changed after it was encrypted"]);
    // For somebody else: it works as soon as the key is there.
    test.commit(&[("apps/a.yaml", &vault.encrypt("a.yaml", &secret("a"), &eve))]);
    daemon.line(&["apps/a.yaml: is encrypted for age1", "its app has a key of none of them"]);
    assert_eq!(entry(&test, "a", "p"), CANARY, "what was there stays");
    let mark = daemon.mark();
    vault.give(&eve);
    daemon.line_after(mark, &["INFO Synced", "failed=0"]);
    assert_eq!(test.field("secret/evil", ".metadata.name"), "");
    // Ciphertext where sops did not put it, and what an operator decrypts.
    let stray = good.split("p: ").nth(1).unwrap().lines().next().unwrap();
    test.commit(&[("apps/open.yaml", &config_map("open", stray))]);
    daemon.line(&["configmap/open has ciphertext of SOPS in data.key"]);
    assert_silent(&test, &daemon);
}

#[test]
fn openpgp_keys_decrypt_too() {
    if !has_gpg() {
        return;
    }
    let test = Fixture::new("sopspgp");
    let vault = Vault::new();
    let ada = vault.pgp("ada");
    vault.give(&ada);
    test.commit(&[("apps/a.yaml", &vault.encrypt("a.yaml", &secret("a"), &ada))]);
    let daemon = test.run(&keys(&vault));
    daemon.line(&["INFO Synced", "created=1"]);
    assert_eq!(entry(&test, "a", "p"), CANARY);
    assert_silent(&test, &daemon);
}

#[test]
fn an_app_names_the_secret_with_its_keys_and_a_new_key_counts_at_once() {
    let apps = Apps::new("sopsapp");
    let vault = Vault::new();
    let (ada, eve) = (Vault::age("ada"), Vault::age("eve"));
    apps.commit(&[("a/a.yaml", &vault.encrypt("a.yaml", &secret("a"), &ada))]);
    let give = |key: &str| {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"},
            "stringData": {"k.agekey": key},
        });
        let arguments = ["apply", "--server-side", "-n", &apps.namespace, "-f", "-"];
        plane().kubectl_with_stdin(&arguments, &secret.to_string()).unwrap();
    };
    give(&eve.key);
    apps.app("a", "a", json!({"decryption": {"secretRef": {"name": "keys"}}, "interval": "1h"}));
    let said = apps.reason("a", "Ready", "DecryptionKeyMissing");
    assert!(said.contains("is encrypted for age1"), "{said}");
    give(&ada.key);
    apps.wait("a", "Ready");
    assert_eq!(entry(&apps, "a", "p"), CANARY);
    assert!(!apps.get("a").to_string().contains(CANARY));
    assert_silent(&apps, &apps.daemon);
}

/// A kustomization with two encrypted files and one that is open.
fn write_kustomization(folder: &Path, vault: &Vault, ada: &Recipient) {
    let env = vault.encrypt("a.env", &format!("PASSWORD={CANARY}\n"), ada);
    let files = [
        (
            "kustomization.yaml",
            "resources: [a.yaml, b.yaml]\nsecretGenerator: [{name: c, envs: [a.env]}]\n",
        ),
        ("a.yaml", &vault.encrypt("a.yaml", &secret("a"), ada)),
        ("a.env", &env),
        ("b.yaml", &config_map("b", "1")),
    ];
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
}

#[test]
fn what_was_decrypted_is_not_decrypted_again_until_it_or_the_keys_change() {
    let vault = Vault::new();
    let (ada, eve) = (Vault::age("ada"), Vault::age("eve"));
    let [data, tree, programs] = [(); 3].map(|()| TempDir::new().unwrap());
    for tool in [Tool::Kustomize, Tool::Sops] {
        let program = plane().programs().path(tool);
        symlink(&program, programs.path().join(program.file_name().unwrap())).unwrap();
    }
    let tools = Tools::new(Path::new(env!("CARGO_BIN_EXE_gitops-sync")), data.path(), DEADLINE)
        .with_path(programs.path().into());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let made = |of: &[&Recipient], before: Option<&Arc<Rendered>>| {
        let entries = of.iter().map(|of| (of.entry.clone(), of.key.clone().into_bytes()));
        let keys = Keys::of(&entries.collect()).map(Arc::new).unwrap();
        let inputs = Inputs { keys: Some(keys), ..Inputs::default() };
        let snapshot = folder::read(tree.path(), &Render::default(), Limits::default()).unwrap();
        runtime.block_on(build(&tools, &Recipe::default(), &inputs, snapshot, before))
    };
    write_kustomization(tree.path(), &vault, &ada);
    let first = made(&[&ada], None).unwrap();
    let data_of = |rendered: &Rendered| {
        assert_eq!(rendered.diagnostics, []);
        let bodies = rendered.manifests.iter().map(|manifest| manifest.body());
        bodies.map(|body| body["data"].to_string()).collect::<Vec<_>>()
    };
    let coded = STANDARD.encode(CANARY);
    let expect = |key: &str| {
        let all = [json!({"key": key}), json!({"p": coded}), json!({"PASSWORD": coded})];
        all.map(|data| data.to_string()).to_vec()
    };
    assert_eq!(data_of(&first), expect("1"));
    // From here on, whatever has to be decrypted is missed.
    fs::remove_file(programs.path().join("sops")).unwrap();
    fs::write(tree.path().join("b.yaml"), config_map("b", "2")).unwrap();
    let second = made(&[&ada], Some(&first)).unwrap();
    assert_eq!(data_of(&second), expect("2"));
    assert!(!format!("{second:?}").contains(CANARY), "decrypted texts are not shown");
    let is_missed = |made: Result<Arc<Rendered>, SourceError>| matches!(made, Err(SourceError::ProgramMissing { program }) if program == "sops");
    assert!(is_missed(made(&[&ada, &eve], Some(&second))));
    assert!(is_missed(made(&[&ada], None)));
    let other = vault.encrypt("a.yaml", &secret("a"), &ada);
    fs::write(tree.path().join("a.yaml"), other).unwrap();
    assert!(is_missed(made(&[&ada], Some(&second))));
}

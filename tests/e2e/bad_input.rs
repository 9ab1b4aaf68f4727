//! Bad input: one clear message each, everything else goes on, nothing is lost, nothing is pruned.

use std::process::Command;
use std::time::Duration;

use testbed::{ControlPlane, Fault};

use crate::support::{DEADLINE, Daemon, Fixture, config_map, program};

/// Runs the daemon on good and bad files, after a manifest that the next commit takes away; checks
/// the message, and that the good is applied and nothing pruned.
fn check(name: &str, bad: &[(&str, &str)], words: &[&str]) {
    let test = Fixture::new(name);
    test.commit(&[("apps/old.yaml", &config_map("old", "1"))]);
    let daemon = test.run(&["--prune"]);
    daemon.line(&["INFO Synced", "created=1"]);
    test.repo.remove("apps/old.yaml").unwrap();
    test.repo.write("apps/good.yaml", config_map("good", "1")).unwrap();
    let commit = test.commit(bad);
    daemon.line(words);
    daemon.line(&["Synced", &commit]);
    test.expect("configmap/good", ".data.key", "1");
    daemon.line(&["Not pruned: configmap/old", "the source has errors"]);
    assert_eq!(test.field("configmap/old", ".data.key"), "1");
    // The lasting problem is told once.
    let mark = daemon.mark();
    daemon.line_after(mark, &["Synced in part", &commit]);
    daemon.line_after(daemon.mark(), &["Synced in part", &commit]);
    let told = daemon.0.lines().into_iter().filter(|l| words.iter().all(|w| l.contains(w)));
    assert_eq!(told.count(), 1, "{:#?}", daemon.0.lines());
    // Once the source is right, the object goes.
    for (path, _) in bad {
        test.repo.remove(path).unwrap();
    }
    test.repo.commit("Take the bad files away").unwrap();
    daemon.line(&["Pruned", "configmap/old"]);
    test.expect("configmap/old", ".metadata.name", "");
}

#[test]
fn one_malformed_file_among_a_hundred() {
    let test = Fixture::new("hundred");
    for n in 0..99 {
        test.repo.write(&format!("apps/{n}.yaml"), config_map(&format!("c{n}"), "1")).unwrap();
    }
    test.commit(&[("apps/bad.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: [\n")]);
    let daemon = test.run(&[]);
    daemon.line(&["Bad manifest: apps/bad.yaml:3:", "this is not YAML"]);
    daemon.line(&["Synced in part", "created=99", "failed=1"]);
    assert_eq!(
        test.kubectl(&["get", "cm", "-o", "name"]).lines().count(),
        100,
        "with kube-root-ca"
    );
}

#[test]
fn a_malformed_file_forbids_pruning() {
    check(
        "malformed",
        &[("apps/bad.yaml", "a: 'b\n")],
        &["Bad manifest: apps/bad.yaml:", "not YAML"],
    );
}

#[test]
fn an_unknown_kind() {
    let bad = "apiVersion: example.com/v1\nkind: Widget\nmetadata:\n  name: w\n";
    let words = [
        "apps/bad.yaml:1: widget.example.com/w the cluster serves no kind Widget in example.com/v1",
    ];
    check("kind", &[("apps/bad.yaml", bad)], &words);
}

#[test]
fn a_missing_name_and_a_generated_one() {
    let bad = "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n";
    check(
        "name",
        &[("apps/bad.yaml", bad)],
        &["apps/bad.yaml:3:1: metadata.name must be a non-empty string"],
    );
    let bad = "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a-}\n";
    check(
        "generate",
        &[("apps/bad.yaml", bad)],
        &["apps/bad.yaml:3:12: has metadata.generateName"],
    );
}

#[test]
fn half_an_object_and_a_duplicate() {
    let bad = "x: 1\n---\napiVersion: v1\nmetadata: {name: a}\n";
    check("half", &[("apps/bad.yaml", bad)], &["apps/bad.yaml:3:1: has no kind"]);
    let again = config_map("good", "2");
    check(
        "twice",
        &[("apps/z.yaml", &again)],
        &["apps/z.yaml:1: configmap/good is declared a second time, first at apps/good.yaml:1"],
    );
}

#[test]
fn a_secret_of_the_wrong_type_is_never_echoed() {
    let test = Fixture::new("secret");
    let bad = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {pin: 31337}\n";
    let refused = "apiVersion: v1\nkind: Secret\nmetadata: {name: t}\ntype: [hunter2]\n";
    let good = config_map("good", "1");
    test.commit(&[("apps/s.yaml", bad), ("apps/t.yaml", refused), ("apps/good.yaml", &good)]);
    let daemon = test.run(&["--log-format", "json"]);
    daemon.line(&["apps/s.yaml:4:8: secret/s data.pin must be a base64 string"]);
    daemon.line(&["Cannot apply secret/t", "withheld"]);
    daemon.line(&["Synced in part"]);
    test.expect("configmap/good", ".data.key", "1");
    let said = daemon.0.lines().join("\n");
    assert!(!said.contains("31337") && !said.contains("hunter2"), "{said}");
}

#[test]
fn an_object_that_the_api_server_refuses() {
    let test = Fixture::new("refused");
    let bad =
        "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 99999}]}\n";
    test.commit(&[("apps/old.yaml", &config_map("old", "1"))]);
    let daemon = test.run(&["--prune"]);
    daemon.line(&["Synced", "created=1"]);
    test.repo.remove("apps/old.yaml").unwrap();
    test.commit(&[("apps/s.yaml", bad), ("apps/good.yaml", &config_map("good", "1"))]);
    daemon.line(&[
        "Cannot apply service/s",
        "(apps/s.yaml:1)",
        "99999",
        "must be between 1 and 65535",
    ]);
    daemon.line(&["Not pruned: configmap/old", "not every object is in sync"]);
    assert!(daemon.metrics().contains("reason=\"ApplyFailed\""));
    test.expect("configmap/good", ".data.key", "1");
    assert_eq!(test.field("configmap/old", ".data.key"), "1");
}

/// Starts the daemon on what cannot be fetched; `command` changes the command line.
fn refused(name: &str, words: &[&str], change: impl FnOnce(&Fixture) -> Command) {
    let test = Fixture::new(name);
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = Daemon::start(change(&test));
    let line = daemon.line(words);
    assert!(!line.contains("hunter2"), "{line}");
    // It goes on trying, and serves: how the sync goes is no reason to restart it.
    daemon.line_after(daemon.mark(), words);
    let (code, _) = testbed::http("GET", &format!("{}/readyz", daemon.url()), &[], b"").unwrap();
    assert_eq!(code, 200);
}

#[test]
fn a_missing_repository_branch_or_path() {
    let url = |test: &Fixture, url: String| test.run_command(&url);
    let words = ["Sync failed: no repository at http://", "nothing.git", "RepositoryNotFound"];
    refused("norepo", &words, |t| url(t, t.repo.url().replace("config", "nothing")));
    let words = ["Sync failed: no branch or tag \"release\" at http://", "BranchNotFound"];
    refused("nobranch", &words, |t| {
        let mut command = t.run_command(t.repo.url());
        command.args(["--branch", "release"]);
        command
    });
    let words = ["Sync failed: no folder \"apps/web\" in http://", "PathNotFound"];
    refused("nopath", &words, |t| t.run_command_at(t.repo.url(), "apps/web", &[]));
}

#[test]
fn refused_credentials() {
    let words = ["Sync failed: http://", "refused the credentials", "CredentialsRefused"];
    refused("nocreds", &words, |test| {
        test.git.set_fault(Fault::BasicAuth { user: "bob".into(), password: "right".into() });
        test.run_command(test.repo.url())
    });
    refused("badcreds", &words, |test| {
        test.git.set_fault(Fault::BasicAuth { user: "bob".into(), password: "right".into() });
        let file = test.data.path().join("password");
        std::fs::write(&file, "hunter2\n").unwrap();
        let mut command = test.run_command(test.repo.url());
        command.args(["--git-username", "bob", "--git-password-file"]).arg(file);
        command
    });
    refused("urlcreds", &words, |test| {
        test.git.set_fault(Fault::BasicAuth { user: "bob".into(), password: "right".into() });
        test.run_command(&test.repo.url().replace("http://", "http://bob:hunter2@"))
    });
}

#[test]
fn a_path_out_of_the_repository_is_refused_at_the_start() {
    let output = program().args(["run", "--repo", "/x", "--path", "../.."]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("error: --path \"../..\" leads out of the repository"), "{text}");
    assert!(!output.status.success());
}

#[test]
fn an_empty_path_and_one_that_vanished_prune_nothing() {
    let test = Fixture::new("empty");
    test.commit(&[("apps/a.yaml", &config_map("a", "1")), ("other/x.yaml", "")]);
    let daemon = test.run(&["--prune"]);
    daemon.line(&["Synced", "created=1"]);
    test.repo.remove("apps/a.yaml").unwrap();
    test.commit(&[("apps/readme.md", "nothing here")]);
    daemon.line(&["Prune held: the source declares nothing any more", "configmap/a"]);
    test.repo.remove("apps/readme.md").unwrap();
    test.repo.commit("Remove the folder").unwrap();
    daemon.line(&["Sync failed: no folder \"apps\"", "nothing is pruned"]);
    assert_eq!(test.field("configmap/a", ".data.key"), "1");
}

#[test]
fn a_file_of_a_hundred_megabytes_is_not_read() {
    let test = Fixture::new("huge");
    let huge = format!("# {}\n", "x".repeat(100 << 20));
    test.commit(&[("apps/huge.yaml", &huge), ("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&[]);
    daemon.line(&["Bad manifest: apps/huge.yaml: is 104857", "over the limit of 8388608"]);
    daemon.line(&["Synced in part", "created=1"]);
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.0.id())).unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let kib: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kib < 100 << 10, "{peak}");
}

#[test]
fn the_api_server_away_at_the_start_and_in_the_middle() {
    let own = ControlPlane::api_only().unwrap();
    own.stop_api().unwrap();
    let test = Fixture::new("away");
    for n in 0..50 {
        test.repo.write(&format!("apps/{n}.yaml"), config_map(&format!("c{n}"), "1")).unwrap();
    }
    test.repo.commit("Fifty").unwrap();
    let mut command = program();
    command.args(["run", "--repo", test.repo.url(), "--path", "apps", "--listen", "127.0.0.1:0"]);
    command.args(["--name", "away", "--interval", "1s", "--parallel", "1", "--prune"]);
    command.arg("--kubeconfig").arg(own.kubeconfig()).arg("--data-dir").arg(test.data.path());
    let daemon = Daemon::start(command);
    daemon.line(&["Sync failed", "cannot be reached"]);
    own.start_api().unwrap();
    // In the middle of the first pass, after its first write: the API server dies.
    testbed::eventually(DEADLINE, "the first object", || {
        own.kubectl(&["get", "configmap", "c0", "--ignore-not-found", "-o", "name"])
            .map(|name| (!name.is_empty()).then_some(()))
    })
    .unwrap();
    own.stop_api().unwrap();
    std::thread::sleep(Duration::from_millis(100));
    own.start_api().unwrap();
    daemon.line(&["INFO Synced", "objects=50", "failed=0"]);
    let names = own.kubectl(&["get", "configmaps", "-o", "name"]).unwrap();
    assert_eq!(names.lines().filter(|name| name.contains("/c")).count(), 50);
}

/// Ten names for the same folder, twelve folders deep: thirteen objects of git, 10^12 paths.
#[test]
fn a_tree_that_is_a_bomb_is_bounded() {
    let test = Fixture::new("bomb");
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&["--fetch-timeout", "20s"]);
    daemon.line(&["INFO Synced", "created=1"]);
    let bare = git2::Repository::open(test.repo.path()).unwrap();
    let blob = bare.blob(config_map("a", "1").as_bytes()).unwrap();
    let mut inner = bare.treebuilder(None).unwrap();
    inner.insert("a.yaml", blob, 0o100_644).unwrap();
    let mut tree = inner.write().unwrap();
    for _ in 0..12 {
        let mut outer = bare.treebuilder(None).unwrap();
        for name in "abcdefghij".chars() {
            outer.insert(name.to_string(), tree, 0o040_000).unwrap();
        }
        tree = outer.write().unwrap();
    }
    let mut root = bare.treebuilder(None).unwrap();
    root.insert("apps", tree, 0o040_000).unwrap();
    let root = bare.find_tree(root.write().unwrap()).unwrap();
    let parent = bare.head().unwrap().peel_to_commit().unwrap();
    let who = git2::Signature::now("Test", "test@example.com").unwrap();
    bare.commit(Some("HEAD"), &who, &who, "Bomb", &root, &[&parent]).unwrap();
    daemon.line(&["Bad manifest: apps/", "the source holds more than"]);
    daemon.line(&["Synced in part"]);
    assert_eq!(test.field("configmap/a", ".data.key"), "1");
    daemon.0.signal(testbed::Signal::TERM).unwrap();
    assert_eq!(daemon.0.wait_exit(DEADLINE).unwrap().code(), Some(0));
}

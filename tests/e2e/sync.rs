//! One pass from the command line.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::{Fixture, config_map, plane, program};

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn text(dir: &TempDir) -> &str {
    dir.path().to_str().unwrap()
}

#[test]
fn a_dry_run_says_what_would_happen_and_writes_nothing() {
    let test = Fixture::new("dry");
    let dir = folder(&[("a.yaml", &config_map("a", "1")), ("b.yaml", &config_map("b", "1"))]);
    let hash = {
        let mut hashes = ["a", "b"].map(|name| Sha256::digest(config_map(name, "1")));
        hashes.sort();
        hex::encode(Sha256::digest(hashes.concat()))
    };
    let mark = plane().audit().mark().unwrap();
    let done = test.sync(&["--manifests", text(&dir)]);
    assert_eq!(done.code, Some(0), "{done:#?}");
    done.has_line("Found 2 manifest(s). dry_run=true");
    done.has_line(&format!("Manifests hash: {hash}"));
    done.has_line(&format!("configmap/a created (namespace {})", test.namespace));
    done.has_line("Sync complete: 2 succeeded, 0 failed.");
    let requests = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
    let writes = requests
        .iter()
        .filter(|r| r.namespace == test.namespace)
        .filter(|r| !matches!(r.verb.as_str(), "get" | "list") && !r.uri.contains("dryRun=All"));
    assert_eq!(writes.count(), 0);
    assert_eq!(test.field("configmap/a", ".metadata.name"), "");
}

#[test]
fn apply_change_prune_and_a_second_time_nothing() {
    let test = Fixture::new("apply");
    let place = format!(" (namespace {})", test.namespace);
    let dir = folder(&[("a.yaml", &config_map("a", "1")), ("x/b.yaml", &config_map("b", "1"))]);
    let sync = |more: &[&str]| {
        test.sync(&[&["--manifests", text(&dir), "--apply", "--prune"], more].concat())
    };
    let done = sync(&["--parallel", "4"]);
    done.has_line("Found 2 manifest(s). dry_run=false");
    done.has_line(&format!("configmap/a created{place}"));
    done.has_line("Sync complete: 2 succeeded, 0 failed.");
    sync(&[]).has_line(&format!("configmap/a unchanged{place}"));
    fs::write(dir.path().join("a.yaml"), config_map("a", "2")).unwrap();
    fs::remove_file(dir.path().join("x/b.yaml")).unwrap();
    let dry = test.sync(&["--manifests", text(&dir), "--prune"]);
    dry.has_line(&format!("configmap/a configured{place}"));
    dry.has_line(&format!("configmap/b pruned{place}"));
    assert_eq!(test.field("configmap/b", ".data.key"), "1");
    let done = sync(&[]);
    assert_eq!(done.code, Some(0));
    done.has_line(&format!("configmap/a configured{place}"));
    done.has_line(&format!("configmap/b pruned{place}"));
    done.has_line("Sync complete: 2 succeeded, 0 failed.");
    test.expect("configmap/b", ".metadata.name", "");
    test.kubectl(&["patch", "configmap", "a", "-p", "{\"data\":{\"key\":\"3\"}}"]);
    sync(&[]).has_line(&format!("configmap/a configured{place}"));
    assert_eq!(test.field("configmap/a", ".data.key"), "2");
}

#[test]
fn a_dry_run_checks_what_is_new_as_far_as_the_server_can() {
    let test = Fixture::new("unchecked");
    let space = format!("{}-new", test.namespace);
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {space}}}\n");
    let inside =
        config_map("a", "1").replace("  name: a\n", &format!("  name: a\n  namespace: {space}\n"));
    let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: gears.dry.example.com}\nspec:\n  group: dry.example.com\n  scope: Cluster\n  names: {kind: Gear, plural: gears}\n  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]\n";
    let gear = "apiVersion: dry.example.com/v1\nkind: Gear\nmetadata: {name: g}\n";
    let dir =
        folder(&[("1.yaml", &namespace), ("2.yaml", &inside), ("3.yaml", crd), ("4.yaml", gear)]);
    let done = test.sync(&["--manifests", text(&dir)]);
    assert_eq!(done.code, Some(0), "{done:#?}");
    done.has_line(&format!("namespace/{space} created"));
    done.has_line(&format!(
        "configmap/a created (namespace {space}) not checked by the server: namespace is new"
    ));
    done.has_line("gear.dry.example.com/g created not checked by the server: its CRD is new");
    done.has_line("Sync complete: 4 succeeded, 0 failed.");
}

#[test]
fn refusals_are_listed_and_the_exit_code_says_so() {
    let test = Fixture::new("refusals");
    let bad =
        "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 99999}]}\n";
    let dir = folder(&[("a.yaml", &config_map("a", "1")), ("s.yaml", bad), ("t.yaml", "a: [")]);
    for apply in [&[][..], &["--apply"]] {
        let done = test.sync(&[&["--manifests", text(&dir)], apply].concat());
        assert_eq!(done.code, Some(1));
        assert!(done.stderr.contains("error: t.yaml:1:"), "{done:#?}");
        let refused =
            |line: &str| line.starts_with("service/s failed") && line.contains("(s.yaml:1)");
        assert!(done.stdout.lines().any(refused), "{done:#?}");
        done.has_line("Sync complete: 1 succeeded, 2 failed.");
    }
}

#[test]
fn another_source_of_the_same_name_is_refused() {
    let test = Fixture::new("other");
    let one = folder(&[("a.yaml", &config_map("a", "1"))]);
    let two = folder(&[("b.yaml", &config_map("b", "1"))]);
    assert_eq!(test.sync(&["--manifests", text(&one), "--apply", "--prune"]).code, Some(0));
    let done = test.sync(&["--manifests", text(&two), "--apply", "--prune"]);
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("choose another --name"), "{done:#?}");
    assert_eq!(test.field("configmap/a", ".data.key"), "1");
}

#[test]
fn a_mounted_config_map_shows_each_object_once() {
    let test = Fixture::new("mounted");
    let values = "replicas: 2\n---\n# nothing\n---\nimage: x\n";
    let dir = folder(&[("..2026/a.yaml", &config_map("a", "1")), ("values.yaml", values)]);
    symlink("..2026", dir.path().join("..data")).unwrap();
    symlink("..data/a.yaml", dir.path().join("a.yaml")).unwrap();
    let done = test.sync(&["--manifests", text(&dir), "--apply"]);
    done.has_line("Found 1 manifest(s). dry_run=false");
    done.has_line("Skipped 2 document(s) that are no manifests.");
    done.has_line("Sync complete: 1 succeeded, 0 failed.");
}

#[test]
fn a_repository_works_as_well() {
    let test = Fixture::new("fromgit");
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let done = test.sync(&["--repo", test.repo.url(), "--path", "apps", "--apply"]);
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert_eq!(test.field("configmap/a", ".data.key"), "1");
    let done = test.sync(&["--repo", test.repo.url(), "--branch", "none", "--path", "apps"]);
    assert!(done.stderr.contains("error: no branch or tag \"none\""), "{done:#?}");
    done.has_line("Sync complete: 0 succeeded, 1 failed.");
    assert_eq!(done.code, Some(1));
}

#[test]
fn what_is_missing_on_the_command_line_is_said() {
    let check = |arguments: &[&str], words: &str| {
        let output =
            program().arg("sync").args(arguments).env("KUBECONFIG", "/nowhere").output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(words), "{text}");
        assert_ne!(output.status.code(), Some(0));
    };
    check(&[], "nothing to sync: give --manifests DIR or --repo URL");
    check(&["--manifests", "x", "--prune"], "--prune needs --name");
    check(&["--manifests", "x", "--repo", "y"], "cannot be used with");
    check(&["--manifests", "x"], "no cluster to talk to");
    assert!(Path::new(env!("CARGO_BIN_EXE_gitops-sync")).exists());
}

//! A release from its first day to its last, by the pinned helm, in a cluster of its own.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::{ControlPlane, eventually};

use super::{CHART, said};
use crate::install::repository;
use crate::support::{DEADLINE, plane as shared};

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The chart as it was when its CRD had no field `suspend`.
fn older() -> TempDir {
    let folder = TempDir::new().unwrap();
    copy(&repository(CHART), folder.path());
    let file = folder.path().join("files/crd.yaml");
    let mut crd: Value = serde_saphyr::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    crd.pointer_mut(spec).unwrap().as_object_mut().unwrap().remove("suspend").unwrap();
    let yaml = serde_saphyr::to_string(&crd).unwrap();
    assert_eq!(yaml.matches("\nmetadata:\n").count(), 1, "{yaml}");
    fs::write(file, yaml).unwrap();
    folder
}

/// What the notes tell people to apply.
fn example(notes: &str) -> String {
    let text = notes.split_once("<<EOF\n").unwrap().1.split_once("EOF").unwrap().0;
    text.replace("\n    ", "\n").trim_start().to_owned()
}

#[test]
fn an_upgrade_upgrades_the_crd_and_the_end_of_the_release_keeps_it() {
    let plane = ControlPlane::api_only().unwrap();
    let name = "gitopsapps.gitops-sync.dev";
    let crd = || -> Value {
        let json = plane.kubectl(&["get", "crd", name, "-o", "json"]).unwrap();
        serde_json::from_str(&json).unwrap()
    };
    let knows_suspend = || {
        let schema = &crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        schema["properties"]["spec"]["properties"].get("suspend").is_some()
    };
    let run = |verb: &str, chart: &Path, more: &[&str]| {
        let arguments =
            [&[verb, "sync", chart.to_str().unwrap(), "-n", "sync", "-f", "-"], more].concat();
        said(&plane, &arguments, &json!({}))
    };
    let chart = repository(CHART);
    let notes = run("install", older().path(), &["--create-namespace"]);
    assert!(!knows_suspend());
    assert!(notes.contains("deployment/sync-gitops-sync -f"), "{notes}");
    let applied = eventually(DEADLINE, "the kind to be served", || {
        let apply = ["apply", "--server-side", "-n", "sync", "-f", "-"];
        plane.kubectl_with_stdin(&apply, &example(&notes)).map(Some)
    });
    assert_eq!(
        applied.unwrap().trim(),
        format!("{}/web serverside-applied", "gitopsapp.gitops-sync.dev")
    );

    run("upgrade", &chart, &[]);
    assert!(knows_suspend());
    let printed = fs::read_to_string(repository("deploy/crd.yaml")).unwrap();
    let printed = plane.kubectl_with_stdin(
        &[
            "apply",
            "--server-side",
            "--dry-run=server",
            "--force-conflicts",
            "-f",
            "-",
            "-o",
            "json",
        ],
        &printed,
    );
    let printed: Value = serde_json::from_str(&printed.unwrap()).unwrap();
    assert_eq!(printed["spec"], crd()["spec"]);

    said(&plane, &["uninstall", "sync", "-n", "sync"], &json!({}));
    let kinds = "deployment,role,rolebinding,service,serviceaccount";
    let left = plane.kubectl(&[
        "get",
        kinds,
        "-n",
        "sync",
        "-l",
        "app.kubernetes.io/instance=sync",
        "-o",
        "name",
    ]);
    assert_eq!(left.unwrap(), "");
    plane.kubectl(&["get", "gapp", "web", "-n", "sync"]).unwrap();
    // The next release takes it on.
    run("install", &chart, &[]);
    plane.kubectl(&["get", "gapp", "web", "-n", "sync"]).unwrap();
}

#[test]
fn the_notes_of_one_app_name_it_and_show_no_custom_resource() {
    let chart = repository(CHART);
    let dry =
        ["install", "sync", chart.to_str().unwrap(), "-n", "sync", "-f", "-", "--dry-run=client"];
    let values = json!({
        "app": {"repo": "https://git.example/config.git", "branch": "live"},
        "rbac": {"managed": [{"namespace": "shop", "clusterRole": "edit"}]},
    });
    let printed = said(shared(), &dry, &values);
    let notes = printed.split_once("\nNOTES:\n").unwrap().1;
    for words in [
        "namespaces shop",
        "branch live of https://git.example/config.git",
        "--namespace sync --name sync",
    ] {
        assert!(notes.contains(words), "{words}: {notes}");
    }
    assert!(!printed.contains("gitops-sync.dev/v1alpha1"), "{notes}");
}

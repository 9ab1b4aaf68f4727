//! What users install: the manifests of `deploy` and `examples`, and the image.

#[cfg(target_os = "linux")]
mod image;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use testbed::Tool;

use crate::support::{Finished, plane, program};

/// The folders with a kustomization.
const FOLDERS: [&str; 3] = ["deploy", "examples/narrow", "examples/cronjob"];
/// The account of the Deployment.
const DAEMON: &str = "system:serviceaccount:gitops-sync:gitops-sync";

/// A path of this repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What the pinned kustomize makes of a folder.
fn build(folder: &str) -> String {
    let mut kustomize = plane().programs().command(Tool::Kustomize);
    let done = Finished::of(kustomize.arg("build").arg(repository(folder)).output().unwrap());
    assert_eq!(done.code, Some(0), "{done:#?}");
    done.stdout
}

/// Applies YAML as `kubectl apply -k` would.
fn apply(yaml: &str, more: &[&str]) -> String {
    let arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    plane().kubectl_with_stdin(&[&arguments, more].concat(), yaml).unwrap()
}

/// The Namespaces of some YAML.
fn namespaces(yaml: &str) -> String {
    let documents = yaml.split("---\n").filter(|text| text.contains("\nkind: Namespace\n"));
    documents.collect::<Vec<_>>().join("---\n")
}

/// An object of the namespace that all is installed into.
fn read(object: &str) -> Value {
    let text = plane().kubectl(&["get", "-n", "gitops-sync", object, "-o", "json"]).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The pod that a workload makes.
fn pod(workload: &Value) -> &Value {
    workload.pointer("/spec/jobTemplate").unwrap_or(workload).pointer("/spec/template/spec").map_or(
        &Value::Null,
        |spec| spec,
    )
}

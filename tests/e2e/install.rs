//! What users install: the manifests of `deploy` and `examples`, and the image.

#[cfg(target_os = "linux")]
mod image;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};
use tempfile::TempDir;
use testbed::Tool;

use crate::support::{plane, program};

/// The folders with a kustomization.
const FOLDERS: [&str; 3] = ["deploy", "examples/narrow", "examples/cronjob"];

/// A path of this repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What a command that succeeds prints.
pub fn output(command: &mut Command) -> String {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// The objects that the pinned kustomize makes of a folder.
pub fn build(folder: &str) -> Vec<Value> {
    let mut kustomize = plane().programs().command(Tool::Kustomize);
    let yaml = output(kustomize.arg("build").arg(repository(folder)));
    serde_saphyr::from_multiple(&yaml).unwrap()
}

/// Applies objects; a warning, such as of pod security, is an error.
pub fn apply(objects: &[Value], more: &[&str]) {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    let arguments =
        ["apply", "-f", "-", "--server-side", "--force-conflicts", "--warnings-as-errors"];
    let arguments = [&arguments[..], more].concat();
    plane().kubectl_with_stdin(&arguments, &list).unwrap();
}

/// The one object of a kind.
pub fn only<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind);
    let first = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "several {kind}s");
    first
}

/// The pod that a Deployment or a `CronJob` makes.
pub fn pod(workload: &Value) -> Option<&Value> {
    workload["spec"].get("jobTemplate").unwrap_or(workload).pointer("/spec/template/spec")
}

#[test]
fn the_api_server_takes_every_manifest_without_a_warning() {
    for folder in FOLDERS {
        let objects = build(folder);
        let namespaces = objects.iter().filter(|object| object["kind"] == "Namespace");
        apply(&namespaces.cloned().collect::<Vec<_>>(), &[]);
        apply(&objects, &["--dry-run=server"]);
        let images =
            objects.iter().filter_map(|object| pod(object)?["containers"][0]["image"].as_str());
        let image = format!("gitops-sync:{}", env!("CARGO_PKG_VERSION"));
        assert_eq!(images.collect::<Vec<_>>(), [image], "{folder}");
    }
}

#[test]
fn settings_are_flags_and_the_folders_of_their_files_are_mounted() {
    let help = output(program().args(["run", "--help"]));
    let deployment = fs::read_to_string(repository("deploy/deployment.yaml")).unwrap();
    let deployment: Value = serde_saphyr::from_str(&deployment).unwrap();
    let container = &pod(&deployment).unwrap()["containers"][0];
    let listen = format!("[default: 0.0.0.0:{}]", container["ports"][0]["containerPort"]);
    assert!(help.contains(&listen), "{listen}");
    let mounts = container["volumeMounts"].as_array().unwrap();
    let settings = fs::read_to_string(repository("deploy/config.yaml")).unwrap();
    // Those that are commented out as well.
    let settings = settings.lines().map(|line| line.trim_start_matches(['#', ' ']));
    let settings = settings.filter(|line| line.starts_with("GITOPS_SYNC_"));
    for (name, value) in settings.map(|line| line.split_once(": ").unwrap()) {
        let is_flag = ["=", "]"].iter().any(|end| help.contains(&format!("[env: {name}{end}")));
        assert!(is_flag, "{name} is no setting of `run`");
        if name.ends_with("_FILE") {
            let folder = Path::new(value).parent().unwrap().to_str().unwrap();
            assert!(mounts.iter().any(|mount| mount["mountPath"] == folder), "{folder}");
        }
    }
}

/// Whether the account of the Deployment may do this; an empty namespace stands for all.
fn may(verb: &str, resource: &str, namespace: &str) -> bool {
    let account = "--as=system:serviceaccount:gitops-sync:gitops-sync";
    let place = if namespace.is_empty() { "-A".to_owned() } else { format!("-n={namespace}") };
    let arguments = ["auth", "can-i", verb, resource, account, &place];
    let answer = plane().kubectl_command(&arguments).output().unwrap();
    match String::from_utf8_lossy(&answer.stdout).trim() {
        "yes" => true,
        "no" => false,
        _ => panic!("{answer:?}"),
    }
}

#[test]
fn rights_are_as_narrow_as_granted_and_the_deployment_comes_up() {
    apply(&build("examples/narrow"), &[]);
    let check = |verbs: &[&str], resource, namespace, expected| {
        for verb in verbs {
            assert_eq!(may(verb, resource, namespace), expected, "{verb} {resource} {namespace:?}");
        }
    };
    check(&["get", "watch", "create", "update"], "secrets", "gitops-sync", true);
    check(&["list", "delete"], "secrets", "gitops-sync", false);
    let leases = ["get", "list", "watch", "create", "update", "delete"];
    check(&leases, "leases.coordination.k8s.io", "gitops-sync", true);
    check(&["create"], "events", "gitops-sync", true);
    check(&["list", "watch"], "configmaps", "", false);
    check(&["list", "watch"], "configmaps", "apps", true);
    check(&["create"], "events.events.k8s.io", "apps", true);
    check(&["get", "create", "patch", "delete"], "deployments.apps", "apps", true);
    check(&["get"], "secrets", "apps", false);
    check(&["get", "create", "patch", "delete"], "deployments.apps", "default", false);
    check(&["create"], "rolebindings.rbac.authorization.k8s.io", "apps", false);
    check(&["delete"], "namespaces", "", false);

    apply(&build("deploy"), &[]);
    check(&["*"], "*", "", true);
    let available = ["--for=condition=Available", "deployment/gitops-sync", "--timeout=60s"];
    plane().kubectl(&[&["wait", "-n", "gitops-sync"], &available[..]].concat()).unwrap();
}

/// Lays files out as the kubelet does: in a folder of their own, which a link leads to.
fn mount(folder: &Path, generation: u32, files: &Map<String, Value>) {
    let (hidden, data) = (format!("..2026_{generation}"), folder.join("..data"));
    fs::create_dir(folder.join(&hidden)).unwrap();
    for (name, text) in files {
        fs::write(folder.join(&hidden).join(name), text.as_str().unwrap()).unwrap();
    }
    let _ = fs::remove_file(&data);
    symlink(hidden, &data).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() && path != data {
            fs::remove_file(path).unwrap();
        }
    }
    for name in files.keys() {
        symlink(Path::new("..data").join(name), folder.join(name)).unwrap();
    }
}

#[test]
fn the_cronjob_runs_and_its_command_applies_and_prunes() {
    let namespace = "gitops-sync-cronjob";
    let objects = build("examples/cronjob");
    apply(&objects, &[]);
    let kubectl =
        |arguments: &[&str]| plane().kubectl(&[&["-n", namespace], arguments].concat()).unwrap();
    kubectl(&["create", "job", "by-hand", "--from=cronjob/gitops-sync"]);
    kubectl(&["wait", "job/by-hand", "--for=condition=Complete", "--timeout=180s"]);

    let cronjob = kubectl(&["get", "cronjob", "gitops-sync", "-o", "json"]);
    let cronjob: Value = serde_json::from_str(&cronjob).unwrap();
    let pod = pod(&cronjob).unwrap();
    let token =
        plane().service_account_token(namespace, pod["serviceAccountName"].as_str().unwrap());
    let kubeconfig = plane().kubeconfig_for_token("cronjob", &token.unwrap()).unwrap();
    let manifests = TempDir::new().unwrap();
    let sync = || {
        let mut command = program();
        // In a pod the account's own folder tells the namespace.
        command.env("KUBECONFIG", &kubeconfig).env("GITOPS_SYNC_NAMESPACE", namespace);
        for word in pod["containers"][0]["args"].as_array().unwrap() {
            match word.as_str().unwrap() {
                "/manifests" => command.arg(manifests.path()),
                word => command.arg(word),
            };
        }
        output(&mut command)
    };
    let managed = || {
        let kinds = "deployments,services,configmaps";
        let label = "gitops-sync.dev/app=from-configmap";
        plane().kubectl(&["get", kinds, "-n", "apps", "-l", label, "-o", "name"]).unwrap()
    };

    let mut files = only(&objects, "ConfigMap")["data"].as_object().unwrap().clone();
    mount(manifests.path(), 1, &files);
    let said = sync();
    assert!(said.contains("Sync complete: 3 succeeded, 0 failed."), "{said}");
    assert_eq!(managed(), "deployment.apps/web\nservice/web\nconfigmap/settings\n");

    files.remove("settings.yaml").unwrap();
    mount(manifests.path(), 2, &files);
    let said = sync();
    assert!(said.contains("configmap/settings pruned (namespace apps)"), "{said}");
    assert_eq!(managed(), "deployment.apps/web\nservice/web\n");
}

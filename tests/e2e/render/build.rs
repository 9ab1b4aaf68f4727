//! `gitops-sync build`: on a laptop what the daemon makes of a repository.

use std::fs;
use std::path::PathBuf;

use gitops_sync::render::yaml;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::vault::Vault;
use crate::support::{DEPLOYMENT, Finished, Fixture, config_map, plane, program};

/// A git work tree.
pub(super) struct Tree {
    folder: TempDir,
    /// Where programs run.
    pub data: TempDir,
}

impl Tree {
    /// With these files.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let tree = Self { folder: TempDir::new().unwrap(), data: TempDir::new().unwrap() };
        fs::create_dir(tree.at(".git")).unwrap();
        for (path, text) in files {
            tree.write(path, text);
        }
        tree
    }

    /// A place in it.
    pub fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes a file.
    pub fn write(&self, path: &str, text: &str) {
        let at = self.at(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(at, text).unwrap();
    }

    /// Runs `build` in the tree.
    pub fn build(&self, arguments: &[&str]) -> Finished {
        let mut command = program();
        command.arg("build").args(arguments).current_dir(self.folder.path());
        Finished::of(command.arg("--data-dir").arg(self.data.path()).output().unwrap())
    }

    /// The objects that it prints.
    pub fn objects(&self, arguments: &[&str]) -> Vec<Value> {
        let built = self.build(&[arguments, &["-o", "json"]].concat());
        assert_eq!((built.code, built.stderr.as_str()), (Some(0), ""));
        serde_json::from_str(&built.stdout).unwrap()
    }
}

/// Each sort of app, with what tempts a writer of YAML.
const TEXTS: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata:
  name: texts
  annotations: {on: "yes", "1": "0644"}
data:
  y: "n"
  "null": "~"
  "1e3": "1e3"
  date: "2001-01-01"
  blank: " a "
  lines: "a\n  b \n\tc\n\n"
  block: |+
    a

    b

  var: ${var}
  empty: ""
  odd: "a: b # c"
"#;
const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {p: \"0644\"}\ndata: {q: YQ==}\n";
const OVERLAY: &str = "resources: [../../base]\nnamePrefix: prod-\n";

fn files() -> Vec<(&'static str, &'static str)> {
    vec![
        ("base/kustomization.yaml", "resources: [web.yaml]\n"),
        ("base/web.yaml", DEPLOYMENT),
        ("overlays/prod/kustomization.yaml", OVERLAY),
        ("plain/texts.yaml", TEXTS),
        ("plain/more/secret.yaml", SECRET),
        ("plain/more/values.yaml", "a: 1\n"),
    ]
}

#[test]
fn what_build_prints_is_what_the_daemon_applies_and_kubectl_takes() {
    let test = Fixture::new("build");
    let tree = Tree::new(&files());
    test.commit(&files());
    for (path, created) in [("plain", 2), ("overlays/prod", 1)] {
        let daemon = test.run_app(&format!("{}-{created}", test.namespace), path, &[]);
        daemon.line(&["INFO Synced", &format!("created={created}")]);
        let built = tree.build(&[path]);
        assert_eq!((built.code, built.stderr.as_str()), (Some(0), ""));
        let objects = tree.objects(&[path]);
        assert_eq!(objects.len(), created);
        let documents = yaml::documents(&built.stdout).unwrap();
        let documents: Vec<_> = documents.into_iter().map(|document| document.value).collect();
        assert_eq!(documents, objects);
        // The values in the cluster are those that would be applied: there is nothing to be changed.
        let again = ["--server-side", "--force-conflicts", "--field-manager=check", "-f", "-"];
        let place = ["diff", "--namespace", &test.namespace];
        let differs = plane().kubectl_with_stdin(&[&place, &again[..]].concat(), &built.stdout);
        assert_eq!(differs.unwrap(), "");
    }
    let other = Fixture::new("built");
    let built = tree.build(&["plain"]).stdout;
    let apply = ["apply", "--namespace", &other.namespace, "-f", "-"];
    plane().kubectl_with_stdin(&apply, &built).unwrap();
    for name in ["configmap/texts", "secret/s"] {
        let data = |test: &Fixture| test.field(name, ".data");
        assert_eq!(data(&test), data(&other));
    }
    assert_eq!(other.field("configmap/texts", ".data.lines"), "a\n  b \n\tc\n\n");
}

#[test]
fn all_that_is_wrong_is_told_and_nothing_printed() {
    let tree = Tree::new(&[
        ("apps/good.yaml", &config_map("good", "1")),
        ("apps/b.yaml", "kind: ConfigMap\nmetadata: {name: [hunter2}\n"),
        ("apps/a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {p: hunter2?}\n"),
    ]);
    std::os::unix::fs::symlink("../../outside.yaml", tree.at("apps/c.yaml")).unwrap();
    let built = tree.build(&["apps"]);
    assert_eq!((built.code, built.stdout.as_str()), (Some(1), ""));
    let said: Vec<_> = built.stderr.lines().collect();
    assert_eq!(said.len(), 3, "{said:#?}");
    for (line, expect) in said.iter().zip([
        "error: apps/a.yaml:4:8: secret/s data.p must be a base64 string",
        "error: apps/b.yaml:2:18: this is not YAML",
        "error: apps/c.yaml: is a link that leads out of the tree",
    ]) {
        assert!(line.starts_with(expect), "{line}");
    }
    assert!(said[1].ends_with("(at metadata.name[0])"), "{said:?}");
    assert!(!built.stderr.contains("hunter2"));
    let nowhere = tree.build(&["gone"]);
    assert_eq!(nowhere.code, Some(1));
    assert!(nowhere.stderr.contains("cannot find gone"), "{}", nowhere.stderr);
}

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
const MAP: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}", namespace: "{{ .Release.Namespace }}"}
data:
  color: {{ .Values.color }}
  version: {{ .Capabilities.KubeVersion.Version }}
  serves: "{{ .Capabilities.APIVersions.Has "e2e.test/v1/Thing" }}"
"#;

#[test]
fn an_app_says_how_and_the_command_line_stands_for_a_cluster() {
    let app = json!({
        "apiVersion": "gitops-sync.dev/v1alpha1", "kind": "GitOpsApp",
        "metadata": {"name": "web", "namespace": "team"},
        "spec": {
            "repoURL": "https://git.example/config", "path": "charts/web",
            "targetNamespace": "prod", "commonLabels": {"team": "a"},
            "render": {"helm": {"values": {"color": "green"}}},
        },
    });
    let tree = Tree::new(&[
        ("charts/web/Chart.yaml", CHART),
        ("charts/web/values.yaml", "color: red\n"),
        ("charts/web/templates/map.yaml", MAP),
        ("app.yaml", &app.to_string()),
    ]);
    let build = |arguments: &[&str]| tree.objects(arguments).remove(0);
    let app = ["--app", "app.yaml"];
    let cluster = ["--kube-version", "v1.30.1", "--api-versions", "a/v1,e2e.test/v1/Thing"];
    let found = build(&[&app, &cluster[..]].concat());
    let metadata = json!({"name": "web", "namespace": "prod", "labels": {"team": "a"}});
    assert_eq!(found["metadata"], metadata);
    let data = json!({"color": "green", "version": "v1.30.1", "serves": "true"});
    assert_eq!(found["data"], data);
    let alone = build(&["charts/web", "--name", "me", "--target-namespace", "mine"]);
    assert_eq!(
        (&alone["metadata"]["name"], &alone["data"]["color"]),
        (&json!("me"), &json!("red"))
    );
    let kubeconfig = plane().kubeconfig().to_str().unwrap().to_owned();
    let asked = build(&["charts/web", "--kubeconfig", &kubeconfig]);
    let version = plane().kubectl(&["version", "-o", "json"]).unwrap();
    let version: Value = serde_json::from_str(&version).unwrap();
    assert_eq!(asked["data"]["version"], version["serverVersion"]["gitVersion"]);
}

#[test]
fn an_app_reads_what_it_includes_but_for_what_it_excludes() {
    let app = |render: Value| {
        let spec =
            json!({"repoURL": "https://git.example/config", "path": "apps", "render": render});
        let metadata = json!({"name": "web", "namespace": "team"});
        json!({"apiVersion": "gitops-sync.dev/v1alpha1", "kind": "GitOpsApp", "metadata": metadata, "spec": spec})
    };
    let map = |name: &str| config_map(name, "1");
    let tree = Tree::new(&[
        ("apps/a.yaml", &map("a")),
        ("apps/b/c.yaml", &map("c")),
        ("apps/b/d.json", "hunter2"),
        ("apps/e/skipped.yaml", "# +argocd:skip-file-rendering\n{{ template }}\n"),
    ]);
    let check = |render: Value, names: &[&str]| {
        tree.write("app.yaml", &app(render).to_string());
        let found = tree.objects(&["--app", "app.yaml"]);
        let found: Vec<_> = found.iter().map(|object| &object["metadata"]["name"]).collect();
        assert_eq!(found, names);
    };
    check(json!({"exclude": ["*.json"]}), &["a", "c"]);
    check(json!({"include": ["b/*.yaml"]}), &["c"]);
    check(json!({"include": ["*.yaml"], "exclude": ["/b/"]}), &["a"]);
    tree.write("app.yaml", &app(json!({"exclude": ["[z-a]"]})).to_string());
    let refused = tree.build(&["--app", "app.yaml"]);
    assert!(refused.stderr.contains("spec.render.exclude"), "{}", refused.stderr);
}

#[test]
fn what_an_app_refers_to_is_given_or_named() {
    let vault = Vault::new();
    let ada = Vault::age("ada");
    let app = json!({
        "apiVersion": "gitops-sync.dev/v1alpha1", "kind": "GitOpsApp",
        "metadata": {"name": "web", "namespace": "team"},
        "spec": {"repoURL": "https://git.example/config", "path": "apps", "decryption": {"secretRef": {"name": "keys"}}},
    });
    let keys = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {&ada.entry: &ada.key},
    });
    let tree = Tree::new(&[
        ("apps/s.yaml", &vault.encrypt("s.yaml", SECRET, &ada)),
        ("app.yaml", &app.to_string()),
    ]);
    // Beside the repository, as no one would commit it.
    let file = vault.path().join("keys.yaml");
    fs::write(&file, keys.to_string()).unwrap();
    let missing = tree.build(&["--app", "app.yaml"]);
    assert_eq!(missing.code, Some(1));
    let expect = "Secret team/keys, which spec.decryption.secretRef names, is not given";
    assert!(missing.stderr.contains(expect), "{}", missing.stderr);
    let given = format!("team/keys={}", file.display());
    let found = tree.objects(&["--app", "app.yaml", "--ref", &given]);
    assert_eq!(found[0]["data"], json!({"p": "MDY0NA==", "q": "YQ=="}));
    // Without a word on decryption, ciphertext is not printed.
    let refused = tree.build(&["apps"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    assert!(refused.stderr.contains("apps/s.yaml"), "{}", refused.stderr);
}

#[test]
fn what_kustomize_refuses_as_a_whole_is_said_and_never_taken_for_nothing() {
    let check = |files: &[(&str, &str)], words: &str| {
        let failed = Tree::new(files).build(&["apps"]);
        assert_eq!((failed.code, failed.stdout.as_str()), (Some(1), ""), "{failed:#?}");
        assert!(failed.stderr.starts_with("error: apps"), "{failed:#?}");
        assert!(failed.stderr.contains(words), "{failed:#?}");
    };
    let apps = "apps/kustomization.yaml";
    let (a, b) = ("a/kustomization.yaml", "b/kustomization.yaml");
    check(&[(apps, "resources: [../a]"), (a, "resources: [../apps]")], "cycle detected");
    let circle = [(apps, "resources: [../a]"), (a, "resources: [../b]"), (b, "resources: [../a]")];
    check(&circle, "cycle detected");
    for empty in ["", "# nothing\n", "{}", "kind: Kustomization\nresources:\n"] {
        check(&[(apps, empty)], "apps/kustomization.yaml:1:1: a kustomization that says nothing");
    }
    // What it says of old fields does not hide why.
    let patch = "patchesStrategicMerge: ['{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}']";
    check(&[(apps, patch)], "apps: kustomize says: no matches for Id");
}

#[test]
fn values_of_a_chart_are_given_or_named() {
    let app = json!({
        "apiVersion": "gitops-sync.dev/v1alpha1", "kind": "GitOpsApp",
        "metadata": {"name": "web", "namespace": "team"},
        "spec": {"repoURL": "https://git.example/config", "path": "web", "render": {"helm": {
            "valuesFrom": [
                {"kind": "Secret", "name": "s", "valuesKey": "p", "targetPath": "a.b"},
                {"kind": "ConfigMap", "name": "m", "optional": true},
            ],
            "values": {"c": "own"},
        }}},
    });
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {key: '{{ .Values.a.b }} {{ .Values.c }}'}\n";
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {p: x, q: z}\n";
    let tree = Tree::new(&[
        ("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
        ("web/templates/map.yaml", map),
        ("app.yaml", &app.to_string()),
        ("secret.yaml", secret),
        ("other.yaml", &secret.replace("p:", "o:")),
    ]);
    let missing = tree.build(&["--app", "app.yaml"]);
    let expect = "Secret team/s, which spec.render.helm.valuesFrom names, is not given";
    assert!(missing.stderr.contains(expect), "{missing:#?}");
    let other = tree.build(&["--app", "app.yaml", "--ref", "team/s=other.yaml"]);
    assert!(other.stderr.contains("Secret s has no key p"), "{other:#?}");
    let found = tree.objects(&["--app", "app.yaml", "--ref", "team/s=secret.yaml"]);
    assert_eq!(found[0]["data"], json!({"key": "x own"}));
}

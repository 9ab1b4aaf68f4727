//! Kustomizations, built by the real kustomize.

use serde_json::json;

use crate::apps::Apps;
use crate::support::{Fixture, config_map, plane, program};

const BASE: &str = "
resources: [deployment.yaml]
configMapGenerator:
- name: settings
  files: [settings.txt]
";
const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: web, envFrom: [{configMapRef: {name: settings}}]}]
";
const OVERLAY: &str = "
resources: [../../base]
namePrefix: prod-
images: [{name: web, newTag: '1.4'}]
patches:
- target: {kind: Deployment}
  patch: |
    - {op: add, path: /spec/paused, value: true}
";

#[test]
fn an_overlay_is_built_with_its_base_wherever_that_is() {
    let test = Fixture::new("overlay");
    test.commit(&[
        ("base/kustomization.yaml", BASE),
        ("base/deployment.yaml", WEB),
        ("base/settings.txt", "a"),
        ("apps/prod/kustomization.yaml", OVERLAY),
        (
            "apps/prod/notes.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: not-a-resource}\n",
        ),
    ]);
    let daemon = test.run_app(&test.namespace, "apps/prod", &["--prune"]);
    daemon.line(&["INFO Synced", "created=2"]);
    let image = ".spec.template.spec.containers[0].image";
    test.expect("deploy/prod-web", image, "web:1.4");
    assert_eq!(test.field("deploy/prod-web", ".spec.paused"), "true");
    assert_eq!(
        test.field("deploy/prod-web", ".metadata.annotations.config\\.kubernetes\\.io/origin"),
        ""
    );
    let reference = ".spec.template.spec.containers[0].envFrom[0].configMapRef.name";
    let first = test.field("deploy/prod-web", reference);
    assert!(first.starts_with("prod-settings-"), "{first}");
    // What changes is outside of the app's path.
    let commit = test.commit(&[("base/settings.txt", "b")]);
    daemon.line(&["INFO Synced", &commit]);
    let second = test.field("deploy/prod-web", reference);
    assert_ne!(first, second);
    test.expect(&format!("configmap/{second}"), ".data.settings\\.txt", "b");
    test.expect(&format!("configmap/{first}"), ".metadata.name", "");
}

#[test]
fn what_kustomize_refuses_is_said_and_what_is_there_stays() {
    let test = Fixture::new("refused");
    test.commit(&[("apps/kustomization.yaml", "resources: [a.yaml]\n"), ("apps/a.yaml", WEB)]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=1"]);
    test.commit(&[("apps/kustomization.yaml", "resources: [a.yaml]\nnamePrefix: [x]\n")]);
    daemon.line(&["apps: kustomize says"]);
    // It is still kept as it was.
    test.kubectl(&["scale", "deploy/web", "--replicas", "3"]);
    test.expect("deploy/web", ".spec.replicas", "0");
    let commit =
        test.commit(&[("apps/kustomization.yaml", "resources: [a.yaml]\nnameSuffix: -x\n")]);
    daemon.line(&["INFO Synced", &commit]);
    test.expect("deploy/web-x", ".metadata.name", "web-x");
}

#[test]
fn nothing_outside_of_the_repository_is_read() {
    let check = |name: &str, files: &[(&str, &str)], words: &[&str]| {
        let test = Fixture::new("outside");
        test.commit(files);
        let daemon = test.run(&[]);
        let line = daemon.line(words);
        assert!(!line.contains("root:"), "{name}: {line}");
        let all = plane().kubectl(&["get", "cm", "-n", &test.namespace, "-o", "name"]).unwrap();
        assert_eq!(all.trim(), "configmap/kube-root-ca.crt", "{name}");
    };
    let top = "apps/kustomization.yaml";
    check(
        "an absolute path",
        &[(top, "configMapGenerator: [{name: a, files: [/etc/passwd]}]")],
        &["refers to /etc/passwd in configMapGenerator, which leads out of the tree"],
    );
    check(
        "a path that leaves",
        &[(top, "configmapgenerator: [{name: a, FILES: [../../etc/passwd]}]")],
        &["refers to ../../etc/passwd", "leads out of the tree"],
    );
    check(
        "a generator in a file",
        &[
            (top, "generators: [g.yaml]"),
            (
                "apps/g.yaml",
                "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: a}\nfiles: [/etc/passwd]\n",
            ),
        ],
        &["kustomize says", "/etc/passwd"],
    );
    check(
        "another repository",
        &[(top, "resources: ['https://user:hunter2@git.example/base?ref=main']")],
        &["refers to https://git.example/base in resources, which is not in this repository"],
    );
    check(
        "a chart",
        &[(top, "helmCharts: [{name: a, repo: 'https://charts.example'}]")],
        &["has helmCharts", "render.type helm"],
    );
    check(
        "what is not there",
        &[(top, "resources: [a.yaml, b.yaml]\ncomponents: [c]")],
        &["refers to a.yaml in resources, which leads nowhere"],
    );
}

#[test]
fn an_app_adds_to_its_kustomization() {
    let apps = Apps::new("kustopts");
    apps.commit(&[
        (
            "web/kustomization.yaml",
            "resources: [web.yaml]\nimages: [{name: web, newTag: '1'}]\nnamePrefix: x-",
        ),
        ("web/web.yaml", WEB),
        (
            "parts/more/kustomization.yaml",
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [more.yaml]",
        ),
        ("parts/more/more.yaml", &config_map("more", "1")),
        ("bare/a.yaml", &config_map("a", "1")),
        ("bare/deep/kustomization.yaml", "resources: [../b.txt]\nnameSuffix: -deep"),
        ("bare/deep/notes.yaml", &config_map("not-declared", "1")),
        ("bare/b.txt", &config_map("b", "1")),
    ]);
    let kustomize = json!({
        "images": ["web=registry.example/web:2"],
        "replicas": [{"name": "web", "count": 2}],
        "namePrefix": "a-", "nameSuffix": "-z",
        "components": ["../parts/more"],
        "commonAnnotations": {"example.com/note": "n"},
        "patches": [{
            "target": {"kind": "Deployment"},
            "patch": "- {op: add, path: /spec/paused, value: true}",
        }],
    });
    apps.app("web", "web", json!({"render": {"kustomize": kustomize}}));
    // One is made of a folder that has none, with those in folders below it.
    apps.app("bare", "bare", json!({"render": {"kustomize": {"namePrefix": "c-"}}}));
    apps.app("as-is", "bare", json!({}));
    apps.wait("web", "Ready");
    let field = |path: &str| apps.field("deploy/a-web-z", path);
    assert_eq!(field(".spec.template.spec.containers[0].image"), "registry.example/web:2");
    assert_eq!(field(".spec.replicas"), "2");
    assert_eq!(field(".spec.paused"), "true");
    assert_eq!(field(".metadata.annotations.example\\.com/note"), "n");
    assert_eq!(apps.field("cm/a-more-z", ".data.key"), "1");
    apps.wait("bare", "Ready");
    assert_eq!(apps.field("cm/c-a", ".data.key"), "1");
    assert_eq!(apps.field("cm/c-b-deep", ".data.key"), "1");
    apps.wait("as-is", "Ready");
    assert_eq!(apps.field("cm/b-deep", ".data.key"), "1");
    assert_eq!(apps.field("cm/not-declared", ".data.key"), "");
}

#[test]
fn what_kustomize_quotes_of_secrets_is_not_said() {
    const CANARY: &str = "hunter2-quoted";
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{p: {CANARY}}}\n"
    );
    let check = |kustomization: &str, words: &str| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("s.yaml"), &secret).unwrap();
        std::fs::write(folder.path().join("kustomization.yaml"), kustomization).unwrap();
        let output = program().arg("build").arg(folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.starts_with("error: .: kustomize says: ") && said.contains(words), "{said}");
        assert!(!said.contains(CANARY), "{said}");
    };
    check(
        "resources: [s.yaml]\nreplacements: [{source: {kind: Secret, fieldPath: stringData.p.x}, targets: [{select: {kind: Secret}, fieldPaths: [data.y]}]}]",
        "node contents: (hidden)",
    );
    check(
        &format!("secretGenerator: [{{name: s, literals: [{CANARY}]}}]"),
        "invalid literal source (hidden)",
    );
}

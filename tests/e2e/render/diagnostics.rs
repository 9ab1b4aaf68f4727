//! All that is wrong is told at once, in the order of the places where it is.

use super::build::Tree;
use super::vault::Vault;
use crate::support::config_map;

/// What `build` says of a folder of these files: lines that begin and end so.
fn check(path: &str, files: &[(&str, &str)], expect: &[(&str, &str)]) {
    let tree = Tree::new(files);
    let built = tree.build(&[path]);
    assert_eq!((built.code, built.stdout.as_str()), (Some(1), ""), "{}", built.stderr);
    let said: Vec<_> = built.stderr.lines().collect();
    assert_eq!(said.len(), expect.len(), "{said:#?}");
    for (line, (place, words)) in said.iter().zip(expect) {
        assert!(line.starts_with(&format!("error: {place}: ")), "{place}: {said:#?}");
        assert!(line.contains(words), "{words}: {said:#?}");
        assert!(!line.contains("hunter2"), "{said:#?}");
    }
}

#[test]
fn every_reference_and_file_of_a_kustomization_that_is_wrong_is_told() {
    let top = "
# Much is wrong here.
resources:
- ../base
- a.yaml
- b.yaml
- gone.yaml
- https://user:hunter2@git.example/x?ref=main
configMapGenerator:
- name: c
  files: [k=../../../etc/passwd]
helmCharts: [{name: a}]
patches:
- path: patch.yaml
";
    let files = [
        ("apps/kustomization.yaml", top),
        ("apps/a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: [hunter2}\n"),
        ("apps/b.yaml", "kind: ConfigMap\nmetadata: {name: b}\n"),
        ("apps/patch.yaml", "a: hunter2\n b: c\n"),
        ("apps/not-read.yaml", "a: ["),
        ("base/kustomization.yaml", "resources: [c.yaml]\ncomponents: [d]\n"),
        ("base/c.yaml", "kind: A\napiVersion: v1\nmetadata: {}\n"),
    ];
    let expect = [
        ("apps/a.yaml:3:18", "this is not YAML"),
        ("apps/b.yaml:1:1", "has no apiVersion"),
        ("apps/kustomization.yaml:7:3", "refers to gone.yaml in resources"),
        ("apps/kustomization.yaml:8:3", "refers to https://git.example/x in resources"),
        ("apps/kustomization.yaml:11:11", "in configMapGenerator, which leads out of the tree"),
        ("apps/kustomization.yaml:12:1", "has helmCharts"),
        ("apps/patch.yaml:2:3", "this is not YAML"),
        ("base/c.yaml:3:1", "metadata.name must be"),
        ("base/kustomization.yaml:2:14", "refers to d in components"),
    ];
    check("apps", &files, &expect);
}

#[test]
fn every_kustomization_that_cannot_be_built_is_told() {
    let bad_patch = "resources: [a.yaml]\npatches: [{target: {kind: ConfigMap}, patch: '[{op: replace, path: /spec/x, value: y}]'}]\n";
    let map = config_map("a", "1");
    let broken = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: [hunter2}\n";
    let files = [
        ("apps/kustomization.yaml", "resources: [../one, ../two, ../three, ../four]\n"),
        ("one/kustomization.yaml", bad_patch),
        ("one/a.yaml", &map),
        ("two/kustomization.yaml", "resources: [a.yaml]\nnamePrefix: [x]\n"),
        ("two/a.yaml", &map),
        ("three/kustomization.yaml", "resources: [a.yaml, b.yaml]\n"),
        ("three/a.yaml", broken),
        ("three/b.yaml", broken),
        ("four/kustomization.yaml", "resources: [a.yaml]\nnamePrefix: x-\n"),
        ("four/a.yaml", &map),
    ];
    let expect = [
        ("one", "kustomize says"),
        ("three/a.yaml:3:18", "this is not YAML"),
        ("three/b.yaml:3:18", "this is not YAML"),
        ("two", "kustomize says"),
    ];
    check("apps", &files, &expect);
}

#[test]
fn what_kustomize_complains_about_is_told_where_it_stands() {
    let map = config_map("a", "1");
    let with = |kustomization: &'static str| {
        [
            ("apps/kustomization.yaml", kustomization),
            ("apps/a.yaml", &*map),
            ("apps/b.yaml", &*map),
            ("apps/p.yaml", "# c\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: z}\n"),
        ]
    };
    check(
        "apps",
        &with("resources: [a.yaml]\nresource: [b.yaml]\n"),
        &[("apps/kustomization.yaml:2:1", "unknown field \"resource\"")],
    );
    check(
        "apps",
        &with("resources: [a.yaml, b.yaml]\n"),
        &[("apps/kustomization.yaml:1:21", "with an already registered id: ConfigMap.v1/a")],
    );
    check(
        "apps",
        &with("resources: [a.yaml]\npatches: [{path: p.yaml}]\n"),
        &[("apps/p.yaml:2", "no resource matches strategic merge patch \"ConfigMap.v1/z\"")],
    );
    let generator =
        "resources: [a.yaml]\nconfigMapGenerator: [{name: z, behavior: merge, literals: [a=b]}]\n";
    check(
        "apps",
        &with(generator),
        &[("apps", "needs a ConfigMap z from a base, and there is none")],
    );
}

#[test]
fn what_kustomize_takes_is_not_refused_for_how_it_is_read_here() {
    let thing = "apiVersion: e2e.test/v1\nkind: Thing\nmetadata: {name: a}\nspec: {";
    let [plain, patch] = ["}\n", "list: [a:, b]}\n"].map(|end| format!("{thing}{end}"));
    let tree = Tree::new(&[
        ("apps/kustomization.yaml", "resources: [a.yaml]\npatches: [{path: p.yaml}]\n"),
        ("apps/a.yaml", &plain),
        ("apps/p.yaml", &patch),
    ]);
    let built = tree.build(&["apps"]);
    assert_eq!(built.code, Some(0), "{}", built.stderr);
}

#[test]
fn every_object_that_is_wrong_is_told_where_it_stands() {
    let secret =
        |name: &str| format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\ndata:\n");
    let files = [
        ("apps/kustomization.yaml", "resources: [../base, a.yaml]\nnamePrefix: x-\n"),
        (
            "apps/a.yaml",
            &*(secret("a") + "  p: hunter2?\n---\n" + &secret("b") + "  q: hunter2!\n"),
        ),
        ("base/kustomization.yaml", "resources: [s.yaml]\n"),
        ("base/s.yaml", &*(secret("s") + "  a: YQ==\n  b: hunter2?\n")),
    ];
    let expect = [
        ("apps/a.yaml:6:3", "secret/x-a data.p must be"),
        ("apps/a.yaml:13:3", "secret/x-b data.q must be"),
        ("base/s.yaml:7:3", "secret/x-s data.b must be"),
    ];
    check("apps", &files, &expect);
}

#[test]
fn every_template_and_file_of_a_chart_that_is_wrong_is_told() {
    let map = |value: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {value}}}\ndata: {{k: v}}\n")
    };
    let helpers = "{{ define \"name\" }}{{ required \"a name is needed\" .Values.name }}{{ end }}";
    let calls = map("{{ include \"name\" . }}");
    let (nil, bad, good) = (map("{{ .Values.a.b }}"), map("[hunter2}"), map("fine"));
    let double = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 7}\n";
    let files = [
        ("apps/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
        ("apps/templates/_helpers.tpl", helpers),
        ("apps/templates/a.yaml", &*calls),
        ("apps/templates/b.yaml", "k: 1\n{{ if }}\n"),
        ("apps/templates/c.yaml", &*nil),
        ("apps/templates/d.yaml", &*bad),
        ("apps/templates/e.yaml", double),
        ("apps/templates/f.yaml", &*good),
        ("apps/templates/g.yaml", &*good),
        ("apps/crds/a.yaml", "kind: [hunter2}\n"),
    ];
    let expect = [
        ("apps/crds/a.yaml:1:7", "this is not YAML"),
        ("apps/templates/a.yaml:3:21", "a name is needed"),
        ("apps/templates/b.yaml:2", "missing value for if"),
        ("apps/templates/c.yaml:3:28", "nil pointer"),
        ("apps/templates/d.yaml", "helm says"),
        ("apps/templates/e.yaml:3:12", "metadata.name must be"),
        ("apps/templates/g.yaml", "is declared a second time"),
    ];
    check("apps", &files, &expect);
    let values = [
        ("apps/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
        ("apps/values.yaml", "a: [hunter2\n"),
        ("apps/charts/db/Chart.yaml", "apiVersion: v2\nname: db\nversion: [\n"),
        ("apps/charts/db/values.yaml", "a: b: hunter2\n"),
        ("apps/templates/a.yaml", "{{ if }}"),
    ];
    let expect = [
        ("apps/charts/db/Chart.yaml:3:10", "this is not YAML"),
        ("apps/charts/db/values.yaml:1:5", "this is not YAML"),
        ("apps/values.yaml:1:4", "this is not YAML"),
    ];
    check("apps", &values, &expect);
}

#[test]
fn every_file_that_cannot_be_decrypted_is_told() {
    let vault = Vault::new();
    let (ada, eve) = (Vault::age("ada"), Vault::age("eve"));
    vault.give(&ada);
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {p: hunter2}\n";
    let foreign = vault.encrypt("a.yaml", secret, &eve);
    let own = vault.encrypt("a.yaml", secret, &ada);
    let tree = Tree::new(&[
        (
            "apps/kustomization.yaml",
            "resources: [a.yaml, b.yaml, c.yaml, d.yaml, e.yaml, gone.yaml]\n",
        ),
        ("apps/a.yaml", &foreign),
        ("apps/b.yaml", &own.replace("name: a", "name: b")),
        ("apps/c.yaml", &own),
        ("apps/d.yaml", &foreign),
        ("apps/e.yaml", "a: [\n"),
    ]);
    let keys = vault.path().to_str().unwrap();
    let built = tree.build(&["apps", "--decryption-keys", keys]);
    let said: Vec<_> = built.stderr.lines().collect();
    let expect = [
        "error: apps/a.yaml: is encrypted for ",
        "error: apps/b.yaml: was changed after it was encrypted",
        "error: apps/d.yaml: is encrypted for ",
        "error: apps/e.yaml:1:4: this is not YAML",
        "error: apps/kustomization.yaml:1:53: refers to gone.yaml in resources",
    ];
    assert_eq!(said.len(), expect.len(), "{said:#?}");
    for (line, expect) in said.iter().zip(expect) {
        assert!(line.starts_with(expect), "{expect}: {said:#?}");
    }
}

//! What helm prints by itself, and what comes of the same charts here.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use gitops_sync::api::GitOpsAppSpec;
use gitops_sync::builder::{Inputs, Recipe, Tools, build};
use gitops_sync::plan::Capabilities;
use gitops_sync::render::{Edits, Manifest, Origin, manifest, yaml};
use gitops_sync::source::{Limits, folder};
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::{Programs, Tool};

type Files = Vec<(&'static str, &'static str)>;

const META: &str = "apiVersion: v2\nname: web\nversion: 1.2.3\nappVersion: '4'\n";

/// Charts, each with arguments for helm and the same for us.
fn charts() -> Vec<(&'static str, Files, Vec<&'static str>, Value)> {
    vec![
        (
            "subcharts",
            subcharts(),
            vec!["--set", "tags.front=false"],
            json!({"parameters": [{"name": "tags.front", "value": "false"}]}),
        ),
        ("tpl", tpl(), vec!["--values", "prod.yaml"], json!({"valuesFiles": ["prod.yaml"]})),
        ("crds", crds(), vec!["--include-crds"], json!({})),
        ("no crds", crds(), vec!["--skip-crds"], json!({"skipCrds": true})),
        (
            "capabilities",
            capabilities(),
            vec!["--kube-version", "1.29.3", "--api-versions", "example.com/v1"],
            json!({"kubeVersion": "1.29.3", "apiVersions": ["example.com/v1"]}),
        ),
        (
            "values",
            values(),
            vec!["--set", "a.b=1,c=null,list={x,y}", "--set-string", "text=1"],
            json!({"parameters": [
                {"name": "a.b", "value": "1"}, {"name": "c", "value": "null"},
                {"name": "list", "value": "{x,y}"}, {"name": "text", "value": "1", "forceString": true},
            ]}),
        ),
    ]
}

fn subcharts() -> Files {
    vec![
        (
            "Chart.yaml",
            "apiVersion: v2\nname: web\nversion: 1.2.3\ndependencies:\n- {name: db, version: '>=0', alias: store, condition: store.enabled}\n- {name: db, version: '>=0', alias: cache, condition: cache.enabled}\n- {name: front, version: '>=0', tags: [front]}\n",
        ),
        (
            "values.yaml",
            "global: {team: red}\nstore: {enabled: true, size: 2}\ncache: {enabled: false}\n",
        ),
        ("templates/a.yaml", "{{ include \"web.map\" (list . \"own\") }}"),
        (
            "templates/_helpers.tpl",
            "{{ define \"web.map\" }}{{ $top := first . }}\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ last . }}-{{ $top.Chart.Name }}}\ndata: {team: {{ $top.Values.global.team }}}\n{{ end }}",
        ),
        ("charts/db/Chart.yaml", "apiVersion: v2\nname: db\nversion: 0.1.0\n"),
        ("charts/db/values.yaml", "size: 1\n"),
        (
            "charts/db/templates/a.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Chart.Name }}}\ndata: {size: \"{{ .Values.size }}\", team: {{ .Values.global.team }}}\n",
        ),
        ("charts/front/Chart.yaml", "apiVersion: v1\nname: front\nversion: 0.1.0\n"),
        (
            "charts/front/templates/a.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: front}\n",
        ),
    ]
}

fn tpl() -> Files {
    vec![
        ("Chart.yaml", META),
        (
            "values.yaml",
            "hosts: [a, b]\ntext: 'release {{ .Release.Name }} in {{ .Release.Namespace }}'\n",
        ),
        ("prod.yaml", "hosts: [c, d, e]\n"),
        ("files/a.txt", "one\n"),
        ("files/b.txt", "two: {{ not a template }}\n"),
        (
            "templates/a.yaml",
            "{{- range $n, $host := .Values.hosts }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ $host }}\n  labels: {n: \"{{ $n }}\", chart: {{ printf \"%s-%s\" $.Chart.Name $.Chart.Version }}, app: {{ $.Chart.AppVersion | quote }}}\ndata:\n  text: {{ tpl $.Values.text $ | quote }}\n{{ ($.Files.Glob \"files/*\").AsConfig | indent 2 }}\n{{- end }}\n",
        ),
        (
            "templates/secret.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata:\n  sum: {{ sha256sum \"a\" | b64enc }}\n",
        ),
        ("templates/empty.yaml", "{{ if false }}\na: b\n{{ end }}"),
        ("templates/NOTES.txt", "Thanks for {{ .Release.Name }}"),
        (
            "templates/tests/test.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: t, annotations: {helm.sh/hook: test}}\n",
        ),
        (
            "templates/hook.yaml",
            "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j, annotations: {helm.sh/hook: 'pre-install,pre-upgrade', helm.sh/hook-weight: '-5'}}\n",
        ),
    ]
}

fn crds() -> Files {
    let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things.example.com}\n---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: others.example.com}\n";
    let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n";
    vec![("Chart.yaml", META), ("crds/a.yaml", crd), ("templates/list.yaml", list)]
}

fn capabilities() -> Files {
    vec![
        ("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.2.3\nkubeVersion: '>=1.20.0-0'\n"),
        (
            "templates/a.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  version: {{ .Capabilities.KubeVersion.Version }}\n  minor: {{ .Capabilities.KubeVersion.Minor | quote }}\n  helm: {{ .Capabilities.HelmVersion.Version }}\n  has: \"{{ .Capabilities.APIVersions.Has \"example.com/v1\" }} {{ .Capabilities.APIVersions.Has \"example.com/v2\" }}\"\n  upgrade: \"{{ .Release.IsUpgrade }} {{ .Release.Revision }} {{ .Release.Service }}\"\n{{ if semverCompare \">=1.29-0\" .Capabilities.KubeVersion.Version }}  new: 'yes'\n{{ end }}",
        ),
    ]
}

fn values() -> Files {
    vec![
        ("Chart.yaml", META),
        (
            "values.yaml",
            "a: {b: 0, d: 1e3}\nc: here\nlist: []\ntext: a\nbig: 12345678901\nmode: 0644\non: off\n",
        ),
        (
            "templates/a.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  all: {{ .Values | toJson | quote }}\n  kinds: \"{{ kindOf .Values.a.b }} {{ kindOf .Values.text }} {{ hasKey .Values \"c\" }}\"\n",
        ),
    ]
}

fn sorted(mut objects: Vec<Value>) -> Vec<String> {
    objects.sort_by_key(ToString::to_string);
    objects.iter().map(ToString::to_string).collect()
}

/// What helm prints of a chart, but for hooks, as anybody reads it.
fn printed(folder: &Path, arguments: &[&str]) -> Vec<String> {
    let mut command = Programs::locate().unwrap().command(Tool::Helm);
    command.current_dir(folder).args(["template", "shop", ".", "--namespace", "team"]);
    let output = command.args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let documents = yaml::documents(&text).unwrap().into_iter().map(|document| document.value);
    let ordinary = documents.filter(|d| d["metadata"]["annotations"]["helm.sh/hook"].is_null());
    let read =
        ordinary.flat_map(|d| manifest::read(d, &Origin::file("a"), &Edits::default()).manifests);
    sorted(read.map(|manifest| manifest.body()).collect())
}

/// What we make of it.
fn built(folder: &Path, helm: &Value) -> Vec<String> {
    let data = TempDir::new().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_gitops-sync"));
    let tools = Tools::new(program, data.path(), Duration::from_mins(2));
    let spec = json!({"repoURL": "https://git.example/c.git", "render": {"helm": helm}});
    let spec: GitOpsAppSpec = serde_json::from_value(spec).unwrap();
    let recipe = Recipe::of(&spec, "shop", "team");
    let version = format!("v{}", Tool::KubeApiserver.version());
    let capabilities = Some(Arc::new(Capabilities { version, ..Capabilities::default() }));
    let inputs = Inputs { capabilities, ..Inputs::default() };
    let snapshot = folder::read(folder, &recipe.render, Limits::default()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let rendered = runtime.block_on(build(&tools, &recipe, &inputs, snapshot, None)).unwrap();
    assert!(rendered.diagnostics.is_empty(), "{:?}", rendered.diagnostics);
    sorted(rendered.manifests.iter().map(|manifest: &Arc<Manifest>| manifest.body()).collect())
}

/// Set where helm is found.
const FOUND: &str = "GITOPS_SYNC_TEST_HELM_IS_FOUND";

/// Runs the test once more, where helm is found by `PATH`.
fn again() {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "render::alike::a_chart_comes_to_what_helm_makes_of_it"]);
    command.env(FOUND, "1").env("PATH", Programs::locate().unwrap().search_path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

#[test]
fn a_chart_comes_to_what_helm_makes_of_it() {
    if env::var_os(FOUND).is_none() {
        return again();
    }
    for (name, files, arguments, options) in charts() {
        let folder = TempDir::new().unwrap();
        for (path, text) in files {
            let file = folder.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let with = [&arguments[..], &["--include-crds"][..usize::from(name != "no crds")]].concat();
        let (expect, found) = (printed(folder.path(), &with), built(folder.path(), &options));
        assert!(!expect.is_empty() && found == expect, "{name}: {found:#?}\n{expect:#?}");
    }
}

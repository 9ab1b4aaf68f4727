//! Charts in the repository, rendered by the real helm.

use serde_json::{Value, json};
use testbed::{eventually, http};

use super::build::Tree;
use super::substitute::{CANARY, declare};
use crate::apps::Apps;
use crate::support::{DEADLINE, Fixture, plane};

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
const MAP: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-settings
data:
  namespace: {{ .Release.Namespace }}
  color: {{ .Values.color | quote }}
  size: {{ .Values.size | quote }}
  text: {{ kindOf .Values.text }}
  list: {{ .Values.list | toJson | quote }}
  kubernetes: {{ .Capabilities.KubeVersion.Version }}
  serves: "{{ .Capabilities.APIVersions.Has "apps/v1/Deployment" }} {{ .Capabilities.APIVersions.Has "nobody.example/v1" }}"
"#;
const VALUES: &str = "color: red\nsize: 1\ntext: a\nlist: []\n";

fn chart(test: &Fixture, more: &[(&str, &str)]) -> String {
    let own = [
        ("apps/web/Chart.yaml", CHART),
        ("apps/web/templates/map.yaml", MAP),
        ("apps/web/values.yaml", VALUES),
    ];
    test.commit(&[&own, more].concat())
}

#[test]
fn a_chart_is_rendered_with_the_values_of_its_app() {
    let apps = Apps::new("helm");
    chart(
        &apps,
        &[
            ("values/prod.yaml", "color: green\nsize: 2\ntext: b\n"),
            ("apps/web/more.yaml", "size: 3\ntext: c\n"),
        ],
    );
    apps.app("web", "apps/web", json!({}));
    let map = "configmap/web-settings";
    apps.expect(map, ".data.color", "red");
    assert_eq!(apps.field(map, ".data.namespace"), apps.namespace);
    assert_eq!(apps.field(map, ".data.serves"), "true false");
    let version = plane().kubectl(&["version", "-o", "json"]).unwrap();
    let version: serde_json::Value = serde_json::from_str(&version).unwrap();
    assert_eq!(apps.field(map, ".data.kubernetes"), version["serverVersion"]["gitVersion"]);
    let helm = json!({
        "releaseName": "shop", "namespace": "elsewhere",
        "valuesFiles": ["../../values/prod.yaml", "more.yaml", "/values/prod.yaml", "more.yaml", "gone.yaml"],
        "ignoreMissingValuesFiles": true,
        "values": {"text": 4, "list": ["a,b", {"c": null}]},
        "parameters": [{"name": "size", "value": "5,6"}, {"name": "text", "value": "7", "forceString": true}],
        "kubeVersion": "1.30.1", "apiVersions": ["nobody.example/v1"],
    });
    apps.app("web", "apps/web", json!({"render": {"helm": helm}}));
    let map = "configmap/shop-settings";
    apps.expect(map, ".data.color", "green");
    let data = |key: &str| apps.field(map, &format!(".data.{key}"));
    let found = ["namespace", "size", "text", "list", "kubernetes"].map(data);
    let expect = ["elsewhere", "5,6", "string", r#"["a,b",{"c":null}]"#, "v1.30.1"];
    assert_eq!(found, expect);
    assert_eq!(data("serves"), "false true");
    // What was left of the other release goes.
    apps.gone("configmap/web-settings");
}

#[test]
fn charts_of_the_same_tree_and_vendored_ones_are_taken_in_and_others_are_named() {
    let test = Fixture::new("helm-charts");
    let dependencies = "dependencies:\n- {name: lib, version: 0.1.0, repository: 'file://../../lib'}\n- {name: own, version: 0.1.0, repository: 'https://charts.example'}\n";
    let files = |name: &str| {
        [
            (format!("{name}/Chart.yaml"), "apiVersion: v2\nname: NAME\nversion: 0.1.0\n"),
            (
                format!("{name}/templates/map.yaml"),
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Chart.Name }}}\n",
            ),
        ]
    };
    let mut all = Vec::new();
    for (folder, name) in [("lib", "lib"), ("apps/web/charts/own", "own"), ("base", "base")] {
        all.extend(files(folder).map(|(path, text)| (path, text.replace("NAME", name))));
    }
    let nested = "apiVersion: v2\nname: lib\nversion: 0.1.0\ndependencies:\n- {name: base, version: 0.1.0, repository: 'file://../base'}\n";
    all.push(("lib/Chart.yaml".into(), nested.into()));
    all.push(("apps/web/.helmignore".into(), "ignored.yaml\n".into()));
    all.push(("apps/web/templates/ignored.yaml".into(), "{{ fail \"read\" }}".into()));
    let all: Vec<_> = all.iter().map(|(path, text)| (&**path, &**text)).collect();
    let with = format!("{CHART}{dependencies}");
    chart(&test, &[&all[..], &[("apps/web/Chart.yaml", &with)]].concat());
    let daemon = test.run_app(&test.namespace, "apps/web", &["--prune"]);
    daemon.line(&["INFO Synced", "created=4"]);
    for name in ["lib", "own", "base"] {
        test.expect(&format!("configmap/{name}"), ".metadata.name", name);
    }
    let more =
        format!("{with}- {{name: gone, version: '1', repository: 'https://charts.example'}}\n");
    test.commit(&[("apps/web/Chart.yaml", &more)]);
    daemon.line(&[
        "apps/web: lacks charts that it depends on",
        ": gone: ",
        "helm dependency update",
    ]);
    let circle = "apiVersion: v2\nname: base\nversion: 0.1.0\ndependencies:\n- {name: lib, version: 0.1.0, repository: 'file://../lib'}\n";
    test.commit(&[("base/Chart.yaml", circle)]);
    daemon.line(&["base/Chart.yaml: refers to ../lib in dependencies, which leads in a circle"]);
    let out = format!(
        "{CHART}dependencies:\n- {{name: a, version: '1', repository: 'file:///etc'}}\n- {{name: b, version: '1', repository: 'file://../../../b'}}\n"
    );
    test.commit(&[("apps/web/Chart.yaml", &out)]);
    daemon.line(&["refers to /etc in dependencies, which leads out of the tree"]);
    daemon.line(&["refers to ../../../b in dependencies, which leads out of the tree"]);
    // What was there stays.
    assert_eq!(test.field("configmap/base", ".metadata.name"), "base");
}

#[test]
fn hooks_are_said_crds_are_applied_and_what_is_to_be_kept_stays() {
    let test = Fixture::new("helm-hooks");
    let group = format!("{}.example", test.namespace);
    let crd = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: things.{group}}}\nspec:\n  group: {group}\n  scope: Namespaced\n  names: {{kind: Thing, plural: things}}\n  versions:\n  - {{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}}}\n"
    );
    let thing = format!("apiVersion: {group}/v1\nkind: Thing\nmetadata: {{name: a}}\n");
    let map = |name: &str, annotation: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, annotations: {{{annotation}}}}}\n"
        )
    };
    let files = [
        ("apps/web/crds/thing.yaml", crd),
        ("apps/web/templates/thing.yaml", thing),
        ("apps/web/templates/kept.yaml", map("kept", "helm.sh/resource-policy: keep")),
        ("apps/web/templates/hook.yaml", map("migrate", "helm.sh/hook: pre-install")),
        ("apps/web/templates/test.yaml", map("try", "helm.sh/hook: test")),
        ("apps/web/templates/NOTES.txt", "Thanks {{ .Release.Name }}".to_owned()),
    ];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    chart(&test, &files);
    let daemon = test.run_app(&test.namespace, "apps/web", &["--prune"]);
    let said = daemon.line(&["Hooks of charts are not run yet"]);
    assert!(said.contains("configmap/migrate") && !said.contains("try"), "{said}");
    daemon.line(&["INFO Synced", "created=4"]);
    test.expect(&format!("things.{group}/a"), ".metadata.name", "a");
    // That is nothing wrong: what leaves git goes, but for what asks to be kept.
    test.repo.remove("apps/web/templates/kept.yaml").unwrap();
    test.repo.remove("apps/web/templates/thing.yaml").unwrap();
    test.repo.commit("Less").unwrap();
    daemon.line(&["configmap/kept", "no longer managed"]);
    test.expect(&format!("things.{group}/a"), ".metadata.name", "");
    assert_eq!(test.field("configmap/kept", ".metadata.name"), "kept");
    let all = test.kubectl(&["get", "configmap", "-o", "name"]);
    assert!(!all.contains("migrate") && !all.contains("try"), "{all}");
    plane().kubectl(&["delete", "crd", &format!("things.{group}")]).unwrap();
}

/// What an app has its values from: three references, and one that may be missing.
fn values_from() -> Value {
    json!({"render": {"helm": {
        "valuesFrom": [
            {"kind": "ConfigMap", "name": "settings"},
            {"kind": "Secret", "name": "passwords", "valuesKey": "more"},
            {"kind": "Secret", "name": "passwords", "valuesKey": "word", "targetPath": "list"},
            {"kind": "ConfigMap", "name": "later", "optional": true},
        ],
        "valuesFiles": ["prod.yaml"],
        "values": {"text": 1},
    }}})
}

fn declare_references(test: &Fixture) {
    let text = "color: green\nsize: 2\ntext: b\n";
    declare(test, "ConfigMap", "settings", &[("values.yaml", text)]);
    declare(test, "Secret", "passwords", &[("more", "size: 3"), ("word", CANARY)]);
}

/// An app whose values come from elsewhere. Nothing but a change of them makes it look again.
fn with_values_from(name: &str) -> Apps {
    let apps = Apps::new(name);
    declare_references(&apps);
    chart(&apps, &[("apps/web/prod.yaml", "color: blue\n")]);
    let mut spec = apps.spec("apps/web", values_from());
    spec["interval"] = json!("1h");
    apps.apply("web", &spec);
    apps.reason("web", "Ready", "Synced");
    apps
}

#[test]
fn values_come_from_config_maps_and_secrets_and_are_followed() {
    let apps = with_values_from("helm-from");
    let map = "configmap/web-settings";
    let data =
        || ["color", "size", "text", "list"].map(|key| apps.field(map, &format!(".data.{key}")));
    let word = format!("\"{CANARY}\"");
    assert_eq!(data(), ["green", "3", "float64", &word]);
    declare(&apps, "Secret", "passwords", &[("word", "12")]);
    apps.expect(map, ".data.list", "12");
    declare(&apps, "ConfigMap", "later", &[("values.yaml", "list: [x]")]);
    apps.expect(map, ".data.list", r#"["x"]"#);
    declare(&apps, "ConfigMap", "later", &[("values.yaml", "[x]")]);
    let said = apps.reason("web", "Ready", "ReferenceUnavailable");
    let expect = "render.helm.valuesFrom: values.yaml of ConfigMap later is no map of values";
    assert!(said.contains(expect), "{said}");
    apps.kubectl(&["delete", "cm", "later"]);
    apps.expect(map, ".data.list", "12");
    apps.reason("web", "Ready", "Synced");
}

#[test]
fn values_that_are_missing_keep_what_is_there() {
    let apps = with_values_from("helm-from-missing");
    // It is to find commits, too.
    apps.app("web", "apps/web", values_from());
    apps.kubectl(&["delete", "secret", "passwords"]);
    let said = apps.reason("web", "Ready", "ReferenceUnavailable");
    let words = format!("there is no Secret {}/passwords", apps.namespace);
    assert!(said.contains(&words), "{said}");
    // A commit waits, and nothing goes.
    apps.repo.remove("apps/web/templates/map.yaml").unwrap();
    let new =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new}\ndata: {key: {{ .Values.list }}}\n";
    apps.commit(&[("apps/web/templates/new.yaml", new)]);
    declare(&apps, "Secret", "passwords", &[("word", "found")]);
    let said = apps.reason("web", "Ready", "ReferenceUnavailable");
    eventually(DEADLINE, "the missing key", || {
        let said = apps.condition("web", "Ready")["message"].to_string();
        if said.contains("Secret passwords has no key more") { Ok(Some(())) } else { Err(said) }
    })
    .unwrap_or_else(|error| panic!("{said}: {error}"));
    let map = "configmap/web-settings";
    assert_eq!(apps.field(map, ".data.size"), "3");
    assert_eq!(apps.field("cm/new", ".metadata.name"), "");
    declare(&apps, "Secret", "passwords", &[("word", "found"), ("more", "")]);
    apps.expect("cm/new", ".data.key", "found");
    apps.gone(map);
}

#[test]
fn values_of_a_secret_are_nowhere_but_in_their_objects() {
    let apps = with_values_from("helm-from-canary");
    let map = "configmap/web-settings";
    apps.app("web", "apps/web", {
        let mut more = values_from();
        more["drift"] = json!("warn");
        more
    });
    let patch = json!({"data": {"list": "else", "color": "changed"}});
    apps.kubectl(&["patch", map, "--type=merge", "-p", &patch.to_string()]);
    apps.daemon.line(&["data.list", "(hidden)"]);
    apps.daemon.line(&["data.color", "wanted", "green", "changed"]);
    for (name, template, words) in [
        ("fail", "{{ fail .Values.list }}", "apps/web/templates/bad.yaml:1:4: helm"),
        (
            "refused",
            "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {type: {{ .Values.list }}, ports: [{port: 80}]}\n",
            "withheld",
        ),
        ("broken", "a: {{ .Values.list }}: b: {{ .Values.list }}\n", "apps/web"),
    ] {
        let mark = apps.daemon.mark();
        apps.commit(&[("apps/web/templates/bad.yaml", template)]);
        eventually(DEADLINE, name, || {
            let said = apps.condition("web", "Ready");
            if said["status"] == "False" { Ok(Some(())) } else { Err(said.to_string()) }
        })
        .unwrap();
        apps.daemon.line_after(mark, &[words]);
    }
    let shown = [
        apps.daemon.0.lines().join("\n"),
        apps.kubectl(&["get", "gapp,events", "-o", "yaml"]),
        apps.daemon.metrics(),
        http("GET", &format!("{}/api/v1/apps", apps.daemon.url()), &[], b"").unwrap().1,
    ];
    for text in shown {
        let at = text.find(CANARY).map(|at| &text[at.saturating_sub(200)..at]);
        assert_eq!(at, None);
    }
}

#[test]
fn what_helm_says_is_told_unless_a_secret_could_be_in_it() {
    let app = "apiVersion: gitops-sync.dev/v1alpha1\nkind: GitOpsApp\nmetadata: {name: web, namespace: team}\n\
               spec:\n  repoURL: https://git.example/c\n  path: web\n  render: {helm: {valuesFrom: [{kind: Secret, name: s, valuesKey: pw, targetPath: pw}, {kind: Secret, name: s}]}}\n";
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{pw: {CANARY}, values.yaml: 'tokens: {{{CANARY}: x}}'}}\n"
    );
    let check = |template: &str, expect: &str| {
        let tree = Tree::new(&[
            ("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
            ("web/templates/a.yaml", template),
            ("app.yaml", app),
            ("secret.yaml", &secret),
        ]);
        let built = tree.build(&["--app", "app.yaml", "--ref", "team/s=secret.yaml"]);
        assert_eq!((built.code, built.stdout.as_str()), (Some(1), ""));
        assert!(built.stderr.starts_with("error: web/templates/a.yaml:"), "{}", built.stderr);
        assert!(built.stderr.contains(expect), "{}", built.stderr);
        assert!(!built.stderr.contains(CANARY), "{}", built.stderr);
    };
    check("{{ required \"give a zone\" .Values.zone }}\n", "helm says: give a zone");
    check("a: {{ .Values.db.name }}\n", "nil pointer evaluating interface");
    check("a: {{ .Values.pw\n", "helm says: unclosed action");
    for template in [
        "{{ fail .Values.pw }}\n",
        "{{ fail (b64enc .Values.pw) }}\n",
        "{{ range $token, $of := .Values.tokens }}{{ fail $token }}{{ end }}\n",
        "{{ fail (len .Values.pw | toString) }}\n",
    ] {
        check(template, "its words may hold values of Secrets and are withheld");
    }
}

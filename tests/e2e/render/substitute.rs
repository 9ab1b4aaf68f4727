//! Variables in manifests: what stands for them comes from the app, from ConfigMaps and from Secrets.

use serde_json::{Value, json};
use testbed::eventually;

use crate::apps::{Apps, start_as};
use crate::support::{DEADLINE, Fixture, config_map, define_apps, plane};

/// What must never be seen but where it belongs.
pub const CANARY: &str = "canary-5eCr3t";

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${name}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: r.example/web:${tag:=1}
        args: ['--password=${password}', '--zone=${zone:=none}', '$${HOME}']
";
const SCRIPT: &str = "
apiVersion: v1
kind: ConfigMap
metadata:
  name: script
  annotations: {kustomize.toolkit.fluxcd.io/substitute: disabled}
data: {run: 'echo ${HOME}'}
";
const ARGS: &str = ".spec.template.spec.containers[0].args";

/// What an app substitutes: two references, one that may be missing, and a value of its own.
fn post_build() -> Value {
    json!({"postBuild": {
        "substitute": {"replicas": "0"},
        "substituteFrom": [
            {"kind": "ConfigMap", "name": "vars"},
            {"kind": "Secret", "name": "passwords"},
            {"kind": "ConfigMap", "name": "later", "optional": true},
        ],
    }})
}

/// Declares a ConfigMap or Secret of the namespace.
pub fn declare(test: &Fixture, kind: &str, name: &str, entries: &[(&str, &str)]) {
    let data: serde_json::Map<_, _> =
        entries.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    let field = if kind == "Secret" { "stringData" } else { "data" };
    let object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, field: data});
    let arguments = ["apply", "-n", &test.namespace, "-f", "-"];
    plane().kubectl_with_stdin(&arguments, &object.to_string()).unwrap();
}

/// Declares what `post_build` refers to.
fn declare_references(test: &Fixture) {
    declare(test, "ConfigMap", "vars", &[("name", "web"), ("replicas", "7"), ("not-a-name", "x")]);
    declare(test, "Secret", "passwords", &[("password", CANARY)]);
}

#[test]
fn values_come_from_the_app_and_its_references_and_keep_their_types() {
    let apps = Apps::new("substitute");
    declare_references(&apps);
    apps.commit(&[("apps/web.yaml", WEB), ("apps/script.yaml", SCRIPT)]);
    // Nothing but a change of what it refers to makes it look again.
    let mut spec = apps.spec("apps", post_build());
    spec["interval"] = json!("1h");
    apps.apply("web", &spec);
    apps.reason("web", "Ready", "Synced");
    assert_eq!(apps.field("deploy/web", ".spec.replicas"), "0");
    let args = format!(r#"["--password={CANARY}","--zone=none","${{HOME}}"]"#);
    assert_eq!(apps.field("deploy/web", ARGS), args);
    assert_eq!(apps.field("cm/script", ".data.run"), "echo ${HOME}");
    declare(&apps, "Secret", "passwords", &[("password", "another-one")]);
    apps.expect("deploy/web", ARGS, &args.replace(CANARY, "another-one"));
    declare(&apps, "ConfigMap", "later", &[("zone", "eu"), ("tag", "2")]);
    apps.expect("deploy/web", ".spec.template.spec.containers[0].image", "r.example/web:2");
    assert!(apps.field("deploy/web", ARGS).contains("--zone=eu"));
    apps.kubectl(&["delete", "cm", "later"]);
    apps.expect("deploy/web", ".spec.template.spec.containers[0].image", "r.example/web:1");
}

#[test]
fn a_reference_is_read_once_a_pass_and_without_any_nothing_is_sent() {
    let apps = Apps::new("substitute-cost");
    declare_references(&apps);
    apps.commit(&[("apps/web.yaml", WEB), ("plain/a.yaml", &config_map("a", "1"))]);
    apps.app("web", "apps", post_build());
    apps.app("plain", "plain", json!({}));
    for name in ["web", "plain"] {
        apps.reason(name, "Ready", "Synced");
    }
    let passes = || {
        let metrics = apps.daemon.metrics();
        let runs = metrics.lines().filter(|line| line.starts_with("gitops_sync_runs_total{"));
        let mut runs = runs.filter(|line| line.contains(".web\"") && line.contains("success"));
        let count = runs.next().and_then(|line| line.rsplit(' ').next()?.parse::<usize>().ok());
        count.unwrap_or_default()
    };
    let (before, mark) = (passes(), plane().audit().mark().unwrap());
    eventually(DEADLINE, "three passes", || {
        if passes() >= before + 3 { Ok(Some(())) } else { Err(apps.daemon.metrics()) }
    })
    .unwrap();
    let sent = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
    let sent: Vec<_> = sent
        .into_iter()
        .filter(|r| r.namespace == apps.namespace && !matches!(r.verb.as_str(), "watch" | "list"))
        .collect();
    let is_reference = |name: &str| matches!(name, "vars" | "passwords" | "later");
    let (read, other): (Vec<_>, Vec<_>) = sent.into_iter().partition(|r| is_reference(&r.name));
    assert!(read.iter().all(|r| r.verb == "get"), "{read:#?}");
    assert!(other.is_empty(), "{other:#?}");
    let of = |name: &str| read.iter().filter(|r| r.name == name).count();
    let most = passes() - before + 1;
    for name in ["vars", "passwords", "later"] {
        assert!((2..=most).contains(&of(name)), "{name}: {} in {most} passes", of(name));
    }
}

#[test]
fn a_reference_that_is_missing_keeps_what_is_there() {
    let apps = Apps::new("substitute-missing");
    declare_references(&apps);
    apps.commit(&[("apps/web.yaml", WEB), ("apps/old.yaml", &config_map("old", "1"))]);
    apps.app("web", "apps", post_build());
    apps.reason("web", "Ready", "Synced");
    apps.kubectl(&["delete", "secret", "passwords"]);
    let said = apps.reason("web", "Ready", "ReferenceUnavailable");
    let words = format!("there is no Secret {}/passwords", apps.namespace);
    assert!(said.contains(&words), "{said}");
    // A commit waits, and nothing goes; what others change is put back all the same.
    apps.repo.remove("apps/old.yaml").unwrap();
    apps.commit(&[("apps/new.yaml", &config_map("new", "${password}"))]);
    apps.kubectl(&["scale", "deploy/web", "--replicas", "3"]);
    apps.expect("deploy/web", ".spec.replicas", "0");
    for _ in 0..2 {
        apps.daemon.line_after(apps.daemon.mark(), &["ReferenceUnavailable"]);
    }
    assert_eq!(apps.field("cm/old", ".data.key"), "1");
    assert_eq!(apps.field("cm/new", ".metadata.name"), "");
    declare(&apps, "Secret", "passwords", &[("password", "found")]);
    apps.expect("cm/new", ".data.key", "found");
    apps.gone("cm/old");
    apps.reason("web", "Ready", "Synced");
}

#[test]
fn a_variable_without_a_value_is_said_with_its_file_and_nothing_is_deleted() {
    let apps = Apps::new("substitute-strict");
    declare_references(&apps);
    apps.commit(&[("apps/web.yaml", WEB), ("apps/old.yaml", &config_map("old", "1"))]);
    apps.app("web", "apps", post_build());
    apps.reason("web", "Ready", "Synced");
    apps.repo.remove("apps/old.yaml").unwrap();
    let two = "${first} ${second} ${first^^} ${zone:=x}";
    apps.commit(&[
        ("apps/a.yaml", &config_map("a", two)),
        ("apps/b.yaml", &config_map("b", "${third")),
        ("apps/c.yaml", &config_map("c", "v${tag:=9}")),
    ]);
    apps.daemon.line(&["apps/a.yaml:6:9", "uses ${first}, ${second}, which postBuild"]);
    apps.daemon.line(&["apps/b.yaml:1", "has in data.key what is not closed"]);
    apps.expect("cm/c", ".data.key", "v9");
    apps.expect("cm/old", ".data.key", "1");
    let lenient =
        json!({"postBuild": {"strict": false, "substitute": {"name": "web", "replicas": "0"}}});
    apps.commit(&[("apps/b.yaml", &config_map("b", "x"))]);
    apps.app("web", "apps", lenient);
    apps.expect("cm/a", ".data.key", "x");
    apps.gone("cm/old");
}

#[test]
fn what_kustomize_makes_is_substituted_too() {
    let apps = Apps::new("substitute-kustomize");
    declare_references(&apps);
    let top = "resources: [web.yaml]\nconfigMapGenerator: [{name: made, literals: ['zone=${zone:=eu}']}]\n";
    apps.commit(&[
        ("apps/kustomization.yaml", top),
        ("apps/web.yaml", &WEB.replace("${replicas}", "'${replicas}'")),
    ]);
    apps.app("web", "apps", post_build());
    apps.reason("web", "Ready", "Synced");
    assert_eq!(apps.field("deploy/web", ".spec.replicas"), "0");
    assert!(apps.field("deploy/web", ARGS).contains(CANARY));
    declare(&apps, "Secret", "passwords", &[("password", "another-one")]);
    eventually(DEADLINE, "the new password", || {
        let args = apps.field("deploy/web", ARGS);
        if args.contains("another-one") { Ok(Some(())) } else { Err(args) }
    })
    .unwrap();
}

#[test]
fn what_helm_makes_is_substituted_and_images_are_replaced_wherever_they_are() {
    let apps = Apps::new("substitute-helm");
    declare_references(&apps);
    let job = "
apiVersion: batch/v1
kind: CronJob
metadata: {name: '{{ .Release.Name }}-${name}'}
spec:
  schedule: '0 0 * * *'
  suspend: ${suspend:=true}
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          initContainers: [{name: a, image: 'r.example:5000/a:1'}]
          containers: [{name: b, image: 'b:1'}, {name: c, image: c, args: ['${password}']}]
";
    apps.commit(&[
        ("apps/Chart.yaml", "apiVersion: v2\nname: jobs\nversion: 1.0.0\n"),
        ("apps/templates/job.yaml", job),
    ]);
    let mut more = post_build();
    more["images"] = json!([
        "r.example:5000/a:2",
        "b=other/b@sha256:0000000000000000000000000000000000000000000000000000000000000000"
    ]);
    more["targetNamespace"] = json!(apps.namespace);
    apps.app("jobs", "apps", more);
    apps.reason("jobs", "Ready", "Synced");
    let pod = ".spec.jobTemplate.spec.template.spec";
    let name = "cronjob/jobs-web";
    assert_eq!(apps.field(name, ".spec.suspend"), "true");
    assert_eq!(apps.field(name, &format!("{pod}.initContainers[0].image")), "r.example:5000/a:2");
    let other = apps.field(name, &format!("{pod}.containers[0].image"));
    assert!(other.starts_with("other/b@sha256:0"), "{other}");
    assert_eq!(apps.field(name, &format!("{pod}.containers[1].image")), "c");
    assert!(apps.field(name, &format!("{pod}.containers[1].args")).contains(CANARY));
}

#[test]
fn values_of_a_secret_are_nowhere_but_in_their_objects() {
    let apps = Apps::new("substitute-canary");
    declare_references(&apps);
    let settings = "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, annotations: {example.com/a: 'x${password}'}}
data: {url: 'https://me:${password}@db.example', other: plain, '${password}.key': v}
";
    // The API server quotes what it refuses.
    let refused = "
apiVersion: v1
kind: Service
metadata: {name: refused}
spec: {type: '${password}', ports: [{port: 80}]}
";
    let drift = json!({"drift": "warn"});
    let mut more = post_build();
    more.as_object_mut().unwrap().extend(drift.as_object().unwrap().clone());
    apps.commit(&[("apps/web.yaml", WEB), ("apps/settings.yaml", settings)]);
    apps.app("web", "apps", more);
    apps.reason("web", "Ready", "Synced");
    let patch =
        json!({"data": {"url": "https://else", "other": "changed", format!("{CANARY}.key"): "w"}});
    apps.kubectl(&["patch", "cm", "settings", "--type=merge", "-p", &patch.to_string()]);
    apps.daemon.line(&["data.url", "(hidden)"]);
    apps.daemon.line(&["data.other", "wanted", "plain", "changed"]);
    apps.app("web", "apps", post_build());
    apps.expect("cm/settings", ".data.other", "plain");
    apps.kubectl(&["set", "env", "deploy/web", "X=Y"]);
    apps.kubectl(&["patch", "deploy", "web", "--type=json", "-p",
        r#"[{"op": "replace", "path": "/spec/template/spec/containers/0/args", "value": ["--password=x"]}]"#]);
    eventually(DEADLINE, "the arguments to be put back", || {
        let args = apps.field("deploy/web", ARGS);
        if args.contains(CANARY) { Ok(Some(())) } else { Err(args) }
    })
    .unwrap();
    apps.commit(&[("apps/refused.yaml", refused)]);
    apps.daemon.line(&["service/refused", "withheld"]);
    apps.reason("web", "Ready", "ApplyFailed");
    declare(&apps, "Secret", "passwords", &[("password", "next")]);
    apps.expect("cm/settings", ".data.url", "https://me:next@db.example");
    let shown = [
        apps.daemon.0.lines().join("\n"),
        apps.kubectl(&["get", "gapp,events", "-o", "yaml"]),
        apps.daemon.metrics(),
        testbed::http("GET", &format!("{}/api/v1/apps", apps.daemon.url()), &[], b"").unwrap().1,
    ];
    for text in shown {
        let at = text.find(CANARY).map(|at| &text[at.saturating_sub(200)..at]);
        assert_eq!(at, None);
    }
}

#[test]
fn a_secret_is_read_with_the_rights_of_the_apps_account() {
    define_apps();
    let test = Fixture::new("substitute-tenant");
    declare_references(&test);
    test.kubectl(&["create", "serviceaccount", "deployer"]);
    let daemon = start_as(&test, plane().kubeconfig(), &[]);
    test.commit(&[("apps/web.yaml", &config_map("a", "${password}"))]);
    let more = json!({"serviceAccountName": "deployer", "postBuild": {
        "substituteFrom": [{"kind": "Secret", "name": "passwords"}],
    }});
    test.app("web", "apps", more);
    let who = format!("system:serviceaccount:{}:deployer", test.namespace);
    daemon.line(&[&who, "may not read Secret", "passwords: grant get on it"]);
    assert_eq!(test.field("cm/a", ".metadata.name"), "");
    test.kubectl(&["create", "role", "r", "--verb=*", "--resource=configmaps,secrets"]);
    test.kubectl(&[
        "create",
        "rolebinding",
        "r",
        "--role=r",
        &format!("--serviceaccount={}:deployer", test.namespace),
    ]);
    test.expect("cm/a", ".data.key", CANARY);
}

#[test]
fn the_command_line_says_what_is_substituted() {
    let test = Fixture::new("substitute-flags");
    declare_references(&test);
    test.commit(&[("apps/a.yaml", &config_map("a", "${name} ${password} ${list}"))]);
    let flags =
        ["--substitute", "list=a,b", "--substitute-from", "secret/passwords,configmap/vars"];
    let daemon = test.run(&flags);
    daemon.line(&["INFO Synced", "created=1"]);
    assert_eq!(test.field("cm/a", ".data.key"), format!("web {CANARY} a,b"));
    declare(&test, "Secret", "passwords", &[("password", "next")]);
    test.expect("cm/a", ".data.key", "web next a,b");
    let other = Fixture::new("substitute-flags");
    declare_references(&other);
    other.commit(&[("apps/a.yaml", &config_map("a", "${name} ${password} ${list}"))]);
    let mut arguments = vec!["--repo", other.repo.url(), "--path", "apps", "--apply"];
    let finished = other.sync(&[&arguments[..], &flags[..]].concat());
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(other.field("cm/a", ".data.key"), format!("web {CANARY} a,b"));
    arguments.extend(["--substitute-from", "secret/none"]);
    let finished = other.sync(&arguments);
    assert!(finished.stderr.contains("there is no Secret"), "{finished:#?}");
}

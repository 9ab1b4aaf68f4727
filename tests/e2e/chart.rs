//! The Helm chart, rendered by the pinned helm for each way to run the daemon, before a real API server.

mod release;
mod rights;
mod values;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Output, Stdio};
use std::sync::LazyLock;

use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::{ControlPlane, Tool};

use crate::install::{apply, only, output, pod, repository};
use crate::support::{plane, program};

/// Where the chart is.
const CHART: &str = "charts/gitops-sync";
/// The kind of the Prometheus operator, as far as the chart goes.
const SERVICE_MONITOR: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: servicemonitors.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  names: {kind: ServiceMonitor, plural: servicemonitors, singular: servicemonitor}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            required: [endpoints, selector]
            properties:
              selector:
                type: object
                properties:
                  matchLabels: {type: object, additionalProperties: {type: string}}
              endpoints:
                type: array
                items:
                  type: object
                  properties:
                    port: {type: string}
                    path: {type: string}
                    interval: {type: string, pattern: '^[0-9smh]+$'}
                    scrapeTimeout: {type: string, pattern: '^[0-9smh]+$'}
                    relabelings: {type: array, items: {type: object, x-kubernetes-preserve-unknown-fields: true}}
                    metricRelabelings: {type: array, items: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

/// Runs helm; values come by its standard input.
fn helm(plane: &ControlPlane, arguments: &[&str], values: &Value) -> Output {
    let home = TempDir::new().unwrap();
    let mut command = plane.programs().command(Tool::Helm);
    for kind in ["CACHE", "CONFIG", "DATA"] {
        command.env(format!("HELM_{kind}_HOME"), home.path());
    }
    command.env("KUBECONFIG", plane.kubeconfig()).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let _ = write!(child.stdin.take().unwrap(), "{values}");
    child.wait_with_output().unwrap()
}

/// What helm prints.
fn said(plane: &ControlPlane, arguments: &[&str], values: &Value) -> String {
    let done = helm(plane, arguments, values);
    assert!(done.status.success(), "{values}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// The words that render a release named `gitops-sync` in a namespace.
fn template(namespace: &str) -> Vec<String> {
    let chart = repository(CHART);
    let words = ["template", "gitops-sync", chart.to_str().unwrap(), "-f", "-", "-n", namespace];
    words.map(str::to_owned).into()
}

/// The objects of such a release.
fn render(namespace: &str, values: &Value) -> Vec<Value> {
    let words = template(namespace);
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let objects: Vec<Value> = serde_saphyr::from_multiple(&said(plane(), &words, values)).unwrap();
    objects.into_iter().filter(|object| !object.is_null()).collect()
}

/// `kind/name` of each, in order.
fn names(objects: &[Value]) -> Vec<String> {
    let name = |object: &Value| {
        let (kind, name) = (object["kind"].as_str(), object["metadata"]["name"].as_str());
        format!("{}/{}", kind.unwrap(), name.unwrap())
    };
    let mut names: Vec<_> = objects.iter().map(name).collect();
    names.sort();
    names
}

/// The arguments of the program.
fn arguments(objects: &[Value]) -> Vec<&str> {
    let words = &pod(only(objects, "Deployment")).unwrap()["containers"][0]["args"];
    words.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

/// A namespace that lets in only pods without privileges, and says so of others.
fn restricted(name: &str) {
    let level = "restricted";
    let labels = json!({
        "pod-security.kubernetes.io/enforce": level, "pod-security.kubernetes.io/warn": level,
    });
    let metadata = json!({"name": name, "labels": labels});
    apply(&[json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})], &[]);
}

/// Makes the kind `ServiceMonitor` known.
fn service_monitors() {
    static INSTALLED: LazyLock<()> = LazyLock::new(|| {
        plane().kubectl_with_stdin(&["apply", "-f", "-"], SERVICE_MONITOR).unwrap();
        plane().wait_served("servicemonitors.monitoring.coreos.com").unwrap();
    });
    LazyLock::force(&INSTALLED);
}

/// What every release has.
const ALWAYS: [&str; 5] = [
    "Deployment/gitops-sync",
    "Role/gitops-sync",
    "RoleBinding/gitops-sync",
    "Service/gitops-sync",
    "ServiceAccount/gitops-sync",
];
/// What the resource needs.
const MANY: [&str; 3] = [
    "ClusterRole/gitops-sync:chart:edit",
    "ClusterRole/gitops-sync:chart:view",
    "CustomResourceDefinition/gitopsapps.gitops-sync.dev",
];
/// Rights in the whole cluster.
const WIDE: [&str; 3] = [
    "ClusterRole/gitops-sync:chart",
    "ClusterRoleBinding/gitops-sync:chart",
    "ClusterRoleBinding/gitops-sync:chart:cluster-admin",
];
/// Rights in a namespace.
const NARROW: [&str; 3] = [
    "Role/gitops-sync:chart",
    "RoleBinding/gitops-sync:chart",
    "RoleBinding/gitops-sync:chart:clusterrole:edit",
];

#[test]
fn the_api_server_takes_each_combination_without_a_warning() {
    for namespace in ["chart", "chart-a", "chart-b"] {
        restricted(namespace);
    }
    service_monitors();
    let check = |values: Value, expected: &[&[&str]]| {
        let objects = render("chart", &values);
        let mut expected: Vec<_> = [&[&ALWAYS[..]], expected].concat().concat();
        expected.sort_unstable();
        assert_eq!(names(&objects), expected, "{values}");
        apply(&objects, &["--dry-run=server"]);
    };
    let repo = "https://git.example/config.git";
    check(json!({}), &[&MANY, &WIDE]);
    check(json!({"crds": {"install": false}}), &[&MANY[..2], &WIDE]);
    check(json!({"app": {"repo": repo}}), &[&WIDE]);
    check(
        json!({"app": {"repo": repo, "credentials": {"secretName": "git"}}, "replicas": 2}),
        &[&WIDE, &["PodDisruptionBudget/gitops-sync"]],
    );
    check(json!({"replicas": 3}), &[&MANY, &WIDE, &["PodDisruptionBudget/gitops-sync"]]);
    check(
        json!({"replicas": 3, "shards": true, "podDisruptionBudget": {"enabled": false}}),
        &[&MANY, &WIDE],
    );
    let edit = |namespace| json!({"namespace": namespace, "clusterRole": "edit"});
    let both = json!([edit("chart-a"), edit("chart-b"), {"namespace": "chart-b", "role": "more"}]);
    check(
        json!({"rbac": {"managed": both, "impersonate": true}}),
        &[&MANY, &NARROW, &NARROW, &["RoleBinding/gitops-sync:chart:role:more"]],
    );
    check(json!({"app": {"repo": repo}, "rbac": {"managed": [edit("chart-a")]}}), &[&NARROW]);
    check(
        json!({"rbac": {"managed": "watch", "impersonate": true}, "tenancy": {"defaultServiceAccount": "gitops"}}),
        &[
            &MANY,
            &WIDE[..2],
            &["ClusterRole/gitops-sync:chart:watch", "ClusterRoleBinding/gitops-sync:chart:watch"],
        ],
    );
    check(json!({"rbac": {"managed": "none", "aggregate": false}}), &[&MANY[2..], &WIDE[..2]]);
    let monitor = json!({
        "enabled": true, "interval": "30s", "scrapeTimeout": "10s", "labels": {"release": "prometheus"},
        "relabelings": [{"action": "labeldrop", "regex": "pod"}],
        "metricRelabelings": [{"action": "drop", "sourceLabels": ["kind"]}],
    });
    let from = json!([{"namespaceSelector": {"matchLabels": {"team": "monitoring"}}}]);
    let egress = json!([{"ports": [{"port": 443}]}, {"ports": [{"port": 53, "protocol": "UDP"}]}]);
    check(
        json!({"serviceMonitor": monitor, "networkPolicy": {"enabled": true, "from": from, "egress": egress}}),
        &[&MANY, &WIDE, &["NetworkPolicy/gitops-sync", "ServiceMonitor/gitops-sync"]],
    );
    check(
        json!({
            "webhook": {"secretName": "webhook", "secretKey": "token"},
            "ingress": {
                "enabled": true, "className": "nginx", "host": "sync.example", "tlsSecretName": "tls",
                "annotations": {"example.com/a": "b"},
            },
        }),
        &[&MANY, &WIDE, &["Ingress/gitops-sync"]],
    );
    check(everything(), &[&MANY, &WIDE]);
}

/// What goes into the pod and the labels.
fn everything() -> Value {
    json!({
        "image": {"digest": format!("sha256:{}", "a".repeat(64)), "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "registry"}],
        "listen": "[::]:9090",
        "extraArgs": ["--parallel=8"],
        "extraEnv": [{"name": "SSL_CERT_FILE", "value": "/ca/ca.crt"}],
        "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
        "extraVolumeMounts": [{"name": "ca", "mountPath": "/ca", "readOnly": true}],
        "service": {"type": "LoadBalancer", "port": 80, "annotations": {"example.com/lb": "internal"}},
        "serviceAccount": {"name": "gitops-sync", "annotations": {"example.com/role": "sync"}},
        "data": {"sizeLimit": "100Mi", "medium": "Memory"},
        "updateStrategy": {"type": "Recreate"},
        "commonLabels": {"team": "platform"},
        "podLabels": {"mesh": "off"},
        "podAnnotations": {"example.com/a": "b"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {}},
        ],
        "priorityClassName": "system-cluster-critical",
    })
}

/// Asserts that values become these arguments, in any order, beside the usual ones.
fn check_arguments(values: Value, expected: &[&str]) {
    let objects = render("chart", &values);
    let mut found = arguments(&objects);
    assert_eq!(found.remove(0), "run");
    found.sort_unstable();
    let help = output(program().args(["run", "--help"]));
    let flags: BTreeSet<_> = help.split([' ', ',', '\n']).collect();
    for name in found.iter().map(|word| word.split('=').next().unwrap()) {
        assert!(flags.contains(name), "{name} is no flag of `run`");
    }
    let is_changed = |word: &str| {
        let name = word.split('=').next().unwrap();
        expected.iter().any(|expected| expected.starts_with(name))
    };
    let usual = ["--listen=0.0.0.0:8080", "--log-format=text"];
    let usual = usual.into_iter().filter(|word| !is_changed(word));
    let mut expected: Vec<_> = usual.chain(expected.iter().copied()).collect();
    expected.sort_unstable();
    assert_eq!(found, expected, "{values}");
}

#[test]
fn values_of_one_app_become_arguments() {
    let check = check_arguments;
    let repo = "https://git.example/config.git";
    let of = "--repo=https://git.example/config.git";
    check(
        json!({"app": {"repo": repo}}),
        &["--name=gitops-sync", "--prune", of, "--target-namespace=default"],
    );
    check(
        json!({"app": {
            "repo": repo, "branch": "live", "path": "apps", "name": "web", "interval": "1m",
            "targetNamespace": "web", "prune": false, "pruneMaxObjects": 0, "pruneMaxPercent": 100,
            "protectKinds": ["Namespace", "Database.example.com"], "allowEmpty": true, "atomic": true,
            "drift": "warn", "additions": "report", "conflicts": "yield", "replace": true, "parallel": 4,
            "credentials": {"secretName": "git", "passwordKey": "token"},
            "verify": {"mode": "Range", "secretName": "signers", "noRollback": true},
        }}),
        &[
            "--additions=report",
            "--allow-empty",
            "--atomic",
            "--branch=live",
            "--conflicts=yield",
            "--drift=warn",
            "--git-password-file=/etc/gitops-sync/git/token",
            "--interval=1m",
            "--name=web",
            "--no-rollback",
            "--parallel=4",
            "--path=apps",
            "--protect-kinds=Namespace,Database.example.com",
            "--prune-max-objects=0",
            "--prune-max-percent=100",
            "--replace",
            of,
            "--target-namespace=web",
            "--verify-keys=/etc/gitops-sync/verify",
            "--verify=Range",
        ],
    );
    let managed = json!([{"namespace": "b", "role": "x"}, {"namespace": "a", "role": "x"}, {"namespace": "b", "role": "y"}]);
    check(
        json!({"app": {"repo": repo}, "rbac": {"managed": managed}}),
        &["--name=gitops-sync", "--namespaces=b,a", "--prune", of, "--target-namespace=b"],
    );
}

#[test]
fn values_of_many_apps_become_arguments() {
    let check = check_arguments;
    check(json!({}), &["--watch-apps"]);
    check(json!({"replicas": 3}), &["--leader-elect", "--watch-apps"]);
    check(json!({"replicas": 3, "shards": true}), &["--shards", "--watch-apps"]);
    check(
        json!({
            "tenancy": {
                "defaultServiceAccount": "gitops", "allowCrossNamespaceRefs": true,
                "allowedRepos": ["https://a.example/*", "https://b.example/*"],
            },
            "watchLabelSelector": "team in (a, b)", "namespaces": ["a", "b"], "webhook": {"secretName": "w"}, "listen": "[::]:80", "api": true,
            "logFormat": "json", "sweep": 0, "requestTimeout": "30s", "fetchTimeout": "2m",
            "extraArgs": ["--context=$(HOME)"],
        }),
        &[
            "--allow-cross-namespace-refs",
            "--allowed-repos=https://a.example/*,https://b.example/*",
            "--api",
            "--context=$$(HOME)",
            "--default-service-account=gitops",
            "--fetch-timeout=2m",
            "--listen=[::]:80",
            "--log-format=json",
            "--namespaces=a,b",
            "--request-timeout=30s",
            "--sweep=0",
            "--watch-apps",
            "--watch-label-selector=team in (a, b)",
            "--webhook-secret-file=/etc/gitops-sync/webhook/secret",
        ],
    );
}

#[test]
fn pods_never_overlap_where_nothing_says_who_leads() {
    let check = |values: Value, expected: &str| {
        let objects = render("chart", &values);
        let strategy = &only(&objects, "Deployment")["spec"]["strategy"];
        assert_eq!(strategy["type"], expected, "{values}");
    };
    check(json!({}), "Recreate");
    check(json!({"replicas": 0}), "Recreate");
    check(json!({"replicas": 2}), "RollingUpdate");
    check(json!({"shards": true}), "RollingUpdate");
    check(json!({"replicas": 2, "updateStrategy": {"type": "Recreate"}}), "Recreate");
}

#[test]
fn outsiders_reach_webhooks_alone_and_prometheus_scrapes_once() {
    let webhooks = json!({"webhook": {"secretName": "w"}, "ingress": {"enabled": true}, "service": {"port": 80}});
    let objects = render("chart", &webhooks);
    let rules = &only(&objects, "Ingress")["spec"]["rules"];
    let paths = rules[0]["http"]["paths"].as_array().unwrap();
    assert_eq!(paths.iter().map(|path| &path["path"]).collect::<Vec<_>>(), ["/hooks"]);
    let service = only(&objects, "Service");
    assert_eq!(service["metadata"]["annotations"]["prometheus.io/port"], "8080");
    let monitored = json!({"serviceMonitor": {"enabled": true}});
    let objects = render("chart", &monitored);
    assert!(only(&objects, "Service")["metadata"].get("annotations").is_none());
    let labels = &only(&objects, "ServiceMonitor")["spec"]["selector"]["matchLabels"];
    let service = &only(&objects, "Service")["metadata"]["labels"];
    for (name, value) in labels.as_object().unwrap() {
        assert_eq!(&service[name], value, "the ServiceMonitor finds no Service");
    }
}

#[test]
fn the_pod_is_that_of_deploy() {
    let file = std::fs::read_to_string(repository("deploy/deployment.yaml")).unwrap();
    let deploy: Value = serde_saphyr::from_str(&file).unwrap();
    let deploy = pod(&deploy).unwrap();
    let objects = render("chart", &json!({}));
    let chart = pod(only(&objects, "Deployment")).unwrap();
    for field in ["/securityContext", "/terminationGracePeriodSeconds"] {
        assert_eq!(chart.pointer(field), deploy.pointer(field), "{field}");
    }
    for field in ["securityContext", "resources", "livenessProbe", "readinessProbe", "ports"] {
        assert_eq!(chart["containers"][0][field], deploy["containers"][0][field], "{field}");
    }
    assert!(chart["volumes"][0]["emptyDir"]["sizeLimit"].is_string());
}

//! Every way in which others write to our objects, and what becomes of it.

use crate::support::{Daemon, Fixture, plane};

/// What a foreign write leads to.
enum Then {
    /// It is put back, and the log has a line with these words.
    Reverted(&'static [&'static str]),
    /// The log has a line with these words, and nothing is put back.
    Said(&'static [&'static str]),
    /// It is none of our fields, or changes none of their values: it stays, and nothing is said.
    Stays,
}
use Then::{Reverted, Said, Stays};

const OBJECTS: &str = r"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}, annotations: {note: ours}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: default
      containers:
      - name: web
        image: registry.example/web:1
        env: [{name: A, value: ours}, {name: B, value: ours}]
        ports: [{containerPort: 80, name: http}]
        resources: {limits: {cpu: 100m}}
        args: [one, two]
---
apiVersion: v1
kind: Service
metadata: {name: svc, labels: {tier: ours}}
spec: {selector: {app: web}, ports: [{name: a, port: 80, targetPort: 8080}, {name: b, port: 81}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: cm, finalizers: [example.com/ours]}
data: {key: ours, other: ours}
---
apiVersion: v1
kind: Secret
metadata: {name: sec}
stringData: {pin: hunter2}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: role}
rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]
---
apiVersion: GROUP/v1
kind: Thing
metadata: {name: thing}
spec: {free: {a: [1, 2]}, parts: {left: {size: 1}, right: {size: 2}}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.GROUP}
spec:
  group: GROUP
  scope: Namespaced
  names: {kind: Thing, plural: things}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
              parts:
                type: object
                additionalProperties: {type: object, properties: {size: {type: integer}}}
";

/// A write by kubectl: what it is, its arguments, and what becomes of it. `GROUP` stands for the
/// test's API group.
type Row = (&'static str, &'static [&'static str], Then);

const IMAGE: &str = "spec.template.spec.containers[name=web].image";
const SIDECAR: &str = r#"{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"registry.example/s:1"}]}}}}"#;
const OWNER: &str = r#"{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"kube-root-ca.crt","uid":"UID"}]}}"#;
const ENV_A: &str = "spec.template.spec.containers[name=web].env[name=A]";

const ROWS: &[Row] = &[
    (
        "scale",
        &["scale", "deploy/web", "--replicas=5"],
        Reverted(&["spec.replicas", "wanted=2 found=5", "kubectl", "scale"]),
    ),
    (
        "PATCH of scale",
        &[
            "patch",
            "deploy/web",
            "--subresource=scale",
            "-p",
            r#"{"spec":{"replicas":7}}"#,
            "--type=merge",
        ],
        Reverted(&["spec.replicas", "found=7", "kubectl-patch", "scale"]),
    ),
    (
        "set image",
        &["set", "image", "deploy/web", "web=registry.example/web:2"],
        Reverted(&[IMAGE, "web:2", "kubectl-set"]),
    ),
    (
        "set env, by key",
        &["set", "env", "deploy/web", "A=foreign"],
        Reverted(&[ENV_A, "found=\"foreign\"", "kubectl-set"]),
    ),
    (
        "set env, removed",
        &["set", "env", "deploy/web", "A-"],
        Reverted(&[ENV_A, "found=(absent)", "unknown"]),
    ),
    (
        "set resources",
        &["set", "resources", "deploy/web", "--limits=cpu=200m"],
        Reverted(&["resources.limits.cpu", "200m", "kubectl-set"]),
    ),
    (
        "set serviceaccount",
        &["set", "serviceaccount", "deploy/web", "other"],
        Reverted(&["serviceAccountName", "other", "kubectl-set"]),
    ),
    (
        "an atomic list",
        &[
            "patch",
            "deploy/web",
            "-p",
            r#"{"spec":{"template":{"spec":{"containers":[{"name":"web","args":["one"]}]}}}}"#,
        ],
        Reverted(&["containers[name=web].args", "found=[\"one\"]", "kubectl-patch"]),
    ),
    (
        "a port by its key",
        &["patch", "svc/svc", "-p", r#"{"spec":{"ports":[{"port":80,"targetPort":9999}]}}"#],
        Reverted(&["spec.ports[port=80,protocol=TCP].targetPort", "found=9999", "kubectl-patch"]),
    ),
    (
        "an item of a list removed",
        &["patch", "svc/svc", "--type=json", "-p", r#"[{"op":"remove","path":"/spec/ports/1"}]"#],
        Reverted(&["spec.ports[port=81,protocol=TCP]", "found=(absent)"]),
    ),
    (
        "set selector",
        &["set", "selector", "svc/svc", "app=other"],
        Reverted(&["spec.selector", "other", "kubectl-set"]),
    ),
    (
        "label",
        &["label", "deploy/web", "app=other", "--overwrite"],
        Reverted(&["metadata.labels.app", "found=\"other\"", "kubectl-label"]),
    ),
    (
        "label removed",
        &["label", "deploy/web", "app-"],
        Reverted(&["metadata.labels.app", "found=(absent)"]),
    ),
    (
        "our label removed",
        &["label", "cm/cm", "gitops-sync.dev/app-"],
        Reverted(&["metadata.labels[gitops-sync.dev/app]", "found=(absent)"]),
    ),
    (
        "our label changed",
        &["label", "cm/cm", "gitops-sync.dev/app=other", "--overwrite"],
        Reverted(&["metadata.labels[gitops-sync.dev/app]", "found=\"other\"", "kubectl-label"]),
    ),
    (
        "our identity changed",
        &["annotate", "cm/cm", "gitops-sync.dev/id=other", "--overwrite"],
        Reverted(&[
            "metadata.annotations[gitops-sync.dev/id]",
            "found=\"other\"",
            "kubectl-annotate",
        ]),
    ),
    (
        "our hash changed",
        &["annotate", "cm/cm", "gitops-sync.dev/hash=other", "--overwrite"],
        Reverted(&[
            "metadata.annotations[gitops-sync.dev/hash]",
            "found=\"other\"",
            "kubectl-annotate",
        ]),
    ),
    (
        "annotate",
        &["annotate", "deploy/web", "note=theirs", "--overwrite"],
        Reverted(&["metadata.annotations.note", "found=\"theirs\"", "kubectl-annotate"]),
    ),
    (
        "a strategic patch",
        &["patch", "cm/cm", "-p", r#"{"data":{"key":"theirs"}}"#],
        Reverted(&["data.key", "found=\"theirs\"", "kubectl-patch"]),
    ),
    (
        "a merge patch that removes",
        &["patch", "cm/cm", "--type=merge", "-p", r#"{"data":{"key":null}}"#],
        Reverted(&["data.key", "found=(absent)", "unknown"]),
    ),
    // After this one, kubectl's server-side apply takes two writes: it takes over from itself.
    (
        "apply, client-side",
        &["apply", "-f", "-", "@theirs"],
        Reverted(&["data.key", "found=\"theirs\"", "kubectl-client-side-apply"]),
    ),
    (
        "a JSON patch",
        &[
            "patch",
            "cm/cm",
            "--type=json",
            "-p",
            r#"[{"op":"replace","path":"/data/other","value":"theirs"}]"#,
        ],
        Reverted(&["data.other", "found=\"theirs\"", "kubectl-patch"]),
    ),
    (
        "a forged field manager",
        &["patch", "cm/cm", "--field-manager=gitops-sync", "-p", r#"{"data":{"key":"forged"}}"#],
        Reverted(&["data.key", "found=\"forged\"", "manager=\"gitops-sync\" operation=\"Update\""]),
    ),
    (
        "another item of a set",
        &[
            "patch",
            "cm/cm",
            "--type=json",
            "-p",
            r#"[{"op":"add","path":"/metadata/finalizers/-","value":"example.com/theirs"}]"#,
        ],
        Stays,
    ),
    (
        "our item of a set removed",
        &[
            "patch",
            "cm/cm",
            "--type=json",
            "-p",
            r#"[{"op":"remove","path":"/metadata/finalizers/0"}]"#,
        ],
        Reverted(&["metadata.finalizers[=example.com/ours]", "found=(absent)"]),
    ),
    (
        "a Secret's data",
        &["patch", "secret/sec", "-p", r#"{"data":{"pin":"MzEzMzc="}}"#],
        Reverted(&["data.pin", "wanted=(hidden) found=(hidden)", "kubectl-patch"]),
    ),
    (
        "a Secret's stringData",
        &["patch", "secret/sec", "-p", r#"{"stringData":{"pin":"31337"}}"#],
        Reverted(&["data.pin", "wanted=(hidden) found=(hidden)", "kubectl-patch"]),
    ),
    (
        "a Role's rules, as one",
        &[
            "patch",
            "role/role",
            "--type=json",
            "-p",
            r#"[{"op":"add","path":"/rules/0/verbs/-","value":"delete"}]"#,
        ],
        Reverted(&["rules", "delete", "kubectl-patch"]),
    ),
    (
        "a map of structs",
        &[
            "patch",
            "things.GROUP/thing",
            "--type=merge",
            "-p",
            r#"{"spec":{"parts":{"left":{"size":9}}}}"#,
        ],
        Reverted(&["spec.parts.left.size", "wanted=1 found=9", "kubectl-patch"]),
    ),
    (
        "an entry of a map of structs removed",
        &[
            "patch",
            "things.GROUP/thing",
            "--type=merge",
            "-p",
            r#"{"spec":{"parts":{"right":null}}}"#,
        ],
        Reverted(&["spec.parts.right", "found=(absent)"]),
    ),
    (
        "unknown fields that are preserved",
        &["patch", "things.GROUP/thing", "--type=merge", "-p", r#"{"spec":{"free":{"a":[3]}}}"#],
        Reverted(&["spec.free", "found=[3]", "kubectl-patch"]),
    ),
    (
        "a CRD's properties",
        &[
            "patch",
            "crd/things.GROUP",
            "--type=json",
            "-p",
            r#"[{"op":"replace","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/type","value":"object"},{"op":"add","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/parts/additionalProperties/properties/size/type","value":"string"}]"#,
        ],
        Reverted(&["spec.versions", "kubectl-patch"]),
    ),
    (
        "a deletion",
        &["delete", "secret/sec"],
        Reverted(&["secret/sec", "the object had been deleted"]),
    ),
    (
        "apply, server-side",
        &[
            "apply",
            "--server-side",
            "--force-conflicts",
            "--field-manager=theirs",
            "-f",
            "-",
            "@theirs",
        ],
        Reverted(&["data.key", "found=\"theirs\"", "manager=\"theirs\" operation=\"Apply\""]),
    ),
    (
        "apply, server-side, of our values",
        &["apply", "--server-side", "--field-manager=theirs", "-f", "-", "@ours"],
        Stays,
    ),
    (
        "replace",
        &["replace", "-f", "-", "@theirs"],
        Reverted(&["data.key", "found=\"theirs\"", "kubectl-replace"]),
    ),
    ("edit", &["edit", "cm/cm"], Reverted(&["data.other", "found=\"edited\"", "kubectl-edit"])),
    (
        "a deletion without dependents",
        &["delete", "deploy/web", "--cascade=orphan"],
        Reverted(&["deployment.apps/web", "the object had been deleted"]),
    ),
    (
        "a status",
        &[
            "patch",
            "deploy/web",
            "--subresource=status",
            "--type=merge",
            "-p",
            r#"{"status":{"observedGeneration":1}}"#,
        ],
        Stays,
    ),
    ("a foreign label", &["label", "deploy/web", "team=theirs"], Stays),
    ("a foreign annotation", &["annotate", "deploy/web", "team=theirs"], Stays),
    (
        "an entry added to a Secret",
        &["patch", "secret/sec", "-p", r#"{"data":{"theirs":"MzEzMzc="}}"#],
        Reverted(&["data.theirs", "wanted=(absent) found=(hidden)", "kubectl-patch"]),
    ),
    ("rollout restart", &["rollout", "restart", "deploy/web"], Stays),
    (
        "rollout pause",
        &["rollout", "pause", "deploy/web"],
        Reverted(&["spec.paused", "wanted=(absent) found=true", "kubectl-rollout"]),
    ),
    (
        "a sidecar added by kubectl",
        &["patch", "deploy/web", "-p", SIDECAR],
        Reverted(&["spec.template.spec.containers[name=side]", "wanted=(absent)", "kubectl-patch"]),
    ),
    (
        "a sidecar added by an injector",
        &["patch", "deploy/web", "--field-manager=injector", "-p", SIDECAR],
        Stays,
    ),
    ("an owner", &["patch", "cm/cm", "-p", OWNER], Stays),
    (
        "replicas, by an autoscaler",
        &[
            "patch",
            "deploy/web",
            "--subresource=scale",
            "--field-manager=kube-controller-manager",
            "--type=merge",
            "-p",
            r#"{"spec":{"replicas":4}}"#,
        ],
        Said(&["Given up", "spec.replicas", "kube-controller-manager"]),
    ),
    (
        "a label that a manifest sets, by an operator",
        &["label", "svc/svc", "--field-manager=operator", "tier=theirs", "--overwrite"],
        Reverted(&["metadata.labels.tier", "found=\"theirs\"", "operator"]),
    ),
    (
        "wiped managedFields",
        &[
            "patch",
            "role/role",
            "--type=json",
            "-p",
            r#"[{"op":"replace","path":"/metadata/managedFields","value":[{}]}]"#,
        ],
        Stays,
    ),
];

/// Rows after which the daemon starts anew: reverts of one object in a row are taken for a fight.
const ROWS_PER_START: usize = 3;

#[test]
fn every_foreign_write_is_put_back_or_left_alone_as_it_should_be() {
    let test = Fixture::new("foreign");
    let group = format!("{}.example.com", test.namespace);
    test.commit(&[
        ("apps/all.yaml", &OBJECTS.replace("GROUP", &group)),
        ("apps/probe.yaml", PROBE),
    ]);
    let uid = test.field("configmap/kube-root-ca.crt", ".metadata.uid");
    for rows in ROWS.chunks(ROWS_PER_START) {
        let daemon = test.run(&["--interval", "1h"]);
        daemon.line(&["INFO Synced", "objects=8", "failed=0"]);
        for (name, arguments, then) in rows {
            let filled = |text: &&str| text.replace("GROUP", &group).replace("UID", &uid);
            let arguments: Vec<_> = arguments.iter().map(filled).collect();
            if matches!(then, Stays) {
                // What the row before led to has to be said before this one is.
                probe(&test, &daemon);
            }
            let mark = daemon.mark();
            write(&test, &arguments);
            match then {
                Reverted(words) => {
                    daemon.line_after(mark, &[&["WARN Drift reverted"], *words].concat());
                }
                Said(words) => {
                    daemon.line_after(mark, words);
                }
                Stays => nothing_said(&test, &daemon, mark, name),
            }
        }
        let said = daemon.0.lines().join("\n");
        for value in ["hunter2", "aHVudGVyMg", "31337", "MzEzMzc"] {
            assert!(!said.contains(value), "{value} was said");
        }
    }
}

/// Runs kubectl. `@theirs` and `@ours` at the end stand for a ConfigMap on standard input.
fn write(test: &Fixture, arguments: &[String]) {
    let mut all = vec!["-n", test.namespace.as_str()];
    all.extend(arguments.iter().map(String::as_str));
    if let Some(&value @ ("@theirs" | "@ours")) = all.last() {
        all.pop();
        let value = value.trim_start_matches('@');
        let map = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: cm}}\ndata: {{key: {value}, other: ours}}\n"
        );
        plane().kubectl_with_stdin(&all, &map).unwrap();
        return;
    }
    let editor = "sed -i s/other:.ours/other:\\ edited/";
    let output = plane().kubectl_command(&all).env("KUBE_EDITOR", editor).output().unwrap();
    assert!(output.status.success(), "{all:?}: {output:?}");
}

/// An object whose drift tells that everything before it was seen.
const PROBE: &str =
    "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: probe, labels: {probe: ours}}\n";

/// Changes the probe and waits for its revert.
fn probe(test: &Fixture, daemon: &Daemon) {
    let mark = daemon.mark();
    test.kubectl(&["label", "serviceaccount/probe", &format!("probe=x{mark}"), "--overwrite"]);
    let found = format!("found=\"x{mark}\"");
    daemon.line_after(mark, &["Drift reverted", "serviceaccount/probe", &found]);
}

fn nothing_said(test: &Fixture, daemon: &Daemon, mark: usize, name: &str) {
    probe(test, daemon);
    let lines = daemon.0.lines();
    let said = lines.iter().skip(mark).filter(|line| !line.contains("serviceaccount/probe"));
    let said: Vec<_> = said.filter(|line| line.contains("Drift")).collect();
    assert!(said.is_empty(), "{name}: {said:#?} of {lines:#?}");
}

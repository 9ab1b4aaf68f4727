//! Phantom drift by its names: what is known to make other tools write again and again, or undo what
//! an injector wrote. `ordinary` has what manifests commonly hold.

use crate::support::{Daemon, Fixture, assert_quiet, plane};

/// Manifests, each with the trap it is. `NAME` stands for the test's own.
const MANIFESTS: &str = include_str!("phantom.yaml");

/// What injectors and controllers write, or the API server makes of a manifest, and has to stay: the
/// object, a path, its value. `NAME` stands for the test's own, `BUNDLE` for a certificate.
const STAYS: &[(&str, &str, &str)] = &[
    ("validatingwebhookconfiguration/NAME-phantom", ".webhooks[0].clientConfig.caBundle", "BUNDLE"),
    ("validatingwebhookconfiguration/NAME-phantom", ".webhooks[1].clientConfig.caBundle", "BUNDLE"),
    ("mutatingwebhookconfiguration/NAME-phantom", ".webhooks[0].clientConfig.caBundle", "BUNDLE"),
    ("crd/hooks.NAME.example.com", ".spec.conversion.webhook.clientConfig.caBundle", "BUNDLE"),
    ("serviceaccount/account", ".secrets[*].name", "token"),
    ("secret/token", ".data.namespace", "NAME64"),
    ("secret/both", ".data.a", "bmV3"),
    ("clusterrole/NAME-gathered", ".rules[*].verbs[*]", "list"),
    ("namespace/NAME-one", ".spec.finalizers[*]", "kubernetes"),
    ("namespace/NAME-two", ".spec.finalizers[*]", "kubernetes"),
    ("pvc/claim", ".spec.volumeName", "NAME-phantom"),
    ("pv/NAME-phantom", ".spec.claimRef.name", "claim"),
    ("hpa/scaler", ".spec.metrics[*].resource.name", "memory cpu"),
    ("clock/clock", ".spec.texts[*]", "60s 1m0s 1h 1000m 1.0 012 1Gi 2024-01-01 yes null"),
    ("clock/clock", ".spec.duration", "60m"),
    ("clock/clock", ".spec.quantity", "1000m"),
    ("ds/ports", ".spec.template.spec.containers[0].ports[*].protocol", "TCP UDP SCTP"),
];

/// What injectors write: the object, and a JSON patch.
const INJECTED: &[(&str, &str)] = &[
    (
        "validatingwebhookconfiguration/NAME-phantom",
        r#"[{"op":"add","path":"/webhooks/0/clientConfig/caBundle","value":"BUNDLE"},
            {"op":"add","path":"/webhooks/1/clientConfig/caBundle","value":"BUNDLE"}]"#,
    ),
    (
        "mutatingwebhookconfiguration/NAME-phantom",
        r#"[{"op":"add","path":"/webhooks/0/clientConfig/caBundle","value":"BUNDLE"}]"#,
    ),
    (
        "crd/hooks.NAME.example.com",
        r#"[{"op":"add","path":"/spec/conversion/webhook/clientConfig/caBundle","value":"BUNDLE"}]"#,
    ),
    ("serviceaccount/account", r#"[{"op":"add","path":"/secrets","value":[{"name":"token"}]}]"#),
];

/// The certificate of the control plane, as the API takes it.
fn bundle() -> String {
    let path = "jsonpath={.clusters[0].cluster.certificate-authority-data}";
    plane().kubectl(&["config", "view", "--raw", "-o", path]).unwrap()
}

fn filled(test: &Fixture, text: &str) -> String {
    use base64::Engine as _;
    let name64 = base64::engine::general_purpose::STANDARD.encode(&test.namespace);
    text.replace("NAME64", &name64).replace("NAME", &test.namespace).replace("BUNDLE", &bundle())
}

/// Writes as an injector does.
fn inject(test: &Fixture, object: &str, patch: &str) {
    let (object, patch) = (filled(test, object), filled(test, patch));
    let by = "--field-manager=cainjector";
    test.kubectl(&["patch", &object, by, "--type=json", "-p", &patch]);
}

/// Starts anew, and finds nothing to do.
fn restarted(test: &Fixture, daemon: Daemon) -> Daemon {
    drop(daemon);
    let mark = plane().audit().mark().unwrap();
    let daemon = test.run(&[]);
    assert_quiet(test, &daemon, 0, mark);
    daemon
}

#[test]
fn what_makes_other_tools_write_again_and_again_does_not() {
    let test = Fixture::new("phantom");
    test.commit(&[("apps/all.yaml", &filled(&test, MANIFESTS))]);
    let daemon = test.run(&[]);
    let line = daemon.line(&["Synced", "created="]);
    assert!(line.contains("failed=0"), "{:#?}", daemon.0.lines());
    for (object, patch) in INJECTED {
        inject(&test, object, patch);
    }
    let stays = || {
        for (object, path, value) in STAYS {
            test.expect(&filled(&test, object), path, &filled(&test, value));
        }
    };
    stays();
    let (line, mark) = (daemon.mark(), plane().audit().mark().unwrap());
    assert_quiet(&test, &daemon, line, mark);
    let daemon = restarted(&test, daemon);
    // A change to the same object keeps it as well.
    let changed = filled(&test, MANIFESTS).replace("kind: ", "kind:  ");
    let changed = changed.replace("failurePolicy: Ignore", "failurePolicy: Fail");
    let commit = test.commit(&[("apps/all.yaml", &changed)]);
    daemon.line(&["INFO Synced", &commit, "configured=2"]);
    stays();
    restarted(&test, daemon);
}

/// What a port is edited from and to, and the ports that the container and the Service then have.
const EDITS: &[(&str, &str, &str)] = &[
    ("{n: 80, name: http}", "{n: 8080, name: http}", "8080/TCP"),
    (
        "{n: 80, name: a}, {n: 80, name: b, protocol: UDP}",
        "{n: 80, name: b, protocol: UDP}",
        "80/UDP",
    ),
    ("{n: 80, name: a}", "{n: 80, name: a, protocol: UDP}", "80/UDP"),
    ("{n: 80, name: a}, {n: 81, name: b}", "{n: 81, name: a}, {n: 80, name: b}", "81/TCP 80/TCP"),
];

/// A Deployment and a Service with ports.
fn with_ports(name: &str, ports: &str) -> String {
    let (container, service) =
        (ports.replace("n:", "containerPort:"), ports.replace("n:", "port:"));
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  replicas: 0\n  \
         selector: {{matchLabels: {{app: x}}}}\n  template:\n    metadata: {{labels: {{app: x}}}}\n    \
         spec: {{containers: [{{name: x, image: x, ports: [{container}]}}]}}\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{ports: [{service}]}}\n"
    )
}

#[test]
fn an_edited_port_leaves_no_other() {
    let test = Fixture::new("ports");
    let all = |ports: fn(&(&'static str, &'static str, &str)) -> &'static str| {
        let rows = EDITS.iter().enumerate();
        rows.map(|(n, row)| with_ports(&format!("edit{n}"), ports(row))).collect::<Vec<_>>()
    };
    test.commit(&[("apps/all.yaml", &all(|row| row.0).join("---\n"))]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=8", "failed=0"]);
    let commit = test.commit(&[("apps/all.yaml", &all(|row| row.1).join("---\n"))]);
    daemon.line(&["INFO Synced", &commit, "failed=0", "configured=8"]);
    for (n, (.., expect)) in EDITS.iter().enumerate() {
        for (kind, list, number) in [
            ("deploy", ".spec.template.spec.containers[0].ports", "containerPort"),
            ("service", ".spec.ports", "port"),
        ] {
            let field =
                |name: &str| test.field(&format!("{kind}/edit{n}"), &format!("{list}[*].{name}"));
            let (numbers, protocols) = (field(number), field("protocol"));
            let ports: Vec<_> = numbers.split(' ').zip(protocols.split(' ')).collect();
            let ports: Vec<_> = ports.iter().map(|(n, p)| format!("{n}/{p}")).collect();
            assert_eq!(ports.join(" "), *expect, "{kind} {n}");
        }
    }
    let (line, mark) = (daemon.mark(), plane().audit().mark().unwrap());
    assert_quiet(&test, &daemon, line, mark);
    restarted(&test, daemon);
}

#[test]
fn a_list_with_the_same_key_twice_is_refused_and_named() {
    let test = Fixture::new("twice");
    let deployment = |name: &str, container: &str| {
        with_ports(name, "{n: 9}")
            .split("---")
            .next()
            .unwrap()
            .replace("ports: [{containerPort: 9}]", container)
    };
    let ports =
        "ports: [{containerPort: 80, name: a}, {containerPort: 80, name: b, protocol: TCP}]";
    let env = "env: [{name: A, value: '1'}, {name: A, value: '2'}]";
    // Other tools could create them, and an object that has them can be taken over.
    let namespace = ["-n", test.namespace.as_str()];
    let create = [&namespace[..], &["create", "--validate=false", "-f", "-"]].concat();
    plane().kubectl_with_stdin(&create, &deployment("old", &format!("{ports}, {env}"))).unwrap();
    test.commit(&[
        ("apps/ports.yaml", &deployment("ports", ports)),
        ("apps/env.yaml", &deployment("env", env)),
        (
            "apps/old.yaml",
            &deployment(
                "old",
                "env: [{name: A, value: '2'}], ports: [{containerPort: 80, name: b}]",
            ),
        ),
    ]);
    let daemon = test.run(&[]);
    let refused = |name: &str, key: &str| {
        let says = format!("duplicate entries for key {key}");
        daemon.line(&["WARN Cannot apply", &format!("deployment.apps/{name} "), &says]);
    };
    refused("env", "[name=\"A\"]");
    refused("ports", "[containerPort=80,protocol=\"TCP\"]");
    daemon.line(&["WARN Synced in part", "failed=2"]);
    let single = |text: &str| text.split_once(", {").unwrap().0.to_owned() + "]";
    let commit = test.commit(&[
        ("apps/ports.yaml", &deployment("ports", &single(ports))),
        ("apps/env.yaml", &deployment("env", &single(env))),
    ]);
    daemon.line(&["INFO Synced", &commit, "failed=0"]);
    let container =
        |path: &str| test.field("deploy/old", &format!(".spec.template.spec.containers[0].{path}"));
    assert_eq!((container("env[*].value"), container("ports[*].name")), ("2".into(), "b".into()));
    let (line, mark) = (daemon.mark(), plane().audit().mark().unwrap());
    assert_quiet(&test, &daemon, line, mark);
    restarted(&test, daemon);
}

/// Deletes the `APIService` also if the test fails: while one answers to nobody, no namespace goes.
struct Gone(String);

impl Drop for Gone {
    fn drop(&mut self) {
        let _ = plane().kubectl(&["delete", "apiservice", &self.0, "--ignore-not-found"]);
    }
}

const API_SERVICE: &str = "
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.NAME.example.com, creationTimestamp: null}
spec:
  group: NAME.example.com
  version: v1
  groupPriorityMinimum: 1000
  versionPriority: PRIORITY
  caBundle: EMPTY
  service: {name: none, namespace: NAME}
status: {conditions: []}
";

#[test]
fn an_api_service_keeps_the_bundle_of_an_injector() {
    let test = Fixture::new("aggregated");
    let name = filled(&test, "v1.NAME.example.com");
    let (object, _gone) = (format!("apiservice/{name}"), Gone(name));
    let commit = |priority: usize, empty: &str| {
        let manifest = API_SERVICE.replace("PRIORITY", &priority.to_string());
        let manifest = filled(&test, &manifest.replace("EMPTY", empty));
        test.commit(&[("apps/api.yaml", &manifest)])
    };
    commit(10, "''");
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=1", "failed=0"]);
    inject(&test, &object, r#"[{"op":"add","path":"/spec/caBundle","value":"BUNDLE"}]"#);
    for (priority, empty) in [(11, "Cg=="), (12, "\"\\n\""), (13, "null")] {
        let commit = commit(priority, empty);
        daemon.line(&["INFO Synced", &commit, "configured=1"]);
        test.expect(&object, ".spec.caBundle", &bundle());
    }
    let (line, mark) = (daemon.mark(), plane().audit().mark().unwrap());
    assert_quiet(&test, &daemon, line, mark);
    restarted(&test, daemon);
    test.expect(&object, ".spec.caBundle", &bundle());
}

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

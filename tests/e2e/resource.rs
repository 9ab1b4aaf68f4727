//! The resource `GitOpsApp`: its definition in a real API server, and what is refused by whom.

use std::sync::LazyLock;

use gitops_sync::api::conditions::{ConditionType, Finding, Truth};
use gitops_sync::api::status::{Drift, Failure, HeldSet, Revision, SyncRecord};
use gitops_sync::api::{self, GitOpsAppSpec, GitOpsAppStatus, PruneGuard};
use gitops_sync::object::{GroupKind, ObjectId};
use gitops_sync::plan::guard::Guard;
use serde_json::{Value, json};
use testbed::eventually;

use crate::support::{DEADLINE, Fixture, plane, program};

const URL: &str = "https://git.example/config.git";

/// A test's namespace, once the definition is established.
fn fixture(name: &str) -> Fixture {
    static INSTALLED: LazyLock<()> = LazyLock::new(|| {
        let printed = program().arg("crd").output().unwrap();
        let yaml = String::from_utf8(printed.stdout).unwrap();
        let said = plane().kubectl_with_stdin(&["apply", "-f", "-"], &yaml).unwrap();
        assert_eq!(
            said.trim(),
            "customresourcedefinition.apiextensions.k8s.io/gitopsapps.gitops-sync.dev created"
        );
        let name = "crd/gitopsapps.gitops-sync.dev";
        plane().kubectl(&["wait", "--for=condition=Established", "--timeout=60s", name]).unwrap();
        // Established is said a moment before the kind is served.
        eventually(DEADLINE, "the kind to be served", || {
            plane().kubectl(&["get", "gitopsapps.gitops-sync.dev", "-A"]).map(Some)
        })
        .unwrap();
    });
    LazyLock::force(&INSTALLED);
    Fixture::new(name)
}

fn app(name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "gitops-sync.dev/v1alpha1", "kind": "GitOpsApp",
        "metadata": {"name": name}, "spec": spec,
    })
}

/// An app with these fields beside the repository's URL.
fn with(fields: Value) -> Value {
    let mut spec = json!({"repoURL": URL});
    let fields = fields.as_object().unwrap().clone();
    spec.as_object_mut().unwrap().extend(fields);
    app("web", spec)
}

/// Hands an object to the API server; what kubectl says if it is refused.
fn apply(test: &Fixture, object: &Value, arguments: &[&str]) -> Result<String, String> {
    let mut all = vec!["apply", "--server-side", "-n", &test.namespace, "-f", "-"];
    all.extend(arguments);
    let said = plane().kubectl_with_stdin(&all, &object.to_string());
    said.map_err(|error| error.to_string())
}

#[test]
fn the_smallest_app_gets_the_defaults() {
    let test = fixture("resource");
    let smallest = format!(
        "apiVersion: gitops-sync.dev/v1alpha1\nkind: GitOpsApp\nmetadata: {{name: web}}\nspec:\n  repoURL: {URL}\n"
    );
    let said = plane().kubectl_with_stdin(&["apply", "-n", &test.namespace, "-f", "-"], &smallest);
    assert_eq!(said.unwrap().trim(), "gitopsapp.gitops-sync.dev/web created");
    let stored = test.kubectl(&["get", "gapp", "web", "-o", "json"]);
    let stored: Value = serde_json::from_str(&stored).unwrap();
    assert_eq!(stored["spec"], serde_json::to_value(GitOpsAppSpec::of(URL)).unwrap());
    assert_eq!(stored["spec"]["path"], ".");
    assert_eq!(stored["spec"]["targetRevision"], "HEAD");
    assert_eq!(stored["spec"]["retry"]["backoff"]["maxDuration"], "3m");
    assert_eq!(api::decode(&stored).unwrap().spec, GitOpsAppSpec::of(URL));
}

#[test]
fn the_guard_is_the_one_of_the_command_line() {
    let PruneGuard { max_objects, max_percent, protect_kinds, allow_empty } = PruneGuard::default();
    let protected = protect_kinds.iter().map(|kind| kind.parse().unwrap()).collect();
    let (max_objects, max_percent) = (max_objects as usize, max_percent as usize);
    assert_eq!(Guard { max_objects, max_percent, protected, allow_empty }, Guard::default());
}

#[test]
fn every_field_is_explained() {
    let _test = fixture("explain");
    let explain = |field: &str| plane().kubectl(&["explain", field]).unwrap();
    let path = explain("gapp.spec.path");
    assert!(path.contains("Folder of the repository that holds the manifests"), "{path}");
    let all = plane().kubectl(&["explain", "gapp", "--recursive"]).unwrap();
    assert!(all.contains("lastDrifts") && !all.contains("preserve"), "{all}");
    let undocumented = undocumented(
        "GitOpsApp",
        &serde_json::to_value(api::crd()).unwrap()["spec"]["versions"][0]["schema"]["openAPIV3Schema"],
    );
    assert!(undocumented.is_empty(), "{undocumented:?}");
}

/// The fields below a schema that have no description.
fn undocumented(path: &str, schema: &Value) -> Vec<String> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let below = properties.flat_map(|(name, field)| undocumented(&format!("{path}.{name}"), field));
    let items = &schema["items"];
    let inside = if items.is_null() { Vec::new() } else { undocumented(path, items) };
    let is_bare = schema["type"] != "string" && schema["description"].is_null();
    let own = is_bare.then(|| path.to_owned());
    own.into_iter().chain(below).chain(inside).collect()
}

#[test]
fn what_is_wrong_is_refused_by_the_server_and_by_us_with_the_field() {
    let test = fixture("invalid");
    let check = |object: Value, field: &str, words: &str| {
        let refused = apply(&test, &object, &["--dry-run=server"]).expect_err(&object.to_string());
        assert!(refused.contains(field) && refused.contains(words), "{object}: {refused}");
        let mut object = object;
        object["metadata"]["namespace"] = json!(test.namespace);
        let invalid = api::decode(&object).expect_err(&object.to_string());
        let is_named = invalid.faults().iter().any(|fault| fault.field.starts_with(field));
        assert!(is_named, "{object}: {invalid}");
    };
    let spec = |fields: Value, field: &str, words: &str| check(with(fields), field, words);
    check(app("web", json!({"path": "apps"})), "spec.repoURL", "Required");
    check(app(&"a".repeat(201), json!({"repoURL": URL})), "metadata.name", "at most 200");
    for url in ["", "/srv/config", "file:///srv/config", "ftp://git.example/c", "git.example"] {
        spec(json!({"repoURL": url}), "spec.repoURL", "");
    }
    for url in [
        "https://ada:hunter2@git.example/c",
        "https://hunter2@git.example/c",
        "ssh://a:hunter2@git.example/c",
        "https://git.example/c?token=hunter2",
    ] {
        let object = with(json!({"repoURL": url}));
        check(object.clone(), "spec.repoURL", "put credentials into a Secret");
        let refused = apply(&test, &object, &["--dry-run=server"]).unwrap_err();
        assert!(!refused.contains("hunter2"), "{refused}");
    }
    spec(json!({"path": "/etc"}), "spec.path", "must not begin with /");
    for path in ["..", "../x", "apps/../../x", "apps/.."] {
        spec(json!({"path": path}), "spec.path", "must not contain ..");
    }
    spec(json!({"path": ""}), "spec.path", "at least 1");
    spec(json!({"targetRevision": "-x"}), "spec.targetRevision", "should match");
    spec(json!({"targetRevision": "a\nb"}), "spec.targetRevision", "should match");
    for (interval, words) in [
        ("soon", "should match"),
        ("5", ""),
        ("1 h", "should match"),
        ("0s", "longer than nothing"),
        ("-5s", "should match"),
        ("8761h", "at most 8760h"),
        ("1.5h", "should match"),
    ] {
        spec(json!({"interval": interval}), "spec.interval", words);
        spec(json!({"timeout": interval}), "spec.timeout", words);
        spec(
            json!({"retry": {"backoff": {"duration": interval}}}),
            "spec.retry.backoff.duration",
            words,
        );
    }
    spec(json!({"retry": {"limit": -1}}), "spec.retry.limit", "greater than or equal to 0");
    spec(json!({"retry": {"backoff": {"factor": 0}}}), "spec.retry.backoff.factor", "");
    let backoff = json!({"duration": "10s", "maxDuration": "5s"});
    spec(json!({"retry": {"backoff": backoff}}), "spec.retry.backoff.maxDuration", "shorter");
    for field in ["syncPolicy", "deletionPolicy", "drift", "additions", "conflicts"] {
        spec(json!({field: "delete"}), &format!("spec.{field}"), "Unsupported value");
    }
    spec(json!({"pruneGuard": {"maxPercent": 101}}), "spec.pruneGuard.maxPercent", "100");
    spec(json!({"pruneGuard": {"maxObjects": -1}}), "spec.pruneGuard.maxObjects", "0");
    let kinds = json!({"protectKinds": ["a b"]});
    spec(json!({"pruneGuard": kinds}), "spec.pruneGuard.protectKinds", "should match");
    for name in ["Apps", "a.b", "-a", &"a".repeat(64)] {
        spec(json!({"targetNamespace": name}), "spec.targetNamespace", "");
    }
    spec(json!({"createNamespace": {}}), "spec.createNamespace", "needs targetNamespace");
    let ours = json!({"gitops-sync.dev/app": "other"});
    spec(json!({"commonLabels": ours}), "spec.commonLabels", "must not set labels of gitops-sync");
    spec(json!({"commonAnnotations": ours}), "spec.commonAnnotations", "must not set annotations");
    spec(json!({"commonLabels": {"team": "a b"}}), "spec.commonLabels", "should match");
    spec(json!({"commonLabels": {"a b": "c"}}), "spec.commonLabels", "keys");
    spec(json!({"commonAnnotations": {"a/b/c": "c"}}), "spec.commonAnnotations", "keys");
    spec(json!({"dependsOn": [{"namespace": "a"}]}), "spec.dependsOn[0].name", "Required");
    spec(json!({"dependsOn": [{"name": "A"}]}), "spec.dependsOn[0].name", "should match");
    spec(json!({"dependsOn": [{"name": "web"}]}), "spec.dependsOn", "the app itself");
    let many: Vec<_> = (0..33).map(|n| json!({"name": format!("a{n}")})).collect();
    spec(json!({"dependsOn": many}), "spec.dependsOn", "32");
    spec(json!({"secretRef": {"name": ""}}), "spec.secretRef.name", "");
    spec(json!({"secretRef": {}}), "spec.secretRef.name", "Required");
    spec(json!({"serviceAccountName": "a/b"}), "spec.serviceAccountName", "should match");
    let kube_config = json!({"secretRef": {"name": "remote"}});
    let both = json!({"serviceAccountName": "a", "kubeConfig": kube_config});
    spec(both, "spec.serviceAccountName", "kubeConfig");
    let kube_config = json!({"secretRef": {"name": "remote", "key": "a b"}});
    spec(json!({"kubeConfig": kube_config}), "spec.kubeConfig.secretRef.key", "should match");
    let secrets = json!([{"kind": "Secret"}]);
    spec(json!({"resources": {"deny": secrets}}), "spec.resources.deny", "Required");
    let secrets = json!([{"group": "", "kind": "Sec*"}]);
    spec(json!({"resources": {"deny": secrets}}), "spec.resources.deny", "should match");
}

#[test]
fn what_is_right_is_taken_by_the_server_and_by_us() {
    let test = fixture("valid");
    let check = |fields: Value| {
        let object = with(fields);
        apply(&test, &object, &["--dry-run=server"]).unwrap();
        api::decode(&object).unwrap_or_else(|invalid| panic!("{object}: {invalid}"));
    };
    for url in ["http://127.0.0.1:80/c", "ssh://git@git.example/c", "git@git.example:team/c.git"] {
        check(json!({"repoURL": url}));
    }
    for revision in ["main", "v1.2.3", ">=1.2 <2", "^1", "release/1.x", "*", "münchen"] {
        check(json!({"targetRevision": revision}));
    }
    for path in ["a..b/..c", "apps/web", "./apps", "..."] {
        check(json!({"path": path}));
    }
    for interval in ["500ms", "1h30m", "90m", "8760h"] {
        check(json!({"interval": interval}));
    }
    check(json!({"resources": {"allow": []}}));
    check(json!({"resources": {
        "allow": [{"group": "*", "kind": "*"}],
        "deny": [{"group": "", "kind": "Secret"}, {"group": "example.com", "kind": "*"}],
    }}));
    check(json!({
        "secretRef": {"name": "git"}, "serviceAccountName": "deployer", "targetNamespace": "apps",
        "createNamespace": {"labels": {"example.com/team": "web"}, "annotations": {"a": "b c"}},
        "commonLabels": {"team": "web", "empty": ""}, "commonAnnotations": {"example.com/a": "b"},
        "dependsOn": [{"name": "base"}, {"name": "web", "namespace": "elsewhere"}],
        "syncPolicy": "manual", "suspend": true, "prune": false, "deletionPolicy": "Delete",
        "pruneGuard": {"protectKinds": ["Database.example.com"], "maxPercent": 0},
        "drift": "warn", "additions": "report", "conflicts": "yield", "atomic": true,
        "retry": {"limit": 0, "backoff": {"factor": 1}},
    }));
    check(json!({"kubeConfig": {"secretRef": {"name": "remote"}}}));
    // A null is as nothing.
    let nulls = with(json!({"interval": null, "targetNamespace": null}));
    apply(&test, &nulls, &["--dry-run=server"]).unwrap();
    let unknown = apply(&test, &with(json!({"color": "red"})), &["--dry-run=server"]).unwrap_err();
    assert!(unknown.contains("spec.color"), "{unknown}");
}

/// A status with something in each of its fields.
fn status() -> GitOpsAppStatus {
    let now = "2026-01-02T03:04:05.678Z".parse().unwrap();
    let object = ObjectId::new(GroupKind::new("apps", "Deployment"), "web", "shop");
    let sha = "0123456789abcdef0123456789abcdef01234567";
    let revision = Revision::new(sha, "Ada <ada@example.com>", "Scale the shop\n\nBody", now);
    let mut status = GitOpsAppStatus { observed_generation: Some(1), ..Default::default() };
    status.last_attempted_revision = Some(revision.clone());
    status.last_applied_revision = Some(revision);
    status.objects = [("synced".to_owned(), 20_000), ("held".to_owned(), 1)].into();
    status.failures = [Failure::new(object.clone(), "ApplyFailed", "denied")].into_iter().collect();
    let objects = std::slice::from_ref(&object);
    let held = HeldSet::new("objects of protected kinds", "0fbb1b8c2d1c", objects);
    status.held = [held].into_iter().collect();
    status.abandoned = api::status::Abandoned::new(objects.iter());
    status.last_drifts.push(Drift::new(object, Some("spec.replicas"), Some("kubectl"), now));
    let took = std::time::Duration::from_millis(1250);
    status.history.push(SyncRecord::new(Some(sha), "interval", took, "Synced", now));
    let mut set = |kind, status_of, reason, message: &str| {
        let found = Finding { status: status_of, reason, message: message.to_owned() };
        status.conditions.set(kind, found, 1, now);
    };
    set(ConditionType::Ready, Truth::True, "Synced", "Applied main@01234567.");
    set(ConditionType::Healthy, Truth::True, "Healthy", "All objects work.");
    set(ConditionType::Drifted, Truth::False, "InSync", "");
    status
}

#[test]
fn a_status_is_kept_as_it_is_and_read_by_kubectl() {
    let test = fixture("columns");
    apply(&test, &with(json!({})), &[]).unwrap();
    let patch = json!({"status": serde_json::to_value(status()).unwrap()}).to_string();
    test.kubectl(&["patch", "gapp/web", "--subresource=status", "--type=merge", "-p", &patch]);
    let stored: Value =
        serde_json::from_str(&test.kubectl(&["get", "gapp/web", "-o", "json"])).unwrap();
    assert_eq!(api::decode(&stored).unwrap().status, Some(status()));
    assert_eq!(stored["status"], serde_json::to_value(status()).unwrap());

    test.kubectl(&["wait", "--for=condition=Ready", "--timeout=30s", "gapp/web"]);
    let table = test.kubectl(&["get", "gapp"]);
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let head = ["NAME", "READY", "SYNC", "HEALTH", "REVISION", "AGE", "MESSAGE"];
    assert_eq!(lines.next().unwrap(), head);
    let line = lines.next().unwrap();
    assert_eq!(line[..5], ["web", "True", "Synced", "Healthy", "01234567"]);
    assert_eq!(line[6..].join(" "), "Applied main@01234567.");
    assert!(
        test.kubectl(&["get", "gitops-sync", "-o", "name"])
            .contains("gitopsapp.gitops-sync.dev/web")
    );
    // Whoever may write the spec does not write the status with it.
    test.kubectl(&[
        "patch",
        "gapp/web",
        "--type=merge",
        "-p",
        r#"{"status":{"observedGeneration":9}}"#,
    ]);
    assert_eq!(test.field("gapp/web", ".status.observedGeneration"), "1");
}

//! The resource GitOpsApp: its definition in a real API server, and what is refused by whom.

use gitops_sync::api::conditions::{ConditionType, Finding, Truth};
use gitops_sync::api::status::{Drift, Failure, HeldSet, Revision, SyncRecord};
use gitops_sync::api::{self, GitOpsAppSpec, GitOpsAppStatus, PruneGuard};
use gitops_sync::object::{GroupKind, ObjectId};
use gitops_sync::plan::guard::Guard;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};
use testbed::eventually;

use crate::support::{DEADLINE, Fixture, define_apps, plane};

const URL: &str = "https://git.example/config.git";

/// A test's namespace, once the definition is established.
fn fixture(name: &str) -> Fixture {
    define_apps();
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
fn kubectl_reads_the_definition_as_it_is_meant() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/crd.yaml");
    let read = plane().kubectl(&["create", "--dry-run=client", "-f", file, "-o", "json"]).unwrap();
    let read: CustomResourceDefinition = serde_json::from_str(&read).unwrap();
    assert_eq!(read.spec, api::crd().spec);
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
    // What can be explained is published a moment after the kind is served.
    let path = eventually(DEADLINE, "the kind to be explained", || {
        plane().kubectl(&["explain", "gapp.spec.path"]).map(Some)
    });
    let path = path.unwrap();
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

/// Asserts that the API server and we refuse an object, and that both name the field.
fn refused(test: &Fixture, object: &Value, field: &str, words: &str) -> String {
    let Err(refused) = apply(test, object, &["--dry-run=server"]) else {
        panic!("taken: {object}")
    };
    assert!(refused.contains(field) && refused.contains(words), "{object}: {refused}");
    let mut object = object.clone();
    object["metadata"]["namespace"] = json!(test.namespace);
    let Err(invalid) = api::decode(&object) else { panic!("taken: {object}") };
    let is_named = invalid.faults().iter().any(|fault| fault.field.starts_with(field));
    assert!(is_named, "{object}: {invalid}");
    refused
}

#[test]
fn a_source_that_is_wrong_is_refused_with_its_field() {
    let test = fixture("invalid-source");
    let check = |fields: Value, field: &str, words: &str| {
        refused(&test, &with(fields), &format!("spec.{field}"), words);
    };
    refused(&test, &app("web", json!({"path": "apps"})), "spec.repoURL", "Required");
    refused(&test, &app(&"a".repeat(201), json!({"repoURL": URL})), "metadata.name", "at most 200");
    for url in ["", "/srv/config", "file:///srv/config", "ftp://git.example/c", "git.example"] {
        check(json!({"repoURL": url}), "repoURL", "");
    }
    let long = format!("https://hunter2@git.example/{}", "c".repeat(2048));
    for (url, words) in [
        ("https://ada:hunter2@git.example/c", "put credentials into a Secret"),
        ("https://hunter2@git.example/c", "put credentials into a Secret"),
        ("ssh://ada:hunter2@git.example/c", "put credentials into a Secret"),
        ("https://git.example/c?token=hunter2", "put credentials into a Secret"),
        ("oci://ada:hunter2@r.example/c", "put credentials into a Secret"),
        ("ftp://ada:hunter2@git.example/c", "must be a URL"),
        (&long, "2048"),
    ] {
        let said = refused(&test, &with(json!({"repoURL": url})), "spec.repoURL", words);
        assert!(!said.contains("hunter2"), "{said}");
    }
    check(json!({"path": "/etc"}), "path", "must not begin with /");
    for path in ["..", "../x", "apps/../../x", "apps/.."] {
        check(json!({"path": path}), "path", "must not contain ..");
    }
    check(json!({"path": ""}), "path", "at least 1");
    check(json!({"targetRevision": "-x"}), "targetRevision", "should match");
    check(json!({"targetRevision": "a\nb"}), "targetRevision", "should match");
}

#[test]
fn a_time_or_number_that_is_wrong_is_refused_with_its_field() {
    let test = fixture("invalid-time");
    let check = |fields: Value, field: &str, words: &str| {
        refused(&test, &with(fields), &format!("spec.{field}"), words);
    };
    for (time, words) in [
        ("soon", "should match"),
        ("5", "at least 2"),
        ("1 h", "should match"),
        ("1.5h", "should match"),
        ("-5s", "should match"),
        ("0s", "longer than nothing"),
        ("8761h", "at most 8760h"),
    ] {
        check(json!({"interval": time}), "interval", words);
    }
    check(json!({"timeout": "0s"}), "timeout", "longer than nothing");
    let backoff = json!({"duration": "0s"});
    check(json!({"retry": {"backoff": backoff}}), "retry.backoff.duration", "longer than nothing");
    check(json!({"retry": {"limit": -1}}), "retry.limit", "greater than or equal to 0");
    check(json!({"retry": {"backoff": {"factor": 0}}}), "retry.backoff.factor", "equal to 1");
    let backoff = json!({"duration": "10s", "maxDuration": "5s"});
    check(json!({"retry": {"backoff": backoff}}), "retry.backoff.maxDuration", "shorter");
    check(json!({"pruneGuard": {"maxPercent": 101}}), "pruneGuard.maxPercent", "equal to 100");
    check(json!({"pruneGuard": {"maxObjects": -1}}), "pruneGuard.maxObjects", "equal to 0");
}

#[test]
fn a_name_that_is_wrong_is_refused_with_its_field() {
    let test = fixture("invalid-name");
    let check = |fields: Value, field: &str, words: &str| {
        refused(&test, &with(fields), &format!("spec.{field}"), words);
    };
    for field in ["syncPolicy", "deletionPolicy", "drift", "additions", "conflicts"] {
        check(json!({field: "delete"}), field, "Unsupported value");
    }
    let kinds = json!({"protectKinds": ["a b"]});
    check(json!({"pruneGuard": kinds}), "pruneGuard.protectKinds", "should match");
    for name in ["Apps", "a.b", "-a", &"a".repeat(64)] {
        check(json!({"targetNamespace": name}), "targetNamespace", "");
    }
    check(json!({"createNamespace": {}}), "createNamespace", "needs targetNamespace");
    let ours = json!({"gitops-sync.dev/app": "other"});
    check(json!({"commonLabels": ours}), "commonLabels", "must not set labels of gitops-sync");
    check(json!({"commonAnnotations": ours}), "commonAnnotations", "must not set annotations");
    check(json!({"commonLabels": {"team": "a b"}}), "commonLabels", "should match");
    check(json!({"commonLabels": {"a b": "c"}}), "commonLabels", "must have keys");
    check(json!({"commonAnnotations": {"a/b/c": "c"}}), "commonAnnotations", "must have keys");
    let group_missing = json!([{"kind": "Secret"}]);
    check(json!({"resources": {"deny": group_missing}}), "resources.deny", "Required");
    let half = json!([{"group": "", "kind": "Sec*"}]);
    check(json!({"resources": {"deny": half}}), "resources.deny", "should match");
}

#[test]
fn a_reference_that_is_wrong_is_refused_with_its_field() {
    let test = fixture("invalid-reference");
    let check = |fields: Value, field: &str, words: &str| {
        refused(&test, &with(fields), &format!("spec.{field}"), words);
    };
    check(json!({"dependsOn": [{"namespace": "a"}]}), "dependsOn[0].name", "Required");
    check(json!({"dependsOn": [{"name": "A"}]}), "dependsOn[0].name", "should match");
    check(json!({"dependsOn": [{"name": "web"}]}), "dependsOn", "the app itself");
    let many: Vec<_> = (0..33).map(|n| json!({"name": format!("a{n}")})).collect();
    check(json!({"dependsOn": many}), "dependsOn", "32");
    check(json!({"secretRef": {"name": ""}}), "secretRef.name", "at least 1");
    check(json!({"secretRef": {}}), "secretRef.name", "Required");
    check(json!({"proxySecretRef": {"name": "A"}}), "proxySecretRef.name", "should match");
    let proxied = json!({"proxySecretRef": {"name": "proxy"}, "repoURL": "git@git.example:c.git"});
    check(proxied, "proxySecretRef", "ssh does not go through a proxy");
    check(json!({"serviceAccountName": "a/b"}), "serviceAccountName", "should match");
    check(json!({"verify": {"mode": "Range"}}), "verify.mode", "needs secretRef or keys");
    check(json!({"verify": {"mode": "All", "keys": ["a"]}}), "verify.mode", "Unsupported value");
    check(json!({"verify": {}}), "verify", "must have one of");
    let artifact = json!({"repoURL": "oci://r.example/app", "verify": {"noRollback": true}});
    check(artifact, "verify", "is for repositories of git");
    let artifact = json!({"repoURL": "oci://r.example/app", "submodules": true});
    check(artifact, "submodules", "is for repositories of git");
    check(json!({"insecure": true}), "insecure", "is for a repoURL of oci");
    check(json!({"verify": {"noRollback": false}}), "verify", "must have one of");
    check(json!({"verify": {"keys": []}}), "verify.keys", "at least 1");
    check(json!({"verify": {"keys": [""]}}), "verify.keys", "at least 1");
    check(json!({"verify": {"secretRef": {"name": "A"}}}), "verify.secretRef.name", "should match");
    let kube_config = json!({"secretRef": {"name": "remote"}});
    let both = json!({"serviceAccountName": "a", "kubeConfig": kube_config});
    check(both, "serviceAccountName", "kubeConfig");
    let kube_config = json!({"secretRef": {"name": "remote", "key": "a b"}});
    check(json!({"kubeConfig": kube_config}), "kubeConfig.secretRef.key", "should match");
}

#[test]
fn what_is_wrong_for_kustomize_is_refused_with_its_field() {
    let test = fixture("invalid-kustomize");
    let check = |kustomize: Value, field: &str, words: &str| {
        let fields = json!({"render": {"kustomize": kustomize}});
        refused(&test, &with(fields), &format!("spec.render.kustomize.{field}"), words);
    };
    for image in ["", "a b", "a=b=c", "=b"] {
        check(json!({"images": [image]}), "images", "");
    }
    check(json!({"replicas": [{"name": "a", "count": 100_001}]}), "replicas", "less than or equal");
    check(json!({"replicas": [{"name": "", "count": 1}]}), "replicas", "at least 1");
    check(json!({"namePrefix": "A"}), "namePrefix", "should match");
    check(json!({"nameSuffix": "a_"}), "nameSuffix", "should match");
    check(json!({"namespace": "a.b"}), "namespace", "should match");
    check(json!({"patches": [{"patch": ""}]}), "patches", "at least 1");
    check(json!({"components": [""]}), "components", "at least 1");
}

#[test]
fn what_is_substituted_wrongly_is_refused_with_its_field() {
    let test = fixture("invalid-substitute");
    let check = |fields: Value, field: &str, words: &str| {
        refused(&test, &with(fields), &format!("spec.{field}"), words);
    };
    let substitute = |values: Value| json!({"postBuild": {"substitute": values}});
    for name in ["a-b", "1a", "", "a.b", &"a".repeat(129)] {
        check(substitute(json!({name: "x"})), "postBuild.substitute", "must have names");
    }
    check(substitute(json!({"a": "x".repeat(16_385)})), "postBuild.substitute", "16384");
    let from = |reference: Value| json!({"postBuild": {"substituteFrom": [reference]}});
    let field = "postBuild.substituteFrom[0]";
    check(from(json!({"kind": "Pod", "name": "a"})), &format!("{field}.kind"), "Unsupported");
    check(from(json!({"kind": "Secret", "name": "A"})), &format!("{field}.name"), "should match");
    check(from(json!({"kind": "Secret"})), &format!("{field}.name"), "Required");
    for image in ["nginx", "a b:1", ":1", "a=b=c", ""] {
        check(json!({"images": [image]}), "images", "");
    }
    check(json!({"images": vec!["a:1"; 65]}), "images", "64");
}

#[test]
fn what_is_no_pattern_of_files_is_refused_with_its_field() {
    let test = fixture("invalid-files");
    for field in ["include", "exclude"] {
        for pattern in ["", "#a", "!a", " a", &"a".repeat(1025)] {
            let fields = json!({"render": {field: [pattern]}});
            refused(&test, &with(fields), &format!("spec.render.{field}"), "");
        }
    }
}

#[test]
fn what_is_wrong_for_helm_is_refused_with_its_field() {
    let test = fixture("invalid-helm");
    let check = |helm: Value, field: &str, words: &str| {
        let fields = json!({"render": {"helm": helm}});
        refused(&test, &with(fields), &format!("spec.render.helm.{field}"), words);
    };
    for name in ["A", "-a", "a b", &"a".repeat(54)] {
        check(json!({"releaseName": name}), "releaseName", "");
    }
    check(json!({"namespace": "a.b"}), "namespace", "should match");
    check(json!({"valuesFiles": [""]}), "valuesFiles", "at least 1");
    check(json!({"values": "a: b"}), "values", "object");
    let from = |name: &str, key: &str, path: &str| json!({"valuesFrom": [{"kind": "Secret", "name": name, "valuesKey": key, "targetPath": path}]});
    check(from("A", "b", "c"), "valuesFrom[0].name", "should match");
    for key in ["", "a/b", "a b"] {
        check(from("a", key, "c"), "valuesFrom[0].valuesKey", "");
    }
    for path in ["", ".a", "a.", "a..b", "a[0]", "a\\b", "a=b"] {
        check(from("a", "b", path), "valuesFrom[0].targetPath", "");
    }
    let many = vec![json!({"kind": "Secret", "name": "a"}); 33];
    check(json!({"valuesFrom": many}), "valuesFrom", "32");
    for name in ["", "a=b", "a,b", "a b"] {
        check(json!({"parameters": [{"name": name, "value": "1"}]}), "parameters", "");
    }
    check(json!({"parameters": [{"name": "a", "value": 1}]}), "parameters", "string");
    for version in ["1", "latest", "1.x", "1.30.1.2", "1.30-", "v"] {
        check(json!({"kubeVersion": version}), "kubeVersion", "should match");
    }
    for api in ["", "a,b", "-a", "a b"] {
        check(json!({"apiVersions": [api]}), "apiVersions", "");
    }
    let chart = |url: &str, name: &str, version: &str, more: Value| {
        let mut chart = json!({"repoURL": url, "name": name, "version": version});
        chart.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"chart": chart})
    };
    for url in ["", "git@c.example:a", "https://", "https://u:p@c.example", "https://c.example?a"] {
        check(chart(url, "web", "1", json!({})), "chart.repoURL", "");
    }
    for name in ["", "-a", "a b", "a/b"] {
        check(chart("https://c.example", name, "1", json!({})), "chart.name", "");
    }
    check(chart("oci://c.example", "a/../b", "1", json!({})), "chart.name", "must be the name");
    for version in ["", "-1", " 1", "1\n"] {
        check(chart("https://c.example", "web", version, json!({})), "chart.version", "");
    }
    let insecure = json!({"insecure": true});
    check(chart("https://c.example", "web", "1", insecure), "chart.insecure", "is for registries");
    let secret = json!({"secretRef": {"name": "A"}});
    check(chart("https://c.example", "web", "1", secret), "chart.secretRef.name", "should match");
}

#[test]
fn what_is_right_is_taken_by_the_server_and_by_us() {
    let test = fixture("valid");
    let check = |fields: Value| {
        let object = with(fields);
        apply(&test, &object, &["--dry-run=server"]).unwrap();
        api::decode(&object).unwrap_or_else(|invalid| panic!("{object}: {invalid}"));
    };
    for url in [
        "http://127.0.0.1:80/c",
        "ssh://git@git.example/c",
        "git@git.example:team/c.git",
        "oci://r.example:5000/team/app",
    ] {
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
        "secretRef": {"name": "git"}, "proxySecretRef": {"name": "proxy"}, "serviceAccountName": "deployer", "targetNamespace": "apps",
        "createNamespace": {"labels": {"example.com/team": "web"}, "annotations": {"a": "b c"}},
        "commonLabels": {"team": "web", "empty": ""}, "commonAnnotations": {"example.com/a": "b"},
        "dependsOn": [{"name": "base"}, {"name": "web", "namespace": "elsewhere"}],
        "syncPolicy": "manual", "suspend": true, "prune": false, "deletionPolicy": "Delete",
        "pruneGuard": {"protectKinds": ["Database.example.com"], "maxPercent": 0},
        "drift": "warn", "additions": "report", "conflicts": "yield", "atomic": true,
        "retry": {"limit": 0, "backoff": {"factor": 1}},
    }));
    let artifact = json!({"repoURL": "oci://r.example/app", "proxySecretRef": {"name": "proxy"}});
    check(artifact);
    check(json!({"kubeConfig": {"secretRef": {"name": "remote"}}}));
    check(json!({"postBuild": {}}));
    check(json!({"postBuild": {
        "strict": false, "substitute": {"a": "", "_B1": "x\ny"},
        "substituteFrom": [{"kind": "ConfigMap", "name": "a"}, {"kind": "Secret", "name": "b", "optional": true}],
    }}));
    check(json!({"images": ["a:1", "r.example:5000/a@sha256:b", "a=b", "a=b:1@sha256:c", "a=:1"]}));
    check(json!({"render": {"include": ["*.yaml", "/web/**", "a b"], "exclude": ["values/"]}}));
    for mode in ["HEAD", "Tag", "TagAndHEAD", "Range"] {
        check(json!({"verify": {"mode": mode, "secretRef": {"name": "keys"}, "noRollback": true}}));
    }
    check(json!({"verify": {"keys": ["ssh-ed25519 AAAA"]}}));
    check(json!({"verify": {"noRollback": true}}));
    let helm = json!({
        "releaseName": "web.a-1", "namespace": "web", "valuesFiles": ["../a.yaml", "/b.yaml"],
        "values": {"a": {"b": [1, null, 1.5, "c"]}}, "parameters": [{"name": "a[0].b"}, {"name": "a\\.b", "value": "{1,2}"}],
        "apiVersions": ["apps/v1", "monitoring.coreos.com/v1/ServiceMonitor"],
        "valuesFrom": [
            {"kind": "ConfigMap", "name": "a"},
            {"kind": "Secret", "name": "b", "valuesKey": "x_y.yaml", "targetPath": "a\\.b/c.d-e_f", "optional": true},
        ],
    });
    check(json!({"render": {"type": "helm", "helm": helm}}));
    for (url, name, version) in [
        ("https://c.example/charts", "web", "1.2.3"),
        ("http://c.example", "web", ">=1 <2"),
        ("oci://c.example:5000/a", "team/web", "^1"),
    ] {
        let chart =
            json!({"repoURL": url, "name": name, "version": version, "secretRef": {"name": "a"}});
        check(json!({"render": {"helm": {"chart": chart}}}));
    }
    check(
        json!({"render": {"helm": {"chart": {"repoURL": "oci://c.example/a", "name": "b", "version": "1", "insecure": true}}}}),
    );
    for version in ["1.30", "v1.36.2", "1.27.3-eks-a5565ad", "1.30.0+k3s1"] {
        check(json!({"render": {"helm": {"kubeVersion": version}}}));
    }
    // A null stands for the default.
    apply(&test, &with(json!({"interval": null})), &["--dry-run=server"]).unwrap();
    let unknown = apply(&test, &with(json!({"color": "red"})), &["--dry-run=server"]).unwrap_err();
    assert!(unknown.contains("spec.color"), "{unknown}");
}

/// A status with something in each of its fields.
fn status() -> GitOpsAppStatus {
    let now = "2026-01-02T03:04:05.678Z".parse().unwrap();
    let object = ObjectId::new(GroupKind::new("apps", "Deployment"), "web", "shop");
    let sha = "0123456789abcdef0123456789abcdef01234567";
    let revision = Revision::new(sha, "Ada <ada@example.com>", "Scale the shop\n\nBody", now);
    let verified_by = Some(format!("OpenPGP key {}", sha.to_uppercase()));
    let revision = Revision { verified_by: verified_by.clone(), ..revision };
    let mut status = GitOpsAppStatus { observed_generation: Some(1), ..Default::default() };
    status.last_attempted_revision = Some(revision.clone());
    status.last_applied_revision = Some(revision);
    status.objects = [("synced".to_owned(), 20_000), ("held".to_owned(), 1)].into();
    status.failures = [Failure::new(object.clone(), "ApplyFailed", "denied")].into_iter().collect();
    let objects = std::slice::from_ref(&object);
    status.drifted = [object.clone()].into_iter().collect();
    let held = HeldSet::new("objects of protected kinds", "0fbb1b8c2d1c", objects);
    status.held = [held].into_iter().collect();
    status.abandoned = api::status::Abandoned::new(objects.iter());
    status.last_drifts.push(Drift::new(object, Some("spec.replicas"), Some("kubectl"), now));
    let took = std::time::Duration::from_millis(1250);
    let record = SyncRecord::new(Some(sha), "interval", took, "Synced", now);
    status.history.push(SyncRecord { verified_by, ..record });
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

    test.kubectl(&["wait", "--for=condition=Ready", "--timeout=180s", "gapp/web"]);
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

//! What cannot be changed as git declares it: told, or deleted and created again where that is allowed.

use std::sync::atomic::{AtomicBool, Ordering};

use testbed::{ApiFault, eventually};

use crate::support::{DEADLINE, DEPLOYMENT, Daemon, Fixture, config_map, plane};

const ALLOWED: &str = "annotations: {gitops-sync.dev/replace: 'true'}";

fn uid(test: &Fixture, object: &str) -> String {
    test.field(object, ".metadata.uid")
}

fn deletes(test: &Fixture, mark: testbed::Mark) -> usize {
    let requests = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
    let is_delete = |r: &&testbed::ApiRequest| r.namespace == test.namespace && r.verb == "delete";
    requests.iter().filter(is_delete).count()
}

fn count(daemon: &Daemon, words: &str) -> usize {
    daemon.0.lines().iter().filter(|line| line.contains(words)).count()
}

/// The Deployment with another selector, which cannot be changed.
fn selector(manifest: &str, value: &str) -> String {
    manifest.replace("{app: web}", &format!("{{app: {value}}}"))
}

fn allowed(manifest: &str, name: &str) -> String {
    manifest.replacen(&format!("{{name: {name}}}"), &format!("{{name: {name}, {ALLOWED}}}"), 1)
}

/// An object with a field that cannot be changed, before and after.
struct Fixed {
    kind: &'static str,
    before: String,
    after: String,
    field: &'static str,
}

/// One of each kind.
fn immutable(group: &str) -> Vec<Fixed> {
    let pair = |text: &str, from: &str, to: &str| {
        assert!(text.contains(from));
        (text.to_owned(), text.replace(from, to))
    };
    let pod = "metadata: {labels: {app: x}}\n    spec: {restartPolicy: Never, containers: [{name: c, image: one}]}";
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {clusterIP: 10.0.0.201, ports: [{port: 80}]}\n";
    let job = format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: x}}\nspec:\n  suspend: true\n  template:\n    {pod}\n"
    );
    let set = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: x}\nspec:\n  replicas: 0\n  serviceName: one\n  \
               selector: {matchLabels: {app: x}}\n  template:\n    metadata: {labels: {app: x}}\n    spec: {containers: [{name: c, image: one}]}\n";
    let map =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\nimmutable: true\ndata: {k: one}\n";
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ntype: example.com/one\n";
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: x}\nspec:\n  accessModes: [ReadWriteOnce]\n  \
                 storageClassName: one\n  resources: {requests: {storage: 1Gi}}\n";
    let binding = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: x}\n\
                   roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: one}\n";
    let own = format!(
        "apiVersion: {group}/v1\nkind: Fixed\nmetadata: {{name: x}}\nspec: {{a: one, b: one}}\n"
    );
    let deployment = selector(DEPLOYMENT, "one").replace("{name: web}\nspec", "{name: x}\nspec");
    let all = [
        ("service", pair(service, "10.0.0.201", "10.0.0.202"), "spec.clusterIP"),
        ("deployment", pair(&deployment, "app: one", "app: two"), "spec.selector"),
        ("job", pair(&job, "image: one", "image: two"), "spec.template.spec"),
        ("statefulset", pair(set, "serviceName: one", "serviceName: two"), "spec"),
        ("configmap", pair(map, "k: one", "k: two"), "data"),
        ("secret", pair(secret, "/one", "/two"), "type"),
        (
            "persistentvolumeclaim",
            pair(claim, "storageClassName: one", "storageClassName: two"),
            "spec",
        ),
        ("rolebinding", pair(binding, "name: one", "name: two"), "roleRef"),
        ("fixed", pair(&own, "a: one", "a: two"), "spec.a"),
    ];
    let fixed = |(kind, (before, after), field)| Fixed { kind, before, after, field };
    all.into_iter().map(fixed).collect()
}

fn fixed_kind(group: &str) -> String {
    let rule = "{type: string, x-kubernetes-validations: [{rule: self == oldSelf, message: a is immutable}]}";
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: fixeds.{group}}}\nspec:\n  \
         group: {group}\n  scope: Namespaced\n  names: {{kind: Fixed, plural: fixeds, singular: fixed}}\n  versions:\n  \
         - name: v1\n    served: true\n    storage: true\n    schema:\n      openAPIV3Schema:\n        type: object\n        \
         properties:\n          spec: {{type: object, properties: {{a: {rule}, b: {{type: string, maxLength: 5}}}}}}\n"
    )
}

#[test]
fn what_cannot_be_changed_is_told_for_each_kind_and_replaced_where_git_allows_it() {
    let test = Fixture::new("immutable");
    let group = format!("{}.example.com", test.namespace);
    let all = immutable(&group);
    let files = |of: fn(&Fixed) -> String| {
        for item in &all {
            test.repo.write(&format!("apps/{}.yaml", item.kind), of(item)).unwrap();
        }
        test.repo.commit("Change").unwrap()
    };
    test.commit(&[("apps/crd.yaml", &fixed_kind(&group))]);
    files(|fixed| fixed.before.clone());
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=10"]);
    let uids: Vec<_> = all.iter().map(|fixed| uid(&test, &format!("{}/x", fixed.kind))).collect();
    let mark = plane().audit().mark().unwrap();
    files(|fixed| fixed.after.clone());
    for Fixed { kind, field, .. } in &all {
        let cannot =
            format!("{field} cannot be changed: set the annotation gitops-sync.dev/replace");
        let cannot =
            if *kind == "service" { cannot.replace("clusterIP", "clusterIPs[0]") } else { cannot };
        daemon.line(&[&format!("Cannot apply {kind}"), "/x in", &cannot]);
    }
    daemon.next_pass();
    assert_eq!(deletes(&test, mark), 0);
    files(|fixed| allowed(&fixed.after, "x"));
    for (Fixed { kind, field, .. }, uid_before) in all.iter().zip(&uids) {
        daemon.line(&["Replaced", kind, "/x ", field]);
        assert_ne!(&uid(&test, &format!("{kind}/x")), uid_before, "{kind}");
    }
    daemon.line(&["INFO Synced", "failed=0", "objects=10"]);
    assert_eq!(test.field("configmap/x", ".data.k"), "two");
    let metric = format!("action=\"replaced\",app=\"{}\"}} 9", test.namespace);
    assert!(daemon.metrics().contains(&metric), "{}", daemon.metrics());
    let events =
        test.kubectl(&["get", "events.events.k8s.io", "-o", "jsonpath={.items[*].reason}"]);
    assert!(events.contains("Replaced"), "{events}");
    let mark = plane().audit().mark().unwrap();
    daemon.next_sync();
    assert_eq!(deletes(&test, mark), 0);
    plane().kubectl(&["delete", "crd", &format!("fixeds.{group}"), "--wait=false"]).unwrap();
}

#[test]
fn a_bad_value_deletes_nothing() {
    let test = Fixture::new("badvalue");
    let deployment = allowed(DEPLOYMENT, "web");
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c}\nspec:\n  accessModes: [ReadWriteOnce]\n  \
                 storageClassName: one\n  resources: {requests: {storage: 1Gi}}\n";
    test.commit(&[("apps/web.yaml", &deployment), ("apps/c.yaml", claim)]);
    let daemon = test.run(&["--replace"]);
    daemon.line(&["INFO Synced", "created=2"]);
    let before = (uid(&test, "deploy/web"), uid(&test, "pvc/c"));
    let mark = plane().audit().mark().unwrap();
    // A typo alone, a typo beside what cannot be changed, and a selector that fits no pod.
    let typo = "image: 'registry.example/web:1'";
    test.commit(&[("apps/web.yaml", &deployment.replace(typo, "image: ''"))]);
    daemon.line(&["Cannot apply deployment.apps/web", "image"]);
    test.commit(&[("apps/web.yaml", &selector(&deployment, "two").replace(typo, "image: ''"))]);
    daemon.line(&["Cannot apply deployment.apps/web", "spec.selector"]);
    let torn = deployment.replace("matchLabels: {app: web}", "matchLabels: {app: other}");
    test.commit(&[("apps/web.yaml", &torn)]);
    let line = daemon.line(&["Cannot apply deployment.apps/web", "`selector` does not match"]);
    assert!(line.contains("field is immutable"), "{line}");
    // The app's option is not enough for what holds data.
    test.commit(&[("apps/c.yaml", &claim.replace("one", "two"))]);
    daemon.line(&["Cannot apply persistentvolumeclaim/c", "cannot be changed: set the annotation"]);
    daemon.next_pass();
    assert_eq!((uid(&test, "deploy/web"), uid(&test, "pvc/c")), before);
    assert_eq!(deletes(&test, mark), 0);
}

#[test]
fn a_replacement_that_is_refused_deletes_nothing_and_both_refusals_are_told() {
    let test = Fixture::new("twice");
    let map = |value: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x, {ALLOWED}}}\nimmutable: true\ndata: {{k: {value}}}\n"
        )
    };
    test.commit(&[("apps/x.yaml", &map("one"))]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=1"]);
    let before = uid(&test, "configmap/x");
    // There is no room for one more.
    test.kubectl(&["create", "quota", "full", "--hard=count/configmaps=1"]);
    test.expect("quota/full", ".status.used.count/configmaps", "2");
    let mark = plane().audit().mark().unwrap();
    test.commit(&[("apps/x.yaml", &map("two"))]);
    daemon.line(&[
        "Cannot apply configmap/x",
        "field is immutable",
        "could not be created again",
        "quota",
    ]);
    assert_eq!((uid(&test, "configmap/x"), deletes(&test, mark)), (before, 0));
}

#[test]
fn the_app_s_option_replaces_what_is_the_app_s_own() {
    let test = Fixture::new("option");
    let map = |name: &str, value: &str, more: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}{more}}}\nimmutable: true\ndata: {{k: {value}}}\n"
        )
    };
    let keep = ", annotations: {helm.sh/resource-policy: keep}";
    let files = |value: &str| {
        let (a, kept, theirs) =
            (map("a", value, ""), map("kept", value, keep), map("theirs", value, ""));
        test.commit(&[
            ("apps/a.yaml", &a),
            ("apps/kept.yaml", &kept),
            ("other/theirs.yaml", &theirs),
        ])
    };
    files("one");
    let daemon = test.run(&["--replace"]);
    daemon.line(&["INFO Synced", "created=2"]);
    plane()
        .kubectl_with_stdin(&["-n", &test.namespace, "create", "-f", "-"], &map("theirs", "x", ""))
        .unwrap();
    test.commit(&[("apps/theirs.yaml", &map("theirs", "two", ""))]);
    files("two");
    daemon.line(&["Replaced", "configmap/a", "fields=\"data\""]);
    daemon.line(&["Cannot apply configmap/kept", "marked as never to be deleted"]);
    daemon.line(&["Cannot apply configmap/theirs", "this app never applied it"]);
    // Nor with the annotation.
    let commit =
        test.commit(&[("apps/theirs.yaml", &allowed(&map("theirs", "three", ""), "theirs"))]);
    daemon.line(&["Synced in part", &commit, "failed=2"]);
    assert_eq!(test.field("configmap/a", ".data.k"), "two");
    assert_eq!(test.field("configmap/kept", ".data.k"), "one");
    assert_eq!(test.field("configmap/theirs", ".data.k"), "x");
}

#[test]
fn what_is_slow_to_go_is_created_by_a_later_pass_whatever_the_policy() {
    let test = Fixture::new("slow");
    let map = |value: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x, {ALLOWED}}}\nimmutable: true\ndata: {{k: {value}}}\n"
        )
    };
    test.commit(&[("apps/x.yaml", &map("one")), ("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&["--drift", "ignore"]);
    daemon.line(&["INFO Synced", "created=2"]);
    let finalizers = |list: &str| format!("{{\"metadata\":{{\"finalizers\":{list}}}}}");
    test.kubectl(&["patch", "configmap/x", "-p", &finalizers("[\"example.com/wait\"]")]);
    test.commit(&[("apps/x.yaml", &map("two"))]);
    daemon.line(&["Waiting with configmap/x", "was deleted to be created again"]);
    daemon.next_pass();
    test.kubectl(&["patch", "configmap/x", "--type=merge", "-p", &finalizers("null")]);
    test.expect("configmap/x", ".data.k", "two");
    daemon.line(&["INFO Synced", "failed=0"]);
    assert_eq!(count(&daemon, "Drift"), 0, "{:#?}", daemon.0.lines());
}

#[test]
fn pods_that_may_not_run_twice_are_gone_before_their_successors_come() {
    let test = Fixture::new("cascade");
    let recreate = allowed(DEPLOYMENT, "web")
        .replace("  replicas: 5\n", "  replicas: 0\n  strategy: {type: Recreate}\n");
    let rolling = allowed(DEPLOYMENT, "web").replace("replicas: 5", "replicas: 0").replacen(
        "name: web",
        "name: roll",
        1,
    );
    let files = |value: &str| {
        let (web, roll) = (selector(&recreate, value), selector(&rolling, value));
        test.commit(&[("apps/web.yaml", &web), ("apps/roll.yaml", &roll)])
    };
    files("one");
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=2"]);
    files("two");
    daemon.line(&["Replaced", "deployment.apps/web"]);
    daemon.line(&["Replaced", "deployment.apps/roll"]);
    test.expect("deploy/web", ".spec.selector.matchLabels.app", "two");
    test.expect("deploy/roll", ".spec.selector.matchLabels.app", "two");
}

#[test]
fn replicas_of_an_autoscaler_outlive_a_replacement() {
    let test = Fixture::new("replicas");
    let hpa = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec:\n  \
               maxReplicas: 9\n  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}\n";
    let web = allowed(DEPLOYMENT, "web").replace("  replicas: 5\n", "");
    test.commit(&[("apps/web.yaml", &selector(&web, "one")), ("apps/hpa.yaml", hpa)]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=2"]);
    let scale = ["patch", "deploy/web", "--subresource=scale", "--type=merge"];
    let by = ["--field-manager=kube-controller-manager", "-p", "{\"spec\":{\"replicas\":7}}"];
    test.kubectl(&[&scale[..], &by[..]].concat());
    daemon.next_sync();
    test.expect("deploy/web", ".spec.replicas", "7");
    test.commit(&[("apps/web.yaml", &selector(&web, "two"))]);
    daemon.line(&["Replaced", "deployment.apps/web"]);
    assert_eq!(test.field("deploy/web", ".spec.replicas"), "7");
    daemon.next_sync();
    assert_eq!(test.field("deploy/web", ".spec.replicas"), "7");
    assert_eq!(count(&daemon, "Drift"), 0, "{:#?}", daemon.0.lines());
}

#[test]
fn a_dry_run_tells_what_would_be_replaced_and_deletes_nothing() {
    let test = Fixture::new("dryreplace");
    let map = |value: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\nimmutable: true\ndata: {{k: {value}}}\n"
        )
    };
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().to_str().unwrap();
    let write = |value: &str| std::fs::write(folder.path().join("x.yaml"), map(value)).unwrap();
    write("one");
    test.sync(&["--manifests", path, "--apply"])
        .has_line(&format!("configmap/x created (namespace {})", test.namespace));
    write("two");
    let told = test.sync(&["--manifests", path]);
    assert_eq!(told.code, Some(1), "{told:#?}");
    let told = test.sync(&["--manifests", path, "--replace"]);
    told.has_line(&format!("configmap/x replaced (namespace {}): data", test.namespace));
    assert_eq!(test.field("configmap/x", ".data.k"), "one");
    test.sync(&["--manifests", path, "--replace", "--apply"]);
    assert_eq!(test.field("configmap/x", ".data.k"), "two");
}

#[test]
fn killed_between_deletion_and_creation_the_next_one_creates_it_whatever_the_policy() {
    for (policy, lost) in [("warn", false), ("ignore", true)] {
        let test = Fixture::new("killed");
        let map = |value: &str| {
            format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x, {ALLOWED}}}\nimmutable: true\ndata: {{k: {value}}}\n"
            )
        };
        test.commit(&[("apps/x.yaml", &map("one"))]);
        let proxy = plane().proxy().unwrap();
        let victim = test.run_as(proxy.kubeconfig(), &["--drift", policy]);
        victim.line(&["INFO Synced", "created=1"]);
        let is_over = AtomicBool::new(false);
        proxy.set_faults(move |call| {
            let is_real = call.method == "DELETE" && !call.uri.contains("dryRun");
            match (is_over.load(Ordering::SeqCst), is_real) {
                (true, _) => ApiFault::Hang,
                (false, true) => {
                    is_over.store(true, Ordering::SeqCst);
                    if lost { ApiFault::Lose } else { ApiFault::None }
                }
                (false, false) => ApiFault::None,
            }
        });
        test.commit(&[("apps/x.yaml", &map("two"))]);
        test.expect("configmap/x", ".metadata.name", "");
        victim.0.kill().unwrap();
        proxy.set_fault(ApiFault::None);
        let heir = test.run(&["--drift", policy]);
        heir.line(&["INFO Synced", "failed=0"]);
        assert_eq!(test.field("configmap/x", ".data.k"), "two", "{policy} {:#?}", heir.0.lines());
    }
}

#[test]
fn what_admission_alone_makes_different_is_not_replaced() {
    let test = Fixture::new("mutated");
    let name = format!("mutated-{}", test.namespace);
    let policy = format!(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingAdmissionPolicy\nmetadata: {{name: {name}}}\nspec:\n  \
         failurePolicy: Fail\n  reinvocationPolicy: Never\n  matchConstraints:\n    \
         namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {namespace}}}}}\n    \
         resourceRules: [{{apiGroups: [batch], apiVersions: [v1], operations: [CREATE], resources: [jobs]}}]\n  \
         mutations: [{{patchType: JSONPatch, jsonPatch: {{expression: \"[JSONPatch{{op: 'replace', path: '/spec/template/spec/containers/0/image', value: 'mirror/one'}}]\"}}}}]\n---\n\
         apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingAdmissionPolicyBinding\nmetadata: {{name: {name}}}\n\
         spec: {{policyName: {name}}}\n",
        namespace = test.namespace
    );
    plane().kubectl_with_stdin(&["apply", "-f", "-"], &policy).unwrap();
    let job = format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: x, labels: {{by: git}}, {ALLOWED}}}\nspec:\n  template:\n    \
         metadata: {{labels: {{app: x}}}}\n    spec: {{restartPolicy: Never, containers: [{{name: c, image: one}}]}}\n"
    );
    let dry = ["-n", &test.namespace, "create", "--dry-run=server", "-o", "yaml", "-f", "-"];
    eventually(DEADLINE, "the policy to be in force", || {
        let made = plane().kubectl_with_stdin(&dry, &job);
        Ok::<_, String>(made.is_ok_and(|text| text.contains("mirror/one")).then_some(()))
    })
    .unwrap();
    test.commit(&[("apps/x.yaml", &job)]);
    let daemon = test.run(&[]);
    daemon.line(&["Overridden by admission", "job.batch/x", "mirror/one"]);
    let (before, mark) = (uid(&test, "job/x"), plane().audit().mark().unwrap());
    // As a queue does: its generation moves.
    test.kubectl(&[
        "patch",
        "job/x",
        "--field-manager=queue",
        "-p",
        r#"{"spec":{"suspend":true}}"#,
    ]);
    daemon.next_pass();
    daemon.next_pass();
    let same = || (uid(&test, "job/x"), deletes(&test, mark));
    assert_eq!(same(), (before.clone(), 0), "{:#?}", daemon.0.lines());
    assert_eq!(count(&daemon, "Cannot apply"), 0, "{:#?}", daemon.0.lines());
    // Nor does drift of something else make a job run twice.
    test.kubectl(&["label", "job/x", "by=theirs", "--overwrite"]);
    daemon.line(&["Cannot apply job.batch/x", "admission would make it so again"]);
    assert_eq!(same(), (before, 0), "{:#?}", daemon.0.lines());
    plane()
        .kubectl(&["delete", "mutatingadmissionpolicy,mutatingadmissionpolicybinding", &name])
        .unwrap();
}

#[test]
fn replicas_of_an_autoscaler_outlive_a_replacement_that_takes_long() {
    let test = Fixture::new("slowreplicas");
    let hpa = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec:\n  \
               maxReplicas: 9\n  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}\n";
    let web = allowed(DEPLOYMENT, "web").replace("  replicas: 5\n", "");
    test.commit(&[("apps/web.yaml", &selector(&web, "one")), ("apps/hpa.yaml", hpa)]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=2"]);
    let scale = ["patch", "deploy/web", "--subresource=scale", "--type=merge"];
    let by = ["--field-manager=kube-controller-manager", "-p", "{\"spec\":{\"replicas\":7}}"];
    test.kubectl(&[&scale[..], &by[..]].concat());
    test.expect("deploy/web", ".spec.replicas", "7");
    let finalizers = |list: &str| format!("{{\"metadata\":{{\"finalizers\":{list}}}}}");
    test.kubectl(&["patch", "deploy/web", "-p", &finalizers("[\"example.com/wait\"]")]);
    test.commit(&[("apps/web.yaml", &selector(&web, "two"))]);
    daemon.line(&["Waiting with deployment.apps/web", "was deleted to be created again"]);
    test.kubectl(&["patch", "deploy/web", "--type=merge", "-p", &finalizers("null")]);
    test.expect("deploy/web", ".spec.selector.matchLabels.app", "two");
    assert_eq!(test.field("deploy/web", ".spec.replicas"), "7");
}

//! The rights that the chart gives: enough for the daemon, and no more than was asked for.

use serde_json::{Value, json};
use testbed::{Mark, eventually};

use super::{arguments, names, render};
use crate::install::apply;
use crate::support::{
    DEADLINE, DEPLOYMENT, Daemon, Fixture, config_map, define_apps, plane, program,
};

/// Whether somebody may do this with `plural.group/subresource`; an empty namespace stands for all.
fn may(who: &str, verb: &str, resource: &str, namespace: &str) -> bool {
    let (kind, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let (resource, group) = kind.split_once('.').unwrap_or((kind, ""));
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": who, "resourceAttributes": {
            "verb": verb, "group": group, "resource": resource, "subresource": subresource, "namespace": namespace,
        }},
    });
    let create = ["create", "-f", "-", "-o", "jsonpath={.status.allowed}"];
    plane().kubectl_with_stdin(&create, &review.to_string()).unwrap() == "true"
}

/// Asserts that somebody may do this, or may not. Rights that were just granted take a moment.
fn check_right(who: &str, verb: &str, resource: &str, namespace: &str, expected: bool) {
    let what = format!("{verb} {resource} in {namespace:?} as {who}");
    if expected {
        let granted = || Ok::<_, String>(may(who, verb, resource, namespace).then_some(()));
        eventually(DEADLINE, &what, granted).unwrap();
    } else {
        assert!(!may(who, verb, resource, namespace), "{what}");
    }
}

/// A release's account and rights in place, but not its Deployment.
fn install(namespace: &str, values: &Value) -> Vec<Value> {
    let objects = render(namespace, values);
    let wanted = |object: &&Value| {
        let kind = object["kind"].as_str().unwrap();
        kind == "ServiceAccount" || kind.contains("Role")
    };
    let rights: Vec<_> = objects.iter().filter(wanted).cloned().collect();
    apply(&rights, &[]);
    objects
}

/// The daemon's account.
fn account(namespace: &str) -> String {
    format!("system:serviceaccount:{namespace}:gitops-sync")
}

/// A namespace that ends with a test's name.
fn space(test: &Fixture, name: &str) -> String {
    let namespace = format!("{}-{name}", test.namespace);
    plane().kubectl(&["create", "namespace", &namespace]).unwrap();
    namespace
}

#[test]
fn rights_in_namespaces_are_rights_nowhere_else() {
    let test = Fixture::new("chart-narrow");
    let (own, a) = (&test.namespace, &space(&test, "a"));
    let managed = json!([{"namespace": a, "clusterRole": "edit"}]);
    let objects = install(own, &json!({"rbac": {"managed": managed, "impersonate": true}}));
    let names = names(&objects);
    assert!(!names.iter().any(|name| name.starts_with("ClusterRoleBinding")), "{names:?}");
    let check = |verbs: &[&str], resource, namespace: &str, expected| {
        for verb in verbs {
            check_right(&account(own), verb, resource, namespace, expected);
        }
    };
    let apps = "gitopsapps.gitops-sync.dev";
    check(&["get", "watch", "create", "update", "delete"], "secrets", own, true);
    check(&["impersonate"], "serviceaccounts", own, false);
    check(&["get", "create"], "deployments.apps", own, false);
    check(&["get", "list", "watch", "create", "patch", "delete"], "deployments.apps", a, true);
    check(&["get", "list", "watch", "update", "patch"], apps, a, true);
    check(&["create", "patch"], "events.events.k8s.io", a, true);
    check(&["impersonate"], "serviceaccounts", a, true);
    check(&["impersonate"], "users", a, false);
    check(&["create"], "rolebindings.rbac.authorization.k8s.io", a, false);
    check(&["list", "watch", "patch"], "configmaps", "", false);
    check(&["list"], apps, "", false);
    check(&["impersonate"], "serviceaccounts", "default", false);
    check(&["get"], "secrets", "kube-system", false);
}

#[test]
fn a_watching_daemon_sees_and_acts_as_others() {
    let test = Fixture::new("chart-watch");
    let own = &test.namespace;
    install(own, &json!({"rbac": {"managed": "watch", "impersonate": true}}));
    let check = |verb, resource, expected| {
        check_right(&account(own), verb, resource, "", expected);
    };
    for verb in ["list", "watch"] {
        check(verb, "deployments.apps", true);
        check(verb, "secrets", true);
    }
    check("impersonate", "serviceaccounts", true);
    check("impersonate", "users", false);
    check("impersonate", "groups", false);
    for verb in ["get", "create", "patch", "delete"] {
        check(verb, "deployments.apps", false);
        check(verb, "secrets", false);
    }
}

#[test]
fn editors_of_a_namespace_write_its_apps_and_nothing_of_the_daemon() {
    let edit = |objects: &[Value]| {
        let mut found = objects.iter().filter(|object| {
            let name = object["metadata"]["name"].as_str().unwrap();
            object["kind"] == "ClusterRole" && name.ends_with(":edit")
        });
        found.next().unwrap().clone()
    };
    let test = Fixture::new("chart-tenants");
    let (own, tenant) = (&test.namespace, &space(&test, "tenant"));
    let label = "rbac.authorization.k8s.io/aggregate-to-edit";
    let aggregated = |role: &Value| role["metadata"]["labels"].get(label).is_some();
    // Whoever writes an app has the daemon's own rights there.
    assert!(!aggregated(&edit(&render(own, &json!({})))));
    let values = json!({
        "rbac": {"managed": "watch", "impersonate": true},
        "tenancy": {"defaultServiceAccount": "gitops"},
    });
    assert!(aggregated(&edit(&install(own, &values))));
    let bind = |role: &str| {
        let user = format!("{tenant}-{role}");
        let (role, to) = (format!("--clusterrole={role}"), format!("--user={user}"));
        let binding = ["create", "rolebinding", &user, "-n", tenant, &role, &to];
        plane().kubectl(&binding).unwrap();
        user
    };
    let (viewer, writers) = (bind("view"), ["edit", "admin"].map(bind));
    let apps = "gitopsapps.gitops-sync.dev";
    for who in &writers {
        for verb in ["get", "list", "watch", "create", "update", "patch", "delete"] {
            check_right(who, verb, apps, tenant, true);
        }
        check_right(who, "patch", &format!("{apps}/status"), tenant, false);
        for resource in ["secrets", apps, "serviceaccounts"] {
            for verb in ["get", "list", "create", "patch", "impersonate"] {
                check_right(who, verb, resource, own, false);
            }
        }
    }
    check_right(&viewer, "list", apps, tenant, true);
    check_right(&viewer, "create", apps, tenant, false);
    check_right(&viewer, "list", apps, own, false);
}

/// The daemon of a release that may do things with two kinds in one namespace.
struct Release {
    test: Fixture,
    place: String,
    daemon: Daemon,
    mark: Mark,
}

impl Release {
    /// Starts it with these values and such rights.
    fn start(name: &str, values: impl FnOnce(&Fixture) -> Value) -> Self {
        let test = Fixture::new(name);
        let place = space(&test, "apps");
        let verbs = "--verb=get,list,watch,create,patch,delete";
        let kinds = "--resource=deployments.apps,configmaps";
        plane().kubectl(&["create", "role", "workloads", "-n", &place, verbs, kinds]).unwrap();
        let mut values = values(&test);
        values["rbac"]["managed"] = json!([{"namespace": place, "role": "workloads"}]);
        let objects = install(&test.namespace, &values);
        check_right(&account(&test.namespace), "watch", "secrets", &test.namespace, true);
        for resource in ["configmaps", "events.events.k8s.io"] {
            check_right(&account(&test.namespace), "create", resource, &place, true);
        }
        let mark = plane().audit().mark().unwrap();
        let daemon = start(&test, &objects);
        Self { test, place, daemon, mark }
    }

    /// kubectl where it works.
    fn kubectl(&self, arguments: &[&str]) -> String {
        plane().kubectl(&[&["-n", self.place.as_str()], arguments].concat()).unwrap()
    }

    /// Asserts that the API server has refused nothing for want of rights.
    fn check_nothing_was_refused(&self) {
        let requests = plane().audit().requests_since(self.mark, "gitops-sync/").unwrap();
        let user = account(&self.test.namespace);
        let own = requests.iter().filter(|request| request.user == user);
        let (refused, others): (Vec<_>, Vec<_>) = own.partition(|request| request.code == 403);
        assert!(refused.is_empty() && !others.is_empty(), "{refused:#?}");
    }
}

/// The daemon with the account and the arguments of a release, but for the port.
fn start(test: &Fixture, objects: &[Value]) -> Daemon {
    let token = plane().service_account_token(&test.namespace, "gitops-sync").unwrap();
    let kubeconfig = plane().kubeconfig_for_token(&test.namespace, &token).unwrap();
    let mut command = program();
    command.args(arguments(objects).iter().map(|word| match word.split_once('=') {
        Some(("--listen", _)) => "--listen=127.0.0.1:0",
        _ => word,
    }));
    command.env("GITOPS_SYNC_KUBECONFIG", kubeconfig);
    // In a pod the account's own folder tells the namespace.
    command.env("GITOPS_SYNC_NAMESPACE", &test.namespace);
    command.env("GITOPS_SYNC_DATA_DIR", test.data.path());
    Daemon::start(command)
}

#[test]
fn the_rights_for_one_app_suffice() {
    let release = Release::start("chart-daemon", |test| {
        test.commit(&[("apps/web.yaml", DEPLOYMENT), ("apps/a.yaml", &config_map("a", "1"))]);
        json!({"app": {"repo": test.repo.url(), "path": "apps", "interval": "1s"}})
    });
    let Release { test, daemon, .. } = &release;
    daemon.line(&["INFO Synced", "created=2", "failed=0"]);

    let line = daemon.mark();
    release.kubectl(&["scale", "deployment/web", "--replicas=1"]);
    daemon.line_after(line, &["Drift reverted", "deployment.apps/web", "spec.replicas"]);
    eventually(DEADLINE, "an event", || {
        let reasons = release.kubectl(&["get", "events", "-o", "jsonpath={.items[*].reason}"]);
        if reasons.contains("DriftReverted") { Ok(Some(())) } else { Err(reasons) }
    })
    .unwrap();

    test.repo.remove("apps/a.yaml").unwrap();
    test.repo.commit("Remove one").unwrap();
    daemon.line(&["Pruned", "configmap/a"]);
    daemon.next_sync();
    release.check_nothing_was_refused();
}

#[test]
fn the_rights_for_many_apps_suffice() {
    define_apps();
    let release = Release::start("chart-many", |test| {
        test.commit(&[("apps/web.yaml", DEPLOYMENT), ("apps/a.yaml", &config_map("a", "1"))]);
        json!({})
    });
    check_right(
        &account(&release.test.namespace),
        "patch",
        "gitopsapps.gitops-sync.dev",
        &release.place,
        true,
    );
    let app = json!({
        "apiVersion": "gitops-sync.dev/v1alpha1", "kind": "GitOpsApp", "metadata": {"name": "web"},
        "spec": {
            "repoURL": release.test.repo.url(), "targetRevision": "main", "path": "apps", "interval": "1s", "deletionPolicy": "Delete",
        },
    });
    let apply = ["apply", "--server-side", "-n", &release.place, "-f", "-"];
    plane().kubectl_with_stdin(&apply, &app.to_string()).unwrap();
    release.kubectl(&["wait", "--for=condition=Ready", "gapp/web", "--timeout=180s"]);
    release.kubectl(&["get", "deployment/web", "configmap/a"]);
    eventually(DEADLINE, "an event on the app", || {
        let of = "--field-selector=involvedObject.kind=GitOpsApp";
        let reasons = release.kubectl(&["get", "events", of, "-o", "jsonpath={.items[*].reason}"]);
        if reasons.contains("Synced") { Ok(Some(())) } else { Err(reasons) }
    })
    .unwrap();
    release.kubectl(&["delete", "gapp/web", "--timeout=180s"]);
    assert_eq!(release.kubectl(&["get", "deployment/web", "--ignore-not-found"]), "");
    release.check_nothing_was_refused();
}

//! `--namespaces`: with rights in some namespaces only, all goes on there, and nothing elsewhere.

use std::path::PathBuf;

use testbed::{ApiRequest, Mark, eventually};

use crate::support::{DEADLINE, Daemon, Fixture, config_map, plane};

/// All that the daemon does with an object.
const ALL: &str = "[get, list, watch, create, patch, delete]";
/// The same, but for seeing objects that it cannot name.
const UNSEEN: &str = "[get, create, patch, delete]";

/// A daemon's account with rights in two namespaces, and in its own for its Secrets.
struct Narrow {
    test: Fixture,
    account: String,
    kubeconfig: PathBuf,
}

impl Narrow {
    /// `services` are the verbs on Services in the first namespace.
    fn new(name: &str, services: &str) -> Self {
        let test = Fixture::new(name);
        let (account, kubeconfig) = test.account();
        let narrow = Self { test, account, kubeconfig };
        for place in ["a", "b", "c"] {
            plane().kubectl(&["create", "namespace", &narrow.space(place)]).unwrap();
        }
        let secrets = rule("secrets", "[get, watch, create, update]");
        narrow.grant(&narrow.test.namespace, &secrets);
        let events = "- {apiGroups: [events.k8s.io], resources: [events], verbs: [create]}\n";
        let both = |services| rule("configmaps", ALL) + &rule("services", services) + events;
        narrow.grant(&narrow.space("a"), &both(services));
        narrow.grant(&narrow.space("b"), &both(ALL));
        narrow
    }

    /// The name of a namespace beside the daemon's own.
    fn space(&self, place: &str) -> String {
        format!("{}-{place}", self.test.namespace)
    }

    /// A Role and its binding.
    fn grant(&self, namespace: &str, rules: &str) {
        let group = "rbac.authorization.k8s.io";
        let role = format!(
            "apiVersion: {group}/v1\nkind: Role\nmetadata: {{name: sync, namespace: {namespace}}}\nrules:\n{rules}"
        );
        let binding = format!(
            "apiVersion: {group}/v1\nkind: RoleBinding\nmetadata: {{name: sync, namespace: {namespace}}}\n\
             roleRef: {{apiGroup: {group}, kind: Role, name: sync}}\n\
             subjects: [{{apiGroup: {group}, kind: User, name: '{}'}}]\n",
            self.account
        );
        let both = format!("{role}---\n{binding}");
        plane().kubectl_with_stdin(&["apply", "-f", "-"], &both).unwrap();
    }

    /// Starts the daemon on the two namespaces.
    fn run(&self, arguments: &[&str]) -> Daemon {
        let namespaces = format!("{},{}", self.space("a"), self.space("b"));
        let arguments = [&["--namespaces", namespaces.as_str()], arguments].concat();
        self.test.run_as(&self.kubeconfig, &arguments)
    }

    /// kubectl in one of the namespaces.
    fn kubectl(&self, place: &str, arguments: &[&str]) -> String {
        plane().kubectl(&[&["-n", self.space(place).as_str()], arguments].concat()).unwrap()
    }

    /// Waits until the `ConfigMap` of a namespace is as git has it again.
    fn expect_restored(&self, place: &str, name: &str) {
        eventually(DEADLINE, &format!("{name} in {place}"), || {
            let output = "jsonpath={.data.key}";
            let found =
                self.kubectl(place, &["get", "cm", name, "-o", output, "--ignore-not-found"]);
            if found == "1" { Ok(Some(())) } else { Err(found) }
        })
        .unwrap_or_else(|error| panic!("{error}"));
    }

    /// The account's requests so far.
    fn requests(&self, mark: Mark) -> Vec<ApiRequest> {
        let all = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
        all.into_iter().filter(|request| request.user == self.account).collect()
    }
}

fn rule(resource: &str, verbs: &str) -> String {
    format!("- {{apiGroups: [''], resources: [{resource}], verbs: {verbs}}}\n")
}

/// A manifest with its namespace.
fn within(namespace: &str, manifest: &str) -> String {
    manifest.replacen("metadata:\n", &format!("metadata:\n  namespace: {namespace}\n"), 1)
}

fn service(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\nspec: {{ports: [{{port: 80}}]}}\n"
    )
}

#[test]
fn roles_in_the_namespaces_are_enough_and_nothing_else_is_looked_at() {
    let narrow = Narrow::new("narrow", ALL);
    let test = &narrow.test;
    let mark = plane().audit().mark().unwrap();
    let (a, b) = (narrow.space("a"), narrow.space("b"));
    test.commit(&[
        ("apps/a.yaml", &within(&a, &config_map("same", "1"))),
        ("apps/b.yaml", &within(&b, &config_map("same", "1"))),
        ("apps/leaves.yaml", &within(&b, &config_map("leaves", "1"))),
    ]);
    let daemon = narrow.run(&["--interval", "1h"]);
    daemon.line(&["INFO Synced", "created=3", "failed=0"]);
    for place in ["a", "b"] {
        let (mark, namespace) = (daemon.mark(), format!("namespace=\"{}\"", narrow.space(place)));
        let patch = ["patch", "configmap", "same", "-p", "{\"data\":{\"key\":\"2\"}}"];
        narrow.kubectl(place, &patch);
        daemon.line_after(mark, &["Drift reverted", "configmap/same", &namespace, "found=\"2\""]);
        narrow.expect_restored(place, "same");
        narrow.kubectl(place, &["delete", "configmap", "same"]);
        daemon.line_after(mark, &["Drift reverted: the object had been deleted", &namespace]);
        narrow.expect_restored(place, "same");
    }
    drop(daemon);
    test.repo.remove("apps/leaves.yaml").unwrap();
    test.repo.commit("Remove one").unwrap();
    let daemon = narrow.run(&["--prune"]);
    daemon.line(&["Pruned", "configmap/leaves", &b]);
    daemon.line(&["INFO Synced", "unchanged=2", "pruned=1", "failed=0"]);
    drop(daemon);
    // A watch is in the log once it has ended.
    let own = format!("gitops-sync-inventory-{}", test.namespace);
    let seen = |request: &ApiRequest| {
        matches!(request.verb.as_str(), "list" | "watch") && request.name != own
    };
    eventually(DEADLINE, "the watches of both daemons to end", || {
        let watches = narrow.requests(mark);
        let watches = watches.iter().filter(|r| r.verb == "watch" && seen(r)).count();
        if watches >= 4 { Ok(Some(())) } else { Err(watches) }
    })
    .unwrap_or_else(|error| panic!("{error}"));
    let requests = narrow.requests(mark);
    let elsewhere: Vec<_> =
        requests.iter().filter(|r| seen(r) && r.namespace != a && r.namespace != b).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:#?}");
    assert!(requests.iter().all(|request| request.code != 403), "{requests:#?}");
}

#[test]
fn what_is_out_of_reach_is_said_and_the_rest_goes_on() {
    let narrow = Narrow::new("outside", ALL);
    let test = &narrow.test;
    let (a, b, c) = (narrow.space("a"), narrow.space("b"), narrow.space("c"));
    test.commit(&[
        ("apps/a.yaml", &within(&a, &config_map("in", "1"))),
        ("apps/leaves.yaml", &within(&b, &config_map("leaves", "1"))),
    ]);
    let daemon = narrow.run(&["--prune"]);
    daemon.line(&["INFO Synced", "created=2"]);
    test.repo.remove("apps/leaves.yaml").unwrap();
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {c}}}\n");
    test.commit(&[
        ("apps/b.yaml", &within(&b, &config_map("in", "1"))),
        ("apps/out.yaml", &format!("{}---\n{namespace}", within(&c, &config_map("out", "1")))),
    ]);
    let given = format!("--namespaces {a},{b}");
    daemon.line(&["Bad manifest: apps/out.yaml:1: configmap/out", &c, &given]);
    daemon.line(&["Bad manifest: apps/out.yaml:", &format!("namespace/{c} belongs to"), &given]);
    daemon.line(&["Not pruned: configmap/leaves", "the source has errors"]);
    daemon.line(&["WARN Synced in part", "created=1 ", "failed=2"]);
    narrow.expect_restored("b", "in");
    narrow.expect_restored("b", "leaves");
    assert_eq!(narrow.kubectl("c", &["get", "cm", "out", "--ignore-not-found"]), "");
}

#[test]
fn a_leftover_out_of_reach_stays_listed_until_a_run_that_reaches_it() {
    let narrow = Narrow::new("leftover", ALL);
    let test = &narrow.test;
    let (a, c) = (narrow.space("a"), narrow.space("c"));
    test.commit(&[
        ("apps/a.yaml", &within(&a, &config_map("in", "1"))),
        ("apps/out.yaml", &within(&c, &config_map("out", "1"))),
    ]);
    test.run(&[]).line(&["INFO Synced", "created=2"]);
    test.repo.remove("apps/out.yaml").unwrap();
    test.repo.commit("Remove one").unwrap();
    let daemon = narrow.run(&["--prune"]);
    daemon.line(&["Not pruned: configmap/out", &c, "out of reach of --namespaces"]);
    daemon.next_sync();
    drop(daemon);
    narrow.expect_restored("c", "out");
    test.run(&["--prune"]).line(&["Pruned", "configmap/out", &c]);
}

#[test]
fn a_kind_that_cannot_be_listed_in_one_namespace_blocks_only_that() {
    let narrow = Narrow::new("partly", UNSEEN);
    let (a, b) = (narrow.space("a"), narrow.space("b"));
    narrow.test.commit(&[
        ("apps/map.yaml", &within(&a, &config_map("same", "1"))),
        ("apps/a.yaml", &within(&a, &service("s"))),
        ("apps/b.yaml", &within(&b, &service("s"))),
    ]);
    let daemon = narrow.run(&[]);
    daemon.line(&[&format!("Cannot list service in namespace {a}: "), "applied unseen"]);
    daemon.line(&["INFO Synced", "objects=3", "failed=0"]);
    narrow.kubectl("a", &["delete", "configmap", "same"]);
    narrow.kubectl("b", &["delete", "service", "s"]);
    daemon.line(&["the object had been deleted", "configmap/same", &a]);
    daemon.line(&["the object had been deleted", "service/s", &b]);
    let metrics = daemon.metrics();
    assert!(metrics.contains("state=\"unknown\"} 1"), "{metrics}");
    let listing = format!("Cannot list service in namespace {b}");
    assert!(!daemon.0.lines().iter().any(|line| line.contains(&listing)));
}

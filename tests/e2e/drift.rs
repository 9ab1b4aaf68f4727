//! Watched, not polled: drift is put back at once, nothing is sent at rest, and it keeps healing.

use std::time::{Duration, Instant};

use testbed::{ApiRequest, ControlPlane, Mark, eventually};

use crate::support::{DEADLINE, Daemon, Fixture, config_map, plane, program};

/// Requests of daemons since a mark that concern a namespace: those that tell events, and all others.
fn requests(namespace: &str, mark: Mark) -> (Vec<ApiRequest>, Vec<ApiRequest>) {
    let all = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
    let all = all.into_iter().filter(|r| r.namespace == namespace || r.name == namespace);
    all.partition(|request| request.resource == "events")
}

#[test]
fn drift_is_put_back_without_waiting_for_the_interval() {
    let test = Fixture::new("instant");
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&["--interval", "1h"]);
    daemon.line(&["INFO Synced", "created=1"]);
    let mark = plane().audit().mark().unwrap();
    test.kubectl(&["patch", "configmap", "a", "-p", "{\"data\":{\"key\":\"2\"}}"]);
    daemon.line(&["Drift reverted", "data.key", "kubectl-patch"]);
    test.expect("configmap/a", ".data.key", "1");
    test.kubectl(&["delete", "configmap", "a"]);
    daemon.line(&["Drift reverted: the object had been deleted"]);
    test.expect("configmap/a", ".data.key", "1");
    // One GET and one apply for each, and no reaction to our own writes.
    let (_, sent) = requests(&test.namespace, mark);
    let sent: Vec<_> = sent.into_iter().map(|r| r.verb).collect();
    assert_eq!(sent, ["get", "patch", "get", "patch"]);
    let metrics = daemon.metrics();
    let line = format!(
        "gitops_sync_drift_reverts_total{{app=\"{}\",kind=\"configmap\",manager=\"kubectl-patch\"}} 1",
        test.namespace
    );
    assert!(metrics.contains(&line), "{metrics}");
}

#[test]
fn a_pass_at_rest_sends_nothing() {
    let test = Fixture::new("free");
    for n in 0..20 {
        test.repo.write(&format!("apps/{n}.yaml"), config_map(&format!("c{n}"), "1")).unwrap();
    }
    test.repo.commit("Twenty").unwrap();
    let daemon = test.run(&[]);
    daemon.next_sync();
    let count = || {
        let text = daemon.metrics();
        let lines = text.lines().filter(|line| line.starts_with("gitops_sync_api_requests_total"));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum::<u64>()
    };
    let before = count();
    for _ in 0..3 {
        daemon.next_sync();
    }
    assert_eq!(count(), before);
}

#[test]
fn a_deleted_namespace_comes_back_with_all_that_was_in_it() {
    let test = Fixture::new("wipe");
    let space = format!("{}-x", test.namespace);
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {space}}}\n");
    test.repo.write("apps/ns.yaml", namespace).unwrap();
    for n in 0..100 {
        let text = config_map(&format!("c{n}"), "1")
            .replace("metadata:\n", &format!("metadata:\n  namespace: {space}\n"));
        test.repo.write(&format!("apps/{n}.yaml"), text).unwrap();
    }
    test.repo.commit("A namespace and a hundred").unwrap();
    let daemon = test.run(&["--interval", "1h"]);
    daemon.line(&["INFO Synced", "created=101"]);
    let (mark, start) = (plane().audit().mark().unwrap(), Instant::now());
    plane().kubectl(&["delete", "namespace", &space]).unwrap();
    eventually(DEADLINE, "all to come back", || {
        plane()
            .kubectl(&["-n", &space, "get", "configmaps", "-o", "name"])
            .map(|names| (names.lines().filter(|n| n.contains("/c")).count() == 100).then_some(()))
    })
    .unwrap_or_else(|error| panic!("{error}\n{:#?}", daemon.0.lines()));
    let (told, sent) = requests(&space, mark);
    assert!(sent.len() <= 303, "{} requests", sent.len());
    // A burst of events, then one a second: the log tells of all.
    let most = 26 + start.elapsed().as_secs();
    assert!(told.len() as u64 <= most, "{} events", told.len());
    assert!(!daemon.0.lines().iter().any(|line| line.contains("Cannot apply")));
}

#[test]
fn a_deleted_crd_comes_back_with_its_objects() {
    let test = Fixture::new("crdgone");
    let group = format!("{}.example.com", test.namespace);
    let crd = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: cogs.{group}}}\n\
         spec:\n  group: {group}\n  scope: Namespaced\n  names: {{kind: Cog, plural: cogs}}\n  versions:\n  \
         - {{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object}}}}}}\n"
    );
    let cog = format!("apiVersion: {group}/v1\nkind: Cog\nmetadata: {{name: c}}\n");
    test.commit(&[("apps/crd.yaml", &crd), ("apps/cog.yaml", &cog)]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=2"]);
    daemon.next_sync();
    plane().kubectl(&["delete", "crd", &format!("cogs.{group}")]).unwrap();
    eventually(DEADLINE, "the cog to come back", || {
        plane()
            .kubectl(&["-n", &test.namespace, "get", &format!("cogs.{group}"), "-o", "name"])
            .map(|names| names.contains("/c").then_some(()))
    })
    .unwrap_or_else(|error| panic!("{error}\n{:#?}", daemon.0.lines()));
    daemon.next_sync();
}

#[test]
fn it_heals_through_an_api_server_that_restarts_or_hangs() {
    let own = ControlPlane::api_only().unwrap();
    let test = Fixture::new("restart");
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let mut command = program();
    command.args(["run", "--repo", test.repo.url(), "--path", "apps", "--listen", "127.0.0.1:0"]);
    command.args(["--name", "restart", "--interval", "1h"]);
    command.arg("--kubeconfig").arg(own.kubeconfig()).arg("--data-dir").arg(test.data.path());
    let daemon = Daemon::start(command);
    daemon.line(&["INFO Synced", "created=1"]);
    own.stop_api().unwrap();
    own.start_api().unwrap();
    for value in ["2", "3"] {
        let patch = format!("{{\"data\":{{\"key\":\"{value}\"}}}}");
        let mark = daemon.mark();
        own.kubectl(&["patch", "configmap", "a", "-p", &patch]).unwrap();
        daemon.line_after(mark, &["Drift reverted", "data.key", &format!("found=\"{value}\"")]);
        own.pause_api().unwrap();
        std::thread::sleep(Duration::from_millis(300));
        own.resume_api().unwrap();
    }
}

#[test]
fn a_fight_is_named_and_damped() {
    let test = Fixture::new("fight");
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=1"]);
    let reverts = |daemon: &Daemon| {
        daemon.0.lines().iter().filter(|line| line.contains("Drift reverted")).count()
    };
    for round in 0..8 {
        let patch = format!("{{\"data\":{{\"key\":\"other{round}\"}}}}");
        test.kubectl(&["patch", "configmap", "a", "-p", &patch]);
        if round < 5 {
            eventually(DEADLINE, "the revert", || {
                Ok::<_, String>((reverts(&daemon) > round).then_some(()))
            })
            .unwrap();
        }
    }
    let line = daemon.line(&["WARN Fight", "configmap/a", "kubectl-patch"]);
    assert!(line.contains("fields=\"data.key\""), "{line}");
    assert!(
        daemon.metrics().contains(&format!("gitops_sync_fights{{app=\"{}\"}} 1", test.namespace))
    );
    // It is still put back in the end.
    test.expect("configmap/a", ".data.key", "1");
    assert!(reverts(&daemon) < 8, "{:#?}", daemon.0.lines());
    // A new commit settles it.
    let commit = test.commit(&[("apps/a.yaml", &config_map("a", "2"))]);
    drop(daemon);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", &commit]);
}

#[test]
fn a_kind_that_cannot_be_listed_blocks_only_itself() {
    let test = Fixture::new("forbidden");
    let role = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: {0}}}\nrules:\n\
         - {{apiGroups: [''], resources: [configmaps], verbs: [get, list, watch, create, patch, delete]}}\n\
         - {{apiGroups: [''], resources: [services], verbs: [get, create, patch, delete]}}\n\
         - {{apiGroups: [''], resources: [secrets], verbs: [get, create, update]}}\n",
        test.namespace
    );
    plane().kubectl_with_stdin(&["apply", "-f", "-"], &role).unwrap();
    let (account, kubeconfig) = test.account();
    let bind = [
        "create",
        "clusterrolebinding",
        &test.namespace,
        "--clusterrole",
        &test.namespace,
        "--user",
        &account,
    ];
    plane().kubectl(&bind).unwrap();
    let service =
        "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}]}\n";
    test.commit(&[("apps/a.yaml", &config_map("a", "1")), ("apps/s.yaml", service)]);
    test.commit(&[("apps/b.yaml", &config_map("b", "1"))]);
    let daemon = test.run_as(&kubeconfig, &["--prune"]);
    daemon.line(&["Cannot list service", "applied unseen"]);
    daemon.line(&["INFO Synced", "objects=3"]);
    test.kubectl(&["patch", "configmap", "a", "-p", "{\"data\":{\"key\":\"2\"}}"]);
    daemon.line(&["Drift reverted", "configmap/a"]);
    // It may not create events either, which it says and gets over.
    daemon.line(&["WARN Cannot post events", "cannot create resource \"events\""]);
    test.repo.remove("apps/b.yaml").unwrap();
    test.repo.commit("Remove one").unwrap();
    daemon.line(&["Not pruned: configmap/b", "a kind could not be listed"]);
    assert!(daemon.metrics().contains("state=\"unknown\"} 1"));
}

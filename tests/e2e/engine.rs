//! Commit to cluster, drift, prune: what the daemon is for.

use testbed::{Signal, eventually};

use crate::support::{DEADLINE, Daemon, Fixture, config_map, plane};

#[test]
fn an_unchanged_pass_writes_nothing_and_a_restart_neither() {
    let test = Fixture::new("rest");
    test.commit(&[("apps/a.yaml", &config_map("a", "1")), ("apps/b.yaml", &config_map("b", "1"))]);
    let daemon = test.run(&[]);
    daemon.line(&["Synced", "created=2"]);
    let mark = plane().audit().mark().unwrap();
    daemon.next_sync();
    drop(daemon);
    let again = test.run(&[]);
    again.line(&["Synced", "unchanged=2"]);
    let requests = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
    let writes: Vec<_> = requests
        .iter()
        .filter(|r| r.namespace == test.namespace)
        .filter(|r| !matches!(r.verb.as_str(), "get" | "list" | "watch"))
        .collect();
    assert!(writes.is_empty(), "{writes:#?}");
}

#[test]
fn only_what_changed_is_applied() {
    let test = Fixture::new("changed");
    test.commit(&[("apps/a.yaml", &config_map("a", "1")), ("apps/b.yaml", &config_map("b", "1"))]);
    let daemon = test.run(&[]);
    daemon.line(&["Synced", "created=2"]);
    let mark = plane().audit().mark().unwrap();
    let commit = test.commit(&[("apps/b.yaml", &config_map("b", "2"))]);
    daemon.line(&["Synced", &commit, "configured=1 unchanged=1"]);
    test.expect("configmap/b", ".data.key", "2");
    let requests = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
    let applied: Vec<_> = requests
        .iter()
        .filter(|r| r.namespace == test.namespace && r.verb == "patch")
        .map(|r| r.name.as_str())
        .collect();
    assert_eq!(applied, ["b"]);
}

#[test]
fn drift_is_reverted_and_told_by_field_and_tool() {
    let test = Fixture::new("drift");
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {pin: hunter2}\n";
    test.commit(&[("apps/a.yaml", &config_map("a", "1")), ("apps/s.yaml", secret)]);
    let daemon = test.run(&[]);
    daemon.line(&["Synced", "created=2"]);
    let told = |words: &[&str]| {
        daemon.line(&[&["Drift reverted"], words].concat());
    };
    test.kubectl(&["patch", "configmap", "a", "-p", "{\"data\":{\"key\":\"other\"}}"]);
    told(&["configmap/a", "data.key", "wanted=\"1\" found=\"other\"", "kubectl-patch", "Update"]);
    test.expect("configmap/a", ".data.key", "1");
    test.kubectl(&["label", "configmap", "a", "gitops-sync.dev/app-"]);
    told(&["configmap/a", "metadata.labels[gitops-sync.dev/app]", "found=(absent)"]);
    test.kubectl(&["delete", "configmap", "a"]);
    told(&["configmap/a", "the object had been deleted"]);
    test.expect("configmap/a", ".data.key", "1");
    test.kubectl(&["patch", "secret", "s", "-p", "{\"stringData\":{\"pin\":\"31337\"}}"]);
    told(&["secret/s", "data.pin", "wanted=(hidden) found=(hidden)"]);
    // Fields that git does not set are not ours.
    test.kubectl(&["label", "configmap", "a", "team=x"]);
    daemon.next_sync();
    assert_eq!(test.field("configmap/a", ".metadata.labels.team"), "x");
    let said = daemon.0.lines().join("\n");
    for value in ["hunter2", "aHVudGVyMg", "31337", "MzEzMzc"] {
        assert!(!said.contains(value), "{value} in {said}");
    }
}

#[test]
fn wiped_ownership_is_taken_back_and_is_no_drift() {
    let test = Fixture::new("wiped");
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&[]);
    daemon.line(&["Synced", "created=1"]);
    let wipe = r#"[{"op":"replace","path":"/metadata/managedFields","value":[{}]}]"#;
    test.kubectl(&["patch", "configmap", "a", "--type", "json", "-p", wipe]);
    daemon.line(&["Applied", "configmap/a", "reowned"]);
    assert!(!daemon.0.lines().iter().any(|line| line.contains("Drift")));
    daemon.line_after(daemon.mark(), &["Synced", "unchanged=1"]);
}

#[test]
fn a_crd_its_objects_a_namespace_and_its_content_come_in_one_commit() {
    let test = Fixture::new("order");
    let group = format!("{}.example.com", test.namespace);
    let crd = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: \
         widgets.{group}\nspec:\n  group: {group}\n  scope: Namespaced\n  names: {{kind: Widget, \
         plural: widgets, singular: widget}}\n  versions:\n  - name: v1\n    served: true\n    \
         storage: true\n    schema:\n      openAPIV3Schema: {{type: object, \
         x-kubernetes-preserve-unknown-fields: true}}\n"
    );
    let space = format!("{}-new", test.namespace);
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {space}}}\n");
    let widget = format!(
        "apiVersion: {group}/v1\nkind: Widget\nmetadata: {{name: w, namespace: {space}}}\nspec: {{a: 1}}\n"
    );
    test.commit(&[
        ("apps/a-widget.yaml", &widget),
        ("apps/y-namespace.yaml", &namespace),
        ("apps/z-crd.yaml", &crd),
    ]);
    let daemon = test.run(&["--prune", "--protect-kinds=Namespace"]);
    daemon.line(&["INFO Synced", "created=3", "failed=0"]);
    daemon.line_after(daemon.mark(), &["INFO Synced", "unchanged=3"]);
    // Everything goes again in reverse, but for the namespace that another object still needs.
    test.repo.remove("apps/a-widget.yaml").unwrap();
    test.repo.remove("apps/z-crd.yaml").unwrap();
    test.commit(&[("apps/keep.yaml", &config_map("keep", "1"))]);
    daemon.line(&["Synced", "created=1", "pruned=2"]);
    test.expect(&format!("crd/widgets.{group}"), ".metadata.name", "");
}

#[test]
fn what_is_kept_or_owned_by_others_is_abandoned_and_not_deleted() {
    let test = Fixture::new("spared");
    let kept = config_map("kept", "1").replace(
        "  name: kept\n",
        "  name: kept\n  annotations: {helm.sh/resource-policy: keep}\n",
    );
    let files =
        [("kept", kept), ("adopted", config_map("adopted", "1")), ("a", config_map("a", "1"))];
    for (name, text) in &files {
        test.repo.write(&format!("apps/{name}.yaml"), text).unwrap();
    }
    test.repo.commit("Three").unwrap();
    let daemon = test.run(&["--prune"]);
    daemon.line(&["Synced", "created=3"]);
    let uid = test.field("configmap/a", ".metadata.uid");
    let owner = format!(
        "{{\"metadata\":{{\"ownerReferences\":[{{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\
         \"name\":\"a\",\"uid\":\"{uid}\"}}]}}}}"
    );
    test.kubectl(&["patch", "configmap", "adopted", "-p", &owner]);
    test.repo.remove("apps/kept.yaml").unwrap();
    test.repo.remove("apps/adopted.yaml").unwrap();
    test.repo.commit("Remove two").unwrap();
    daemon.line(&["Not pruned: configmap/kept", "helm.sh/resource-policy", "no longer managed"]);
    daemon.line(&["Not pruned: configmap/adopted", "is owned by ConfigMap/a"]);
    daemon.next_sync();
    for name in ["configmap/kept", "configmap/adopted"] {
        assert_eq!(test.field(name, ".data.key"), "1");
        assert_eq!(test.field(name, r".metadata.labels.gitops-sync\.dev/app"), "");
        assert!(!test.field(name, ".metadata.managedFields[*].manager").contains("gitops-sync"));
    }
}

#[test]
fn sigterm_ends_it_well() {
    let test = Fixture::new("sigterm");
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&[]);
    daemon.line(&["Synced", "created=1"]);
    daemon.0.signal(Signal::TERM).unwrap();
    let status = daemon.0.wait_exit(DEADLINE).unwrap();
    assert_eq!(status.code(), Some(0), "{:#?}", daemon.0.lines());
    daemon.line(&["Stopped"]);
}

#[test]
fn sigterm_in_the_middle_of_a_pass_loses_nothing() {
    let test = Fixture::new("midway");
    for n in 0..300 {
        test.repo.write(&format!("apps/{n}.yaml"), config_map(&format!("c{n}"), "1")).unwrap();
    }
    test.repo.commit("Three hundred").unwrap();
    let daemon = test.run(&["--parallel", "1"]);
    eventually(DEADLINE, "the first objects", || {
        plane()
            .kubectl(&["-n", &test.namespace, "get", "configmaps", "-o", "name"])
            .map(|names| (names.lines().count() > 5).then_some(()))
    })
    .unwrap();
    daemon.0.signal(Signal::TERM).unwrap();
    let status = daemon.0.wait_exit(DEADLINE).unwrap();
    assert_eq!(status.code(), Some(0), "{:#?}", daemon.0.lines());
    daemon.line(&["Sync stopped"]);
    let again = test.run(&["--prune"]);
    let line = again.line(&["INFO Synced", "objects=300", "failed=0"]);
    assert!(!line.contains("created=300") && !line.contains("unchanged=0 "), "{line}");
}

#[test]
fn kill_minus_nine_while_it_works_orphans_nothing() {
    let test = Fixture::new("killed");
    for round in 0..5_u64 {
        for n in 0..20 {
            let (old, new) =
                (format!("apps/r{}-{n}.yaml", round.wrapping_sub(1)), format!("r{round}-{n}"));
            let _ = test.repo.remove(&old);
            test.repo.write(&format!("apps/{new}.yaml"), config_map(&new, "1")).unwrap();
        }
        test.repo.commit("Twenty others").unwrap();
        let daemon = test.run(&["--prune", "--prune-max-percent=100", "--parallel=1"]);
        daemon.line(&["Starting"]);
        std::thread::sleep(std::time::Duration::from_millis(60 * (round + 1)));
        daemon.0.kill().unwrap();
    }
    let daemon = test.run(&["--prune", "--prune-max-percent=100"]);
    daemon.line(&["INFO Synced", "objects=20", "failed=0"]);
    daemon.next_sync();
    let names = test.kubectl(&["get", "configmaps", "-o", "name"]);
    let ours: Vec<_> = names.lines().filter(|name| name.contains("/r")).collect();
    assert_eq!(ours.len(), 20, "{ours:#?}");
    assert!(ours.iter().all(|name| name.contains("/r4-")), "{ours:#?}");
}

#[test]
fn a_crd_or_namespace_that_an_object_still_needs_is_not_pruned() {
    let test = Fixture::new("needed");
    let group = format!("{}.example.com", test.namespace);
    let crd = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: gears.{group}}}\n\
         spec:\n  group: {group}\n  scope: Namespaced\n  names: {{kind: Gear, plural: gears}}\n  versions:\n  \
         - {{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object}}}}}}\n"
    );
    let space = format!("{}-x", test.namespace);
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {space}}}\n");
    let gear =
        format!("apiVersion: {group}/v1\nkind: Gear\nmetadata: {{name: g, namespace: {space}}}\n");
    let kept = config_map("kept", "1").replace(
        "  name: kept\n",
        &format!(
            "  name: kept\n  namespace: {space}\n  annotations: {{gitops-sync.dev/prune: keep}}\n"
        ),
    );
    test.commit(&[
        ("apps/crd.yaml", &crd),
        ("apps/ns.yaml", &namespace),
        ("apps/gear.yaml", &gear),
    ]);
    test.commit(&[("apps/kept.yaml", &kept)]);
    let daemon = test.run(&["--prune", "--protect-kinds=PersistentVolumeClaim"]);
    daemon.line(&["INFO Synced", "created=4"]);
    for path in ["apps/crd.yaml", "apps/ns.yaml", "apps/kept.yaml"] {
        test.repo.remove(path).unwrap();
    }
    test.repo.commit("Keep the gear alone").unwrap();
    daemon.line(&["Not pruned: customresourcedefinition", "is the CRD of an object of this app"]);
    daemon.line(&["Not pruned: namespace", "still holds an object of this app"]);
    // Without the gear the CRD goes, but the namespace still holds what was marked to be kept.
    test.repo.remove("apps/gear.yaml").unwrap();
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    daemon.line(&["Pruned", &format!("gears.{group}")]);
    daemon.next_sync();
    let left = plane().kubectl(&["-n", &space, "get", "configmap", "kept", "-o", "name"]).unwrap();
    assert_eq!(left.trim(), "configmap/kept");
}

#[test]
fn what_another_path_declared_is_not_pruned() {
    let test = Fixture::new("moved");
    test.commit(&[("apps/a.yaml", &config_map("a", "1")), ("apps/b.yaml", &config_map("b", "1"))]);
    test.commit(&[
        ("other/a.yaml", &config_map("a", "1")),
        ("other/c.yaml", &config_map("c", "1")),
    ]);
    let run = |path: &str, words: &[&str]| {
        let daemon = Daemon::start(test.run_command_at(test.repo.url(), path, &["--prune"]));
        daemon.line(&["INFO Synced"]);
        daemon.line(words);
    };
    run("apps", &["created=2"]);
    run("other", &["Prune held: the URL or path has changed", "configmap/b"]);
    run("apps", &["Prune held: the URL or path has changed", "configmap/c"]);
    for name in ["configmap/a", "configmap/b", "configmap/c"] {
        assert_eq!(test.field(name, ".data.key"), "1", "{name}");
    }
}

#[test]
fn a_one_shot_job_that_is_gone_is_not_run_again() {
    let test = Fixture::new("oneshot");
    let job = |image: &str| {
        format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: migrate}}\nspec:\n  ttlSecondsAfterFinished: 1\n  \
             template:\n    spec:\n      restartPolicy: Never\n      containers: [{{name: m, image: {image}}}]\n"
        )
    };
    test.commit(&[("apps/job.yaml", &job("one"))]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=1"]);
    // Its pod succeeds at once, and the TTL controller takes the Job away.
    test.expect("job/migrate", ".metadata.name", "");
    daemon.next_sync();
    drop(daemon);
    let again = test.run(&[]);
    again.next_sync();
    assert_eq!(test.field("job/migrate", ".metadata.name"), "");
    let commit = test.commit(&[("apps/job.yaml", &job("two"))]);
    again.line(&["INFO Synced", &commit]);
    assert!(!again.0.lines().iter().any(|line| line.contains("Drift")), "{:#?}", again.0.lines());
    again.line(&["Applied", "job.batch/migrate", "created"]);
}

#[test]
fn drift_that_meets_a_commit_is_told_as_well() {
    let test = Fixture::new("meet");
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&["--interval", "1h"]);
    daemon.line(&["INFO Synced", "created=1"]);
    drop(daemon);
    test.kubectl(&["patch", "configmap", "a", "-p", "{\"data\":{\"key\":\"other\"}}"]);
    test.commit(&[("apps/a.yaml", &format!("{}  more: x\n", config_map("a", "2")))]);
    let daemon = test.run(&[]);
    let line = daemon.line(&["Drift reverted", "data.key"]);
    assert!(line.contains("wanted=\"2\" found=\"other\" manager=\"kubectl-patch\""), "{line}");
    daemon.line(&["INFO Synced", "reverted=1"]);
    assert!(!daemon.0.lines().iter().any(|line| line.contains("data.more")));
}

#[test]
fn what_is_not_in_the_stored_inventory_is_not_written() {
    let test = Fixture::new("unstored");
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=1"]);
    let secret = format!("secret/gitops-sync-inventory-{}", test.namespace);
    let before = test.field(&secret, ".data.inventory");
    test.commit(&[("apps/x.yaml", &config_map("x", "1"))]);
    daemon.line(&["INFO Synced", "created=1", "objects=2"]);
    drop(daemon);
    // An inventory from a backup, and an account that may not write another.
    let patch = format!("{{\"data\":{{\"inventory\":\"{before}\"}}}}");
    test.kubectl(&["patch", &secret, "-p", &patch]);
    let (account, kubeconfig) = test.account();
    for (name, verbs, resource) in
        [("state", "get,create", "secrets"), ("work", "get,list,watch,patch,create", "configmaps")]
    {
        let (verbs, resource) = (format!("--verb={verbs}"), format!("--resource={resource}"));
        test.kubectl(&["create", "role", name, &verbs, &resource]);
        let (role, user) = (format!("--role={name}"), format!("--user={account}"));
        test.kubectl(&["create", "rolebinding", name, &role, &user]);
    }
    test.commit(&[("apps/x.yaml", &config_map("x", "2"))]);
    let daemon = test.run_as(&kubeconfig, &["--namespaces", &test.namespace]);
    let failure = ["Sync failed", "gitops-sync-inventory"];
    daemon.line(&failure);
    for n in ["1", "2"] {
        let mark = daemon.mark();
        test.kubectl(&["label", "configmap/x", &format!("touched={n}"), "--overwrite"]);
        daemon.line_after(mark, &failure);
    }
    assert_eq!(test.field("configmap/x", ".data.key"), "1");
}

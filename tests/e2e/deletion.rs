//! Deletions at the worst moment, and what looks like one and is none: exactly the object that was judged
//! goes, and nothing else.

use testbed::{ApiFault, ApiProxy, Call, eventually};

use crate::accidents::never;
use crate::guard::{ask, expect_left, hash, left, many, remove};
use crate::support::{DEADLINE, DEPLOYMENT, Daemon, Fixture, config_map, plane};

/// `a` has left git, and its deletion is under way: judged and sent, but nobody has carried it out yet.
fn in_flight(name: &str) -> (Fixture, ApiProxy, Daemon) {
    let test = Fixture::new(name);
    test.commit(&[("apps/a.yaml", &config_map("a", "1")), ("apps/b.yaml", &config_map("b", "1"))]);
    let proxy = plane().proxy().unwrap();
    let daemon = test.run_as(proxy.kubeconfig(), &["--prune"]);
    daemon.line(&["INFO Synced", "created=2"]);
    let is_delete = |call: &Call| call.method == "DELETE";
    proxy.set_faults(move |call| if is_delete(call) { ApiFault::Hang } else { ApiFault::None });
    test.repo.remove("apps/a.yaml").unwrap();
    test.repo.commit("Without a").unwrap();
    eventually(DEADLINE, "the deletion", || {
        Ok::<_, String>(proxy.calls().iter().any(is_delete).then_some(()))
    })
    .unwrap();
    (test, proxy, daemon)
}

/// The name is the same, the object is another.
#[test]
fn what_was_replaced_while_its_deletion_was_under_way_stays() {
    let (test, proxy, daemon) = in_flight("replaced");
    test.kubectl(&["delete", "configmap", "a"]);
    test.kubectl(&["create", "configmap", "a", "--from-literal=key=theirs"]);
    let uid = test.field("configmap/a", ".metadata.uid");
    proxy.set_fault(ApiFault::None);
    daemon.line(&["Cannot prune configmap/a", "it was replaced meanwhile"]);
    daemon.line(&["Not pruned: configmap/a", "does not carry our marks: it is no longer ours"]);
    daemon.next_sync();
    assert_eq!(test.field("configmap/a", ".metadata.uid"), uid);
    assert_eq!(test.field("configmap/a", ".data.key"), "theirs");
}

/// Whoever sees the commit and is quick enough to say so keeps the object.
#[test]
fn a_mark_that_comes_while_the_deletion_is_under_way_still_keeps() {
    let (test, proxy, daemon) = in_flight("quick");
    test.kubectl(&["annotate", "configmap", "a", "helm.sh/resource-policy=keep"]);
    proxy.set_fault(ApiFault::None);
    daemon.line(&["Not pruned: configmap/a", "is marked to be kept (helm.sh/resource-policy)"]);
    daemon.next_sync();
    assert_eq!(test.field("configmap/a", ".data.key"), "1");
    assert_eq!(test.field("configmap/a", ".metadata.labels"), "");
}

/// Foreground propagation: as long as something of a workload is there, so is the workload.
#[test]
fn what_a_workload_is_made_of_goes_before_it() {
    let test = Fixture::new("foreground");
    test.commit(&[("apps/web.yaml", DEPLOYMENT), ("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&["--prune"]);
    daemon.line(&["INFO Synced", "created=2"]);
    let uid = test.field("deployment/web", ".metadata.uid");
    let owner = format!(
        "{{apiVersion: apps/v1, kind: Deployment, name: web, uid: {uid}, blockOwnerDeletion: true}}"
    );
    let dependent = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: dependent\n  finalizers: [example.com/wait]\n  \
         ownerReferences: [{owner}]\n"
    );
    let create = ["-n", &test.namespace, "create", "-f", "-"];
    plane().kubectl_with_stdin(&create, &dependent).unwrap();
    test.repo.remove("apps/web.yaml").unwrap();
    test.repo.commit("Without its owner").unwrap();
    daemon.line(&["Pruned", "deployment.apps/web"]);
    eventually(DEADLINE, "the dependent to be deleted", || {
        let ends = test.field("configmap/dependent", ".metadata.deletionTimestamp");
        Ok::<_, String>((!ends.is_empty()).then_some(()))
    })
    .unwrap();
    let finalizers = test.field("deployment/web", ".metadata.finalizers");
    assert_eq!(finalizers, r#"["foregroundDeletion"]"#);
    // On its way out it is nothing that anybody has to look after.
    daemon.next_sync();
    never(&daemon, "Not in the inventory");
    let nothing = r#"{"metadata":{"finalizers":null}}"#;
    test.kubectl(&["patch", "configmap/dependent", "--type=merge", "-p", nothing]);
    test.expect("deployment/web", ".metadata.name", "");
}

/// One object under two API groups: a move from one to the other leaves it where it is.
#[test]
fn an_object_that_moves_to_another_api_group_is_not_deleted() {
    let test = Fixture::new("group");
    let event = |version: &str, more: &str| {
        format!(
            "apiVersion: {version}\nkind: Event\nmetadata: {{name: e}}\nreason: Test\ntype: Normal\n{more}"
        )
    };
    let about = format!("{{kind: ConfigMap, name: a, namespace: {}}}", test.namespace);
    let old = event("v1", &format!("involvedObject: {about}\n"));
    let new = event(
        "events.k8s.io/v1",
        &format!(
            "regarding: {about}\neventTime: 2026-01-01T00:00:00.000000Z\naction: Test\n\
             reportingController: example.com/test\nreportingInstance: test\n"
        ),
    );
    test.commit(&[("apps/e.yaml", &old), ("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&["--prune"]);
    daemon.line(&["INFO Synced", "created=2"]);
    let uid = || test.field("events.v1./e", ".metadata.uid");
    let before = uid();
    let commit = test.commit(&[("apps/e.yaml", &new)]);
    daemon.line(&["Synced", &commit]);
    daemon.next_pass();
    assert_eq!(uid(), before, "{:#?}", daemon.0.lines());
    assert!(!before.is_empty());
}

/// What fell out with another path may be left to others as well as deleted.
#[test]
fn what_another_path_declared_may_be_abandoned() {
    let (test, daemon) = many("abandon-path", 2);
    drop(daemon);
    test.commit(&[("other/m0.yaml", &config_map("m0", "1"))]);
    let daemon = Daemon::start(test.run_command_at(test.repo.url(), "other", &["--prune"]));
    let line = daemon.line(&["Prune held: the URL or path has changed: 1 left", "configmap/m1"]);
    ask(&test, &["prune-approve", "--abandon", &hash(&line)]);
    daemon.line(&["Not pruned: configmap/m1", "approved to be abandoned", "no longer managed"]);
    daemon.next_sync();
    assert_eq!(left(&test), 2);
    assert_eq!(test.field("configmap/m1", ".metadata.labels"), "");
}

/// Another branch of the same repository and path: what it lacks was removed there, in commits that can be read.
#[test]
fn another_branch_is_a_commit_like_any_other() {
    let (test, daemon) = many("branch", 14);
    drop(daemon);
    test.repo.git(&["checkout", "-q", "-b", "release"]).unwrap();
    test.repo.remove("apps/m0.yaml").unwrap();
    test.repo.git(&["add", "--all"]).unwrap();
    test.repo.git(&["commit", "-q", "-m", "One less"]).unwrap();
    test.repo.git(&["push", "-q", "origin", "release"]).unwrap();
    let daemon = test.run(&["--prune", "--branch", "release"]);
    daemon.line(&["Pruned", "configmap/m0"]);
    expect_left(&test, 13);
    drop(daemon);
    // Nor is it a way round the guard.
    (1..13).for_each(|n| test.repo.remove(&format!("apps/m{n}.yaml")).unwrap());
    test.repo.git(&["add", "--all"]).unwrap();
    test.repo.git(&["checkout", "-q", "-b", "short"]).unwrap();
    test.repo.git(&["commit", "-q", "-m", "Nearly nothing"]).unwrap();
    test.repo.git(&["push", "-q", "origin", "short"]).unwrap();
    let daemon = test.run(&["--prune", "--branch", "short"]);
    daemon.line(&["Prune held: 12 of 13 objects are too many at once"]);
    daemon.next_sync();
    assert_eq!(left(&test), 13);
}

/// With a CRD go all objects of its kind, whoever declares them.
#[test]
fn a_crd_of_which_another_app_has_objects_stays() {
    let test = Fixture::new("their-kind");
    let group = format!("{}.example.com", test.namespace);
    let crd = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: gears.{group}}}\n\
         spec:\n  group: {group}\n  scope: Namespaced\n  names: {{kind: Gear, plural: gears}}\n  versions:\n  \
         - {{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object}}}}}}\n"
    );
    let gear = format!("apiVersion: {group}/v1\nkind: Gear\nmetadata: {{name: g}}\n");
    test.commit(&[
        ("apps/a/crd.yaml", &crd),
        ("apps/a/a.yaml", &config_map("a", "1")),
        ("apps/b/gear.yaml", &gear),
    ]);
    let first = test.run_app("first", "apps/a", &["--prune"]);
    first.line(&["INFO Synced", "created=2"]);
    let second = test.run_app("second", "apps/b", &["--prune"]);
    second.line(&["INFO Synced", "created=1"]);
    test.repo.remove("apps/a/crd.yaml").unwrap();
    test.repo.commit("Without the kind\n\nGitOps-Prune: all").unwrap();
    first.line(&["Not pruned: customresourcedefinition", "holds objects of the app second"]);
    first.next_sync();
    let gear = format!("gears.{group}/g");
    assert_ne!(test.field(&gear, ".metadata.uid"), "");
    // Once they are gone it goes.
    test.repo.remove("apps/b/gear.yaml").unwrap();
    test.commit(&[("apps/b/b.yaml", &config_map("b", "1"))]);
    first.line(&["Pruned", &format!("gears.{group}")]);
}

/// The annotations themselves, for who has nothing but kubectl.
#[test]
fn an_annotation_approves_and_suspends_as_the_commands_do() {
    let (test, daemon) = many("annotated", 12);
    let secret = format!("gitops-sync-inventory-{}", test.namespace);
    let annotate = |text: &str| test.kubectl(&["annotate", "--overwrite", "secret", &secret, text]);
    remove(&test, 0..11, "All but one");
    let line = daemon.line(&["Prune held: 11 of 12"]);
    annotate("gitops-sync.dev/suspend=true");
    daemon.line(&["Suspended: nothing is synced"]);
    annotate(&format!("gitops-sync.dev/approve-prune={}", hash(&line)));
    annotate("gitops-sync.dev/suspend-");
    daemon.line(&["INFO Synced", "pruned=11"]);
    expect_left(&test, 1);
}

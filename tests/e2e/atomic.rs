//! All or nothing: what becomes of a commit of which a part is refused, with `--atomic` and without.

use testbed::{ApiFault, Fault, Mark, eventually};

use crate::support::{DEADLINE, DEPLOYMENT, Daemon, Fixture, config_map, plane};

const BAD_SERVICE: &str =
    "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 99999}]}\n";

/// A Deployment that the server refuses: its selector does not match its pods.
fn bad_deployment() -> String {
    DEPLOYMENT.replace("matchLabels: {app: web}", "matchLabels: {app: other}")
}

/// What the program has written to a namespace since then, other than events.
fn writes(namespace: &str, mark: Mark) -> Vec<String> {
    let requests = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
    let writes = requests.into_iter().filter(|r| {
        r.namespace == namespace
            && !matches!(r.verb.as_str(), "get" | "list" | "watch")
            && r.resource != "events"
            && !r.uri.contains("dryRun=All")
    });
    writes.map(|r| format!("{} {}", r.verb, r.uri)).collect()
}

/// Changes `a`, adds `c`, removes `b`, and adds two objects that are refused.
fn commit_in_part_bad(test: &Fixture) -> String {
    test.repo.remove("apps/b.yaml").unwrap();
    test.commit(&[
        ("apps/a.yaml", &config_map("a", "2")),
        ("apps/c.yaml", &config_map("c", "1")),
        ("apps/s.yaml", BAD_SERVICE),
        ("apps/web.yaml", &bad_deployment()),
    ])
}

fn three(test: &Fixture) {
    for name in ["a", "b", "d"] {
        test.repo.write(&format!("apps/{name}.yaml"), config_map(name, "1")).unwrap();
    }
    test.repo.commit("Three").unwrap();
}

#[test]
fn a_commit_of_which_a_part_is_refused_is_not_written_and_the_last_one_stays_in_force() {
    let test = Fixture::new("atomic");
    three(&test);
    let daemon = test.run(&["--atomic", "--prune"]);
    daemon.line(&["INFO Synced", "created=3"]);
    let mark = plane().audit().mark().unwrap();
    let bad = commit_in_part_bad(&test);
    daemon.line(&["Cannot apply service/s", "99999"]);
    daemon.line(&["Cannot apply deployment.apps/web", "selector"]);
    let failure =
        ["Sync failed: nothing was written (--atomic): 2 object(s) and 0", "CommitRefused"];
    daemon.line(&[&failure[..], &[&bad]].concat());
    let found = writes(&test.namespace, mark);
    assert!(found.is_empty(), "{found:#?}");
    // Drift goes back to what was accepted, not to what was refused.
    test.kubectl(&["patch", "configmap", "a", "-p", "{\"data\":{\"key\":\"9\"}}"]);
    daemon.line(&["Drift reverted", "configmap/a", "wanted=\"1\" found=\"9\""]);
    test.kubectl(&["delete", "configmap", "b"]);
    daemon.line(&["Drift reverted: the object had been deleted", "configmap/b"]);
    test.expect("configmap/a", ".data.key", "1");
    test.expect("configmap/b", ".data.key", "1");
    drop(daemon);
    // After a restart only what the refused commit does not change is known to be accepted.
    let mark = plane().audit().mark().unwrap();
    let daemon = test.run(&["--atomic", "--prune"]);
    daemon.line(&failure);
    test.kubectl(&["patch", "configmap", "d", "-p", "{\"data\":{\"key\":\"9\"}}"]);
    daemon.line(&["Drift reverted", "configmap/d", "wanted=\"1\" found=\"9\""]);
    assert!(writes(&test.namespace, mark).iter().all(|write| write.contains("/configmaps/d")));
    assert_eq!(test.field("configmap/a", ".data.key"), "1");
    let good = BAD_SERVICE.replace("99999", "80");
    test.commit(&[("apps/s.yaml", &good), ("apps/web.yaml", DEPLOYMENT)]);
    daemon.line(&["INFO Synced", "created=3 configured=1 unchanged=1", "pruned=1"]);
    test.expect("configmap/a", ".data.key", "2");
    test.expect("configmap/b", ".metadata.name", "");
}

#[test]
fn a_commit_with_a_bad_manifest_is_not_written_and_all_refusals_are_told() {
    let test = Fixture::new("atomicbad");
    three(&test);
    let daemon = test.run(&["--atomic", "--prune"]);
    daemon.line(&["INFO Synced", "created=3"]);
    let mark = plane().audit().mark().unwrap();
    test.repo.write("apps/t.yaml", "a: [").unwrap();
    commit_in_part_bad(&test);
    daemon.line(&["Bad manifest: apps/t.yaml:1:"]);
    daemon.line(&["Cannot apply service/s"]);
    daemon.line(&["Sync failed: nothing was written (--atomic): 2 object(s) and 1 manifest(s)"]);
    let found = writes(&test.namespace, mark);
    assert!(found.is_empty(), "{found:#?}");
    let done = test.sync(&["--repo", test.repo.url(), "--path", "apps", "--atomic", "--apply"]);
    assert_eq!(done.code, Some(1), "{done:#?}");
    assert!(done.stderr.contains("nothing was written (--atomic)"), "{done:#?}");
    assert!(
        done.stdout.contains("service/s failed")
            && done.stdout.contains("deployment.apps/web failed")
    );
    done.has_line(&format!("configmap/c skipped (namespace {})", test.namespace));
    let found = writes(&test.namespace, mark);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn what_its_own_commit_makes_possible_is_held_against_its_crd() {
    let test = Fixture::new("atomicnew");
    let group = format!("{}.example.com", test.namespace);
    let crd = |fields: &str| {
        format!(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: gears.{group}}}\n\
             spec:\n  group: {group}\n  scope: Namespaced\n  names: {{kind: Gear, plural: gears}}\n  versions:\n  \
             - {{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object, properties: \
             {{spec: {{type: object, required: [size], properties: {{{fields}}}}}}}}}}}}}\n"
        )
    };
    let space = format!("{}-new", test.namespace);
    let gear = |spec: &str| {
        format!(
            "apiVersion: {group}/v1\nkind: Gear\nmetadata: {{name: g, namespace: {space}}}\nspec: {spec}\n"
        )
    };
    let inside =
        config_map("a", "1").replace("  name: a\n", &format!("  name: a\n  namespace: {space}\n"));
    let size = "size: {type: integer}";
    test.commit(&[
        ("apps/crd.yaml", &crd(size)),
        (
            "apps/ns.yaml",
            &format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {space}}}\n"),
        ),
        ("apps/a.yaml", &inside),
        ("apps/gear.yaml", &gear("{size: big}")),
    ]);
    let daemon = test.run(&["--atomic"]);
    daemon.line(&["Cannot apply gear", "by its CRD: spec.size: must be integer"]);
    daemon.line(&["Sync failed: nothing was written (--atomic): 1 object(s) and 0 manifest(s)"]);
    test.commit(&[("apps/gear.yaml", &gear("{size: 1}"))]);
    let unchecked = "Not checked by the server before the first write";
    daemon.line(&[&format!("{unchecked}: namespace is new"), "configmap/a"]);
    daemon.line(&[&format!("{unchecked}: its CRD comes with the same commit; names, types"), "/g"]);
    daemon.line(&["INFO Synced", "created=4", "failed=0"]);
    // A field that only the CRD's next form knows comes with it.
    test.commit(&[
        ("apps/crd.yaml", &crd(&format!("{size}, color: {{type: string}}"))),
        ("apps/gear.yaml", &gear("{size: 1, color: red}")),
    ]);
    daemon.line(&["INFO Synced", "configured=2"]);
    let nullable = "size: {type: integer, nullable: true}, tags: {type: array, items: {type: string, nullable: true}}";
    let commit = test.commit(&[
        ("apps/crd.yaml", &crd(nullable)),
        ("apps/gear.yaml", &gear("{size: null, tags: [a, null]}")),
    ]);
    daemon.line(&["INFO Synced", &commit, "failed=0"]);
}

#[test]
fn without_atomic_what_can_be_applied_is_and_nothing_is_pruned() {
    let test = Fixture::new("parts");
    three(&test);
    let daemon = test.run(&["--prune"]);
    daemon.line(&["INFO Synced", "created=3"]);
    let commit = commit_in_part_bad(&test);
    daemon.line(&["Cannot apply service/s", "99999"]);
    daemon.line(&["Cannot apply deployment.apps/web", "selector"]);
    daemon.line(&["Not pruned: configmap/b", "not every object is in sync"]);
    daemon.line(&[
        "Synced in part",
        &commit,
        "created=1 configured=1 unchanged=1",
        "pruned=0 failed=2",
    ]);
    test.expect("configmap/a", ".data.key", "2");
    test.expect("configmap/c", ".data.key", "1");
    assert_eq!(test.field("configmap/b", ".data.key"), "1");
}

#[test]
fn what_refers_to_what_its_own_commit_brings_is_not_refused_for_that() {
    let test = Fixture::new("atomicref");
    let (account, kubeconfig) = test.account();
    let rights = [
        ("state", "get,create,update", "secrets,configmaps"),
        ("work", "get,list,watch,create,patch", "roles,rolebindings"),
    ];
    for (name, verbs, resources) in rights {
        let (verbs, resources) = (format!("--verb={verbs}"), format!("--resource={resources}"));
        test.kubectl(&["create", "role", name, &verbs, &resources]);
        let (role, user) = (format!("--role={name}"), format!("--user={account}"));
        test.kubectl(&["create", "rolebinding", name, &role, &user]);
    }
    let group = "rbac.authorization.k8s.io";
    let role = format!(
        "apiVersion: {group}/v1\nkind: Role\nmetadata: {{name: reader}}\nrules:\n- {{apiGroups: [''], \
         resources: [configmaps], verbs: [get]}}\n"
    );
    let binding = format!(
        "apiVersion: {group}/v1\nkind: RoleBinding\nmetadata: {{name: reader}}\nroleRef: {{apiGroup: \
         {group}, kind: Role, name: reader}}\nsubjects: [{{apiGroup: {group}, kind: User, name: bob}}]\n"
    );
    test.commit(&[("apps/role.yaml", &role), ("apps/binding.yaml", &binding)]);
    let daemon = test.run_as(&kubeconfig, &["--atomic", "--namespaces", &test.namespace]);
    daemon.line(&["Not checked by the server", "its role is new", "rolebinding"]);
    daemon.line(&["INFO Synced", "created=2", "failed=0"]);
}

const REFUSED: [&str; 2] = ["Sync failed: nothing was written (--atomic)", "CommitRefused"];

/// Breaks git until a pass has found out.
fn break_git(test: &Fixture, daemon: &Daemon) {
    let mark = daemon.mark();
    test.git.set_fault(Fault::Status(500));
    daemon.line_after(mark, &["Sync failed", "500"]);
}

#[test]
fn while_a_commit_is_refused_all_that_was_accepted_is_kept_in_place() {
    let test = Fixture::new("atomickeep");
    three(&test);
    let daemon = test.run(&["--atomic", "--prune", "--fetch-timeout", "2s"]);
    daemon.line(&["INFO Synced", "created=3"]);
    // The commit comes right after git could not be read.
    break_git(&test, &daemon);
    commit_in_part_bad(&test);
    let mark = daemon.mark();
    test.git.set_fault(Fault::None);
    daemon.line_after(mark, &REFUSED);
    test.kubectl(&["delete", "configmap", "b"]);
    test.expect("configmap/b", ".data.key", "1");
    // As another process would have written it.
    let patch = "{\"data\":{\"key\":\"9\"},\"metadata\":{\"annotations\":{\"gitops-sync.dev/hash\":\"x\"}}}";
    test.kubectl(&["patch", "configmap", "d", "-p", patch]);
    test.expect("configmap/d", ".data.key", "1");
    // It is seen by a pass that is refused.
    let requests = test.git.requests().len();
    test.git.set_fault(Fault::Hang);
    eventually(DEADLINE, "a pass", || {
        Ok::<_, String>((test.git.requests().len() > requests).then_some(()))
    })
    .unwrap();
    let mark = daemon.mark();
    test.kubectl(&["patch", "configmap", "a", "-p", "{\"data\":{\"key\":\"9\"}}"]);
    // What is wrong with git is not hidden by what is wrong with the commit.
    daemon.line_after(mark, &["Sync failed", "FetchTimedOut"]);
    test.git.set_fault(Fault::None);
    test.expect("configmap/a", ".data.key", "1");
}

#[test]
fn of_a_commit_that_is_refused_only_what_was_refused_is_tried_again() {
    let test = Fixture::new("atomicrest");
    let write = |value: &str| {
        for n in 0..30 {
            let text = config_map(&format!("c{n}"), value);
            test.repo.write(&format!("apps/c{n}.yaml"), text).unwrap();
        }
    };
    write("1");
    test.repo.commit("Thirty").unwrap();
    let proxy = plane().proxy().unwrap();
    let daemon = test.run_as(proxy.kubeconfig(), &["--atomic"]);
    daemon.line(&["INFO Synced", "created=30"]);
    write("2");
    // Another commit of the same objects, with a diagnostic.
    for (path, text) in [("apps/s.yaml", BAD_SERVICE), ("apps/t.yaml", "a: [")] {
        let commit = test.commit(&[(path, text)]);
        daemon.line(&[&REFUSED[..], &[&commit]].concat());
        let (calls, mark) = (proxy.calls().len(), daemon.mark());
        daemon.line_after(mark, &REFUSED);
        daemon.line_after(daemon.mark(), &REFUSED);
        let mut tried = proxy.calls().split_off(calls);
        tried.retain(|call| call.is_write() && !call.uri.contains("/events?"));
        assert!(tried.iter().all(|call| call.uri.contains("/services/s?")), "{tried:#?}");
        assert!(!tried.is_empty(), "it may be taken by now");
    }
    test.repo.remove("apps/t.yaml").unwrap();
    let commit = test.commit(&[("apps/s.yaml", &BAD_SERVICE.replace("99999", "80"))]);
    daemon.line(&["INFO Synced", &commit, "created=1 configured=30"]);
}

#[test]
fn what_a_refused_commit_leaves_as_it_was_is_known_once_it_can_be_seen() {
    let test = Fixture::new("atomicblind");
    three(&test);
    let daemon = test.run(&["--atomic"]);
    daemon.line(&["INFO Synced", "created=3"]);
    drop(daemon);
    commit_in_part_bad(&test);
    let proxy = plane().proxy().unwrap();
    let is_list = |uri: &str| uri.contains("/configmaps?");
    proxy.set_faults(
        move |call| {
            if is_list(&call.uri) { ApiFault::status(500) } else { ApiFault::None }
        },
    );
    let daemon = test.run_as(proxy.kubeconfig(), &["--atomic"]);
    daemon.line(&REFUSED);
    let mark = daemon.mark();
    proxy.set_fault(ApiFault::None);
    daemon.line_after(mark, &["Sync failed: nothing was written (--atomic): 2 object(s)"]);
    test.kubectl(&["patch", "configmap", "d", "-p", "{\"data\":{\"key\":\"9\"}}"]);
    daemon.line(&["Drift reverted", "configmap/d", "wanted=\"1\" found=\"9\""]);
}

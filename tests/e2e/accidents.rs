//! Accidents on record of other tools, one test each: nothing is deleted that a person would have wanted to
//! keep, and a line says what happened instead.

use testbed::eventually;

use crate::guard::{api, hash, left, many, remove};
use crate::support::{DEADLINE, Daemon, Fixture, config_map, plane, program};

const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}], selector: {app: web}}
";

/// A line that a test's daemon never may have said.
pub fn never(daemon: &Daemon, words: &str) {
    let lines = daemon.0.lines();
    assert!(!lines.iter().any(|line| line.contains(words)), "{words:?} in {lines:#?}");
}

/// A controller copies the labels of a Service to its `EndpointSlices`: they are never ours.
#[test]
fn labels_that_a_controller_copied_make_nothing_ours() {
    let test = Fixture::new("copied");
    test.commit(&[("apps/web.yaml", SERVICE), ("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&["--prune"]);
    daemon.line(&["INFO Synced", "created=2"]);
    let label = format!("gitops-sync.dev/app={}", test.namespace);
    let slices = || test.kubectl(&["get", "endpointslices", "-l", &label, "-o", "name"]);
    eventually(DEADLINE, "a slice with our label", || {
        let found = slices();
        if found.is_empty() { Err("none") } else { Ok(Some(())) }
    })
    .unwrap();
    // An EndpointSlice of our own in git has the daemon watch that kind.
    let slice = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\nmetadata: {name: own}\nendpoints: []\n";
    test.commit(&[("apps/slice.yaml", slice)]);
    daemon.line(&["INFO Synced", "created=1"]);
    test.repo.remove("apps/slice.yaml").unwrap();
    test.repo.commit("No slice").unwrap();
    daemon.line(&["Pruned", "endpointslice.discovery.k8s.io/own"]);
    daemon.next_sync();
    assert!(!slices().is_empty());
    never(&daemon, "endpointslice.discovery.k8s.io/web-");
}

/// `kubectl get -o yaml`, another name, `kubectl apply`: label, identity and hash are copied with it.
#[test]
fn a_copy_made_by_hand_is_never_ours() {
    let test = Fixture::new("copy");
    test.commit(&[("apps/a.yaml", &config_map("a", "1")), ("apps/b.yaml", &config_map("b", "1"))]);
    let daemon = test.run(&["--prune"]);
    daemon.line(&["INFO Synced", "created=2"]);
    let mut copy: serde_json::Value =
        serde_json::from_str(&test.kubectl(&["get", "configmap", "a", "-o", "json"])).unwrap();
    copy["metadata"]["name"] = "copy".into();
    for server in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
        copy["metadata"].as_object_mut().unwrap().remove(server);
    }
    let namespace = ["-n", &test.namespace, "apply", "-f", "-"];
    plane().kubectl_with_stdin(&namespace, &copy.to_string()).unwrap();
    // Neither while git has the original nor when it is pruned.
    daemon.next_sync();
    test.repo.remove("apps/a.yaml").unwrap();
    test.repo.commit("Without a").unwrap();
    daemon.line(&["Pruned", "configmap/a"]);
    daemon.next_sync();
    assert_eq!(test.field("configmap/copy", ".data.key"), "1");
}

/// A namespace object is left out of the set while objects of the app, or of others, are in it.
#[test]
fn a_namespace_in_use_that_was_dropped_from_git_stays() {
    let test = Fixture::new("in-use");
    let space = format!("{}-space", test.namespace);
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {space}}}\n");
    let inside =
        config_map("inside", "1").replace("  name:", &format!("  namespace: {space}\n  name:"));
    test.commit(&[("apps/ns.yaml", &namespace), ("apps/inside.yaml", &inside)]);
    let daemon = test.run(&["--prune"]);
    daemon.line(&["INFO Synced", "created=2"]);
    plane().kubectl(&["-n", &space, "create", "configmap", "theirs"]).unwrap();
    test.repo.remove("apps/ns.yaml").unwrap();
    test.repo.commit("Without the namespace").unwrap();
    let words = "still holds an object of this app";
    daemon.line(&["Not pruned: namespace", words]);
    // It is told once, and shown as long as it is so.
    daemon.next_sync();
    daemon.next_sync();
    assert_eq!(daemon.0.lines().iter().filter(|line| line.contains(words)).count(), 1);
    let shown = api(&daemon);
    assert!(shown.contains(r#""protected":[{"group":"","kind":"Namespace""#), "{shown}");
    let gauge = format!("gitops_sync_objects{{app=\"{}\",state=\"leftover\"}} 1", test.namespace);
    assert!(daemon.metrics().contains(&gauge));
    test.repo.remove("apps/inside.yaml").unwrap();
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    daemon.line(&["Pruned", "configmap/inside"]);
    daemon.line(&["Prune held: objects of protected kinds: 1 left", &space]);
    daemon.next_sync();
    plane().kubectl(&["-n", &space, "get", "configmap", "theirs"]).unwrap();
}

/// Manifests that cannot be read, or a repository that cannot, are not an empty repository.
#[test]
fn a_broken_render_prunes_nothing() {
    let (test, daemon) = many("broken", 3);
    remove(&test, 0..1, "One is gone");
    daemon.line(&["INFO Synced", "pruned=1"]);
    test.repo.remove("apps/m1.yaml").unwrap();
    test.commit(&[("apps/m2.yaml", "kind: [\n")]);
    daemon.line(&["Bad manifest: apps/m2.yaml"]);
    daemon.line(&["Not pruned: configmap/m1", "the source has errors"]);
    daemon.next_pass();
    assert_eq!(left(&test), 2);
    // So is a server that fails, also for a daemon that has just begun.
    drop(daemon);
    test.git.set_fault(testbed::Fault::Status(500));
    let daemon = test.run(&["--prune"]);
    daemon.line(&["Sync failed: cannot fetch"]);
    assert_eq!(left(&test), 2);
}

/// The same object in another file, under another folder, in another document: nothing is sent.
#[test]
fn an_object_that_moves_between_files_is_not_touched() {
    let (test, daemon) = many("files", 2);
    let version = || test.field("configmap/m0", ".metadata.resourceVersion");
    let before = version();
    test.repo.remove("apps/m0.yaml").unwrap();
    let both = config_map("other", "1") + "---\n" + &config_map("m0", "1");
    let commit = test.commit(&[("apps/deep/er/all.yaml", &both)]);
    daemon.line(&["INFO Synced", &commit, "created=1", "unchanged=2", "pruned=0"]);
    assert_eq!(version(), before);
}

/// Another URL is another repository until a person says otherwise: what is not in it stays.
#[test]
fn a_changed_url_prunes_nothing() {
    let (test, daemon) = many("url", 3);
    drop(daemon);
    let other = test.git.create_repo("other").unwrap();
    other.write("apps/m0.yaml", config_map("m0", "2")).unwrap();
    other.commit("A part of it").unwrap();
    let daemon = Daemon::start(test.run_command_at(other.url(), "apps", &["--prune"]));
    let line = daemon.line(&["Prune held: the URL or path has changed: 2 left"]);
    test.expect("configmap/m0", ".data.key", "2");
    daemon.next_sync();
    assert_eq!(left(&test), 3);
    drop(daemon);
    let approve = ["--prune", "--approve-prune", &hash(&line)];
    let daemon = Daemon::start(test.run_command_at(other.url(), "apps", &approve));
    daemon.line(&["INFO Synced", "pruned=2"]);
    assert_eq!(left(&test), 1);
}

/// A folder with a part of the manifests, by hand and under the app's name.
#[test]
fn a_partial_directory_under_the_apps_name_is_refused() {
    let (test, _daemon) = many("partial", 3);
    let part = tempfile::TempDir::new().unwrap();
    std::fs::write(part.path().join("m0.yaml"), config_map("m0", "1")).unwrap();
    let folder = part.path().to_str().unwrap();
    let done = test.sync(&["--manifests", folder, "--apply", "--prune"]);
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("choose another --name"), "{done:#?}");
    assert_eq!(left(&test), 3);
}

/// Every annotation by which a tool says "do not delete", as people wrote them for that tool.
#[test]
fn what_any_tool_says_to_keep_is_kept_and_no_longer_managed() {
    let test = Fixture::new("kept");
    let marks = [
        ("gitops-sync.dev/prune", "keep"),
        ("argocd.argoproj.io/sync-options", "ServerSideApply=true,Prune=false"),
        ("argocd.argoproj.io/sync-options", "Delete=false"),
        ("argocd.argoproj.io/sync-options", "Prune=confirm"),
        ("kustomize.toolkit.fluxcd.io/prune", "Disabled"),
        ("client.lifecycle.config.k8s.io/deletion", "detach"),
        ("cli-utils.sigs.k8s.io/on-remove", "keep"),
        ("helm.sh/resource-policy", "keep"),
        ("kapp.k14s.io/delete-strategy", "orphan"),
        ("kluctl.io/skip-delete", "true"),
    ];
    let kept = |n: usize, (key, value): (&str, &str)| {
        let mark = format!("  name: k{n}\n  annotations: {{{key}: {value:?}}}\n");
        config_map(&format!("k{n}"), "1").replace(&format!("  name: k{n}\n"), &mark)
    };
    let all: Vec<_> = marks.into_iter().enumerate().map(|(n, mark)| kept(n, mark)).collect();
    test.commit(&[("apps/kept.yaml", &all.join("---\n")), ("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&["--prune"]);
    daemon.line(&["INFO Synced", "created=11"]);
    test.repo.remove("apps/kept.yaml").unwrap();
    test.repo.commit("Without them").unwrap();
    for (n, (key, _)) in marks.iter().enumerate() {
        let id = format!("Not pruned: configmap/k{n} ");
        daemon.line(&[&id, "is marked to be kept", key, "it is no longer managed"]);
        assert_eq!(test.field(&format!("configmap/k{n}"), ".data.key"), "1");
        assert_eq!(test.field(&format!("configmap/k{n}"), ".metadata.labels"), "");
    }
    daemon.line(&["INFO Synced", "pruned=0"]);
    let gauge = format!("gitops_sync_objects{{app=\"{}\",state=\"abandoned\"}} 10", test.namespace);
    assert!(daemon.metrics().contains(&gauge));
    // Nor does anybody have to do anything about them.
    daemon.next_sync();
    never(&daemon, "Not in the inventory");
}

/// A person says it with kubectl, once git has had the object applied: "do not touch" keeps as well.
#[test]
fn what_is_marked_in_the_cluster_alone_is_kept_as_well() {
    let marks = [
        ("annotate", "gitops-sync.dev/reconcile", "disabled"),
        ("annotate", "kustomize.toolkit.fluxcd.io/reconcile", "disabled"),
        ("annotate", "configmanagement.gke.io/managed", "disabled"),
        ("annotate", "fluxcd.io/ignore", "sync_only"),
        ("annotate", "kluctl.io/ignore", "true"),
        ("annotate", "kapp.k14s.io/noop", ""),
        ("label", "kustomize.toolkit.fluxcd.io/prune", "disabled"),
    ];
    let (test, daemon) = many("marked", marks.len() + 1);
    for (n, (verb, key, value)) in marks.iter().enumerate() {
        test.kubectl(&[verb, "configmap", &format!("m{n}"), &format!("{key}={value}")]);
    }
    remove(&test, 0..marks.len(), "All but one");
    for (n, (_, key, _)) in marks.iter().enumerate() {
        let id = format!("Not pruned: configmap/m{n} ");
        daemon.line(&[&id, &format!("is marked to be kept ({key})"), "it is no longer managed"]);
    }
    daemon.line(&["INFO Synced", "pruned=0"]);
    assert_eq!(left(&test), marks.len() + 1);
}

/// Somebody takes the mark off that kept it; git had it when it was applied last.
#[test]
fn a_stripped_keep_annotation_still_keeps() {
    let test = Fixture::new("stripped");
    let kept = config_map("kept", "1").replace(
        "  name: kept\n",
        "  name: kept\n  annotations: {kustomize.toolkit.fluxcd.io/prune: disabled}\n",
    );
    test.commit(&[("apps/kept.yaml", &kept), ("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&["--drift=ignore", "--prune"]);
    daemon.line(&["INFO Synced", "created=2"]);
    test.kubectl(&["annotate", "configmap", "kept", "kustomize.toolkit.fluxcd.io/prune-"]);
    test.repo.remove("apps/kept.yaml").unwrap();
    test.repo.commit("Without it").unwrap();
    daemon.line(&["Not pruned: configmap/kept", "was marked to be kept when it was last applied"]);
    daemon.next_sync();
    assert_eq!(test.field("configmap/kept", ".data.key"), "1");
}

/// What the daemon lives in, and what every cluster needs.
#[test]
fn the_daemons_own_namespace_and_the_clusters_are_never_pruned() {
    let test = Fixture::new("own");
    let namespace =
        |name: &str| format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n---\n");
    let all = namespace(&test.namespace) + &namespace("default") + &namespace("kube-public");
    test.commit(&[("apps/ns.yaml", &all), ("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&["--prune", "--protect-kinds=PersistentVolumeClaim"]);
    daemon.line(&["INFO Synced", "configured=3"]);
    test.repo.remove("apps/ns.yaml").unwrap();
    test.commit(&[("apps/a.yaml", &config_map("a", "1")), ("apps/b.yaml", &config_map("b", "1"))]);
    for name in [test.namespace.as_str(), "default", "kube-public"] {
        let words = ["Not pruned: namespace/", name, "belongs to the cluster or to gitops-sync"];
        daemon.line(&words);
        let left =
            plane().kubectl(&["get", "namespace", name, "-o", "jsonpath={.metadata.labels}"]);
        assert!(!left.unwrap().contains("gitops-sync.dev"), "{name}");
    }
}

/// Without an inventory nothing is known to be ours: what git declares is taken over, the rest is told.
#[test]
fn a_lost_inventory_deletes_nothing() {
    let (test, daemon) = many("lost", 4);
    drop(daemon);
    test.kubectl(&["delete", "secret", &format!("gitops-sync-inventory-{}", test.namespace)]);
    remove(&test, 0..1, "One goes unseen");
    let daemon = test.run(&["--prune"]);
    daemon.line(&["Not in the inventory", "configmap/m0", "declare them in git to adopt them"]);
    for value in ["8", "9"] {
        // Nor is it said again when something changes.
        (0..3).for_each(|_| drop(daemon.next_sync()));
        let url = format!("{}/api/v1/apps/{}", daemon.url(), test.namespace);
        let status = testbed::http("GET", &url, &[], b"").unwrap().1;
        assert!(status.contains("m0"), "it is still there: {status}");
        let patch = format!("{{\"data\":{{\"key\":\"{value}\"}}}}");
        test.kubectl(&["patch", "configmap", "m3", "-p", &patch]);
        daemon.line(&["Drift reverted", &format!("found=\"{value}\"")]);
    }
    daemon.next_sync();
    let lines = daemon.0.lines();
    let said = lines.iter().filter(|line| line.contains("Not in the inventory"));
    assert_eq!(said.count(), 1, "{lines:#?}");
    assert_eq!(left(&test), 4);
    // It is shown as long as it is so, and said once.
    let (_, shown) =
        testbed::http("GET", &format!("{}/api/v1/apps", daemon.url()), &[], b"").unwrap();
    assert!(shown.contains(r#""orphaned":[{"group":"","kind":"ConfigMap""#), "{shown}");
    test.commit(&[("apps/new.yaml", &config_map("new", "1"))]);
    daemon.line(&["INFO Synced", "created=1"]);
    daemon.next_sync();
    let said = daemon.0.lines().iter().filter(|line| line.contains("Not in the inventory")).count();
    assert_eq!(said, 1, "{:#?}", daemon.0.lines());
    // The others are taken over as they are.
    remove(&test, 1..2, "One of those that were adopted");
    daemon.line(&["Pruned", "configmap/m1"]);
    test.commit(&[("apps/m0.yaml", &config_map("m0", "2"))]);
    test.expect("configmap/m0", ".data.key", "2");
    remove(&test, 0..1, "And now it goes");
    daemon.line(&["Pruned", "configmap/m0"]);
}

/// Of many objects the inventory is in several Secrets, of which one is lost.
#[test]
fn a_lost_part_of_an_inventory_deletes_nothing() {
    let test = Fixture::new("lost-part");
    let all = tempfile::TempDir::new().unwrap();
    let folder = all.path().to_str().unwrap();
    let part = |name: &str, from: usize, to: usize| {
        let text: String =
            (from..to).map(|n| config_map(&format!("m{n}"), "1") + "---\n").collect();
        std::fs::write(all.path().join(name), text).unwrap();
    };
    part("stays.yaml", 0, 2000);
    part("goes.yaml", 2000, 2010);
    let arguments = ["--manifests", folder, "--apply", "--prune"];
    assert_eq!(test.sync(&arguments).code, Some(0));
    let shard = format!("gitops-sync-shard-1-{}", test.namespace);
    test.kubectl(&["delete", "secret", &shard]);
    std::fs::remove_file(all.path().join("goes.yaml")).unwrap();
    let done = test.sync(&arguments);
    assert!(done.stderr.contains("Not in the inventory"), "{done:#?}");
    // Those whose part is there are pruned as ever; of the others each is told and stays.
    let pruned = done.stdout.matches(" pruned").count();
    let told = (2000..2010).filter(|n| done.stderr.contains(&format!("configmap/m{n}"))).count();
    assert!(pruned < 10 && pruned + told == 10, "{pruned} pruned, {told} told: {done:#?}");
    assert_eq!(left(&test), 2010 - pruned);
    // The rest is recorded anew, with all that is in git.
    assert!(test.field(&format!("secret/{shard}"), ".metadata.name") == shard);
}

/// A backup of the daemon's namespace in git: what it keeps there is its own, and a copy of it is long out of date.
#[test]
fn the_daemons_own_state_in_git_is_refused() {
    let (test, daemon) = many("own-state", 3);
    let name = format!("gitops-sync-inventory-{}", test.namespace);
    let secret = test.kubectl(&["get", "secret", &name, "-o", "json"]);
    remove(&test, 0..1, "The copy still has it");
    daemon.line(&["Pruned", "configmap/m0"]);
    test.repo.remove("apps/m1.yaml").unwrap();
    test.commit(&[("apps/backup.json", &secret)]);
    let words = ["Bad manifest: apps/backup.json", &name, "gitops-sync"];
    daemon.line(&words);
    daemon.line(&["Not pruned: configmap/m1", "the source has errors"]);
    test.repo.remove("apps/backup.json").unwrap();
    test.repo.commit("Without the copy").unwrap();
    daemon.line(&["Pruned", "configmap/m1"]);
    daemon.next_sync();
    assert_eq!(left(&test), 1);
}

/// `sync` without `--apply` says what would be held and writes nothing.
#[test]
fn a_dry_run_tells_what_would_be_held() {
    let test = Fixture::new("dry");
    let all = tempfile::TempDir::new().unwrap();
    for n in 0..12 {
        let text = config_map(&format!("m{n}"), "1");
        std::fs::write(all.path().join(format!("m{n}.yaml")), text).unwrap();
    }
    let folder = all.path().to_str().unwrap();
    assert_eq!(test.sync(&["--manifests", folder, "--apply", "--prune"]).code, Some(0));
    for n in 0..11 {
        std::fs::remove_file(all.path().join(format!("m{n}.yaml"))).unwrap();
    }
    let done = test.sync(&["--manifests", folder, "--prune"]);
    assert!(done.stderr.contains("Prune held: 11 of 12 objects are too many at once"), "{done:#?}");
    let done = test.sync(&["--manifests", folder, "--prune", "--apply"]);
    assert_eq!(left(&test), 12);
    let approved = ["--manifests", folder, "--prune", "--apply", "--approve-prune"];
    let done = test.sync(&[&approved[..], &[&hash(&done.stderr)]].concat());
    assert_eq!((done.code, left(&test)), (Some(0), 1), "{done:#?}");
    let mut help = program();
    let help = help.args(["sync", "--help"]).output().unwrap();
    assert!(String::from_utf8_lossy(&help.stdout).contains("--approve-prune"));
}

/// What is kept when it leaves git is kept from its namespace's end as well, in the next pass too.
#[test]
fn a_namespace_stays_while_it_holds_what_was_kept() {
    let test = Fixture::new("kept-inside");
    let space = format!("{}-space", test.namespace);
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {space}}}\n");
    let kept = config_map("kept", "1").replace(
        "  name:",
        &format!("  namespace: {space}\n  annotations: {{helm.sh/resource-policy: keep}}\n  name:"),
    );
    test.commit(&[
        ("apps/ns.yaml", &namespace),
        ("apps/kept.yaml", &kept),
        ("apps/a.yaml", &config_map("a", "1")),
    ]);
    let daemon = test.run(&["--prune"]);
    daemon.line(&["INFO Synced", "created=3"]);
    test.repo.remove("apps/ns.yaml").unwrap();
    test.repo.remove("apps/kept.yaml").unwrap();
    test.repo.commit("Both go\n\nGitOps-Prune: all").unwrap();
    daemon.line(&["Not pruned: configmap/kept", "helm.sh/resource-policy", "no longer managed"]);
    daemon.line(&["Not pruned: namespace", "still holds an object of this app"]);
    for _ in 0..2 {
        daemon.next_sync();
    }
    let found =
        plane().kubectl(&["-n", &space, "get", "configmap", "kept", "-o=jsonpath={.metadata}"]);
    assert!(!found.unwrap().contains("deletionTimestamp"));
    never(&daemon, "Pruned");
}

/// Another app has its objects in a namespace that is dropped.
#[test]
fn a_namespace_that_holds_another_apps_objects_stays() {
    let test = Fixture::new("theirs-inside");
    let space = format!("{}-space", test.namespace);
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {space}}}\n");
    let inside =
        config_map("inside", "1").replace("  name:", &format!("  namespace: {space}\n  name:"));
    test.commit(&[
        ("apps/a/ns.yaml", &namespace),
        ("apps/a/a.yaml", &config_map("a", "1")),
        ("apps/b/inside.yaml", &inside),
    ]);
    let first = test.run_app("first", "apps/a", &["--prune"]);
    first.line(&["INFO Synced", "created=2"]);
    let second = test.run_app("second", "apps/b", &["--prune"]);
    second.line(&["INFO Synced", "created=1"]);
    test.repo.remove("apps/a/ns.yaml").unwrap();
    test.repo.commit("Without the namespace\n\nGitOps-Prune: all").unwrap();
    first.line(&["Not pruned: namespace/", "holds objects of the app second"]);
    first.next_sync();
    never(&first, "Pruned");
    // Once they are gone it goes.
    test.repo.remove("apps/b/inside.yaml").unwrap();
    test.commit(&[("apps/b/b.yaml", &config_map("b", "1"))]);
    first.line(&["Pruned", "namespace/"]);
}

/// What never was applied is no part of an app that could make a loss look small.
#[test]
fn objects_that_never_were_do_not_make_the_app_larger() {
    let (test, daemon) = many("never-were", 12);
    for n in 0..40 {
        let text = config_map(&format!("NOT_A_NAME_{n}"), "1");
        test.repo.write(&format!("apps/bad{n}.yaml"), text).unwrap();
    }
    let commit = test.repo.commit("What no cluster takes").unwrap();
    daemon.line(&["Synced in part", &commit]);
    for n in 0..40 {
        test.repo.remove(&format!("apps/bad{n}.yaml")).unwrap();
    }
    remove(&test, 0..11, "Too much is taken back");
    daemon.line(&["Prune held: 11 of 12 objects are too many at once"]);
    assert_eq!(left(&test), 12);
}

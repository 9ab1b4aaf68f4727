//! Objects that move from app to app, and apps that want the same object.

use crate::support::{Daemon, Fixture, config_map, plane};

fn uid(test: &Fixture, name: &str) -> String {
    test.field(&format!("configmap/{name}"), ".metadata.uid")
}

/// Both apps say that one has what the other declares, each once.
fn both_say(first: &Daemon, second: &Daemon) {
    second.line(&["Left to the app first, which had it first: configmap/shared", "apps/b/s.yaml"]);
    first.line(&["Declared by the app second as well: configmap/shared"]);
}

#[test]
fn two_apps_that_claim_one_object_do_not_flap_and_both_say_it() {
    let test = Fixture::new("claims");
    let more = config_map("shared", "first") + "  more: \"1\"\n";
    test.commit(&[
        ("apps/a/s.yaml", &more),
        ("apps/a/a.yaml", &config_map("a", "1")),
        ("apps/b/s.yaml", &config_map("shared", "second")),
        ("apps/b/b.yaml", &config_map("b", "1")),
    ]);
    let first = test.run_app("first", "apps/a", &["--prune"]);
    first.line(&["INFO Synced", "created=2"]);
    let second = test.run_app("second", "apps/b", &["--prune"]);
    both_say(&first, &second);
    second.line(&["Synced in part", "created=1", "claimed=1"]);
    let mark = plane().audit().mark().unwrap();
    first.next_pass();
    second.next_pass();
    let requests = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
    let touched = requests.iter().filter(|r| r.namespace == test.namespace && r.name == "shared");
    assert_eq!(touched.count(), 0, "{requests:#?}");
    assert_eq!(test.field("configmap/shared", ".data.key"), "first");
    assert!(second.metrics().contains("state=\"claimed\"} 1"));
    // The first lets it go: the second takes it over as it is, with what only the first had set gone.
    let before = uid(&test, "shared");
    test.repo.remove("apps/a/s.yaml").unwrap();
    test.repo.commit("It is the second one's").unwrap();
    first
        .line(&["Not pruned: configmap/shared", "declared by the app second, which takes it over"]);
    test.expect("configmap/shared", ".data.key", "second");
    second.line(&["INFO Synced", "failed=0"]);
    assert_eq!(uid(&test, "shared"), before);
    assert_eq!(test.field("configmap/shared", ".data.more"), "");
    first.next_sync();
    second.next_sync();
    let said = first.0.lines().join("\n") + &second.0.lines().join("\n");
    assert_eq!(said.matches("Declared by the app second").count(), 1, "{said}");
    assert_eq!(said.matches("Left to the app first").count(), 1, "{said}");
    assert!(!said.contains("Drift reverted"), "{said}");
}

#[test]
fn an_object_that_moves_between_apps_is_never_deleted() {
    let test = Fixture::new("between");
    test.commit(&[
        ("apps/a/m.yaml", &config_map("m", "1")),
        ("apps/a/a.yaml", &config_map("a", "1")),
        ("apps/b/b.yaml", &config_map("b", "1")),
    ]);
    let first = test.run_app("first", "apps/a", &["--prune"]);
    let second = test.run_app("second", "apps/b", &["--prune"]);
    first.line(&["INFO Synced", "created=2"]);
    second.line(&["INFO Synced", "created=1"]);
    let before = uid(&test, "m");
    for (round, (from, to)) in [("a", "b"), ("b", "a"), ("a", "b")].into_iter().enumerate() {
        let value = format!("{}", round + 2);
        test.repo.remove(&format!("apps/{from}/m.yaml")).unwrap();
        test.commit(&[(&format!("apps/{to}/m.yaml"), &config_map("m", &value))]);
        test.expect("configmap/m", ".data.key", &value);
        let owner = if to == "a" { "first" } else { "second" };
        test.expect("configmap/m", ".metadata.labels.gitops-sync\\.dev/app", owner);
        assert_eq!(uid(&test, "m"), before, "round {round}");
    }
    // What nobody declares any more goes, if a little later.
    test.repo.remove("apps/b/m.yaml").unwrap();
    test.repo.commit("Nobody's").unwrap();
    second.line(&["Pruned", "configmap/m"]);
    assert_eq!(uid(&test, "m"), "");
}

/// Two apps declare one namespace; one of them drops it.
#[test]
fn a_shared_namespace_that_one_app_drops_stays() {
    let test = Fixture::new("shared");
    let space = format!("{}-space", test.namespace);
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {space}}}\n");
    test.commit(&[
        ("apps/a/ns.yaml", &namespace),
        ("apps/a/a.yaml", &config_map("a", "1")),
        ("apps/b/ns.yaml", &namespace),
        ("apps/b/b.yaml", &config_map("b", "1")),
    ]);
    let arguments = ["--prune", "--protect-kinds=PersistentVolumeClaim"];
    let first = test.run_app("first", "apps/a", &arguments);
    first.line(&["INFO Synced", "created=2"]);
    let second = test.run_app("second", "apps/b", &arguments);
    second.line(&["Left to the app first", "namespace/"]);
    test.repo.remove("apps/a/ns.yaml").unwrap();
    test.repo.commit("Without the namespace").unwrap();
    first.line(&["Not pruned: namespace/", "declared by the app second, which takes it over"]);
    second.line(&["INFO Synced", "failed=0"]);
    let label = "jsonpath={.metadata.labels.gitops-sync\\.dev/app}{.status.phase}";
    let found = plane().kubectl(&["get", "namespace", &space, "-o", label]).unwrap();
    assert_eq!(found, "secondActive");
}

/// Another `--name` for the same folder: the old one still has all, until a person says that it is gone.
#[test]
fn a_renamed_app_takes_over_only_when_the_old_one_is_gone() {
    let test = Fixture::new("renamed");
    test.commit(&[("apps/a.yaml", &config_map("a", "1")), ("apps/b.yaml", &config_map("b", "1"))]);
    let old = test.run_app("old", "apps", &["--prune"]);
    old.line(&["INFO Synced", "created=2"]);
    let before = uid(&test, "a");
    drop(old);
    let new = test.run_app("new", "apps", &["--prune"]);
    new.line(&[
        "Left to the app old, which had it first: configmap/a",
        "gitops-sync-inventory-old",
    ]);
    new.next_pass();
    test.kubectl(&["delete", "secret", "gitops-sync-inventory-old"]);
    new.line(&["INFO Synced", "configured=2", "failed=0"]);
    assert_eq!(uid(&test, "a"), before);
    assert_eq!(test.field("configmap/a", ".metadata.labels.gitops-sync\\.dev/app"), "new");
    test.repo.remove("apps/a.yaml").unwrap();
    test.repo.commit("Without a").unwrap();
    new.line(&["Pruned", "configmap/a"]);
}

/// Many objects at once, of which the guard would hold the deletion: a move deletes nothing.
#[test]
fn half_of_an_app_moves_to_another_without_a_word_of_anybody() {
    let test = Fixture::new("half-moves");
    for n in 0..24 {
        test.repo.write(&format!("apps/a/m{n}.yaml"), config_map(&format!("m{n}"), "1")).unwrap();
    }
    test.commit(&[("apps/b/b.yaml", &config_map("b", "1"))]);
    let first = test.run_app("first", "apps/a", &["--prune"]);
    let second = test.run_app("second", "apps/b", &["--prune"]);
    first.line(&["INFO Synced", "created=24"]);
    second.line(&["INFO Synced", "created=1"]);
    let before = uid(&test, "m0");
    for n in 0..12 {
        test.repo.remove(&format!("apps/a/m{n}.yaml")).unwrap();
        test.repo.write(&format!("apps/b/m{n}.yaml"), config_map(&format!("m{n}"), "2")).unwrap();
    }
    let commit = test.repo.commit("Half of it moves").unwrap();
    second.line(&["INFO Synced", &commit, "failed=0"]);
    assert_eq!(uid(&test, "m0"), before);
    assert_eq!(test.field("configmap/m0", ".data.key"), "2");
}

/// An app that does not prune lets go of what another one declares: nothing is deleted by that.
#[test]
fn an_app_without_prune_hands_over_as_well() {
    let test = Fixture::new("unpruned");
    test.commit(&[
        ("apps/a/m.yaml", &config_map("m", "1")),
        ("apps/a/a.yaml", &config_map("a", "1")),
        ("apps/b/b.yaml", &config_map("b", "1")),
    ]);
    let first = test.run_app("first", "apps/a", &[]);
    let second = test.run_app("second", "apps/b", &[]);
    first.line(&["INFO Synced", "created=2"]);
    second.line(&["INFO Synced", "created=1"]);
    let before = uid(&test, "m");
    test.repo.remove("apps/a/m.yaml").unwrap();
    test.commit(&[("apps/b/m.yaml", &config_map("m", "2"))]);
    test.expect("configmap/m", ".data.key", "2");
    assert_eq!(uid(&test, "m"), before);
    second.next_sync();
    let said = first.0.lines().join("\n");
    assert!(!said.contains("Declared by the app second"), "it is git that moved it: {said}");
    assert!(!said.contains("delete them by hand"), "it is the other one's: {said}");
}

/// Each waits for the other one.
#[test]
fn two_apps_swap_objects_in_one_commit() {
    let test = Fixture::new("swap");
    test.commit(&[
        ("apps/a/l.yaml", &config_map("left", "a")),
        ("apps/a/a.yaml", &config_map("a", "1")),
        ("apps/b/r.yaml", &config_map("right", "b")),
        ("apps/b/b.yaml", &config_map("b", "1")),
    ]);
    let first = test.run_app("first", "apps/a", &["--prune"]);
    let second = test.run_app("second", "apps/b", &["--prune"]);
    first.line(&["INFO Synced", "created=2"]);
    second.line(&["INFO Synced", "created=2"]);
    let before = (uid(&test, "left"), uid(&test, "right"));
    test.repo.remove("apps/a/l.yaml").unwrap();
    test.repo.remove("apps/b/r.yaml").unwrap();
    let commit = test.commit(&[
        ("apps/a/r.yaml", &config_map("right", "a")),
        ("apps/b/l.yaml", &config_map("left", "b")),
    ]);
    first.line(&["INFO Synced", &commit, "failed=0"]);
    second.line(&["INFO Synced", &commit, "failed=0"]);
    test.expect("configmap/left", ".data.key", "b");
    test.expect("configmap/right", ".data.key", "a");
    assert_eq!((uid(&test, "left"), uid(&test, "right")), before);
}

/// One app holds up no other, whatever became of its inventory.
#[test]
fn a_damaged_inventory_stops_no_other_app() {
    let test = Fixture::new("damaged");
    test.commit(&[
        ("apps/a/s.yaml", &config_map("shared", "first")),
        ("apps/b/s.yaml", &config_map("shared", "second")),
        ("apps/b/b.yaml", &config_map("b", "1")),
    ]);
    let first = test.run_app("first", "apps/a", &["--prune"]);
    first.line(&["INFO Synced", "created=1"]);
    let second = test.run_app("second", "apps/b", &["--prune"]);
    both_say(&first, &second);
    drop(second);
    let damage = |app: &str| {
        let data = r#"{"data":{"inventory":"bm9uc2Vuc2U="}}"#;
        test.kubectl(&["patch", "secret", &format!("gitops-sync-inventory-{app}"), "-p", data]);
    };
    damage("second");
    let commit = test.commit(&[("apps/a/s.yaml", &config_map("shared", "still first"))]);
    first.line(&["Synced", &commit]);
    test.expect("configmap/shared", ".data.key", "still first");
    // But nothing is deleted that it may declare.
    test.repo.remove("apps/a/s.yaml").unwrap();
    test.commit(&[("apps/a/a.yaml", &config_map("a", "1"))]);
    first.line(&["Not pruned: configmap/shared", "inventory-second cannot be read"]);
    test.expect("configmap/a", ".data.key", "1");
    test.commit(&[("apps/a/s.yaml", &config_map("shared", "still first"))]);
    first.line(&["INFO Synced", "objects=2", "failed=0"]);
    // Nor the claimant by the owner.
    test.kubectl(&["delete", "secret", "gitops-sync-inventory-second"]);
    let second = test.run_app("second", "apps/b", &["--prune"]);
    second.line(&["Left to the app first"]);
    drop(first);
    damage("first");
    test.commit(&[("apps/b/b.yaml", &config_map("b", "2"))]);
    test.expect("configmap/b", ".data.key", "2");
    assert_eq!(test.field("configmap/shared", ".data.key"), "still first");
}

/// A sync by hand is none that others may wait for.
#[test]
fn a_sync_by_hand_changes_no_interval() {
    let test = Fixture::new("by-hand");
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&["--interval", "5m"]);
    daemon.line(&["INFO Synced", "created=1"]);
    let interval = || {
        let key = format!(".data.app\\.{}", test.namespace);
        test.field("secret/gitops-sync-key", &key)
    };
    let before = interval();
    let arguments = ["--repo", test.repo.url(), "--path", "apps", "--apply"];
    assert_eq!(test.sync(&arguments).code, Some(0));
    assert_eq!(interval(), before);
}

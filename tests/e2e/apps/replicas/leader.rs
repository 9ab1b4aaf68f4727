//! One replica writes all apps, and others stand by.

use serde_json::{Value, json};
use testbed::{Signal, eventually};

use super::{Replica, Replicas};
use crate::support::{DEADLINE, config_map, plane};

/// Apps `a` and `b`, which are synced, of folders of the same names; the first replica leads, and the second one
/// stands by.
fn two(name: &str) -> (Replicas, Replica, Replica) {
    let replicas = Replicas::new(name, &["--leader-elect"]);
    replicas.commit(&[("a/a.yaml", &config_map("a", "1")), ("b/b.yaml", &config_map("b", "1"))]);
    let one = replicas.start();
    one.daemon.line(&["INFO Leading"]);
    let two = replicas.start();
    two.daemon.line(&["INFO Standing by"]);
    for app in ["a", "b"] {
        replicas.app(app, app, json!({}));
        replicas.wait(app, "Ready");
    }
    (replicas, one, two)
}

/// The syncs in an app's history, newest first: revision, trigger and result.
fn history(app: &Value) -> Vec<[String; 3]> {
    let text = |record: &Value, key: &str| record[key].as_str().unwrap_or_default().to_owned();
    let records = app["status"]["history"].as_array().unwrap().iter();
    records.map(|record| ["revision", "trigger", "result"].map(|key| text(record, key))).collect()
}

#[test]
fn the_other_one_is_ready_and_silent_and_takes_over_all_apps() {
    let (replicas, one, two) = two("apps-elect");
    eventually(DEADLINE, "the standby to be ready", || {
        Ok::<_, String>((two.ready() == 200).then_some(()))
    })
    .unwrap();
    let first = replicas.commit(&[("a/a.yaml", &config_map("a", "2"))]);
    replicas.applied("a", &first);
    replicas.applied("b", &first);
    let written = replicas.writes(replicas.mark);
    let of_two: Vec<_> = written.iter().filter(|(by, _)| *by == two.account).collect();
    assert!(of_two.is_empty(), "{of_two:#?}");
    let is_written = |resource: &str, subresource: &str| {
        let mut all = written.iter().map(|(_, request)| request);
        all.any(|r| r.resource == resource && r.subresource == subresource)
    };
    let kinds = [
        ("configmaps", ""),
        ("secrets", ""),
        ("gitopsapps", ""),
        ("gitopsapps", "status"),
        ("events", ""),
    ];
    assert!(kinds.iter().all(|(kind, sub)| is_written(kind, sub)), "{written:#?}");

    // What is in place is not written again, also not the statuses.
    let (before, mark) = (["a", "b"].map(|app| replicas.get(app)), plane().audit().mark().unwrap());
    one.daemon.0.kill().unwrap();
    two.daemon.line(&["INFO Leading"]);
    for app in ["a", "b"] {
        let name = format!("app={}/{app}}}", replicas.namespace);
        let line = two.daemon.line(&[&name, "INFO", "Synced", "trigger=\"election\""]);
        assert!(line.contains("unchanged=1"), "{line}");
        two.daemon.line_after(two.daemon.mark(), &[&name, "Synced"]);
    }
    let written = replicas.writes(mark);
    assert!(written.is_empty(), "{written:#?}");
    assert_eq!(["a", "b"].map(|app| replicas.get(app)), before);

    let second = replicas.commit(&[("b/b.yaml", &config_map("b", "3"))]);
    replicas.applied("a", &second);
    replicas.applied("b", &second);
    assert_eq!(replicas.field("configmap/b", ".data.key"), "3");
    for (app, before) in ["a", "b"].iter().zip(&before) {
        let (before, after) = (history(before), history(&replicas.get(app)));
        assert_eq!(after[1..], before, "{app}");
        assert_eq!(after[0][0], second);
    }
    assert!(!two.daemon.0.lines().iter().any(|line| line.contains("Drift")));
}

#[test]
fn who_is_asked_to_end_hands_over_at_once_or_goes_if_it_stands_by() {
    let (replicas, one, two) = two("apps-handover");
    let three = replicas.start();
    three.daemon.line(&["INFO Standing by"]);
    for value in ["2", "3"] {
        let commit = replicas.commit(&[("a/a.yaml", &config_map("a", value))]);
        replicas.applied("a", &commit);
    }
    // Who stands by has nothing to finish.
    three.daemon.0.signal(Signal::TERM).unwrap();
    assert!(three.daemon.0.wait_exit(DEADLINE).unwrap().success());
    let commit = replicas.commit(&[("a/a.yaml", &config_map("a", "4"))]);
    one.daemon.0.signal(Signal::TERM).unwrap();
    two.daemon.line(&["INFO Leading"]);
    assert!(one.daemon.0.wait_exit(DEADLINE).unwrap().success());
    one.daemon.line(&["INFO Lease released"]);
    replicas.applied("a", &commit);
    let lease = "lease/gitops-sync-leader-apps";
    assert_eq!(replicas.field(lease, ".spec.leaseTransitions"), "1", "it did not have to expire");
}

#[test]
fn what_people_see_of_roles_is_said_once_and_standbys_are_quiet() {
    let (replicas, one, two) = two("apps-roles");
    let has = |replica: &Replica, series: &str| {
        replica.daemon.metrics().lines().any(|line| line.starts_with(series))
    };
    let state = format!("gitops_sync_objects{{app=\"{}.a\"", replicas.namespace);
    let leads = |replica: &Replica, is_leader: bool| {
        let (leader, apps) = if is_leader { (1, 2) } else { (0, 0) };
        for series in [&format!("gitops_sync_leader {leader}"), &format!("gitops_sync_apps {apps}")]
        {
            assert!(has(replica, series), "{series}: {}", replica.daemon.metrics());
        }
        assert_eq!(has(replica, &state), is_leader, "how apps fare is told by who knows it");
    };
    leads(&one, true);
    leads(&two, false);
    one.daemon.0.signal(Signal::STOP).unwrap();
    two.daemon.line(&["INFO Leading"]);
    two.daemon.line(&["INFO Writing for these apps", "apps=2", "of=2", "/a,", "/b"]);
    let commit = replicas.commit(&[("a/a.yaml", &config_map("a", "2"))]);
    replicas.applied("a", &commit);
    replicas.applied("b", &commit);
    let mark = one.daemon.mark();
    one.daemon.0.signal(Signal::CONT).unwrap();
    one.daemon.line_after(mark, &["INFO Standing by"]);
    eventually(DEADLINE, "what was known to be forgotten", || {
        Ok::<_, String>((!has(&one, &state)).then_some(()))
    })
    .unwrap();
    leads(&one, false);
    leads(&two, true);
    // Commits and their syncs go by without a word.
    for value in ["3", "4"] {
        let commit = replicas.commit(&[("a/a.yaml", &config_map("a", value))]);
        replicas.applied("a", &commit);
        replicas.applied("b", &commit);
    }
    let said = one.daemon.0.lines().split_off(mark);
    let is_loud = |line: &&String| {
        line.contains("WARN") || line.contains("ERROR") || line.contains("Applied")
    };
    assert!(said.len() < 6 && !said.iter().any(|line| is_loud(&line)), "{said:#?}");
}

#[test]
fn what_is_asked_while_nobody_leads_is_done_by_the_next_one() {
    let (replicas, one, two) = two("apps-headless");
    for (app, more) in [
        ("gone", json!({"deletionPolicy": "Delete"})),
        ("still", json!({"suspend": true})),
        ("manual", json!({"syncPolicy": "manual"})),
    ] {
        let object = config_map(app, "1");
        replicas.commit(&[(&format!("{app}/a.yaml"), &object)]);
        replicas.app(app, app, more);
    }
    replicas.wait("gone", "Ready");
    replicas.reason("still", "Ready", "Suspended");
    replicas.reason("manual", "Ready", "OutOfSync");

    one.daemon.0.kill().unwrap();
    replicas.kubectl(&["delete", "gapp", "gone", "--wait=false"]);
    replicas.app("new", "new", json!({}));
    let itself = json!([{"name": "bad", "namespace": replicas.namespace}]);
    replicas.app("bad", "bad", json!({"dependsOn": itself}));
    replicas.app("a", "a", json!({"suspend": true}));
    let files = ["still", "manual", "a"].map(|app| (format!("{app}/a.yaml"), config_map(app, "2")));
    let files: Vec<_> = files.iter().map(|(path, text)| (&**path, &**text)).collect();
    replicas.commit(&files);
    replicas.commit(&[("new/new.yaml", &config_map("new", "1"))]);
    two.daemon.line(&["INFO Leading"]);
    replicas.kubectl(&["wait", "--for=delete", "gapp/gone", "--timeout=180s"]);
    assert_eq!(replicas.field("configmap/gone", ".metadata.name"), "");
    replicas.wait("new", "Ready");
    replicas.reason("bad", "Stalled", "InvalidSpec");
    replicas.reason("a", "Ready", "Suspended");
    replicas.wait("b", "Ready");
    replicas.reason("still", "Ready", "Suspended");
    replicas.reason("manual", "Ready", "OutOfSync");
    assert_eq!(replicas.field("configmap/a", ".data.key"), "1");
    assert_eq!(
        replicas.kubectl(&[
            "get",
            "configmaps",
            "still",
            "manual",
            "-o=name",
            "--ignore-not-found"
        ]),
        ""
    );
}

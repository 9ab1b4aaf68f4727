//! Apps of different replicas that have to do with each other.

use serde_json::json;
use testbed::Signal;

use super::shards::shards;
use super::{Replica, Replicas};
use crate::support::config_map;

/// Two replicas that share all apps, and an app of each.
fn pair(name: &str) -> (Replicas, [Replica; 2], [String; 2]) {
    let (replicas, all) = shards(name, 2);
    let owners = replicas.owners(replicas.mark);
    let apps = [0, 1].map(|at: usize| {
        let is_its =
            |(app, owner): (&String, &String)| (*owner == all[at].account).then(|| app.clone());
        owners.iter().find_map(is_its).unwrap()
    });
    let Ok(all) = <[Replica; 2]>::try_from(all) else { panic!("two replicas") };
    (replicas, all, apps)
}

/// Moves an object to another app, in one commit.
fn moved(replicas: &Replicas, [from, to]: [&str; 2], value: &str) -> String {
    replicas.repo.remove(&format!("{from}/moved.yaml")).unwrap();
    replicas.commit(&[(&format!("{to}/moved.yaml"), &config_map("moved", value))])
}

#[test]
fn an_object_that_moves_to_an_app_of_another_replica_is_never_deleted() {
    let (replicas, [one, two], [a, b]) = pair("apps-moves");
    let commit = replicas.commit(&[(&format!("{a}/moved.yaml"), &config_map("moved", "1"))]);
    replicas.all_applied(&commit);
    let uid = replicas.field("configmap/moved", ".metadata.uid");
    let belongs_to = |app: &str, value: &str| {
        let id = format!("{0}_{0}.{app}:/ConfigMap:{0}/moved", replicas.namespace);
        replicas.expect("configmap/moved", ".data.key", value);
        replicas.expect("configmap/moved", ".metadata.annotations.gitops-sync\\.dev/id", &id);
        assert_eq!(replicas.field("configmap/moved", ".metadata.uid"), uid, "to {app}");
    };
    let commit = moved(&replicas, [&a, &b], "2");
    belongs_to(&b, "2");
    replicas.all_applied(&commit);
    let commit = moved(&replicas, [&b, &a], "3");
    belongs_to(&a, "3");
    replicas.all_applied(&commit);
    // Who is to take it over hears of the commit late.
    two.daemon.0.signal(Signal::STOP).unwrap();
    let commit = moved(&replicas, [&a, &b], "4");
    belongs_to(&b, "4");
    replicas.all_applied(&commit);
    two.daemon.0.signal(Signal::CONT).unwrap();
    two.daemon.line_after(two.daemon.mark(), &["INFO Sharing", "replicas=2"]);
    // Who lets it go dies, in whatever it is about.
    one.daemon.0.kill().unwrap();
    let commit = moved(&replicas, [&b, &a], "5");
    belongs_to(&a, "5");
    replicas.all_applied(&commit);
    let written = replicas.writes(replicas.mark);
    let deleted: Vec<_> = written.iter().filter(|(_, r)| r.verb == "delete").collect();
    assert!(deleted.is_empty(), "{deleted:#?}");
}

#[test]
fn an_app_waits_for_one_of_another_replica_and_hears_of_it_at_once() {
    let (replicas, [one, _two], [db, web]) = pair("apps-depends");
    replicas.app(&web, &web, json!({"dependsOn": [{"name": db}], "interval": "1h"}));
    let version = |app: &str| -> u64 {
        let object = format!("configmap/{app}-x");
        replicas.field(&object, ".metadata.resourceVersion").parse().unwrap()
    };
    for value in ["1", "2"] {
        let commit = replicas.commit_all(value);
        replicas.all_applied(&commit);
        assert!(version(&db) < version(&web), "{value}");
    }
    let broken = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: broken}\ndata: [1]\n";
    replicas.repo.write(&format!("{db}/broken.yaml"), broken).unwrap();
    replicas.commit_all("3");
    replicas.reason(&web, "Ready", "DependencyNotReady");
    let value = || replicas.field(&format!("configmap/{web}-x"), ".data.key");
    assert_eq!(value(), "2");
    // What is wanted of it otherwise is not what it was ready with; nor is it known better by who takes it over.
    one.daemon.0.kill().unwrap();
    replicas.app(&db, &db, json!({"commonLabels": {"of": "db"}}));
    replicas.repo.remove(&format!("{db}/broken.yaml")).unwrap();
    let commit = replicas.commit_all("4");
    replicas.all_applied(&commit);
    assert!(version(&db) < version(&web));
    replicas.assert_one_writer_each(0);
}

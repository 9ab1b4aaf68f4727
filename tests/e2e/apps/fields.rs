//! What a resource says reaches the engine: an app for each field.

use serde_json::{Value, json};
use testbed::{Fault, eventually};

use super::Apps;
use crate::support::{DEADLINE, config_map, plane};

const BAD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad}\ndata: [1]\n";
const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: secret}\n";

/// Changes a `ConfigMap` as a person does.
fn patch(apps: &Apps, name: &str, patch: &Value) {
    apps.test.kubectl(&["patch", "configmap", name, "--type=merge", "-p", &patch.to_string()]);
}

fn value(apps: &Apps, name: &str) -> String {
    apps.test.field(&format!("configmap/{name}"), ".data.key")
}

/// One object for each app, named after it, and the app with what it says beside.
fn declare(apps: &Apps, all: &[(&str, Value)]) {
    for (name, _) in all {
        let file = format!("{name}/a.yaml");
        apps.test.repo.write(&file, config_map(name, "1")).unwrap();
    }
    apps.test.repo.commit("All").unwrap();
    for (name, more) in all {
        apps.app(name, name, more.clone());
    }
}

#[test]
fn where_objects_go_and_what_they_get_is_as_the_resource_says() {
    let name = "fields-place-made";
    let apps = Apps::with("fields-place", &["--namespaces", name]);
    let made = json!({"targetNamespace": name, "createNamespace": {
        "labels": {"team": "a"}, "annotations": {"why": "b"},
    }});
    let denied = json!({"resources": {"deny": [{"group": "", "kind": "Secret"}]}});
    apps.test.commit(&[("denied/s.yaml", SECRET), ("denied/kept.yaml", &config_map("kept", "1"))]);
    declare(
        &apps,
        &[
            ("common", json!({"commonLabels": {"team": "a"}, "commonAnnotations": {"why": "b"}})),
            ("made", made),
            ("denied", denied),
        ],
    );
    apps.wait("common", "Ready");
    assert_eq!(apps.test.field("configmap/common", ".metadata.labels.team"), "a");
    assert_eq!(apps.test.field("configmap/common", ".metadata.annotations.why"), "b");
    apps.wait("made", "Ready");
    let get = |object: &str, path: &str| {
        plane()
            .kubectl(&["get", object, "-n", name, "-o", &format!("jsonpath={{{path}}}")])
            .unwrap()
    };
    assert_eq!(get("configmap/made", ".data.key"), "1");
    let metadata = get(&format!("namespace/{name}"), ".metadata");
    assert!(metadata.contains(r#""team":"a""#) && metadata.contains(r#""why":"b""#), "{metadata}");
    apps.wait("denied", "Ready=false");
    let message = apps.condition("denied", "Ready").to_string();
    assert!(message.contains("KindNotAllowed") && message.contains("kind: Secret"), "{message}");
    assert_eq!(apps.test.field("secret/secret", ".metadata.name"), "");
    apps.test.expect("configmap/kept", ".data.key", "1");
}

#[test]
fn foreign_changes_are_dealt_with_as_the_resource_says() {
    let apps = Apps::new("fields-drift");
    let policies = ["revert", "warn", "ignore"];
    let named: Vec<_> = policies.map(|p| (format!("drift-{p}"), json!({"drift": p}))).into();
    let additions = ["revert", "report", "ignore"];
    let more = additions.map(|p| (format!("add-{p}"), json!({"additions": p})));
    let conflicts = ["force", "report", "yield"];
    let theirs = conflicts.map(|p| (format!("conf-{p}"), json!({"conflicts": p})));
    let all: Vec<_> = named.into_iter().chain(more).chain(theirs).collect();
    let all: Vec<_> = all.iter().map(|(name, spec)| (name.as_str(), spec.clone())).collect();
    for policy in conflicts {
        let theirs = config_map(&format!("conf-{policy}"), "theirs");
        let arguments = ["apply", "--server-side", "-n", &apps.test.namespace, "-f", "-"];
        plane().kubectl_with_stdin(&arguments, &theirs).unwrap();
    }
    declare(&apps, &all);
    all.iter()
        .filter(|(name, _)| *name != "conf-report")
        .for_each(|(name, _)| apps.wait(name, "Ready"));

    for policy in ["ignore", "warn", "revert"] {
        patch(&apps, &format!("drift-{policy}"), &json!({"data": {"key": "2"}}));
    }
    apps.test.expect("configmap/drift-revert", ".data.key", "1");
    apps.reason("drift-warn", "Drifted", "DriftFound");
    assert_eq!(value(&apps, "drift-warn"), "2");
    assert_eq!(value(&apps, "drift-ignore"), "2");
    assert_eq!(apps.condition("drift-ignore", "Drifted")["status"], "False");

    for policy in ["ignore", "report", "revert"] {
        let more = json!({"data": {"more": "1"}});
        patch(&apps, &format!("add-{policy}"), &more);
    }
    let added = |policy: &str| apps.test.field(&format!("configmap/add-{policy}"), ".data.more");
    apps.test.expect("configmap/add-revert", ".data.more", "");
    apps.daemon.line(&["Addition left as it is", "configmap/add-report"]);
    assert_eq!((added("report"), added("ignore")), ("1".to_owned(), "1".to_owned()));

    assert_eq!(value(&apps, "conf-force"), "1");
    apps.reason("conf-report", "Ready", "FieldConflict");
    apps.wait("conf-report", "Stalled");
    assert_eq!(value(&apps, "conf-report"), "theirs");
    assert_eq!(value(&apps, "conf-yield"), "theirs");
}

#[test]
fn what_is_written_replaced_and_deleted_is_as_the_resource_says() {
    let apps = Apps::new("fields-write");
    let fixed = |name: &str, value: &str| format!("{}immutable: true\n", config_map(name, value));
    let (plain, replace) = (json!({}), json!({"replace": true}));
    let guard = |more: Value| json!({"pruneGuard": more});
    let all = [
        ("part", plain.clone()),
        ("atomic", json!({"atomic": true})),
        ("fixed", plain.clone()),
        ("renewed", replace),
        ("pruned", plain.clone()),
        ("unpruned", json!({"prune": false})),
        ("guarded", guard(json!({"maxObjects": 0, "maxPercent": 0}))),
        ("protected", guard(json!({"protectKinds": ["ConfigMap"]}))),
        ("emptied", guard(json!({"allowEmpty": true}))),
        ("empty", plain),
    ];
    for name in ["pruned", "unpruned", "guarded", "protected"] {
        apps.test
            .repo
            .write(&format!("{name}/b.yaml"), config_map(&format!("{name}-b"), "1"))
            .unwrap();
    }
    declare(&apps, &all);
    let files = ["fixed", "renewed"].map(|name| (format!("{name}/a.yaml"), fixed(name, "1")));
    let files = files.each_ref().map(|(path, text)| (path.as_str(), text.as_str()));
    let commit = apps.test.commit(&files);
    for (name, _) in &all {
        apps.applied(name, &commit);
    }

    for name in ["part", "atomic"] {
        apps.test.repo.write(&format!("{name}/bad.yaml"), BAD).unwrap();
        apps.test.repo.write(&format!("{name}/a.yaml"), config_map(name, "2")).unwrap();
    }
    for name in ["fixed", "renewed"] {
        apps.test.repo.write(&format!("{name}/a.yaml"), fixed(name, "2")).unwrap();
    }
    for name in ["pruned", "unpruned", "guarded", "protected"] {
        apps.test.repo.remove(&format!("{name}/b.yaml")).unwrap();
    }
    for name in ["emptied", "empty"] {
        apps.test.repo.write(&format!("{name}/a.yaml"), "").unwrap();
    }
    let commit = apps.test.repo.commit("Trouble").unwrap();
    apps.reason("part", "Ready", "ApplyFailed");
    assert_eq!(value(&apps, "part"), "2");
    apps.reason("atomic", "Ready", "CommitRefused");
    assert_eq!(value(&apps, "atomic"), "1");
    apps.reason("fixed", "Ready", "ApplyFailed");
    assert_eq!(value(&apps, "fixed"), "1");
    apps.applied("renewed", &commit);
    assert_eq!(value(&apps, "renewed"), "2");
    for name in ["guarded", "protected", "empty"] {
        apps.reason(name, "Ready", "PruneHeld");
    }
    apps.gone("configmap/pruned-b");
    apps.gone("configmap/emptied");
    apps.applied("unpruned", &commit);
    for name in ["unpruned-b", "guarded-b", "protected-b", "empty"] {
        assert_eq!(value(&apps, name), "1", "{name}");
    }
}

#[test]
fn passes_are_tried_again_and_stopped_as_the_resource_says() {
    let apps = Apps::new("fields-retry");
    apps.test.commit(&[("bad/bad.yaml", BAD)]);
    let backoff = json!({"duration": "200ms", "factor": 1, "maxDuration": "200ms"});
    for (name, limit) in [("few", 2), ("many", 20)] {
        let retry = json!({"limit": limit, "backoff": backoff});
        apps.app(name, "bad", json!({"interval": "1h", "retry": retry}));
    }
    apps.test.git.create_repo("hung").unwrap();
    apps.test.git.set_fault_for("hung", Fault::Hang);
    let url = apps.test.repo.url().replace("config", "hung");
    let once = json!({"repoURL": url, "interval": "1h", "timeout": "500ms", "retry": {"limit": 0}});
    apps.apply("hung", &once);
    let message = apps.reason("hung", "Ready", "TimedOut");
    assert!(message.contains("500ms"), "{message}");
    // Each of them begins with one that nothing has failed before.
    eventually(DEADLINE, "all retries", || {
        let ended = apps.ended("many");
        if ended >= 20.0 { Ok(Some(())) } else { Err(ended.to_string()) }
    })
    .unwrap();
    assert_eq!((apps.ended("few"), apps.ended("hung")), (3.0, 1.0));
}

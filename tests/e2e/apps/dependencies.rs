//! Apps that wait for others.

use serde_json::json;

use super::Apps;
use crate::support::config_map;

#[test]
fn an_app_waits_until_what_it_depends_on_is_ready() {
    let apps = Apps::new("depends");
    apps.test.commit(&[
        ("db/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: db}\nspec: {a: 1}\n"),
        ("web/a.yaml", &config_map("web", "1")),
    ]);
    apps.app("web", "web", json!({"dependsOn": [{"name": "db"}], "interval": "1h"}));
    let message = apps.reason("web", "Ready", "DependencyNotReady");
    assert!(message.contains("db"), "{message}");
    apps.app("db", "db", json!({}));
    apps.wait("db", "Ready=false");
    assert_eq!(apps.test.field("configmap/web", ".data.key"), "");
    apps.test.commit(&[("db/a.yaml", &config_map("db", "1"))]);
    // Its interval is an hour: it hears of it.
    apps.wait("web", "Ready");
    apps.test.expect("configmap/web", ".data.key", "1");
}

#[test]
fn of_one_commit_what_is_depended_on_goes_first() {
    let apps = Apps::new("depends-commit");
    apps.test
        .commit(&[("db/a.yaml", &config_map("db", "1")), ("web/a.yaml", &config_map("web", "1"))]);
    apps.app("db", "db", json!({}));
    apps.app("web", "web", json!({"dependsOn": [{"name": "db"}]}));
    apps.wait("web", "Ready");
    for n in 2..6 {
        let value = n.to_string();
        let commit = apps.test.commit(&[
            ("db/a.yaml", &config_map("db", &value)),
            ("web/a.yaml", &config_map("web", &value)),
        ]);
        apps.applied("web", &commit);
        let version = |name: &str| -> u64 {
            let version = apps.test.field(name, ".metadata.resourceVersion");
            version.parse().unwrap()
        };
        assert!(version("configmap/db") < version("configmap/web"));
    }
    // What is depended on and fails holds the other one back.
    apps.test.commit(&[
        ("db/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: db}\ndata: [1]\n"),
        ("web/a.yaml", &config_map("web", "9")),
    ]);
    apps.reason("web", "Ready", "DependencyNotReady");
    assert_eq!(apps.test.field("configmap/web", ".data.key"), "5");
}

#[test]
fn a_circle_is_named() {
    let apps = Apps::new("circle");
    apps.test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    for (name, on) in [("a", "b"), ("b", "c"), ("c", "a")] {
        apps.app(name, "apps", json!({"dependsOn": [{"name": on}]}));
    }
    let message = apps.reason("a", "Stalled", "DependencyCycle");
    for name in ["a", "b", "c"] {
        assert!(message.contains(name), "{message}");
    }
}

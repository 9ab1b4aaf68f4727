//! A repository that gets another name: it is followed as long as its server leads there, and nothing goes by that.

use std::fs;

use serde_json::json;
use testbed::Fault;

use crate::apps::Apps;
use crate::support::config_map;

#[test]
fn a_renamed_repository_is_followed_and_its_new_url_deletes_nothing() {
    let apps = Apps::new("renamed");
    let names = ["a", "b", "c"];
    for name in names {
        apps.test.repo.write(&format!("apps/{name}.yaml"), config_map(name, "1")).unwrap();
    }
    let first = apps.test.repo.commit("All").unwrap();
    apps.app("web", "apps", json!({"prune": true}));
    apps.applied("web", &first);
    // The server leads from the old name to the new one.
    let (old, new) = (apps.test.repo.path(), apps.test.repo.path().with_file_name("renamed.git"));
    fs::rename(old, &new).unwrap();
    apps.test.repo.git(&["remote", "set-url", "origin", new.to_str().unwrap()]).unwrap();
    let (from, to) = ("/config.git".to_owned(), "/renamed.git".to_owned());
    apps.test.git.set_fault_for("/config.git", Fault::Moved { from, to });
    let second = apps.test.commit(&[("apps/a.yaml", &config_map("a", "2"))]);
    apps.applied("web", &second);
    apps.expect("configmap/a", ".data.key", "2");
    // One day it does not, and somebody takes the new one while an object leaves it.
    apps.test.git.set_fault(Fault::None);
    apps.reason("web", "Ready", "RepositoryNotFound");
    apps.kubectl(&["delete", "configmap", "b"]);
    apps.expect("configmap/b", ".data.key", "1");
    apps.test.repo.remove("apps/c.yaml").unwrap();
    let third = apps.test.repo.commit("Remove").unwrap();
    let url = apps.test.repo.url().replace("config.git", "renamed.git");
    let spec = json!({"repoURL": url, "path": "apps", "interval": "1s", "prune": true});
    apps.apply("web", &spec);
    apps.applied("web", &third);
    // It cannot be told what the commit removed, so somebody has to say it.
    let said = apps.reason("web", "Ready", "PruneHeld");
    assert!(said.contains("configmap/c"), "{said}");
    for name in names {
        let value = if name == "a" { "2" } else { "1" };
        assert_eq!(apps.test.field(&format!("configmap/{name}"), ".data.key"), value);
    }
    let lines = apps.daemon.0.lines();
    assert!(!lines.iter().any(|line| line.contains("Pruned")), "{lines:#?}");
    let held = apps.get("web")["status"]["held"][0]["hash"].as_str().unwrap().to_owned();
    apps.kubectl(&["annotate", "gapp", "web", &format!("gitops-sync.dev/approve-prune={held}")]);
    apps.gone("configmap/c");
    // From then on it is a repository as any other.
    apps.test.repo.remove("apps/b.yaml").unwrap();
    apps.test.repo.commit("Remove").unwrap();
    apps.gone("configmap/b");
    assert_eq!(apps.test.field("configmap/a", ".data.key"), "2");
}

//! What a commit does not change is not rendered again.

use serde_json::json;

use crate::apps::Apps;
use crate::support::{config_map, plane};

/// How often sources of the daemon's apps were rendered.
fn renders(apps: &Apps) -> usize {
    let metrics = apps.daemon.metrics();
    let is_render = |line: &&str| {
        line.starts_with("gitops_sync_stage_duration_seconds_count")
            && line.contains("stage=\"render\"")
    };
    let count = |line: &str| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap();
    metrics.lines().filter(is_render).map(count).sum()
}

#[test]
fn of_two_hundred_apps_a_commit_renders_the_one_that_it_changes() {
    const APPS: usize = 200;
    let apps = Apps::new("monorepo");
    for n in 0..APPS {
        let map = config_map(&format!("c{n}"), "1");
        apps.test.repo.write(&format!("apps/{n}/a.yaml"), map).unwrap();
    }
    let first = apps.test.repo.commit("All").unwrap();
    for n in 0..APPS {
        apps.app(&format!("app{n}"), &format!("apps/{n}"), json!({"interval": "5s"}));
    }
    (0..APPS).for_each(|n| apps.applied(&format!("app{n}"), &first));
    let (before, mark) = (renders(&apps), plane().audit().mark().unwrap());
    let commit = apps.test.commit(&[("apps/7/a.yaml", &config_map("c7", "2"))]);
    (0..APPS).for_each(|n| apps.applied(&format!("app{n}"), &commit));
    apps.expect("configmap/c7", ".data.key", "2");
    assert_eq!(renders(&apps), before + 1);
    let sent = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
    let is_of_test = |name: &str| name == apps.test.namespace;
    let others: Vec<_> = sent
        .iter()
        .filter(|r| is_of_test(&r.namespace) && r.verb != "watch")
        .filter(|r| {
            r.subresource != "status" && !["events", "leases"].contains(&r.resource.as_str())
        })
        .filter(|r| !r.name.contains("c7") && !r.name.contains("app7"))
        .map(|r| format!("{} {} {}", r.verb, r.resource, r.name))
        .collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn what_hangs_on_more_than_its_folder_is_rendered_again() {
    let apps = Apps::new("scopes");
    apps.test.repo.write("apps/plain/a.yaml", config_map("plain", "1")).unwrap();
    apps.test.repo.write("apps/linked/readme.md", "").unwrap();
    apps.test.repo.write("shared/a.yaml", config_map("linked", "1")).unwrap();
    apps.test.repo.symlink("apps/linked/a.yaml", "../../shared/a.yaml").unwrap();
    apps.test.repo.symlink("current", "apps/one").unwrap();
    apps.test.repo.write("apps/one/a.yaml", config_map("one", "1")).unwrap();
    apps.test.repo.write("apps/two/a.yaml", config_map("two", "1")).unwrap();
    apps.test.repo.write("apps/.sourceignore", "*.md\n").unwrap();
    let first = apps.test.repo.commit("All").unwrap();
    let spec = || json!({"prune": true, "pruneGuard": {"allowEmpty": true}});
    for (app, path) in [("plain", "apps/plain"), ("linked", "apps/linked"), ("current", "current")]
    {
        apps.app(app, path, spec());
    }
    let applied = |commit: &str| {
        for app in ["plain", "linked", "current"] {
            apps.applied(app, commit);
        }
    };
    applied(&first);
    let check = |what: &str, more: usize, change: &dyn Fn()| {
        let before = renders(&apps);
        change();
        applied(&apps.test.repo.commit(what).unwrap());
        assert_eq!(renders(&apps), before + more, "{what}");
    };
    // The one with a link that leaves its folder cannot be compared.
    check("nothing", 1, &|| {});
    check("what is linked", 1, &|| {
        apps.test.repo.write("shared/a.yaml", config_map("linked", "2")).unwrap();
    });
    apps.expect("configmap/linked", ".data.key", "2");
    check("where the path leads", 2, &|| {
        apps.test.repo.remove("current").unwrap();
        apps.test.repo.symlink("current", "apps/two").unwrap();
    });
    apps.expect("configmap/two", ".data.key", "1");
    check("what is ignored", 3, &|| {
        apps.test.repo.write("apps/.sourceignore", "plain/a.yaml\n").unwrap();
    });
    apps.gone("configmap/plain");
}

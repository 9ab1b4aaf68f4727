//! What the daemon does to objects is done as the app's account, each sort of it; the rest is its own.

use std::collections::BTreeSet;

use serde_json::json;
use testbed::{ApiRequest, eventually};

use super::{Attack, is_own};
use crate::support::{DEADLINE, config_map, plane};

#[test]
fn all_that_is_done_to_objects_is_done_as_the_account() {
    let attack = Attack::with("doings", &["--sweep=1s", "--leader-elect"]);
    let kept = config_map("kept", "1").replace(
        "metadata:\n",
        "metadata:\n  annotations: {kustomize.toolkit.fluxcd.io/prune: disabled}\n",
    );
    let mark = plane().audit().mark().unwrap();
    attack.apps.test.commit(&[
        ("web/a.yaml", &config_map("a", "1")),
        ("web/b.yaml", &config_map("b", "1")),
        ("web/kept.yaml", &kept),
    ]);
    // Each write is preceded by a dry-run.
    attack.app("web", "web", json!({"atomic": true, "deletionPolicy": "Delete"}));
    attack.apps.wait("web", "Ready");
    let account = attack.account();
    let done = |what: &str, is_it: &dyn Fn(&ApiRequest) -> bool| {
        eventually(DEADLINE, what, || {
            let sent = attack.sent(mark);
            let found = sent.iter().any(|r| r.impersonated == account && r.code < 300 && is_it(r));
            if found { Ok(Some(())) } else { Err(format!("{sent:#?}")) }
        })
        .unwrap_or_else(|error| panic!("{error}"));
    };
    let is_dry = |r: &ApiRequest| r.uri.contains("dryRun=All");
    done("the dry-run", &|r| r.verb == "patch" && r.name == "a" && is_dry(r));
    done("the apply", &|r| r.verb == "patch" && r.name == "a" && !is_dry(r));
    done("the sweep", &|r| r.verb == "list" && r.resource == "configmaps");
    attack.apps.test.kubectl(&["patch", "configmap", "a", "-p", "{\"data\":{\"key\":\"9\"}}"]);
    attack.apps.test.expect("configmap/a", ".data.key", "1");
    done("the look at what drifted", &|r| r.verb == "get" && r.name == "a");
    for file in ["web/b.yaml", "web/kept.yaml"] {
        attack.apps.test.repo.remove(file).unwrap();
    }
    attack.apps.test.repo.commit("Remove").unwrap();
    attack.apps.gone("configmap/b");
    attack.apps.test.expect("configmap/kept", ".metadata.labels", "");
    done("the deletion", &|r| r.verb == "delete" && r.name == "b");
    let is_abandoned = |r: &ApiRequest| {
        r.verb == "patch" && r.name == "kept" && !r.uri.contains("fieldManager=gitops-sync&force")
    };
    done("the abandoning", &is_abandoned);
    attack.apps.test.kubectl(&["delete", "gapp", "web", "--timeout=180s"]);
    done("the deletion at the end", &|r| r.verb == "delete" && r.name == "a");
    attack.acted_as_account(mark);
    // What is the daemon's own.
    let sent = attack.sent(mark);
    let own = sent.iter().filter(|r| is_own(r, &attack.home) && r.verb != "watch");
    let own: BTreeSet<_> = own.map(|r| (r.resource.as_str(), r.subresource.as_str())).collect();
    let expected = [
        ("events", ""),
        ("gitopsapps", ""),
        ("gitopsapps", "status"),
        ("leases", ""),
        ("secrets", ""),
    ];
    let strange: Vec<_> = own.iter().filter(|one| !expected.contains(one)).collect();
    assert!(strange.is_empty(), "{strange:?}");
    for one in expected {
        assert!(own.contains(&one), "{one:?} in {own:?}");
    }
}

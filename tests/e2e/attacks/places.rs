//! Where an app's objects go, which kinds they may be of, and which apps it may name.

use serde_json::json;

use super::{Attack, account};
use crate::support::{config_map, plane};

#[test]
fn no_target_namespace_gives_rights_in_it() {
    let attack = Attack::new("target");
    attack.apps.test.commit(&[("web/a.yaml", &config_map("attack-a", "1"))]);
    for target in [attack.victim.as_str(), "kube-system", &attack.home] {
        let more = json!({"targetNamespace": target, "createNamespace": {"labels": {"team": "t"}}});
        attack.app("web", "web", more);
        let said = attack.failure_with("web", "attack-a", &format!("namespace {target}"));
        assert!(said.contains("forbidden"), "{said}");
        assert!(said.contains(&attack.account()), "{said}");
        let get = ["get", "configmap", "attack-a", "-n", target, "--ignore-not-found"];
        assert_eq!(plane().kubectl(&get).unwrap(), "");
        let label = ["get", "namespace", target, "-o=jsonpath={.metadata.labels.team}"];
        assert_eq!(plane().kubectl(&label).unwrap(), "");
    }
    // The other tenant may let it in.
    account(attack.tenant(), super::ACCOUNT, &attack.victim);
    attack.app("web", "web", json!({"targetNamespace": attack.victim}));
    attack.apps.wait("web", "Ready");
    assert_eq!(attack.kubectl(&["get", "cm", "attack-a", "-o=jsonpath={.data.key}"]), "1");
}

#[test]
fn a_namespace_is_created_only_with_the_right_to_create_it() {
    let attack = Attack::new("create-ns");
    let new = format!("{}-new", attack.tenant());
    attack.apps.test.commit(&[("web/a.yaml", &config_map("a", "1"))]);
    let mark = plane().audit().mark().unwrap();
    attack.app("web", "web", json!({"targetNamespace": new, "createNamespace": {}}));
    let said = attack.failure("web", "a");
    assert!(said.contains(&attack.account()), "{said}");
    let all = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
    let is_refused = |r: &&testbed::ApiRequest| {
        r.resource == "namespaces" && r.verb == "create" && r.impersonated == attack.account()
    };
    let creations: Vec<_> = all.iter().filter(is_refused).map(|r| r.code).collect();
    assert!(!creations.is_empty() && creations.iter().all(|code| *code == 403), "{creations:?}");
    let get = ["get", "namespace", &new, "--ignore-not-found", "-o", "name"];
    assert_eq!(plane().kubectl(&get).unwrap(), "");
    let role = format!("{}-creator", attack.tenant());
    let (cluster_role, subject) = (
        format!("--clusterrole={role}"),
        format!("--serviceaccount={}:{}", attack.tenant(), super::ACCOUNT),
    );
    let verbs = "--verb=get,create,patch";
    plane()
        .kubectl(&["create", "clusterrole", &role, verbs, "--resource=namespaces,configmaps"])
        .unwrap();
    plane().kubectl(&["create", "clusterrolebinding", &role, &cluster_role, &subject]).unwrap();
    attack.apps.wait("web", "Ready");
    assert_ne!(plane().kubectl(&get).unwrap(), "");
}

#[test]
fn apps_of_other_namespaces_are_not_waited_for_unless_the_operator_allows_it() {
    let attack = Attack::new("depends-across");
    attack.theirs.write("a.yaml", config_map("a", "1")).unwrap();
    attack.theirs.commit("Declare").unwrap();
    attack.victims_app(json!({}));
    attack.apps.test.commit(&[("web/a.yaml", &config_map("a", "1"))]);
    let theirs = json!({"dependsOn": [{"name": "web", "namespace": attack.victim}]});
    attack.app("late", "web", theirs.clone());
    let said = attack.apps.reason("late", "Stalled", "InvalidSpec");
    assert!(said.contains("spec.dependsOn") && said.contains("--allow-cross"), "{said}");
    // Nothing is told of the other app, not even whether there is one.
    let nobody = json!({"dependsOn": [{"name": "nobody", "namespace": attack.victim}]});
    attack.app("later", "web", nobody);
    assert_eq!(attack.apps.reason("later", "Stalled", "InvalidSpec"), said);
    assert_eq!(attack.apps.test.field("configmap/a", ".data.key"), "");
    let attack = attack.restarted(&[super::DEFAULT, "--allow-cross-namespace-refs"]);
    attack.apps.wait("late", "Ready");
    attack.apps.test.expect("configmap/a", ".data.key", "1");
    attack.apps.reason("later", "Ready", "DependencyNotReady");
}

#[test]
fn kinds_that_an_app_may_not_have_are_refused_and_the_rest_is_applied() {
    let attack = Attack::new("kinds-denied");
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {pin: hunter2}\n";
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: x}\n";
    attack.apps.test.commit(&[
        ("web/a.yaml", &config_map("a", "1")),
        ("web/s.yaml", secret),
        ("web/x.yaml", account),
    ]);
    let any = |kind: &str| json!([{"group": "", "kind": kind}]);
    attack.app("web", "web", json!({"resources": {"deny": any("secret")}}));
    attack.apps.wait("web", "Ready=false");
    attack.apps.test.expect("serviceaccount/x", ".metadata.name", "x");
    let said = attack.apps.condition("web", "Ready")["message"].to_string();
    assert!(said.contains("s.yaml") && said.contains("secret/s"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    assert_eq!(attack.apps.test.field("secret/s", ".metadata.name"), "");
    attack.apps.test.kubectl(&["delete", "serviceaccount", "x"]);
    attack.app("web", "web", json!({"resources": {"allow": any("ConfigMap")}}));
    let named = |said: &str| said.contains("serviceaccount/x") && said.contains("secret/s");
    testbed::eventually(crate::support::DEADLINE, "both to be refused", || {
        let said = attack.apps.condition("web", "Ready")["message"].to_string();
        if named(&said) { Ok(Some(())) } else { Err(said) }
    })
    .unwrap();
    attack.app("web", "web", json!({"resources": {}}));
    attack.apps.wait("web", "Ready");
    attack.apps.test.expect("secret/s", ".data.pin", "aHVudGVyMg==");
}

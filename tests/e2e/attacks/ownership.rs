//! Objects of one tenant's app that another tenant's app declares as well, be it with rights on them.

use serde_json::json;
use testbed::eventually;

use super::{Attack, account};
use crate::support::{DEADLINE, config_map, plane};

/// The other tenant's app with an object, and its state.
fn owned(attack: &Attack) -> String {
    attack.theirs.write("prize.yaml", config_map("prize", "mine")).unwrap();
    attack.theirs.write("other.yaml", config_map("other", "mine")).unwrap();
    attack.theirs.commit("Declare").unwrap();
    attack.victims_app(json!({}));
    attack.state("configmap/prize")
}

fn stolen(attack: &Attack) -> String {
    let place = format!("metadata:\n  namespace: {}\n", attack.victim);
    config_map("prize", "stolen").replace("metadata:\n", &place)
}

/// What of the other tenant was written as an account since a mark.
fn writes(attack: &Attack, mark: testbed::Mark) -> Vec<testbed::ApiRequest> {
    let is_write = |r: &testbed::ApiRequest| {
        r.namespace == attack.victim
            && r.impersonated == attack.account()
            && !matches!(r.verb.as_str(), "get" | "list" | "watch")
            && r.code < 400
    };
    attack.sent(mark).into_iter().filter(is_write).collect()
}

#[test]
fn what_the_tenant_may_not_change_is_not_changed_by_declaring_it() {
    let attack = Attack::new("claim-refused");
    let state = owned(&attack);
    attack
        .apps
        .test
        .commit(&[("web/a.yaml", &config_map("a", "1")), ("web/prize.yaml", &stolen(&attack))]);
    let mark = plane().audit().mark().unwrap();
    attack.app("web", "web", json!({"deletionPolicy": "Delete", "conflicts": "force"}));
    let said = attack.failure("web", "prize");
    assert!(said.contains("forbidden") && said.contains(&attack.account()), "{said}");
    attack.apps.test.repo.remove("web/prize.yaml").unwrap();
    let commit = attack.apps.test.repo.commit("Remove").unwrap();
    attack.apps.applied("web", &commit);
    attack.apps.test.kubectl(&["delete", "gapp", "web", "--timeout=180s"]);
    attack.apps.gone("configmap/a");
    assert_eq!(attack.state("configmap/prize"), state);
    assert_eq!(writes(&attack, mark), []);
    // The other tenant's app never noticed, and nothing of the tenant's words is in its namespace.
    let events = attack.kubectl(&["get", "events", "-o", "json"]);
    assert!(!events.contains("web/prize.yaml") && !events.contains(&attack.account()), "{events}");
    let ready = attack.kubectl(&["get", "gapp", "web", "-o=jsonpath={.status.conditions}"]);
    assert!(!ready.contains("OwnershipConflict"), "{ready}");
}

#[test]
fn with_rights_on_it_the_first_owner_keeps_it_all_the_same() {
    let attack = Attack::new("claim-kept");
    account(attack.tenant(), super::ACCOUNT, &attack.victim);
    let state = owned(&attack);
    attack
        .apps
        .test
        .commit(&[("web/a.yaml", &config_map("a", "1")), ("web/prize.yaml", &stolen(&attack))]);
    let mark = plane().audit().mark().unwrap();
    let more = json!({"deletionPolicy": "Delete", "conflicts": "force", "replace": true});
    attack.app("web", "web", more);
    let message = attack.apps.reason("web", "Ready", "OwnershipConflict");
    assert!(message.contains("prize") && message.contains(&attack.victim), "{message}");
    attack.apps.test.repo.remove("web/prize.yaml").unwrap();
    let commit = attack.apps.test.repo.commit("Remove").unwrap();
    attack.apps.applied("web", &commit);
    assert_eq!(attack.state("configmap/prize"), state);
    attack.apps.test.kubectl(&["delete", "gapp", "web", "--timeout=180s"]);
    attack.apps.gone("configmap/a");
    assert_eq!(attack.state("configmap/prize"), state);
    assert_eq!(writes(&attack, mark), []);
}

#[test]
fn nor_is_an_object_of_the_whole_cluster_taken_over_or_deleted() {
    let attack = Attack::new("claim-cluster");
    let name = format!("{}-prize", attack.tenant());
    let class = |value: u32| {
        format!(
            "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {{name: {name}}}\nvalue: {value}\n"
        )
    };
    let role = format!("{}-classes", attack.tenant());
    let kubectl = |arguments: &[&str]| plane().kubectl(arguments).unwrap();
    kubectl(&["create", "clusterrole", &role, "--resource=priorityclasses", "--verb=*"]);
    let bind = |of: &str| {
        let subject = format!("--serviceaccount={of}:{}", super::ACCOUNT);
        let cluster_role = format!("--clusterrole={role}");
        kubectl(&[
            "create",
            "clusterrolebinding",
            &format!("{of}-classes"),
            &cluster_role,
            &subject,
        ]);
    };
    bind(&attack.victim);
    attack.theirs.write("c.yaml", class(1)).unwrap();
    attack.theirs.commit("Declare").unwrap();
    attack.victims_app(json!({}));
    let version = || {
        let path = "-o=jsonpath={.metadata.uid} {.metadata.resourceVersion} {.value}";
        kubectl(&["get", "priorityclass", &name, path])
    };
    let state = version();
    attack.apps.test.commit(&[("web/a.yaml", &config_map("a", "1")), ("web/c.yaml", &class(2))]);
    // First without rights, then with all there are.
    attack.app("web", "web", json!({"deletionPolicy": "Delete", "replace": true}));
    let said = attack.failure("web", &name);
    assert!(said.contains(&attack.account()), "{said}");
    bind(attack.tenant());
    let message = attack.apps.reason("web", "Ready", "OwnershipConflict");
    assert!(message.contains(&name), "{message}");
    attack.apps.test.kubectl(&["delete", "gapp", "web", "--timeout=180s"]);
    attack.apps.gone("configmap/a");
    assert_eq!(version(), state);
}

#[test]
fn an_object_of_the_tenant_with_marks_of_another_app_disturbs_that_one_in_nothing() {
    let attack = Attack::new("marks-lent");
    let state = owned(&attack);
    let (home, victim, tenant) = (&attack.home, &attack.victim, attack.tenant());
    let lent = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"key": "bait"},
        "metadata": {
            "name": "bait", "labels": {"gitops-sync.dev/app": format!("{victim}.web")},
            "annotations": {
                "gitops-sync.dev/id": format!("{home}_{victim}.web:/ConfigMap:{tenant}/bait"),
            },
        },
    });
    attack.as_tenant(&lent).unwrap();
    let version = attack.apps.test.field("configmap/bait", ".metadata.resourceVersion");
    attack.theirs.remove("other.yaml").unwrap();
    let commit = attack.theirs.commit("Remove").unwrap();
    let (object, path) = ("gapp/web", "-o=jsonpath={.status.lastAppliedRevision.sha}");
    eventually(DEADLINE, "the other tenant's commit to be applied", || {
        let found = attack.kubectl(&["get", object, path]);
        if found == commit { Ok(Some(())) } else { Err(found) }
    })
    .unwrap();
    attack.kubectl(&["wait", "--for=delete", "configmap/other", "--timeout=180s"]);
    attack.kubectl(&["wait", "--for=condition=Ready", "--timeout=180s", object]);
    assert_eq!(attack.state("configmap/prize"), state);
    assert_eq!(attack.apps.test.field("configmap/bait", ".metadata.resourceVersion"), version);
}

#[test]
fn what_the_tenant_writes_of_inventories_counts_for_nothing() {
    let attack = Attack::new("inventory-forged");
    let state = owned(&attack);
    // The true inventory of the other tenant's app, under the names of the tenant's.
    let secret = format!("gitops-sync-inventory-{}.web", attack.victim);
    let get = ["get", "secret", &secret, "-n", &attack.home, "-o=jsonpath={.data.inventory}"];
    let inventory = plane().kubectl(&get).unwrap();
    let forged = |namespace: &str| {
        let name = format!("gitops-sync-inventory-{}.web", attack.tenant());
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "gitops-sync.dev/state",
            "metadata": {"name": name, "namespace": namespace}, "data": {"inventory": inventory},
        })
    };
    attack.as_tenant(&forged(attack.tenant())).unwrap();
    attack.apps.test.commit(&[
        ("web/a.yaml", &config_map("a", "1")),
        ("web/i.yaml", &forged(&attack.home).to_string()),
    ]);
    attack.app("web", "web", json!({"deletionPolicy": "Delete"}));
    let name = format!("gitops-sync-inventory-{}.web", attack.tenant());
    attack.apps.wait("web", "Ready=false");
    let said = attack.apps.condition("web", "Ready")["message"].to_string();
    assert!(
        said.contains(&format!("secret/{name} is what gitops-sync keeps for itself")),
        "{said}"
    );
    // Nor by an app whose objects go there.
    attack.app("there", "web", json!({"targetNamespace": attack.home, "deletionPolicy": "Delete"}));
    let said = attack.failure("there", "a");
    assert!(said.contains(&attack.account()), "{said}");
    for app in ["web", "there"] {
        attack.apps.test.kubectl(&["delete", "gapp", app, "--timeout=180s"]);
    }
    attack.apps.gone("configmap/a");
    assert_eq!(attack.state("configmap/prize"), state);
    let left = plane().kubectl(&["get", "secrets,configmaps", "-n", &attack.home, "-o", "name"]);
    let left = left.unwrap();
    assert!(left.contains(&secret) && !left.contains(&name), "{left}");
    attack.kubectl(&["wait", "--for=condition=Ready", "--timeout=180s", "gapp/web"]);
}

#[test]
fn what_the_tenant_could_not_take_over_is_not_kept_for_it() {
    let attack = Attack::new("claim-in-vain");
    owned(&attack);
    // To look at it is all that the tenant may do.
    let subject = format!("--serviceaccount={}:{}", attack.tenant(), super::ACCOUNT);
    attack.kubectl(&["create", "rolebinding", "lookers", "--clusterrole=view", &subject]);
    attack.apps.test.commit(&[("web/prize.yaml", &stolen(&attack))]);
    attack.app("web", "web", json!({}));
    let said = attack.failure("web", "prize");
    assert!(said.contains(&attack.account()), "{said}");
    attack.passes("web");
    attack.theirs.remove("prize.yaml").unwrap();
    attack.theirs.commit("Remove").unwrap();
    attack.kubectl(&["wait", "--for=delete", "configmap/prize", "--timeout=180s"]);
    attack.failure("web", "prize");
}

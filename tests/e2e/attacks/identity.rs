//! With whose rights an app acts: those of an account of its own namespace, and never the daemon's.

use serde_json::json;

use super::{Attack, account};
use crate::support::{config_map, plane};

/// Manifests of what only others may have.
fn greedy(attack: &Attack) -> Vec<(String, String)> {
    let tenant = attack.tenant();
    let in_namespace = |text: &str, namespace: &str| {
        text.replace("metadata:\n", &format!("metadata:\n  namespace: {namespace}\n"))
    };
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": format!("{tenant}-all")},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": super::ACCOUNT, "namespace": tenant}],
    });
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("{tenant}-new")},
    });
    let role_binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "own-admin"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": super::ACCOUNT, "namespace": tenant}],
    });
    let file = |name: &str, text: String| (format!("web/{name}.yaml"), text);
    vec![
        file("a", config_map("a", "1")),
        file("theirs", in_namespace(&config_map("theirs", "1"), &attack.victim)),
        file("system", in_namespace(&config_map("system", "1"), "kube-system")),
        file("binding", binding.to_string()),
        file("namespace", namespace.to_string()),
        file("own", role_binding.to_string()),
    ]
}

#[test]
fn an_app_that_names_no_account_acts_as_the_default_one_and_never_as_the_daemon() {
    let attack = Attack::new("default-account");
    let files = greedy(&attack);
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    attack.apps.test.commit(&files);
    let mark = plane().audit().mark().unwrap();
    attack.app("web", "web", json!({}));
    let tenant = attack.tenant();
    for name in
        ["theirs", "system", "own-admin", &format!("{tenant}-all"), &format!("{tenant}-new")]
    {
        let said = attack.failure("web", name);
        assert!(said.contains("forbidden") && said.contains(&attack.account()), "{said}");
    }
    attack.apps.reason("web", "Ready", "ApplyFailed");
    attack.apps.test.expect("configmap/a", ".data.key", "1");
    attack.acted_as_account(mark);
    assert_eq!(attack.kubectl(&["get", "configmap", "theirs", "--ignore-not-found"]), "");
    for object in [format!("clusterrolebinding/{tenant}-all"), format!("namespace/{tenant}-new")] {
        assert_eq!(plane().kubectl(&["get", &object, "--ignore-not-found"]).unwrap(), "");
    }
}

#[test]
fn an_account_that_is_not_there_may_do_nothing_and_is_heeded_once_it_may() {
    let attack = Attack::new("ghost-account");
    attack.apps.test.commit(&[("web/a.yaml", &config_map("a", "1"))]);
    attack.app("web", "web", json!({"serviceAccountName": "ghost"}));
    let said = attack.failure("web", "a");
    let ghost = format!("system:serviceaccount:{}:ghost", attack.tenant());
    assert!(said.contains(&ghost), "{said}");
    assert_eq!(attack.apps.test.field("configmap/a", ".data.key"), "");
    // An account that the tenant makes has no rights either.
    let own = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "ghost"}});
    attack.as_tenant(&own).unwrap();
    attack.passes("web");
    attack.failure("web", "a");
    account(attack.tenant(), "ghost", attack.tenant());
    attack.apps.wait("web", "Ready");
    attack.apps.test.expect("configmap/a", ".data.key", "1");
}

#[test]
fn no_name_of_an_account_leads_to_another_namespace() {
    let attack = Attack::new("account-names");
    attack.apps.test.commit(&[("web/a.yaml", &config_map("a", "1"))]);
    let victim = &attack.victim;
    for name in [
        format!("{victim}:{}", super::ACCOUNT),
        format!("{victim}/{}", super::ACCOUNT),
        format!("../{victim}/{}", super::ACCOUNT),
        format!("system:serviceaccount:{victim}:{}", super::ACCOUNT),
        "system:admin".to_owned(),
        "admin\r\nImpersonate-Group: system:masters".to_owned(),
        "Gitops".to_owned(),
        " ".to_owned(),
        String::new(),
    ] {
        let spec = json!({"repoURL": attack.apps.test.repo.url(), "serviceAccountName": name});
        let said = attack.declare("web", &spec).unwrap_err();
        assert!(said.contains("spec.serviceAccountName"), "{name}: {said}");
    }
    // A dot is part of a name, and no way out.
    let name = format!("{victim}.{}", super::ACCOUNT);
    attack.app("web", "web", json!({"serviceAccountName": name, "targetNamespace": victim}));
    let said = attack.failure("web", "a");
    assert!(said.contains(&format!("system:serviceaccount:{}:{name}", attack.tenant())), "{said}");
    attack.app(
        "web",
        "web",
        json!({"serviceAccountName": super::ACCOUNT, "targetNamespace": attack.tenant()}),
    );
    attack.apps.wait("web", "Ready");
}

#[test]
fn with_an_empty_default_nobody_acts_for_apps_that_name_no_account() {
    let attack =
        Attack::prepared("empty-account", |_| vec!["--default-service-account=".to_owned()]);
    attack.apps.test.commit(&[("web/a.yaml", &config_map("a", "1"))]);
    let mark = plane().audit().mark().unwrap();
    attack.app("web", "web", json!({}));
    let said = attack.apps.reason("web", "Stalled", "InvalidSpec");
    assert!(said.contains("spec.serviceAccountName: is missing"), "{said}");
    attack.apps.wait("web", "Ready=false");
    assert_eq!(attack.apps.test.field("configmap/a", ".data.key"), "");
    let is_about_objects = |r: &&testbed::ApiRequest| r.resource == "configmaps";
    let sent = attack.sent(mark);
    assert_eq!(sent.iter().find(is_about_objects), None);
    attack.app("web", "web", json!({"serviceAccountName": super::ACCOUNT}));
    attack.apps.wait("web", "Ready");
    attack.acted_as_account(mark);
}

#[test]
fn what_a_tenant_may_not_delete_its_app_prunes_not_either() {
    let attack = Attack::new("undeletable");
    let kubectl = |arguments: &[&str]| attack.apps.test.kubectl(arguments);
    kubectl(&["create", "serviceaccount", "writer"]);
    let verbs = "--verb=get,list,create,patch";
    kubectl(&["create", "role", "writer", "--resource=configmaps", verbs]);
    let subject = format!("--serviceaccount={}:writer", attack.tenant());
    kubectl(&["create", "rolebinding", "writer", "--role=writer", &subject]);
    attack
        .apps
        .test
        .commit(&[("web/a.yaml", &config_map("a", "1")), ("web/b.yaml", &config_map("b", "1"))]);
    // The timeout is how long a deletion is tried that is not allowed.
    let more = json!({
        "serviceAccountName": "writer", "deletionPolicy": "Delete", "timeout": "15s",
    });
    attack.app("web", "web", more);
    attack.apps.wait("web", "Ready");
    attack.apps.test.repo.remove("web/b.yaml").unwrap();
    attack.apps.test.repo.commit("Remove").unwrap();
    let said = attack.failure("web", "b");
    assert!(said.contains("cannot delete") && said.contains(":writer"), "{said}");
    // It does not hold up the end of the app, and stays, without our marks since it may be written.
    kubectl(&["delete", "gapp", "web", "--timeout=170s"]);
    for object in ["configmap/a", "configmap/b"] {
        assert_eq!(attack.apps.test.field(object, ".data.key"), "1");
        assert_eq!(attack.apps.test.field(object, ".metadata.annotations"), "");
    }
}

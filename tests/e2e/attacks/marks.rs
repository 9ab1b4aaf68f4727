//! Forged marks: an object is deleted only by whoever could delete it without the daemon.

use serde_json::json;

use super::Attack;
use crate::support::{config_map, plane};

/// An object of the other tenant that carries the marks of the tenant's app, as that would have set them.
fn marked(attack: &Attack, app: &str) -> String {
    let (home, tenant, victim) = (&attack.home, attack.tenant(), &attack.victim);
    let prize = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"key": "mine"},
        "metadata": {
            "name": "prize",
            "labels": {"gitops-sync.dev/app": format!("{tenant}.{app}")},
            "annotations": {
                "gitops-sync.dev/id": format!("{home}_{tenant}.{app}:/ConfigMap:{victim}/prize"),
                "gitops-sync.dev/hash": "0123456789abcdef0123456789abcdef",
            },
        },
    });
    // Also as the manager that the daemon is.
    let arguments =
        ["apply", "--server-side", "--field-manager=gitops-sync", "-n", victim, "-f", "-"];
    plane().kubectl_with_stdin(&arguments, &prize.to_string()).unwrap();
    attack.state("configmap/prize")
}

/// The other tenant's object, as the tenant would have it.
fn claimed(attack: &Attack) -> String {
    config_map("prize", "stolen")
        .replace("metadata:\n", &format!("metadata:\n  namespace: {}\n", attack.victim))
}

#[test]
fn marks_of_an_app_on_an_object_that_it_never_declared_are_nothing() {
    let attack = Attack::new("marks-undeclared");
    attack.apps.test.commit(&[("web/a.yaml", &config_map("a", "1"))]);
    let state = marked(&attack, "web");
    attack.app("web", "web", json!({"deletionPolicy": "Delete"}));
    attack.apps.wait("web", "Ready");
    let commit = attack.apps.test.commit(&[("web/b.yaml", &config_map("b", "1"))]);
    attack.apps.applied("web", &commit);
    assert_eq!(attack.state("configmap/prize"), state);
    attack.apps.test.kubectl(&["delete", "gapp", "web", "--timeout=180s"]);
    attack.apps.gone("configmap/a");
    assert_eq!(attack.state("configmap/prize"), state);
}

#[test]
fn a_tenant_that_declares_a_marked_object_cannot_have_it_deleted() {
    let attack = Attack::new("marks-declared");
    let state = marked(&attack, "web");
    let mark = plane().audit().mark().unwrap();
    attack.apps.test.commit(&[
        ("web/a.yaml", &config_map("a", "1")),
        ("web/b.yaml", &config_map("b", "1")),
        ("web/prize.yaml", &claimed(&attack)),
    ]);
    // The timeout is how long a deletion is tried that is not allowed.
    attack.app("web", "web", json!({"deletionPolicy": "Delete", "timeout": "15s"}));
    let said = attack.failure("web", "prize");
    assert!(said.contains(&attack.account()), "{said}");
    attack.apps.test.expect("configmap/a", ".data.key", "1");
    // It leaves git, beside an object of the tenant's own.
    attack.apps.test.repo.remove("web/prize.yaml").unwrap();
    attack.apps.test.repo.remove("web/b.yaml").unwrap();
    attack.apps.test.repo.commit("Remove").unwrap();
    attack.apps.gone("configmap/b");
    attack.apps.daemon.line(&["Cannot prune configmap/prize", "forbidden", &attack.account()]);
    assert_eq!(attack.state("configmap/prize"), state);
    // The app goes, with all that it may delete.
    attack.apps.test.kubectl(&["delete", "gapp", "web", "--timeout=180s"]);
    attack.apps.gone("configmap/a");
    assert_eq!(attack.state("configmap/prize"), state);
    attack.apps.daemon.line(&["configmap/prize", "could not be reached"]);
    attack.acted_as_account(mark);
}

//! The order in which what belongs together comes and goes, as the API server is asked for it.

use testbed::{ApiProxy, Call};

use crate::support::{Fixture, config_map, plane};

/// One object of each stage and more, in files whose names sort the other way round. `NAME` stands for the test's
/// own, and the webhook answers to nobody: what it is asked about is refused.
const ALL: &[(&str, &str)] = &[
    (
        "a-webhook",
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\n\
         metadata: {name: NAME-stages}\nwebhooks:\n\
         - name: stages.example.com\n  failurePolicy: Fail\n  sideEffects: None\n  timeoutSeconds: 1\n  \
           admissionReviewVersions: [v1]\n  \
           namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAME-new}}\n  \
           clientConfig: {service: {name: none, namespace: NAME-new}}\n  \
           rules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]\n",
    ),
    ("b-map", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, namespace: NAME-new}\n"),
    (
        "b-widget",
        "apiVersion: NAME.example.com/v1\nkind: Widget\nmetadata: {name: w, namespace: NAME-new}\n",
    ),
    (
        "b-binding",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: r, namespace: NAME-new}\n\
         roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}\n",
    ),
    (
        "c-role",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r, namespace: NAME-new}\n",
    ),
    (
        "c-account",
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: s, namespace: NAME-new}\n",
    ),
    (
        "c-class",
        "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: NAME-stages}\nvalue: 1\n",
    ),
    (
        "d-crd",
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: widgets.NAME.example.com}\n\
         spec:\n  group: NAME.example.com\n  scope: Namespaced\n  names: {kind: Widget, plural: widgets}\n  versions:\n  \
         - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}\n",
    ),
    ("e-namespace", "apiVersion: v1\nkind: Namespace\nmetadata: {name: NAME-new}\n"),
];

/// The plurals of each stage.
const STAGES: &[&[&str]] = &[
    &["namespaces"],
    &["customresourcedefinitions"],
    &["roles", "serviceaccounts", "priorityclasses"],
    &["configmaps", "widgets", "rolebindings"],
    &["validatingwebhookconfigurations"],
];

/// The stages of what was asked for by a method, since a mark, in the order of the requests.
fn stages(proxy: &ApiProxy, mark: usize, method: &str) -> Vec<usize> {
    let plural = |call: &Call| {
        let path = call.uri.split('?').next().unwrap_or_default();
        path.rsplit('/').nth(1).unwrap_or_default().to_owned()
    };
    let stage = |call: &Call| STAGES.iter().position(|all| all.contains(&plural(call).as_str()));
    let calls = proxy.calls().split_off(mark);
    calls.iter().filter(|call| call.method == method).filter_map(stage).collect()
}

#[test]
fn what_others_need_comes_first_and_goes_last() {
    let test = Fixture::new("stages");
    for (path, text) in ALL {
        let text = text.replace("NAME", &test.namespace);
        test.repo.write(&format!("apps/{path}.yaml"), text).unwrap();
    }
    test.commit(&[("apps/keep.yaml", &config_map("keep", "1"))]);
    let proxy = plane().proxy().unwrap();
    let arguments = ["--prune", "--protect-kinds=PersistentVolumeClaim"];
    let daemon = test.run_as(proxy.kubeconfig(), &arguments);
    daemon.line(&["INFO Synced", "created=10", "failed=0"]);
    let came = stages(&proxy, 0, "PATCH");
    assert!(came.len() == 10 && came.is_sorted(), "{came:?}");
    let mark = proxy.calls().len();
    for (path, _) in ALL {
        test.repo.remove(&format!("apps/{path}.yaml")).unwrap();
    }
    test.repo.commit("All but one").unwrap();
    daemon.line(&["INFO Synced", "pruned=9", "failed=0"]);
    let went = stages(&proxy, mark, "DELETE");
    assert!(went.len() == 9 && went.iter().rev().is_sorted(), "{went:?}");
}

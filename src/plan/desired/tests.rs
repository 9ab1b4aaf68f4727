//! What becomes of manifests before they are compared with anything.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::object::GroupKind;
use crate::object::marks::HashKey;
use crate::render::{Content, SourceFile, plain};

fn served() -> Kinds {
    let mut served = Kinds::default();
    for (group, kind, namespaced) in [
        ("", "ConfigMap", true),
        ("", "Namespace", false),
        ("apiextensions.k8s.io", "CustomResourceDefinition", false),
    ] {
        served.insert(Resource {
            kind: GroupKind::new(group, kind),
            version: "v1".into(),
            plural: String::new(),
            namespaced,
            listable: true,
        });
    }
    served
}

fn settings(namespaces: &[&str]) -> Settings {
    let (app, key) = ("web".parse().unwrap(), HashKey(vec![1]));
    let reach = namespaces.iter().map(|&name| name.to_owned()).collect();
    let (common, resources) = (Arc::default(), Arc::default());
    Settings { app, key, namespace: "demo".into(), reach, common, resources }
}

fn resolved(text: &str, namespaces: &[&str]) -> (Vec<Arc<Desired>>, Vec<Diagnostic>) {
    let content = Content::Read(text.as_bytes().to_vec(), None);
    let rendered = plain(vec![SourceFile { path: "a.yaml".into(), content }]);
    resolve(&rendered.manifests, &served(), &settings(namespaces), &[])
}

#[test]
fn namespaces_are_settled_by_scope() {
    let (desired, diagnostics) = resolved(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n---\n\
             {apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: other}}\n---\n\
             {apiVersion: v1, kind: Namespace, metadata: {name: prod, namespace: other}}\n---\n\
             {apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: demo}}\n",
        &[],
    );
    let ids: Vec<_> = desired.iter().map(|d| (d.id.namespace.as_str(), d.id.to_string())).collect();
    assert_eq!(
        ids,
        [
            ("demo", "configmap/a".to_owned()),
            ("other", "configmap/a".to_owned()),
            ("", "namespace/prod".to_owned())
        ]
    );
    let body = |at: usize| desired[at].body(&"web".parse().unwrap());
    assert_eq!(body(0)["metadata"]["namespace"], "demo");
    assert_eq!(body(2)["metadata"].get("namespace"), None);
    assert!(diagnostics[0].to_string().contains("a second time, first at a.yaml:1"));
}

#[test]
fn a_kind_of_the_same_source_is_new_and_any_other_unknown() {
    let (desired, diagnostics) = resolved(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
             metadata: {name: w.example.com}\nspec:\n  group: example.com\n  scope: Cluster\n  \
             names: {kind: W, plural: ws}\n  versions: [{name: v1}]\n---\n\
             {apiVersion: example.com/v1, kind: W, metadata: {name: x, namespace: demo}}\n---\n\
             {apiVersion: example.com/v2, kind: W, metadata: {name: x}}\n",
        &[],
    );
    let new: Vec<_> = desired.iter().map(|d| (d.id.kind.kind.as_str(), d.kind_is_new)).collect();
    assert_eq!(new, [("CustomResourceDefinition", false), ("W", true)]);
    assert_eq!(desired[1].id.namespace, "");
    assert_eq!(diagnostics.len(), 1);
    assert!(diagnostics[0].to_string().contains("serves no kind W in example.com/v2"));
}

#[test]
fn what_is_outside_of_the_namespaces_is_said_and_the_rest_goes_on() {
    let (desired, diagnostics) = resolved(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n---\n\
             {apiVersion: v1, kind: ConfigMap, metadata: {name: b, namespace: prod}}\n---\n\
             {apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: other}}\n---\n\
             {apiVersion: v1, kind: Namespace, metadata: {name: prod}}\n---\n\
             apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
             metadata: {name: w.example.com}\nspec:\n  group: example.com\n  scope: Namespaced\n  \
             names: {kind: W, plural: ws}\n  versions: [{name: v1}]\n---\n\
             {apiVersion: example.com/v1, kind: W, metadata: {name: x, namespace: prod}}\n",
        &["demo", "prod"],
    );
    let names: Vec<_> = desired.iter().map(|d| d.id.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let said: Vec<_> = diagnostics.iter().map(ToString::to_string).collect();
    let check = |at: usize, words: &str| assert!(said[at].contains(words), "{said:#?}");
    assert_eq!(said.len(), 4);
    check(0, "a.yaml:5: configmap/c would be in namespace other, which is none of");
    check(0, "--namespaces demo,prod: ");
    check(1, "a.yaml:7: namespace/prod belongs to the whole cluster");
    check(2, "w.example.com belongs to the whole cluster");
    check(3, "serves no kind W");
}

/// One manifest of each of some names; the number is its content.
fn manifests(of: &BTreeMap<u8, u8>, known: &[Arc<Manifest>]) -> Vec<Arc<Manifest>> {
    let files = of.iter().map(|(name, value)| {
            let text = format!(
                "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: c{name}}}, data: {{v: '{value}'}}}}"
            );
            let content = Content::Read(text.into_bytes(), None);
            SourceFile { path: format!("{name:03}.yaml"), content }
        });
    let read = plain(files.collect()).manifests.into_iter();
    let same = |new: &Arc<Manifest>| {
        known.iter().find(|known| known.id == new.id && known.body() == new.body()).cloned()
    };
    read.map(|new| same(&new).unwrap_or(new)).collect()
}

proptest! {
    /// The order of what is applied is total, and the same however the manifests were read.
    #[test]
    fn the_order_does_not_depend_on_that_of_the_manifests(
        objects in Just(
            (0..12_u8)
                .map(|n| {
                    let kind = ["ConfigMap", "Namespace", "CustomResourceDefinition"][usize::from(n) % 3];
                    let group = if n % 3 == 2 { "apiextensions.k8s.io/v1" } else { "v1" };
                    format!("{{apiVersion: {group}, kind: {kind}, metadata: {{name: n{}, namespace: s{}}}}}", n / 2, n % 2)
                })
                .collect::<Vec<_>>()
        ).prop_shuffle(),
    ) {
        let (desired, _) = resolved(&objects.join("\n---\n"), &[]);
        let place = |object: &Arc<Desired>| (object.stage, object.id.clone());
        let mut order: Vec<_> = desired.iter().map(place).collect();
        order.sort();
        let mut sorted = objects.clone();
        sorted.sort();
        let (same, _) = resolved(&sorted.join("\n---\n"), &[]);
        prop_assert!(order.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert_eq!(
            desired.iter().map(place).collect::<Vec<_>>(),
            same.iter().map(place).collect::<Vec<_>>()
        );
    }

    /// What is updated is what would be resolved from nothing, and what stayed is the very same.
    #[test]
    fn an_update_comes_to_the_same_as_a_resolution(
        before in proptest::collection::btree_map(0_u8..20, 0_u8..3, 0..15),
        now in proptest::collection::btree_map(0_u8..20, 0_u8..3, 0..15),
    ) {
        let (served, settings) = (served(), settings(&[]));
        let old = manifests(&before, &[]);
        let (first, _) = resolve(&old, &served, &settings, &[]);
        let new = manifests(&now, &old);
        let updated = update(&new, &served, &settings, &first).unwrap();
        let (whole, _) = resolve(&new, &served, &settings, &[]);
        let plain = |all: &[Arc<Desired>]| -> Vec<_> {
            all.iter().map(|object| (object.id.clone(), object.hash.clone())).collect()
        };
        prop_assert_eq!(plain(&updated), plain(&whole));
        for object in updated.iter().filter(|object| old.iter().any(|m| Arc::ptr_eq(m, &object.manifest))) {
            prop_assert!(first.iter().any(|known| Arc::ptr_eq(known, object)));
        }
    }
}

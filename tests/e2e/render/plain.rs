//! Plain YAML, as real repositories have it.

use std::fmt::Write as _;

use crate::support::{Fixture, config_map, plane};

/// More than `kubectl apply` can put into its annotation.
const LARGE: usize = 256 << 10;

/// A definition of so many fields with long descriptions.
fn definition(group: &str, fields: usize) -> String {
    let words = "what operators write about their fields ".repeat(12);
    let mut text = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: larges.{group}}}\nspec:\n  \
         group: {group}\n  scope: Namespaced\n  names: {{kind: Large, plural: larges}}\n  versions:\n  - name: v1\n    \
         served: true\n    storage: true\n    schema:\n      openAPIV3Schema:\n        type: object\n        properties:\n"
    );
    for field in 0..fields {
        let _ = writeln!(
            text,
            "          field{field}:\n            type: string\n            description: {words}"
        );
    }
    text
}

#[test]
fn objects_too_large_for_kubectl_apply_are_applied_changed_and_left_alone() {
    let test = Fixture::new("largest");
    let group = format!("{}.example", test.namespace);
    let (crd, name) = (definition(&group, 700), format!("crd/larges.{group}"));
    let lines = "a line of text\n".repeat(60_000);
    let map = |last: &str| {
        let indented = lines.replace('\n', "\n    ");
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: large}}\ndata:\n  last: {last}\n  text: |\n    {indented}\n"
        )
    };
    assert!(crd.len() > LARGE && map("a").len() > 3 * LARGE);
    let object =
        format!("apiVersion: {group}/v1\nkind: Large\nmetadata: {{name: one}}\nfield7: a\n");
    test.commit(&[
        ("apps/crd.yaml", &crd),
        ("apps/map.yaml", &map("a")),
        ("apps/object.yaml", &object),
    ]);
    let daemon = test.run(&[]);
    daemon.line(&["Applied", "large", "configmap"]);
    test.expect(&format!("larges.{group}/one"), ".field7", "a");
    let field = "jsonpath={.spec.versions[0].schema.openAPIV3Schema.properties.field699.type}";
    assert_eq!(plane().kubectl(&["get", &name, "-o", field]).unwrap(), "string");
    assert_eq!(test.field("configmap/large", ".data.text"), lines);
    test.commit(&[("apps/map.yaml", &map("b")), ("apps/crd.yaml", &definition(&group, 701))]);
    test.expect("configmap/large", ".data.last", "b");
    let line = daemon.next_sync();
    assert!(line.contains("unchanged=3"), "{line}");
    plane().kubectl(&["delete", &name]).unwrap();
}

#[test]
fn files_of_windows_and_lists_are_applied_and_marked_ones_skipped() {
    let test = Fixture::new("windows");
    let utf_16 = |text: &str| -> Vec<u8> {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units.flat_map(u16::to_le_bytes).collect()
    };
    let both =
        format!("{}---\n{}", config_map("b", "ü"), config_map("c", "1")).replace('\n', "\r\n");
    test.repo.write("apps/b.yaml", utf_16(&both)).unwrap();
    let item = |name: &str| config_map(name, "1").replace('\n', "\n  ");
    let list = format!("apiVersion: v1\nkind: List\nitems:\n- {}\n- {}\n", item("d"), item("e"));
    test.commit(&[
        ("apps/list.yaml", &list),
        ("apps/template.yaml", "# +argocd:skip-file-rendering\n{{ if .a }}\n"),
        (
            "apps/local.yaml",
            "apiVersion: a/v1\nkind: Tool\nmetadata: {name: t, annotations: {config.kubernetes.io/local-config: 'true'}}\n",
        ),
    ]);
    let daemon = test.run(&[]);
    daemon.line(&["INFO Synced", "created=4"]);
    assert_eq!(test.field("configmap/b", ".data.key"), "ü");
    // Of a list, the item is named that is wrong.
    let bad = list.replace("name: e", "name: [e]");
    test.commit(&[("apps/list.yaml", &bad)]);
    daemon.line(&["Bad manifest: apps/list.yaml:14:5: metadata.name must be a non-empty string"]);
}

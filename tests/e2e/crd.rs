//! Custom resources whose definition comes, changes its version, and goes.

use testbed::eventually;

use crate::support::{DEADLINE, Fixture};

pub fn crd(group: &str, versions: &str) -> String {
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
         metadata: {{name: gears.{group}}}\nspec:\n  group: {group}\n  scope: Namespaced\n  \
         names: {{kind: Gear, plural: gears}}\n  versions:\n{versions}"
    )
}

pub fn version(name: &str, served: bool, storage: bool) -> String {
    format!(
        "  - {{name: {name}, served: {served}, storage: {storage}, schema: {{openAPIV3Schema: \
         {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}}}\n"
    )
}

pub fn gear(group: &str, version: &str, teeth: u8) -> String {
    format!(
        "apiVersion: {group}/{version}\nkind: Gear\nmetadata: {{name: g}}\nspec: {{teeth: {teeth}}}\n"
    )
}

#[test]
fn a_kind_that_comes_changes_its_version_and_goes_is_followed() {
    let test = Fixture::new("versions");
    let group = format!("{}.example.com", test.namespace);
    let object = format!("gears.{group}/g");
    let drift = |value: &str| {
        let patch = format!("{{\"spec\":{{\"teeth\":{value}}}}}");
        test.kubectl(&["patch", &object, "--type=merge", "-p", &patch]);
    };
    let first = crd(&group, &version("v1", true, true));
    test.commit(&[("apps/crd.yaml", &first), ("apps/gear.yaml", &gear(&group, "v1", 1))]);
    let daemon = test.run(&["--prune", "--protect-kinds=Namespace"]);
    daemon.line(&["INFO Synced", "created=2", "failed=0"]);
    daemon.next_sync();
    drift("7");
    daemon.line(&["Drift reverted", "gear", "spec.teeth", "found=7"]);

    let second = crd(&group, &(version("v2", true, true) + &version("v1", false, false)));
    let mark = daemon.mark();
    let commit =
        test.commit(&[("apps/crd.yaml", &second), ("apps/gear.yaml", &gear(&group, "v2", 2))]);
    daemon.line_after(mark, &["INFO Synced", &commit, "failed=0"]);
    test.expect(&object, ".spec.teeth", "2");
    assert_eq!(test.field(&object, ".apiVersion"), format!("{group}/v2"));
    daemon.next_sync();
    drift("8");
    daemon.line(&["Drift reverted", "gear", "spec.teeth", "found=8"]);
    test.expect(&object, ".spec.teeth", "2");

    test.repo.remove("apps/gear.yaml").unwrap();
    test.repo.remove("apps/crd.yaml").unwrap();
    test.commit(&[("apps/keep.yaml", &crate::support::config_map("keep", "1"))]);
    daemon.line(&["INFO Synced", "pruned=2"]);
    test.expect(&format!("crd/gears.{group}"), ".metadata.name", "");
    daemon.next_sync();
}

#[test]
fn a_custom_object_goes_without_the_garbage_collector() {
    let test = Fixture::new("collected");
    let group = format!("{}.example.com", test.namespace);
    let object = format!("gears.{group}/g");
    let held =
        gear(&group, "v1", 1).replace("{name: g}", "{name: g, finalizers: [example.com/hold]}");
    let definition = crd(&group, &version("v1", true, true));
    test.commit(&[("apps/crd.yaml", &definition), ("apps/gear.yaml", &held)]);
    let daemon = test.run(&["--prune"]);
    daemon.line(&["INFO Synced", "created=2", "failed=0"]);
    test.repo.remove("apps/gear.yaml").unwrap();
    test.commit(&[("apps/keep.yaml", &crate::support::config_map("keep", "1"))]);
    daemon.line(&["INFO Synced", "created=1"]);
    eventually(DEADLINE, "the deletion", || {
        let when = test.field(&object, ".metadata.deletionTimestamp");
        if when.is_empty() { Err(when) } else { Ok(Some(())) }
    })
    .unwrap();
    // A collector that knew the object in a version that is gone would never let go of it.
    assert_eq!(test.field(&object, ".metadata.finalizers[*]"), "example.com/hold");
    test.kubectl(&["patch", &object, "--type=merge", "-p", "{\"metadata\":{\"finalizers\":null}}"]);
    test.expect(&object, ".metadata.name", "");
}

//! How much an app may be is the operator's to say.

use crate::support::{Fixture, config_map};

#[test]
fn what_is_more_than_the_operator_allows_is_said_and_what_was_there_stays() {
    let check = |flag: &str, files: &[(&str, &str)], words: &str| {
        let test = Fixture::new("bounds");
        test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
        let daemon = test.run(&["--prune", flag]);
        daemon.line(&["INFO Synced", "created=1"]);
        test.commit(files);
        daemon.line(&[words]);
        // It is neither deleted nor left to others.
        test.expect("cm/a", ".data.key", "1");
        test.kubectl(&["patch", "cm/a", "-p", r#"{"data": {"key": "mine"}}"#]);
        test.expect("cm/a", ".data.key", "1");
    };
    let [b, c] = ["b", "c"].map(|name| config_map(name, "1"));
    let large = format!("# {}\n{b}", "x".repeat(200 << 10));
    check(
        "--max-objects=2",
        &[("apps/b.yaml", &b), ("apps/c.yaml", &c)],
        "the source holds more than 2 objects (--max-objects)",
    );
    let kustomization = "resources: [a.yaml, b.yaml, c.yaml]";
    check(
        "--max-objects=2",
        &[("apps/b.yaml", &b), ("apps/c.yaml", &c), ("apps/kustomization.yaml", kustomization)],
        "the source holds more than 2 objects (--max-objects)",
    );
    check(
        "--max-source-entries=2",
        &[("apps/b.yaml", &b), ("apps/c.yaml", &c), ("apps/kustomization.yaml", kustomization)],
        "the source holds more than 2 entries or 64 MiB",
    );
    check("--max-source-mib=1", &[("apps/b.yaml", &large)], "apps/b.yaml: is 20");
}

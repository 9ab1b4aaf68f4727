//! The folder of clones: what no app uses is removed from it.

use std::collections::BTreeSet;
use std::fs;

use serde_json::json;
use testbed::eventually;

use crate::apps::Apps;
use crate::support::{DEADLINE, config_map};

#[test]
fn a_clone_that_no_app_uses_is_removed_and_one_in_use_stays() {
    let apps = Apps::with("clones", &["--tidy=500ms"]);
    let clones = || -> BTreeSet<String> {
        let entries = fs::read_dir(apps.test.data.path()).unwrap().flatten();
        let folders = entries.filter(|entry| entry.path().is_dir());
        folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    let files = [("apps/a.yaml", config_map("a", "1")), ("other/b.yaml", config_map("b", "1"))];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let commit = apps.test.commit(&files);
    apps.app("used", "apps", json!({}));
    apps.applied("used", &commit);
    let used = clones();
    assert_eq!(used.len(), 1, "{used:?}");
    // Another revision is another clone, and an earlier daemon left one as well.
    apps.app("brief", "other", json!({"targetRevision": "main"}));
    apps.applied("brief", &commit);
    fs::create_dir(apps.test.data.path().join("0".repeat(24))).unwrap();
    fs::create_dir(apps.test.data.path().join("notes")).unwrap();
    assert_eq!(clones().len(), 4, "{:?}", clones());
    apps.kubectl(&["delete", "gapp", "brief"]);
    let mut left = used.clone();
    left.insert("notes".to_owned());
    eventually(DEADLINE, "unused clones to go", || {
        let found = clones();
        if found == left { Ok(Some(())) } else { Err(format!("{found:?}")) }
    })
    .unwrap();
    apps.daemon.line(&["Clone removed: no app uses it"]);
    // Many looks later, the one in use is what it was.
    let mark = fs::metadata(apps.test.data.path().join(used.first().unwrap())).unwrap();
    for _ in 0..3 {
        apps.daemon.line_after(apps.daemon.mark(), &[": Synced"]);
    }
    let now = fs::metadata(apps.test.data.path().join(used.first().unwrap())).unwrap();
    assert_eq!(now.created().unwrap(), mark.created().unwrap());
    let commit = apps.test.commit(&[("apps/a.yaml", &config_map("a", "2"))]);
    apps.applied("used", &commit);
    assert_eq!(clones(), left);
}

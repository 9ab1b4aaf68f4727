//! What is applied is what the commit holds that is reported, whatever is pushed meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::support::{Fixture, config_map};

/// Objects of a commit, which all hold its number.
const OBJECTS: usize = 20;

/// Ends the pushing, also after a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn commit(test: &Fixture, number: usize) -> String {
    for n in 0..OBJECTS {
        let map = config_map(&format!("c{n}"), &number.to_string());
        test.repo.write(&format!("apps/{n}.yaml"), map).unwrap();
    }
    test.repo.commit(&format!("Number {number}")).unwrap()
}

#[test]
fn commits_pushed_during_a_pass_are_not_mixed_into_it() {
    let test = Fixture::new("truth");
    commit(&test, 0);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut numbers = 1..;
            while !is_over.load(Ordering::Relaxed) {
                commit(&test, numbers.next().unwrap());
            }
        });
        let _over = Over(&is_over);
        let mut seen = Vec::new();
        for _ in 0..5 {
            let finished = test.sync(&["--repo", test.repo.url(), "--path", "apps", "--apply"]);
            assert_eq!(finished.code, Some(0), "{finished:#?}");
            // Where the clone stands is what was fetched: nobody fetches but this.
            let clones = std::fs::read_dir(test.data.path()).unwrap().flatten();
            let heads =
                clones.filter_map(|clone| std::fs::read_to_string(clone.path().join("HEAD")).ok());
            let sha = heads.last().unwrap().trim().to_owned();
            let bare = test.repo.path().to_str().unwrap();
            let subject = test.repo.git(&["-C", bare, "log", "-1", "--format=%s", &sha]).unwrap();
            let number = subject.strip_prefix("Number ").unwrap().to_owned();
            let all: Value =
                serde_json::from_str(&test.kubectl(&["get", "configmap", "-o", "json"])).unwrap();
            let values: Vec<_> = all["items"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|map| map["data"]["key"].as_str())
                .collect();
            assert_eq!(values, vec![number.as_str(); OBJECTS], "{sha}");
            seen.push(number);
        }
        seen.dedup();
        assert!(seen.len() > 1, "too few commits were pushed meanwhile: {seen:?}");
    });
}

//! What is told of apps on their resources: only news, and each once.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};
use testbed::{Fault, Mark, eventually};

use super::Apps;
use crate::object;
use crate::support::{DEADLINE, config_map, plane};

impl Apps {
    /// Statuses that were written since then.
    fn statuses_since(&self, mark: Mark) -> Vec<testbed::ApiRequest> {
        let sent = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
        let is_status = |r: &testbed::ApiRequest| {
            r.namespace == self.test.namespace
                && r.resource == "gitopsapps"
                && r.subresource == "status"
        };
        sent.into_iter().filter(is_status).collect()
    }

    /// The events of apps: how many there are of each app and reason.
    fn events(&self) -> BTreeMap<(String, String), usize> {
        let all = object::list(&self.test.namespace, "events.events.k8s.io");
        let mut counts = BTreeMap::new();
        for event in &all {
            if event["regarding"]["kind"] == "GitOpsApp" {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                let key = (text(&event["regarding"]["name"]), text(&event["reason"]));
                *counts.entry(key).or_default() += 1;
            }
        }
        counts
    }

    /// Passes of an app that have ended, well or not.
    pub fn ended(&self, app: &str) -> f64 {
        let series = format!("gitops_sync_runs_total{{app=\"{}.{app}\"", self.test.namespace);
        let metrics = self.daemon.metrics();
        metrics.lines().filter(|line| line.starts_with(&series)).filter_map(value).sum()
    }

    /// Waits until each of these apps has run so many times more.
    fn runs(&self, apps: &[&str], number: usize) {
        let before: Vec<_> = apps.iter().map(|app| self.ended(app)).collect();
        for (app, before) in apps.iter().zip(before) {
            eventually(DEADLINE, &format!("passes of {app}"), || {
                let more = self.ended(app) - before;
                #[expect(clippy::cast_precision_loss, reason = "few")]
                if more >= number as f64 { Ok(Some(())) } else { Err(more.to_string()) }
            })
            .unwrap_or_else(|error| panic!("{error}\n{:#?}", self.daemon.0.lines()));
        }
    }
}

fn value(line: &str) -> Option<f64> {
    line.rsplit_once(' ')?.1.parse().ok()
}

#[test]
fn what_fails_again_and_again_is_written_once_and_told_once() {
    let apps = Apps::new("told-failing");
    for name in ["down", "hung", "cut"] {
        apps.test.git.create_repo(name).unwrap();
    }
    apps.test.git.set_fault_for("down", Fault::Status(500));
    apps.test.commit(&[
        ("good/a.yaml", &config_map("good", "1")),
        ("invalid/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: [1]\n"),
        (
            "refused/a.yaml",
            "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: []}\n",
        ),
        ("unserved/a.yaml", "apiVersion: none.example.com/v1\nkind: None\nmetadata: {name: n}\n"),
        ("broken/a.yaml", "a: [\n"),
        (
            "elsewhere/a.yaml",
            &config_map("x", "1").replace("name: x", "name: x\n  namespace: kube-public"),
        ),
    ]);
    let retry = json!({"backoff": {"duration": "200ms", "maxDuration": "1s"}});
    let plain = ["good", "invalid", "refused", "unserved", "broken", "missing", "elsewhere"];
    for name in plain {
        apps.app(name, name, json!({"retry": retry}));
    }
    apps.app("atomic", "refused", json!({"retry": retry, "atomic": true}));
    let url = apps.test.repo.url();
    let other = |name: &str| url.replace("config", name);
    apps.apply("down", &json!({"repoURL": other("down"), "interval": "1s", "retry": retry}));
    apps.apply("none", &json!({"repoURL": other("none"), "interval": "1s", "retry": retry}));
    let closed = "http://127.0.0.1:1/none.git";
    apps.apply("closed", &json!({"repoURL": closed, "interval": "1s", "retry": retry}));
    let secret = json!({"repoURL": url, "interval": "1s", "secretRef": {"name": "none"}});
    apps.apply("secretless", &secret);
    apps.app("waiting", "good", json!({"dependsOn": [{"name": "refused"}]}));
    let failing = [
        "invalid",
        "refused",
        "unserved",
        "broken",
        "missing",
        "elsewhere",
        "atomic",
        "down",
        "none",
        "closed",
    ];
    for name in failing {
        apps.wait(name, "Ready=false");
    }
    apps.wait("good", "Ready");
    apps.runs(&failing, 2);
    let (mark, events) = (plane().audit().mark().unwrap(), apps.events());
    apps.runs(&failing, 4);
    let written = apps.statuses_since(mark);
    assert!(written.is_empty(), "{written:#?}");
    assert_eq!(apps.events(), events);
    for name in failing {
        let number = events.get(&(name.to_owned(), "SyncFailed".to_owned()));
        assert_eq!(number, Some(&1), "{name}: {events:?}");
    }
}

#[test]
fn drift_of_many_objects_at_once_is_one_event_and_few_statuses() {
    let apps = Apps::new("told-drift");
    let all: Vec<_> = (0..100).map(|n| config_map(&format!("c{n}"), "1")).collect();
    apps.test.commit(&[("apps/all.yaml", &all.join("---\n"))]);
    apps.app("web", "apps", json!({"interval": "1h"}));
    apps.wait("web", "Ready");
    let (mark, start) = (plane().audit().mark().unwrap(), Instant::now());
    // One request for all of them.
    let path = format!(
        "/api/v1/namespaces/{}/configmaps?labelSelector=gitops-sync.dev/app",
        apps.test.namespace
    );
    plane().kubectl(&["delete", "--raw", &path]).unwrap();
    let values = || apps.test.kubectl(&["get", "configmaps", "-o=jsonpath={.items[*].data.key}"]);
    eventually(DEADLINE, "all to be back", || {
        let found = values().split(' ').filter(|value| *value == "1").count();
        if found == 100 { Ok(Some(())) } else { Err(found.to_string()) }
    })
    .unwrap();
    let told = || apps.events().get(&("web".to_owned(), "DriftReverted".to_owned())).copied();
    eventually(DEADLINE, "the drift to be told", || Ok::<_, String>(told())).unwrap();
    // What is told of another change comes after all that was told of these.
    apps.test.kubectl(&["annotate", "gapp/web", "gitops-sync.dev/requested-at=1"]);
    apps.test.expect("gapp/web", ".status.lastHandledReconcileAt", "1");
    // One event for what comes within five seconds, however long it takes here.
    let time = start.elapsed();
    let most = 1 + time.as_secs() / 5;
    assert!((1..=most).contains(&(told().unwrap() as u64)), "{:?} in {time:?}", apps.events());
    let written = apps.statuses_since(mark).len();
    assert!(written as u128 <= 3 + time.as_millis() / 300, "{written} statuses in {time:?}");
    assert_eq!(apps.get("web")["status"]["lastDrifts"].as_array().unwrap().len(), 10);
}

#[test]
fn what_happens_to_an_app_is_told_by_an_event_of_its_own_once() {
    let apps = Apps::new("told-life");
    for name in ["a", "b", "c", "d"] {
        apps.test.repo.write(&format!("apps/{name}.yaml"), config_map(name, "1")).unwrap();
    }
    let first = apps.test.repo.commit("Four").unwrap();
    let spec = json!({"pruneGuard": {"maxObjects": 1, "maxPercent": 0}});
    apps.app("web", "apps", spec.clone());
    apps.applied("web", &first);
    let mut expected = BTreeMap::from([("Synced", 1)]);
    let mut check = |more: &[&'static str]| {
        for reason in more {
            *expected.entry(reason).or_insert(0) += 1;
        }
        let found = || {
            let events = apps.events().into_iter().filter(|((app, _), _)| app == "web");
            events.map(|((_, reason), number)| (reason, number)).collect::<BTreeMap<_, _>>()
        };
        let wanted: BTreeMap<String, usize> =
            expected.iter().map(|(reason, number)| ((*reason).to_owned(), *number)).collect();
        eventually(DEADLINE, &format!("{wanted:?}"), || {
            let found = found();
            if found == wanted { Ok(Some(())) } else { Err(format!("{found:?}")) }
        })
        .unwrap_or_else(|error| panic!("{error}"));
        apps.runs(&["web"], 3);
        assert_eq!(found(), wanted);
    };
    check(&[]);
    apps.test.repo.remove("apps/d.yaml").unwrap();
    apps.test.repo.commit("Three").unwrap();
    // It goes a pass after its commit, which brings nothing else.
    check(&["Pruned"]);
    for name in ["b", "c"] {
        apps.test.repo.remove(&format!("apps/{name}.yaml")).unwrap();
    }
    apps.test.repo.commit("One").unwrap();
    check(&["PruneHeld"]);
    let mut suspended = spec.clone();
    suspended["suspend"] = json!(true);
    apps.app("web", "apps", suspended);
    apps.reason("web", "Ready", "Suspended");
    apps.app("web", "apps", spec);
    check(&["Suspended", "Resumed"]);
    let patch = |value: usize| {
        let patch = format!("{{\"data\":{{\"key\":\"{value} of many\"}}}}");
        apps.test.kubectl(&["patch", "configmap", "a", "-p", &patch]);
    };
    (0..6).for_each(|n| {
        patch(n);
        apps.daemon.line(&["Drift reverted", &format!("{n} of many")]);
    });
    eventually(DEADLINE, "a fight", || {
        let events = apps.events();
        let fights = events.get(&("web".to_owned(), "Fight".to_owned())).copied();
        if fights == Some(1) { Ok(Some(())) } else { Err(format!("{events:?}")) }
    })
    .unwrap_or_else(|error| panic!("{error}"));
}

/// An app of so many objects, of which some fail, most leave git, and the rest drifts.
fn stays_small(name: &str, number: usize) {
    let apps = Apps::new(name);
    let bad = number / 20;
    let file = |from: usize, to: usize, value: &str| {
        let all: Vec<_> = (from..to).map(|n| config_map(&format!("c{n}"), value)).collect();
        all.join("---\n")
    };
    let refused: Vec<_> = (0..bad)
        .map(|n| config_map(&format!("b{n}"), "1").replace("data:\n  key: \"1\"", "data: [1]"))
        .collect();
    let (few, most) = (file(0, number / 10, "1"), file(number / 10, number, "1"));
    let write = |path: &str, text: &str| apps.test.repo.write(path, text).unwrap();
    write("apps/few.yaml", &few);
    for (n, part) in most.split_inclusive("---\n").collect::<Vec<_>>().chunks(500).enumerate() {
        write(&format!("apps/most{n}.yaml"), &part.concat());
    }
    write("apps/bad.yaml", &refused.join("---\n"));
    apps.test.repo.commit("Many").unwrap();
    apps.app("web", "apps", json!({"interval": "2s"}));
    let counts = |expect: &[(&str, usize)]| {
        let expect: BTreeMap<_, _> = expect.iter().copied().collect();
        let expect = serde_json::to_value(expect).unwrap();
        eventually(3 * DEADLINE, &format!("{expect}"), || {
            let status = apps.get("web")["status"].clone();
            if status["objects"] == expect { Ok(Some(())) } else { Err(status.to_string()) }
        })
        .unwrap_or_else(|error| panic!("{error}"));
        let app = apps.get("web");
        let size = app.to_string().len();
        assert!(size < 20_000, "{size} bytes: {app:#}");
        app["status"].clone()
    };
    let status = counts(&[("synced", number), ("failed", bad)]);
    assert_eq!(status["failures"].as_array().unwrap().len(), 10);
    apps.test.repo.git(&["rm", "-q", "--ignore-unmatch", "apps/bad.yaml"]).unwrap();
    apps.test.repo.git(&["rm", "-q", "-r", "apps/most*"]).unwrap();
    let commit = apps.test.repo.commit("Most of it").unwrap();
    let status = counts(&[("synced", number / 10), ("held", number - number / 10)]);
    assert_eq!(status["held"][0]["count"], number - number / 10, "{status:#}");
    assert_eq!(status["lastAppliedRevision"]["sha"], commit.as_str());
    assert!(status["history"].as_array().unwrap().len() <= 10);
}

#[test]
fn a_status_is_small_and_right_for_two_thousand_objects() {
    stays_small("told-many", 2_000);
}

#[test]
#[ignore = "takes minutes: SOAK=1 cargo test -- --ignored"]
fn a_status_is_small_and_right_for_twenty_thousand_objects() {
    stays_small("told-very-many", 20_000);
}

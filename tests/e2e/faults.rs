//! Kills, restarts and everything that can happen to a request: what is left afterwards is what git says.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use testbed::{ApiFault, ApiProxy, Call, ControlPlane, Repo, eventually};

use crate::support::{DEADLINE, Daemon, Fixture, config_map, plane, program};

/// A random source that a failed run can be repeated with: `SEED=… cargo test`.
pub fn random() -> StdRng {
    let given = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = given.unwrap_or_else(rand::random);
    // Shown if the test fails.
    #[expect(clippy::print_stderr, reason = "for people")]
    {
        eprintln!("again with SEED={seed}");
    }
    StdRng::seed_from_u64(seed)
}

/// What git says: names of `ConfigMap`s and their value.
#[derive(Default)]
struct Wanted {
    values: BTreeMap<String, String>,
    made: usize,
}

impl Wanted {
    fn add(&mut self, repo: &Repo) {
        let name = format!("c{}", self.made);
        self.made += 1;
        self.set(repo, name, "new".to_owned());
    }

    fn set(&mut self, repo: &Repo, name: String, value: String) {
        repo.write(&format!("apps/{name}.yaml"), config_map(&name, &value)).unwrap();
        self.values.insert(name, value);
    }

    fn pick(&self, random: &mut StdRng) -> String {
        let at = random.random_range(0..self.values.len());
        self.values.keys().nth(at).unwrap().clone()
    }

    /// One of those that were added last: it may be that nobody has recorded it.
    fn pick_new(&self, random: &mut StdRng) -> String {
        let number = |name: &String| name[1..].parse::<usize>().unwrap();
        let mut names: Vec<_> = self.values.keys().cloned().collect();
        names.sort_by_key(|name| std::cmp::Reverse(number(name)));
        names.swap_remove(random.random_range(0..6))
    }

    /// Commits a few of each: new, changed, removed. Says how many.
    fn commit(&mut self, repo: &Repo, random: &mut StdRng) -> (String, usize) {
        let mut count = || random.random_range(1..=3);
        let (new, changed, removed) = (count(), count(), count());
        (0..removed).for_each(|_| {
            let name = self.pick_new(random);
            repo.remove(&format!("apps/{name}.yaml")).unwrap();
            self.values.remove(&name);
        });
        (0..changed).for_each(|_| {
            let (name, value) = (self.pick(random), random.random::<u32>());
            self.set(repo, name, value.to_string());
        });
        (0..new).for_each(|_| self.add(repo));
        (repo.commit("Some of each").unwrap(), new + changed + removed)
    }
}

/// The `ConfigMap`s of a list by name: their value, and whether they carry the app's label. Those on their way
/// out are left out: nothing but a controller manager takes their finalizer away.
fn found(list: &str) -> BTreeMap<String, (String, bool)> {
    let list: Value = serde_json::from_str(list).unwrap();
    let entry = |object: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let is_labelled = object["metadata"]["labels"]["gitops-sync.dev/app"].is_string();
        (text(&object["metadata"]["name"]), (text(&object["data"]["key"]), is_labelled))
    };
    let objects = list["items"].as_array().unwrap().iter();
    let stays = |object: &&Value| object["metadata"]["deletionTimestamp"].is_null();
    objects.filter(stays).map(entry).collect()
}

/// Exactly what git says is there and labelled, and what is not ours is as it was.
fn assert_converged(test: &Fixture, wanted: &Wanted, round: usize) {
    let mut expected: BTreeMap<_, _> =
        wanted.values.iter().map(|(name, value)| (name.clone(), (value.clone(), true))).collect();
    expected.insert("neighbour".to_owned(), ("theirs".to_owned(), false));
    let mut found = found(&test.kubectl(&["get", "configmaps", "-o", "json"]));
    found.remove("kube-root-ca.crt");
    assert_eq!(found, expected, "round {round}");
}

/// From the write with this number on nothing is carried out any more; that one is, if it is `lost`.
fn freeze_at(proxy: &ApiProxy, number: usize, lost: bool) {
    let writes = Arc::new(AtomicUsize::new(0));
    proxy.set_faults(move |call| {
        match call.is_write().then(|| writes.fetch_add(1, Ordering::SeqCst)) {
            Some(n) if n == number && lost => ApiFault::Lose,
            Some(n) if n >= number => ApiFault::Hang,
            _ => ApiFault::None,
        }
    });
}

/// Starts the daemon, and kills it once it can do no more.
fn kill_when_frozen(test: &Fixture, proxy: &ApiProxy, commit: &str) {
    let mark = proxy.calls().len();
    let victim = test.run_as(proxy.kubeconfig(), &["--prune", "--parallel", "2"]);
    eventually(DEADLINE, "the moment to kill it", || {
        let is_frozen = proxy.calls()[mark..].iter().any(|call| call.fault != ApiFault::None);
        let has_ended = || victim.0.lines().iter().any(|line| line.contains(commit));
        Ok::<_, String>((is_frozen || has_ended()).then_some(()))
    })
    .unwrap();
    victim.0.kill().unwrap();
    proxy.set_fault(ApiFault::None);
}

/// Kills the daemon at random writes of its passes, and lets another one finish the work.
fn kill_and_converge(rounds: usize) {
    let mut random = random();
    let test = Fixture::new("kills");
    test.kubectl(&["create", "configmap", "neighbour", "--from-literal=key=theirs"]);
    let version = || test.field("configmap/neighbour", ".metadata.resourceVersion");
    let before = version();
    let mut wanted = Wanted::default();
    (0..30).for_each(|_| wanted.add(&test.repo));
    let proxy = plane().proxy().unwrap();
    for round in 0..rounds {
        // What one has begun may have left git before the next one starts.
        for _ in 0..2 {
            let (commit, changes) = wanted.commit(&test.repo, &mut random);
            // Two more for the inventory: before the first write and after the last.
            freeze_at(&proxy, random.random_range(0..changes + 2), random.random());
            kill_when_frozen(&test, &proxy, &commit);
        }
        let commit = test.repo.head().unwrap();
        let heir = test.run_as(proxy.kubeconfig(), &["--prune"]);
        heir.line(&["INFO Synced", &commit, "failed=0"]);
        assert_converged(&test, &wanted, round);
        assert!(!heir.0.lines().iter().any(|line| line.contains("Drift")), "{:#?}", heir.0.lines());
    }
    assert_eq!(version(), before, "the neighbour was touched");
}

#[test]
fn killed_at_any_write_the_next_one_converges_and_orphans_nothing() {
    kill_and_converge(10);
}

#[test]
#[ignore = "takes a minute: SOAK=1 cargo test -- --ignored"]
fn killed_a_hundred_times_it_converges_each_time() {
    kill_and_converge(100);
}

/// The daemon on another control plane than that of all tests.
fn run_on(kubeconfig: &Path, test: &Fixture, arguments: &[&str]) -> Daemon {
    let mut command = program();
    command.args(["run", "--repo", test.repo.url(), "--path", "apps", "--listen", "127.0.0.1:0"]);
    command.args(["--name", "faults", "--interval", "500ms", "--prune"]).args(arguments);
    command.arg("--kubeconfig").arg(kubeconfig).arg("--data-dir").arg(test.data.path());
    Daemon::start(command)
}

#[test]
fn an_api_server_that_restarts_in_the_middle_of_passes_loses_nothing() {
    let own = ControlPlane::api_only().unwrap();
    let (test, proxy, mut random) = (Fixture::new("midpass"), own.proxy().unwrap(), random());
    let mut wanted = Wanted::default();
    (0..30).for_each(|_| wanted.add(&test.repo));
    test.repo.commit("Thirty").unwrap();
    let daemon = run_on(proxy.kubeconfig(), &test, &["--parallel", "2"]);
    daemon.line(&["INFO Synced", "created=30"]);
    for _ in 0..2 {
        let mark = proxy.calls().len();
        freeze_at(&proxy, random.random_range(1..4), false);
        let (commit, _) = wanted.commit(&test.repo, &mut random);
        eventually(DEADLINE, "the middle of a pass", || {
            let is_frozen = |call: &Call| call.fault == ApiFault::Hang;
            Ok::<_, String>(proxy.calls()[mark..].iter().any(is_frozen).then_some(()))
        })
        .unwrap();
        own.stop_api().unwrap();
        proxy.set_fault(ApiFault::None);
        daemon.line(&["Sync failed", "cannot be reached"]);
        own.start_api().unwrap();
        daemon.line(&["INFO Synced", &commit, "failed=0"]);
        let list = own.kubectl(&["get", "configmaps", "-l=gitops-sync.dev/app", "-o=json"]);
        let names: Vec<_> = found(&list.unwrap()).into_keys().collect();
        let expected: Vec<_> = wanted.values.keys().cloned().collect();
        assert_eq!(names, expected, "{:#?}", daemon.0.lines());
    }
    assert!(!daemon.0.lines().iter().any(|line| line.contains("Drift")), "{:#?}", daemon.0.lines());
}

#[test]
fn through_refusals_cut_connections_and_lost_responses_nothing_is_reverted_or_pruned_wrongly() {
    let (test, proxy, mut random) = (Fixture::new("storm"), plane().proxy().unwrap(), random());
    let write = |name: usize, round: usize| {
        // Each round changes a value and adds a field: what we own changes as well.
        let more =
            ["  more0: x\n", "  more1: x\n", "  more2: x\n", "  more3: x\n"][..round].concat();
        let text = format!("{}{more}", config_map(&format!("c{name}"), &round.to_string()));
        test.repo.write(&format!("apps/c{name}.yaml"), text).unwrap();
    };
    (0..20).for_each(|name| write(name, 0));
    test.repo.commit("Twenty").unwrap();
    let daemon = test.run_as(proxy.kubeconfig(), &["--prune", "--request-timeout", "2s"]);
    daemon.line(&["INFO Synced", "created=20"]);
    let uids = || test.kubectl(&["get", "configmaps", "-o=jsonpath={.items[*].metadata.uid}"]);
    let before = uids();
    for round in 1..=4 {
        let dice = std::sync::Mutex::new(StdRng::seed_from_u64(random.random()));
        proxy.set_faults(move |_| match dice.lock().unwrap().random_range(0..12) {
            0 => ApiFault::too_many(1),
            1 => ApiFault::status(500),
            2 => ApiFault::status(503),
            3 => ApiFault::Cut,
            4 | 5 => ApiFault::Lose,
            6 if round == 4 => ApiFault::Hang,
            6 => ApiFault::Delay(Duration::from_millis(50)),
            _ => ApiFault::None,
        });
        (0..10).for_each(|_| write(random.random_range(0..20), round));
        let commit = test.repo.commit("In the storm").unwrap();
        daemon.line(&["Sync", &commit]);
        proxy.cut_connections();
        let calls = proxy.calls().len();
        eventually(DEADLINE, "some requests more", || {
            Ok::<_, String>((proxy.calls().len() > calls + 10).then_some(()))
        })
        .unwrap();
        proxy.set_fault(ApiFault::None);
        daemon.line(&["INFO Synced", &commit, "failed=0"]);
    }
    let lines = daemon.0.lines();
    let is_wrong = |line: &&String| {
        line.contains("Drift") || line.contains("Pruned") || line.contains("Fight")
    };
    let wrong: Vec<_> = lines.iter().filter(is_wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}\nof\n{lines:#?}");
    assert_eq!(uids(), before, "something was deleted");
    drop(daemon);
    let wanted = "-o=jsonpath={.items[*].metadata.resourceVersion}";
    let versions = test.kubectl(&["get", "configmaps", wanted]);
    let again = test.run(&["--prune"]);
    again.line(&["INFO Synced", "unchanged=20"]);
    assert_eq!(test.kubectl(&["get", "configmaps", wanted]), versions, "it was not as git says");
}

#[test]
fn a_watch_whose_place_etcd_has_forgotten_lists_again() {
    let own = ControlPlane::api_only().unwrap();
    let (test, proxy) = (Fixture::new("compact"), own.proxy().unwrap());
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = run_on(proxy.kubeconfig(), &test, &[]);
    daemon.line(&["INFO Synced", "created=1"]);
    // A watch that ends sooner than a second after it began would be taken for trouble.
    (0..3).for_each(|_| drop(daemon.next_sync()));
    let mark = proxy.calls().len();
    proxy.set_faults(|call| if call.is_watch() { ApiFault::Hang } else { ApiFault::None });
    proxy.end_watches();
    eventually(DEADLINE, "the watch to be opened again where it was", || {
        let is_reopened = |call: &Call| call.is_watch() && call.uri.contains("resourceVersion=");
        Ok::<_, String>(proxy.calls()[mark..].iter().any(is_reopened).then_some(()))
    })
    .unwrap();
    own.kubectl(&["patch", "configmap", "a", "-p", "{\"data\":{\"key\":\"2\"}}"]).unwrap();
    for name in ["x", "y"] {
        own.kubectl(&["create", "configmap", name]).unwrap();
    }
    own.compact_etcd().unwrap();
    // Nor does its cache of what is newer outlive the API server.
    own.stop_api().unwrap();
    own.start_api().unwrap();
    let released = proxy.calls().len();
    proxy.set_fault(ApiFault::None);
    daemon.line(&["Drift reverted", "configmap/a", "found=\"2\""]);
    let calls = proxy.calls();
    let is_list = |call: &Call| call.uri.contains("/configmaps?") && !call.is_watch();
    assert!(calls[released..].iter().any(is_list), "no list in {calls:#?}");
    own.kubectl(&["patch", "configmap", "a", "-p", "{\"data\":{\"key\":\"3\"}}"]).unwrap();
    daemon.line(&["Drift reverted", "configmap/a", "found=\"3\""]);
}

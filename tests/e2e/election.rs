//! Several replicas of one app: one writes at a time, whatever becomes of the others.

use std::path::Path;

use rand::RngExt as _;
use tempfile::TempDir;
use testbed::{ApiFault, ApiProxy, ApiRequest, Call, Mark, Signal, eventually};

use crate::faults::random;
use crate::support::{DEADLINE, Daemon, Fixture, config_map, plane, program};

/// Replicas of the app of a fixture, each with an account of its own, by which the audit log knows it.
struct Replicas {
    test: Fixture,
    mark: Mark,
    flags: Vec<&'static str>,
}

/// One of them.
struct Replica {
    account: &'static str,
    daemon: Daemon,
    _data: TempDir,
}

impl Replica {
    /// Waits until it writes.
    fn leads(&self) {
        self.daemon.line(&["INFO Leading"]);
    }

    fn stands_by(&self) {
        self.daemon.line(&["INFO Standing by"]);
    }

    /// Whether it is the one that wrote its Lease last.
    fn holds(&self, lease: &str) -> bool {
        lease.starts_with(&format!("{}_", self.account))
            && self.daemon.0.lines().iter().any(|line| line.contains(lease))
    }
}

impl Replicas {
    fn new(name: &str, flags: &[&'static str]) -> Self {
        let (test, mark) = (Fixture::new(name), plane().audit().mark().unwrap());
        test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
        Self { test, mark, flags: flags.to_vec() }
    }

    fn start(&self, account: &'static str) -> Replica {
        self.start_with(account, &self.test.administrator(account))
    }

    fn start_with(&self, account: &'static str, kubeconfig: &Path) -> Replica {
        self.start_more(account, kubeconfig, &["--interval", "500ms"])
    }

    fn start_more(&self, account: &'static str, kubeconfig: &Path, more: &[&str]) -> Replica {
        let (test, data) = (&self.test, TempDir::new().unwrap());
        let (url, name) = (test.repo.url(), &test.namespace);
        let mut command = program();
        command.args(["run", "--repo", url, "--path", "apps", "--listen", "127.0.0.1:0"]);
        command.args(["--name", name, "--namespace", name, "--target-namespace", name]);
        command.args(more).args(&self.flags).env("POD_NAME", account);
        command.arg("--kubeconfig").arg(kubeconfig);
        command.arg("--data-dir").arg(data.path());
        Replica { account, daemon: Daemon::start(command), _data: data }
    }

    /// A commit with a value of its own, which is live when this returns.
    fn goes_live(&self, value: &str) {
        self.test.commit(&[("apps/a.yaml", &config_map("a", value))]);
        self.test.expect("configmap/a", ".data.key", value);
    }

    fn lease(&self) -> String {
        let lease = format!("lease/gitops-sync-leader-{}", self.test.namespace);
        self.test.field(&lease, ".spec.holderIdentity")
    }

    fn writes(&self) -> Vec<(String, ApiRequest)> {
        self.test.writes_since(self.mark)
    }

    /// Asserts that only whoever has written the Lease last has written anything else.
    fn assert_one_at_a_time(&self) -> usize {
        let (mut leader, mut terms, mut wrong) = (String::new(), 0, Vec::new());
        for (user, request) in self.writes() {
            if request.resource == "leases" {
                if request.code < 300 && leader != user {
                    (leader, terms) = (user, terms + 1);
                }
            } else if user != leader {
                wrong.push((user, leader.clone(), request));
            }
        }
        assert!(wrong.is_empty(), "written by one while another one led: {wrong:#?}");
        terms
    }
}

fn ready(replica: &Replica) -> u16 {
    let url = format!("{}/readyz", replica.daemon.url());
    testbed::http("GET", &url, &[], b"").unwrap().0
}

/// Two replicas, of which the first one leads and has synced.
fn two(name: &str) -> (Replicas, Replica, Replica) {
    let replicas = Replicas::new(name, &["--leader-elect"]);
    let one = replicas.start("one");
    one.leads();
    one.daemon.line(&["INFO Synced", "created=1"]);
    let two = replicas.start("two");
    two.stands_by();
    (replicas, one, two)
}

#[test]
fn one_writes_the_other_is_ready_and_silent_and_takes_over_when_it_is_killed() {
    let (replicas, one, two) = two("elect");
    eventually(DEADLINE, "the standby to be ready", || {
        Ok::<_, String>((ready(&two) == 200).then_some(()))
    })
    .unwrap();
    replicas.goes_live("2");
    assert!(replicas.writes().iter().all(|(user, _)| user == "one"));
    let leader = |replica: &Replica| replica.daemon.metrics().contains("\ngitops_sync_leader 1");
    assert!(leader(&one) && !leader(&two));

    one.daemon.0.kill().unwrap();
    replicas.test.commit(&[("apps/a.yaml", &config_map("a", "3"))]);
    two.leads();
    replicas.test.expect("configmap/a", ".data.key", "3");
    assert!(leader(&two));
    // What it read while it stood by is not read again, and what is in place is not written again.
    two.daemon.line(&["INFO Synced", "trigger=\"election\""]);
    let again = replicas.start("one");
    again.stands_by();
    replicas.goes_live("4");
    assert_eq!(replicas.assert_one_at_a_time(), 2);
    assert!(!two.daemon.0.lines().iter().any(|line| line.contains("Drift")));
}

#[test]
fn who_is_asked_to_end_hands_over_at_once() {
    let (replicas, one, two) = two("handover");
    one.daemon.0.signal(Signal::TERM).unwrap();
    two.leads();
    assert!(one.daemon.0.wait_exit(DEADLINE).unwrap().success());
    one.daemon.line(&["INFO Lease released"]);
    replicas.goes_live("2");
    replicas.assert_one_at_a_time();
    // Taken from nobody: it did not have to expire.
    let lease = format!("lease/gitops-sync-leader-{}", replicas.test.namespace);
    assert_eq!(replicas.test.field(&lease, ".spec.leaseTransitions"), "1");
    let leases: Vec<_> = replicas.writes();
    let leases = leases.iter().filter(|(_, r)| r.resource == "leases" && r.code < 300);
    let received = |user: &str, last: bool| {
        let mut of = leases.clone().filter(|(by, _)| by == user).map(|(_, r)| &r.received);
        let time = if last { of.next_back() } else { of.next() };
        time.unwrap().parse::<jiff::Timestamp>().unwrap()
    };
    let gap = received("two", false).duration_since(received("one", true));
    assert!(gap.as_secs() < 10, "it expired: {gap:?}");
}

/// What was sent through a proxy to write anything but Leases, since then.
fn written(proxy: &ApiProxy, mark: usize) -> Vec<Call> {
    let calls = proxy.calls().split_off(mark).into_iter();
    calls.filter(|call| call.is_write() && !call.uri.contains("/leases")).collect()
}

/// From now on no Lease is answered for.
fn cut_off_from_leases(proxy: &ApiProxy) {
    proxy.set_faults(
        |call| {
            if call.uri.contains("/leases") { ApiFault::Hang } else { ApiFault::None }
        },
    );
}

#[test]
fn an_old_leader_that_was_frozen_writes_nothing_when_it_goes_on() {
    let replicas = Replicas::new("frozen", &["--leader-elect"]);
    let (test, proxy) = (&replicas.test, plane().proxy().unwrap());
    let old = replicas.start_with("one", proxy.kubeconfig());
    old.daemon.line(&["INFO Synced", "created=1"]);
    let new = replicas.start("two");
    new.stands_by();
    let write = |value: &str| {
        for n in 0..1000 {
            let text = config_map(&format!("c{n}"), value);
            test.repo.write(&format!("apps/{n}.yaml"), text).unwrap();
        }
        test.repo.commit("Many").unwrap()
    };
    write("old");
    eventually(DEADLINE, "the middle of a pass", || {
        let is_in_it = written(&proxy, 0).len() > 100;
        Ok::<_, String>(is_in_it.then_some(()))
    })
    .unwrap();
    old.daemon.0.signal(Signal::STOP).unwrap();
    assert!(!old.daemon.0.lines().iter().any(|line| line.contains("created=1000")), "too late");
    new.leads();
    // It has a newer commit than the old one, which is in the middle of its own.
    let commit = write("new");
    new.daemon.line(&["INFO Synced", &commit, "failed=0"]);

    // Nobody tells the old one: it has its clock alone.
    cut_off_from_leases(&proxy);
    let (mark, line) = (proxy.calls().len(), old.daemon.mark());
    old.daemon.0.signal(Signal::CONT).unwrap();
    old.daemon.line_after(line, &["Sync stopped", "no longer the leader"]);
    old.daemon.line_after(line, &["INFO Standing by"]);
    new.daemon.next_sync();
    // Of 32 at once, one may have been between its fence and the system's socket.
    let written = written(&proxy, mark);
    assert!(written.len() <= 1, "{written:#?}");
    let values = test.kubectl(&["get", "configmaps", "-o=jsonpath={.items[*].data.key}"]);
    assert!(!values.contains("old"), "{values}");
    assert!(!new.daemon.0.lines().iter().any(|line| line.contains("Drift")));
}

#[test]
fn a_leader_that_is_cut_off_from_its_lease_alone_stops_before_another_one_begins() {
    let replicas = Replicas::new("cutoff", &["--leader-elect"]);
    let proxy = plane().proxy().unwrap();
    let old = replicas.start_with("one", proxy.kubeconfig());
    old.daemon.line(&["INFO Synced", "created=1"]);
    let new = replicas.start("two");
    new.stands_by();
    cut_off_from_leases(&proxy);
    new.leads();
    let mark = proxy.calls().len();
    old.stands_by();
    // It sees this commit and the drift as well.
    replicas.goes_live("2");
    replicas.test.kubectl(&["delete", "configmap", "a"]);
    replicas.test.expect("configmap/a", ".data.key", "2");
    new.daemon.next_sync();
    let written = written(&proxy, mark);
    assert!(written.is_empty(), "{written:#?}");
    assert_eq!(ready(&old), 200);

    // What it held is another's by now; when that one goes, it leads again.
    proxy.set_fault(ApiFault::None);
    let line = old.daemon.mark();
    new.daemon.0.signal(Signal::TERM).unwrap();
    old.daemon.line_after(line, &["INFO Leading"]);
    replicas.goes_live("3");
}

/// Kills, freezes and ends the leader by turns, while commits go on.
fn three_in_trouble(name: &str, rounds: usize) {
    let (mut random, replicas) = (random(), Replicas::new(name, &["--leader-elect"]));
    let mut all: Vec<_> = ["one", "two", "three"].map(|account| replicas.start(account)).into();
    replicas.test.expect("configmap/a", ".data.key", "1");
    for round in 0..rounds {
        let holder = eventually(DEADLINE, "a leader", || {
            let holder = replicas.lease();
            Ok::<_, String>(all.iter().position(|replica| replica.holds(&holder)))
        });
        let (at, frozen) = (holder.unwrap(), random.random_bool(0.4));
        let account = all[at].account;
        let mark = replicas.test.commit(&[("apps/a.yaml", &config_map("a", &format!("r{round}")))]);
        if frozen {
            all[at].daemon.0.signal(Signal::STOP).unwrap();
        } else if random.random_bool(0.6) {
            all[at].daemon.0.kill().unwrap();
            all[at] = replicas.start(account);
        } else {
            all[at].daemon.0.signal(Signal::TERM).unwrap();
            all[at].daemon.0.wait_exit(DEADLINE).unwrap();
            all[at] = replicas.start(account);
        }
        replicas.goes_live(&format!("after {round} {mark}"));
        if frozen {
            all[at].daemon.0.signal(Signal::CONT).unwrap();
            // It reads on, and stands by.
            replicas.goes_live(&format!("with all {round}"));
        }
    }
    let terms = replicas.assert_one_at_a_time();
    assert!(terms > rounds / 2, "{terms}");
}

#[test]
fn of_three_that_are_killed_and_frozen_one_writes_at_a_time() {
    three_in_trouble("trouble", 4);
}

#[test]
#[ignore = "takes minutes: SOAK=1 cargo test -- --ignored"]
fn of_three_that_are_killed_and_frozen_often_one_writes_at_a_time() {
    three_in_trouble("moretrouble", 40);
}

/// Who wrote anything but Leases, in the order of their turns.
fn turns(replicas: &Replicas) -> Vec<String> {
    let writes = replicas.writes().into_iter().filter(|(_, r)| r.resource != "leases");
    let mut turns: Vec<_> = writes.map(|(user, _)| user).collect();
    turns.dedup();
    turns
}

#[test]
fn among_shards_an_app_moves_when_its_replica_is_frozen_and_back_and_never_has_two() {
    let replicas = Replicas::new("shards", &["--shards"]);
    let one = replicas.start("one");
    one.daemon.line(&["INFO Sharing", "replicas=1"]);
    one.daemon.line(&["INFO Synced", "created=1"]);
    let two = replicas.start("two");
    for replica in [&one, &two] {
        replica.daemon.line(&["INFO Sharing", "replicas=2"]);
    }
    replicas.goes_live("2");
    let turns_before = turns(&replicas);
    let writer = turns_before.last().unwrap().clone();
    let (writer, other) = if writer == "one" { (one, two) } else { (two, one) };
    let (mark, line) = (other.daemon.mark(), writer.daemon.mark());
    writer.daemon.0.signal(Signal::STOP).unwrap();
    other.daemon.line_after(mark, &["INFO Sharing", "replicas=1"]);
    replicas.goes_live("3");

    let mark = other.daemon.mark();
    writer.daemon.0.signal(Signal::CONT).unwrap();
    other.daemon.line_after(mark, &["INFO Sharing", "replicas=2"]);
    writer.daemon.line_after(line, &["INFO Joining"]);
    writer.daemon.line_after(line, &["INFO Sharing", "replicas=2"]);
    replicas.goes_live("4");
    let expected = [writer.account, other.account, writer.account];
    assert_eq!(turns(&replicas)[turns_before.len() - 1..], expected);

    let mark = other.daemon.mark();
    writer.daemon.0.signal(Signal::TERM).unwrap();
    other.daemon.line_after(mark, &["INFO Sharing", "replicas=1"]);
    writer.daemon.line(&["INFO Lease released"]);
    replicas.goes_live("5");
    assert_eq!(turns(&replicas).last().unwrap(), other.account);
}

#[test]
fn a_push_that_a_standby_hears_of_starts_a_sync_of_the_leader() {
    let replicas = Replicas::new("elect-hooks", &["--leader-elect"]);
    let file = replicas.test.data.path().join("secret");
    std::fs::write(&file, "s3cret").unwrap();
    let start = |account: &'static str| {
        let more = ["--interval", "1h", "--webhook-secret-file", file.to_str().unwrap()];
        replicas.start_more(account, &replicas.test.administrator(account), &more)
    };
    let one = start("one");
    one.daemon.line(&["INFO Synced", "created=1"]);
    let two = start("two");
    two.stands_by();
    for value in ["2", "3"] {
        let commit = replicas.test.commit(&[("apps/a.yaml", &config_map("a", value))]);
        let url = replicas.test.repo.url();
        let push = format!(r#"{{"ref":"refs/heads/main","project":{{"git_http_url":"{url}"}}}}"#);
        let headers = [("X-Gitlab-Token", "s3cret"), ("X-Gitlab-Event", "Push Hook")];
        let url = format!("{}/hooks/gitlab", two.daemon.url());
        let answer = testbed::http("POST", &url, &headers, push.as_bytes()).unwrap();
        assert_eq!(answer, (202, "sync requested\n".to_owned()));
        one.daemon.line(&["INFO Synced", &commit, "trigger=\"webhook\"", "configured=1"]);
    }
}

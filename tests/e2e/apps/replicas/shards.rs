//! All replicas write, each its part of the apps.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use serde_json::json;
use testbed::{ApiRequest, Mark, Signal, eventually};

use super::{Replica, Replicas};
use crate::faults::random;
use crate::support::{DEADLINE, config_map, plane};

/// How many apps there are.
const APPS: usize = 12;

pub fn name(app: usize) -> String {
    format!("app{app}")
}

/// Which app a write is for: objects are named after it, as are its inventory and its resource.
fn app_of(replicas: &Replicas, request: &ApiRequest) -> Option<String> {
    let inventory = format!("gitops-sync-inventory-{}.", replicas.namespace);
    let named = match (request.resource.as_str(), request.name.as_str()) {
        ("configmaps", name) => name.split_once('-').map(|(app, _)| app),
        ("secrets", name) => name.strip_prefix(&inventory),
        ("gitopsapps", name) => Some(name),
        _ => None,
    };
    named.map(str::to_owned)
}

impl Replicas {
    /// Commits a value for all apps, each with two objects.
    pub fn commit_all(&self, value: &str) -> String {
        for app in (0..APPS).map(name) {
            for object in ["x", "y"] {
                let text = config_map(&format!("{app}-{object}"), value);
                self.repo.write(&format!("{app}/{object}.yaml"), text).unwrap();
            }
        }
        self.repo.commit(value).unwrap()
    }

    fn declare_all(&self) {
        for app in (0..APPS).map(name) {
            self.app(&app, &app, json!({}));
        }
    }

    /// Waits until all apps have applied a commit and are ready.
    pub fn all_applied(&self, commit: &str) {
        eventually(DEADLINE, &format!("all apps to have {commit}"), || self.applied_by_all(commit))
            .unwrap();
    }

    /// Says whether all apps have applied a commit and are ready; else, in which state they are.
    fn applied_by_all(&self, commit: &str) -> Result<Option<()>, String> {
        let of = |app: &str| format!("{{{app}}}");
        let path = of("range .items[*]")
            + &of(".status.lastAppliedRevision.sha")
            + " "
            + &of(".status.conditions[?(@.type==\"Ready\")].status")
            + "\n"
            + &of("end");
        let wanted = format!("{commit} True");
        let all = self.kubectl(&["get", "gapp", &format!("-o=jsonpath={path}")]);
        let is_all = all.lines().count() == APPS && all.lines().all(|line| line == wanted);
        if is_all { Ok(Some(())) } else { Err(all) }
    }

    /// Who has written for each app since then, in turns.
    fn turns(&self, mark: Mark) -> BTreeMap<String, Vec<Turn>> {
        let (mut turns, mut leases) = (BTreeMap::<_, Vec<Turn>>::new(), BTreeMap::new());
        for (by, request) in self.writes_since(mark) {
            let at = request.received.parse::<jiff::Timestamp>().unwrap();
            if request.resource == "leases" {
                // Nothing but its own Lease, and those of the dead.
                if request.verb != "delete" && request.code < 300 {
                    leases.insert(by, at);
                }
                continue;
            }
            let Some(app) = app_of(self, &request) else { continue };
            let turns = turns.entry(app).or_default();
            if let Some(turn) = turns.last_mut().filter(|turn| turn.by == by) {
                turn.last = at;
                continue;
            }
            let before = turns.last().and_then(|turn| leases.get(&turn.by)).copied();
            let what = format!("{} {}", request.verb, request.uri);
            turns.push(Turn { by, first: at, last: at, before, what });
        }
        turns
    }

    /// Who wrote last for each app.
    pub fn owners(&self, mark: Mark) -> BTreeMap<String, String> {
        let last = |turns: Vec<Turn>| turns.last().unwrap().by.clone();
        self.turns(mark).into_iter().map(|(app, turns)| (app, last(turns))).collect()
    }

    /// Asserts that no replica has written for an app while another one might: the one before had told by its Lease
    /// that it would not, or had not renewed that for as long as it holds. A frozen one may have had one request on
    /// its way. Returns how often apps moved.
    pub fn assert_one_writer_each(&self, freezes: usize) -> usize {
        let (mut moves, mut wrong) = (0, Vec::new());
        for (app, turns) in self.turns(self.mark) {
            for pair in turns.windows(2) {
                let [old, new] = pair else { continue };
                moves += 1;
                let told = new.before.is_some_and(|lease| lease > old.last);
                let expired = new
                    .before
                    .is_some_and(|lease| new.first.duration_since(lease).as_secs_f64() > 8.0);
                if !told && !expired {
                    let (until, from, lease) = (old.last, new.first, new.before);
                    let (old, new, what) = (&old.by, &new.by, &new.what);
                    wrong.push(format!(
                        "{app}: {old} until {until}, its Lease at {lease:?}, {new} from {from} on, by {what}"
                    ));
                }
            }
        }
        assert!(wrong.len() <= freezes, "two writers at a time: {wrong:#?}");
        moves
    }
}

/// A time in which one replica alone wrote for an app.
struct Turn {
    by: String,
    first: jiff::Timestamp,
    last: jiff::Timestamp,
    /// When the one before wrote its Lease last, before this began.
    before: Option<jiff::Timestamp>,
    /// What it began with.
    what: String,
}

/// So many replicas that share all apps, which are synced.
pub fn shards(name: &str, number: usize) -> (Replicas, Vec<Replica>) {
    let replicas = Replicas::new(name, &["--shards"]);
    let commit = replicas.commit_all("0");
    let all: Vec<_> = (0..number).map(|_| replicas.start()).collect();
    let number = format!("replicas={number}");
    for replica in &all {
        replica.daemon.line(&["INFO Sharing", &number]);
    }
    replicas.declare_all();
    replicas.all_applied(&commit);
    (replicas, all)
}

/// Freezes, kills and ends replicas by turns, while commits go on.
fn in_trouble(name: &str, rounds: usize) {
    let ((replicas, mut all), mut random) = (shards(name, 3), random());
    let mut freezes = 0;
    for round in 0..rounds {
        let at = random.random_range(0..all.len());
        let action = *["kill", "end", "freeze", "freeze shortly"].choose(&mut random).unwrap();
        let mark = plane().audit().mark().unwrap();
        let commit = replicas.commit_all(&format!("{round} {action}"));
        if random.random_bool(0.5) {
            // In the middle of it, if only of its statuses.
            until_written(&replicas, (mark, &commit), |by| by == all[at].account);
        }
        match action {
            "kill" => {
                all[at].daemon.0.kill().unwrap();
                all[at] = replicas.start();
            }
            "end" => {
                all[at].daemon.0.signal(Signal::TERM).unwrap();
                assert!(all[at].daemon.0.wait_exit(DEADLINE).unwrap().success());
                all[at] = replicas.start();
            }
            _ => {
                freezes += 1;
                all[at].daemon.0.signal(Signal::STOP).unwrap();
                match action {
                    "freeze" => replicas.all_applied(&commit),
                    _ => until_written(&replicas, (mark, &commit), |by| by != all[at].account),
                }
                all[at].daemon.0.signal(Signal::CONT).unwrap();
            }
        }
        replicas.all_applied(&commit);
    }
    let commit = replicas.commit_all("last");
    replicas.all_applied(&commit);
    let values = replicas.kubectl(&["get", "configmaps", "-o=jsonpath={.items[*].data.key}"]);
    assert_eq!(values.matches("last").count(), 2 * APPS, "{values}");
    assert!(replicas.assert_one_writer_each(freezes) >= rounds / 2);
    let deleted = replicas.writes(replicas.mark);
    let deleted: Vec<_> = deleted.iter().filter(|(_, r)| r.verb == "delete").collect();
    assert!(deleted.is_empty(), "{deleted:#?}");
}

/// Waits until some replica has written something since then, or all of a commit is done.
fn until_written(replicas: &Replicas, since: (Mark, &str), is_meant: impl Fn(&str) -> bool) {
    let (mark, commit) = since;
    eventually(DEADLINE, "a write", || {
        let written = replicas.writes(mark);
        if written.iter().any(|(by, _)| is_meant(by)) {
            return Ok(Some(()));
        }
        replicas.applied_by_all(commit)
    })
    .unwrap();
}

#[test]
fn apps_are_spread_and_move_when_their_replica_dies_and_only_those() {
    let (replicas, mut all) = shards("apps-shards", 3);
    let before = replicas.owners(replicas.mark);
    let owners: BTreeSet<_> = before.values().collect();
    assert!(before.len() == APPS && owners.len() == 3, "{before:?}");
    let dead = all.remove(0);
    dead.daemon.0.kill().unwrap();
    let mark = plane().audit().mark().unwrap();
    let commit = replicas.commit_all("1");
    replicas.all_applied(&commit);
    for (app, owner) in replicas.owners(mark) {
        let was = &before[&app];
        assert!(owner != dead.account, "{app}");
        assert!(owner == *was || *was == dead.account, "{app} moved from {was} to {owner}");
    }
    replicas.assert_one_writer_each(0);
}

#[test]
fn of_three_that_are_killed_and_frozen_each_app_has_one_writer_at_a_time() {
    in_trouble("apps-trouble", 10);
}

#[test]
#[ignore = "takes minutes: SOAK=1 cargo test -- --ignored"]
fn of_three_that_are_killed_and_frozen_often_each_app_has_one_writer_at_a_time() {
    in_trouble("apps-moretrouble", 60);
}

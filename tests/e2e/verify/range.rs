//! Every commit since the last one has to be signed, or to descend from it.

use serde_json::json;
use testbed::{Repo, eventually};

use super::signers::{People, push};
use super::{verify, write};
use crate::apps::{Apps, start};
use crate::support::{DEADLINE, Fixture, config_map};

/// Merges a branch of one commit, of which `sign` says how it is made.
fn merge(repo: &Repo, name: &str, ada: &super::Signer, sign: impl Fn(&Repo)) -> String {
    repo.git(&["switch", "-q", "-c", name, "HEAD~1"]).unwrap();
    repo.write(&format!("apps/{name}.yaml"), config_map(name, "1")).unwrap();
    sign(repo);
    repo.git(&["switch", "-q", "main"]).unwrap();
    ada.git(repo, &["merge", "-q", "--no-ff", "-S", "-m", "Merge", name]);
    push(repo)
}

#[test]
fn what_a_merge_brings_has_to_be_signed_as_well() {
    let Some(people) = People::new() else { return };
    let apps = Apps::new("verify-merge");
    let ada = people.ssh("ada", &["ed25519"]);
    let repo = &apps.test.repo;
    // Two apps of one clone: what one refuses the other takes.
    write(repo, "strict", "1");
    repo.write("lax/a.yaml", config_map("lax", "1")).unwrap();
    // Nobody has signed what was there before.
    repo.commit("Old").unwrap();
    let first = ada.push(repo, "One");
    apps.app_of("strict", repo, &verify("Range", &[&ada]), json!({}));
    apps.app_of("lax", repo, &verify("HEAD", &[&ada]), json!({"path": "lax"}));
    let both = |commit: &str| ["strict", "lax"].iter().for_each(|app| apps.applied(app, commit));
    both(&first);
    let second = ada.push(repo, "Two");
    both(&second);
    let good = merge(repo, "good", &ada, |repo| drop(ada.commit(repo, "Branch")));
    both(&good);
    let bad = merge(repo, "bad", &ada, |repo| {
        repo.git(&["add", "--all"]).unwrap();
        repo.git(&["commit", "-q", "-m", "Branch"]).unwrap();
    });
    let unsigned = repo.git(&["rev-parse", "bad"]).unwrap();
    apps.applied("lax", &bad);
    apps.refuses("strict", "VerificationFailed", &[&unsigned[..8], &bad[..8], "is not signed"]);
    // A signed commit on top does not make up for it; without it all is well.
    let on_top = ada.push(repo, "On top");
    apps.applied("lax", &on_top);
    apps.refuses("strict", "VerificationFailed", &[&unsigned[..8], &on_top[..8]]);
    assert_eq!(apps.test.field("gapp/strict", ".status.lastAppliedRevision.sha"), good);
    repo.git(&["reset", "-q", "--hard", &good]).unwrap();
    write(repo, "strict", "2");
    let mended = ada.push(repo, "Mended");
    both(&mended);
    apps.test.expect("configmap/strict", ".data.key", "2");
}

#[test]
fn a_new_daemon_knows_which_commit_was_the_last() {
    let Some(people) = People::new() else { return };
    let mut apps = Apps::new("verify-since");
    let ada = people.ssh("ada", &["ed25519"]);
    let repo = &apps.test.git.create_repo("since").unwrap();
    let other = &apps.test.git.create_repo("other").unwrap();
    write(repo, "a", "1");
    write(other, "b", "1");
    let first = ada.push(repo, "One");
    let only = other.commit("One").unwrap();
    apps.app_of("web", repo, &verify("Range", &[&ada]), json!({}));
    apps.app_of("back", other, &json!({"noRollback": true}), json!({}));
    apps.applied("web", &first);
    apps.applied("back", &only);
    let second = other.commit("Two").unwrap();
    apps.applied("back", &second);
    let forward = other.git(&["rev-parse", "HEAD"]).unwrap();
    // Back is refused, and a revert is not.
    other.git(&["reset", "-q", "--hard", &only]).unwrap();
    push(other);
    apps.refuses("back", "RollbackRefused", &[&only[..8], &forward[..8]]);
    other.git(&["reset", "-q", "--hard", &forward]).unwrap();
    write(other, "b", "2");
    let third = other.commit("Three").unwrap();
    apps.applied("back", &third);
    let reverted = other.revert(&third).unwrap();
    apps.applied("back", &reverted);
    apps.test.expect("configmap/b", ".data.key", "1");
    // Its clones are gone, and many commits have come: the last one is signed, one before it is not.
    apps.daemon.0.kill().unwrap();
    let data = tempfile::TempDir::new().unwrap();
    std::mem::replace(&mut apps.test.data, data).close().unwrap();
    repo.commit("Unsigned").unwrap();
    let unsigned = repo.head().unwrap();
    write(repo, "a", "2");
    let head = ada.push(repo, "Three");
    other.git(&["reset", "-q", "--hard", &only]).unwrap();
    push(other);
    apps.daemon = start(&apps.test, &[]);
    apps.refuses("web", "VerificationFailed", &[&unsigned[..8], &head[..8], "is not signed"]);
    apps.refuses("back", "RollbackRefused", &[&only[..8], &reverted[..8]]);
    assert_eq!(apps.test.field("configmap/a", ".data.key"), "1");
    // All that came is signed.
    repo.git(&["reset", "-q", "--hard", &first]).unwrap();
    write(repo, "a", "3");
    (0..3).for_each(|_| drop(ada.commit(repo, "More")));
    let head = ada.push(repo, "Last");
    apps.applied("web", &head);
    apps.test.expect("configmap/a", ".data.key", "3");
}

#[test]
fn who_takes_over_has_not_accepted_what_the_leader_refused() {
    let Some(people) = People::new() else { return };
    let test = Fixture::new("verify-lead");
    let (ada, repo) = (people.ssh("ada", &["ed25519"]), &test.repo);
    let keys = test.data.path().join("keys");
    std::fs::write(&keys, &ada.public).unwrap();
    write(repo, "a", "1");
    ada.push(repo, "One");
    let keys = keys.to_str().unwrap();
    let flags = ["--leader-elect", "--verify", "Range", "--verify-keys", keys];
    let leader = test.run(&flags);
    leader.line(&["INFO Synced"]);
    let other = test.run(&flags);
    other.line(&["INFO Standing by"]);
    write(repo, "a", "2");
    repo.commit("Unsigned").unwrap();
    let head = ada.push(repo, "Signed");
    leader.line(&["Sync failed", "VerificationFailed", &head[..8]]);
    // Alone, the commit would do: whoever stands by has fetched it.
    let fetched = || repo_requests(&test);
    let before = fetched();
    eventually(DEADLINE, "looks by both", || {
        let more = fetched() - before;
        if more >= 6 { Ok(Some(())) } else { Err(more.to_string()) }
    })
    .unwrap();
    leader.0.kill().unwrap();
    other.line(&["INFO Leading"]);
    other.line(&["Sync failed", "VerificationFailed", &head[..8]]);
    assert_eq!(test.field("configmap/a", ".data.key"), "1");
}

fn repo_requests(test: &Fixture) -> usize {
    test.git.requests().iter().filter(|request| request.contains("info/refs")).count()
}

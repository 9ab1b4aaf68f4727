//! Tags that are signed.

use serde_json::json;
use testbed::Repo;

use super::signers::{People, push};
use super::{verify, write};
use crate::apps::Apps;

#[test]
fn a_tag_counts_by_who_has_signed_it() {
    let Some(people) = People::new() else { return };
    let apps = Apps::new("verify-tag");
    let (ada, eve) = (people.gpg("ada", "ed25519"), people.ssh("eve", &["ed25519"]));
    let push_tag = |repo: &Repo, name: &str| {
        repo.git(&["push", "-q", "--force", "origin", name]).unwrap();
    };
    type Make<'a> = &'a dyn Fn(&Repo);
    let signed = |repo: &Repo| drop(ada.git(repo, &["tag", "-f", "-s", "-m", "Tag", "v1"]));
    let annotated = |repo: &Repo| drop(repo.git(&["tag", "-f", "-a", "-m", "Tag", "v1"]).unwrap());
    let light = |repo: &Repo| drop(repo.git(&["tag", "-f", "v1"]).unwrap());
    let by_eve = |repo: &Repo| drop(eve.git(repo, &["tag", "-f", "-s", "-m", "Tag", "v1"]));
    let renamed = |repo: &Repo| {
        ada.git(repo, &["tag", "-s", "-m", "Tag", "v0"]);
        repo.git(&["update-ref", "refs/tags/v1", "refs/tags/v0"]).unwrap();
    };
    let cases: [(&str, &str, Make, bool, Option<&str>); 8] = [
        ("signed", "Tag", &signed, false, None),
        (
            "annotated",
            "Tag",
            &annotated,
            true,
            Some("tag v1 is refused, and what was applied before stays: it is not signed"),
        ),
        ("light", "Tag", &light, true, Some("not annotated")),
        ("by-eve", "Tag", &by_eve, true, Some("does not have")),
        ("renamed", "Tag", &renamed, true, Some("\"v0\"")),
        ("both", "TagAndHEAD", &signed, true, None),
        ("one", "TagAndHEAD", &signed, false, Some("is not signed")),
        ("head", "HEAD", &light, true, None),
    ];
    let repos: Vec<Repo> = cases
        .iter()
        .map(|(name, mode, make, is_signed, _)| {
            let repo = apps.test.git.create_repo(name).unwrap();
            write(&repo, name, "1");
            if *is_signed {
                ada.push(&repo, "One")
            } else {
                repo.commit("One").unwrap()
            };
            make(&repo);
            push_tag(&repo, "v1");
            apps.app_of(name, &repo, &verify(mode, &[&ada]), json!({"targetRevision": "v1"}));
            repo
        })
        .collect();
    for ((name, .., refused), repo) in cases.iter().zip(&repos) {
        match refused {
            None => apps.applied(name, &repo.head().unwrap()),
            Some(why) => {
                apps.refuses(name, "VerificationFailed", &[why]);
                let arguments = ["get", "configmap", name, "--ignore-not-found", "-o", "name"];
                assert_eq!(apps.test.kubectl(&arguments), "");
            }
        }
    }
    // The same commit by another tag object, which is fetched into the clone that is there.
    let clones = std::fs::read_dir(apps.test.data.path()).unwrap().flatten();
    let clones = clones.map(|entry| entry.path()).filter(|path| path.is_dir());
    let marks: Vec<_> = clones.map(|clone| clone.join("mark")).collect();
    for mark in &marks {
        std::fs::write(mark, "").unwrap();
    }
    let repo = &repos[1];
    signed(repo);
    push_tag(repo, "v1");
    apps.applied("annotated", &repo.head().unwrap());
    assert!(marks.iter().all(|mark| mark.exists()), "a clone was made anew");
    // Who follows a branch has no tag to show.
    let spec = json!({"targetRevision": "main"});
    apps.app_of("branch", &repos[5], &verify("Tag", &[&ada]), spec);
    apps.refuses("branch", "VerificationFailed", &["set targetRevision to a tag"]);
    push(&repos[5]);
}

//! Submodules: at the commit that the repository names, by the same host's credentials, or not at all.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use testbed::{Fault, GitServer, Repo, TlsFront, eventually};

use crate::apps::Apps;
use crate::support::{DEADLINE, Daemon, Fixture, config_map, program};

/// Makes a repository whose one `ConfigMap` is called as it is.
fn library(git: &GitServer, name: &str) -> Repo {
    let repo = git.create_repo(name).unwrap();
    repo.write("a.yaml", config_map(name, "1")).unwrap();
    repo.commit("Begin").unwrap();
    repo
}

/// Has a folder of a repository stand for a commit of another one, with that URL in `.gitmodules`.
fn link(repo: &Repo, path: &str, url: &str, commit: &str) {
    let key = |key: &str| format!("submodule.{path}.{key}");
    for (name, value) in [("path", path), ("url", url)] {
        repo.git(&["config", "--file", ".gitmodules", &key(name), value]).unwrap();
    }
    let entry = format!("160000,{commit},{path}");
    repo.git(&["update-index", "--add", "--cacheinfo", &entry]).unwrap();
}

/// Commits what is linked. Nobody checks submodules out.
fn commit(repo: &Repo) -> String {
    repo.git(&["add", ".gitmodules"]).unwrap();
    repo.git(&["commit", "--quiet", "--message", "Link"]).unwrap();
    repo.git(&["push", "--quiet", "origin", "HEAD"]).unwrap();
    repo.head().unwrap()
}

fn submodules() -> Value {
    json!({"submodules": true})
}

#[test]
fn a_submodule_is_a_folder_at_the_commit_that_is_named() {
    let apps = Apps::new("submodules");
    let (base, inner) = (library(&apps.test.git, "base"), library(&apps.test.git, "inner"));
    link(&base, "deep/inner", "../inner.git", &inner.head().unwrap());
    let first = commit(&base);
    // What its branch holds is not what is named.
    base.write("a.yaml", config_map("base", "2")).unwrap();
    base.commit("Later").unwrap();
    apps.test.commit(&[("apps/own.yaml", &config_map("own", "1"))]);
    link(&apps.test.repo, "apps/base", "../base.git", &first);
    let third = apps.test.git.create_repo("third").unwrap();
    third.write("deep/a.yaml", config_map("third", "1")).unwrap();
    link(&apps.test.repo, "libs/third", "../third.git", &third.commit("Begin").unwrap());
    let linked = commit(&apps.test.repo);
    apps.app("web", "apps", submodules());
    apps.app("below", "libs/third/deep", submodules());
    apps.app("without", "libs", json!({}));
    for (app, map) in [("web", "base"), ("web", "own"), ("web", "inner"), ("below", "third")] {
        apps.applied(app, &linked);
        apps.test.expect(&format!("configmap/{map}"), ".data.key", "1");
    }
    let said = apps.reason("without", "Ready", "NotRead");
    assert!(said.contains("spec.submodules") && said.contains("libs/third"), "{said}");
    apps.kubectl(&["delete", "gapp", "without"]);
    // Nothing is asked for again.
    let requests = || apps.test.git.requests().iter().filter(|it| it.contains("/base.git")).count();
    let before = requests();
    for _ in 0..3 {
        apps.daemon.line_after(apps.daemon.mark(), &[": Synced"]);
    }
    assert_eq!(requests(), before);
    // Another commit of it is another state, also where nothing else changed.
    let second = base.head().unwrap();
    link(&apps.test.repo, "apps/base", "../base.git", &second);
    let linked = commit(&apps.test.repo);
    apps.applied("web", &linked);
    apps.test.expect("configmap/base", ".data.key", "2");
    // It goes as anything goes that leaves git.
    apps.test.repo.git(&["rm", "--quiet", "--cached", "apps/base"]).unwrap();
    let gone = commit_all(&apps.test.repo);
    apps.applied("web", &gone);
    apps.gone("configmap/base");
}

fn commit_all(repo: &Repo) -> String {
    repo.git(&["commit", "--quiet", "--message", "Unlink"]).unwrap();
    repo.git(&["push", "--quiet", "origin", "HEAD"]).unwrap();
    repo.head().unwrap()
}

#[test]
fn a_commit_that_a_server_gives_only_with_its_branch_is_found() {
    let apps = Apps::new("submodules-old");
    let base = library(&apps.test.git, "base");
    let first = base.head().unwrap();
    base.write("a.yaml", config_map("base", "2")).unwrap();
    base.commit("Later").unwrap();
    base.git(&["-C", &bare(&base), "config", "uploadpack.allowAnySHA1InWant", "false"]).unwrap();
    link(&apps.test.repo, "base", "../base.git", &first);
    let linked = commit(&apps.test.repo);
    apps.app("web", ".", submodules());
    apps.applied("web", &linked);
    apps.test.expect("configmap/base", ".data.key", "1");
    // One that is nowhere is said, and what was there stays.
    link(&apps.test.repo, "base", "../base.git", &"1".repeat(40));
    commit(&apps.test.repo);
    let said = apps.reason("web", "Ready", "SubmoduleUnavailable");
    assert!(said.contains("submodule base") && said.contains("no commit 1111"), "{said}");
    apps.kubectl(&["delete", "configmap", "base"]);
    apps.test.expect("configmap/base", ".data.key", "1");
    assert_eq!(apps.get("web")["status"]["lastAppliedRevision"]["sha"], linked.as_str());
}

fn bare(repo: &Repo) -> String {
    repo.path().to_str().unwrap().to_owned()
}

#[test]
fn credentials_go_to_the_own_host_alone() {
    let apps = Apps::new("submodules-login");
    let login = || Fault::BasicAuth { user: "bob".into(), password: "hunter2".into() };
    let base = library(&apps.test.git, "base");
    apps.test.git.set_fault(login());
    apps.test.login("git");
    let elsewhere = GitServer::start().unwrap();
    let other = library(&elsewhere, "other");
    elsewhere.set_fault(login());
    let front = TlsFront::start(elsewhere.url(), false).unwrap();
    let by_tls = other.url().replace(elsewhere.url(), &front.url());
    let spec = json!({"submodules": true, "secretRef": {"name": "git"}});
    // By the whole URL, too.
    let set = |path: &str, url: &str, commit: &str| {
        link(&apps.test.repo, path, url, commit);
        self::commit(&apps.test.repo)
    };
    let first = set("base", base.url(), &base.head().unwrap());
    apps.app("web", ".", spec);
    apps.applied("web", &first);
    apps.test.expect("configmap/base", ".data.key", "1");
    let refused = |url: &str, reason: &str, words: &[&str]| {
        set("other", url, &other.head().unwrap());
        eventually(DEADLINE, &format!("{url} to be refused"), || {
            let found = apps.condition("web", "Ready");
            let said = found["message"].as_str().unwrap_or_default().to_owned();
            let is_said = words.iter().all(|word| said.contains(word));
            if found["reason"] == reason && is_said { Ok(Some(())) } else { Err(said) }
        })
        .unwrap_or_else(|error| panic!("{error}"));
    };
    refused(other.url(), "SubmoduleRefused", &["submodule other", "like ../other.git"]);
    refused("file:///etc/other.git", "SubmoduleRefused", &["nor a URL of https"]);
    refused("git@git.example:other.git", "SubmoduleRefused", &["git.example:other.git"]);
    refused("../../../../other.git", "SubmoduleRefused", &["leads out of its host"]);
    assert_eq!(elsewhere.requests(), [""; 0]);
    // By https it is asked, if its certificate is one that the system trusts.
    refused(&by_tls, "SubmoduleUnavailable", &["not trusted"]);
    assert_eq!(elsewhere.requests(), [""; 0]);
    refused("../none.git", "SubmoduleUnavailable", &["no repository at"]);
    apps.test.repo.write(".gitmodules", "[submodule \"x\"\n").unwrap();
    apps.test.repo.git(&["add", ".gitmodules"]).unwrap();
    commit_all(&apps.test.repo);
    let said = apps.reason("web", "Ready", "SubmoduleRefused");
    assert!(said.contains("line 1 is none of git's configuration"), "{said}");
    assert_eq!(apps.test.field("configmap/base", ".data.key"), "1");
}

#[test]
fn ssh_brings_submodules_of_the_own_host_and_no_others() {
    let Some(sshd) = crate::transports::ssh::sshd() else { return };
    let apps = Apps::new("submodules-ssh");
    let base = library(&apps.test.git, "base");
    apps.test.git.set_fault(Fault::Status(500));
    let (key, known) = (sshd.key("ed25519", "").unwrap(), sshd.known_hosts("ed25519").unwrap());
    let (key, known) = (format!("identity={key}"), format!("known_hosts={known}"));
    let literals = [key, known].map(|literal| format!("--from-literal={literal}"));
    apps.kubectl(&["create", "secret", "generic", "git", &literals[0], &literals[1]]);
    link(&apps.test.repo, "base", "../base.git", &base.head().unwrap());
    let linked = commit(&apps.test.repo);
    let url = sshd.url(apps.test.repo.path());
    let secret = json!({"name": "git"});
    let spec = json!({"repoURL": url, "interval": "1s", "submodules": true, "secretRef": secret});
    apps.apply("web", &spec);
    apps.applied("web", &linked);
    apps.test.expect("configmap/base", ".data.key", "1");
    link(&apps.test.repo, "base", base.url(), &base.head().unwrap());
    commit(&apps.test.repo);
    let said = apps.reason("web", "Ready", "SubmoduleRefused");
    assert!(said.contains("by the same protocol"), "{said}");
}

/// A daemon for the apps of a test's namespace that trusts this authority, as if the system did.
pub fn trusting(test: &Fixture, ca: &Path, arguments: &[&str]) -> Daemon {
    let mut command = program();
    command.args(["run", "--watch-apps", "--listen", "127.0.0.1:0"]).env("SSL_CERT_FILE", ca);
    command.args(["--namespace", &test.namespace, "--namespaces", &test.namespace]);
    command.arg("--kubeconfig").arg(crate::support::plane().kubeconfig());
    command.arg("--data-dir").arg(test.data.path()).args(arguments);
    Daemon::start(command)
}

/// A library on another host, which is reached by TLS.
struct Elsewhere {
    server: GitServer,
    library: Repo,
    /// Its URL by TLS.
    url: String,
    /// The file with who vouches for that.
    ca: PathBuf,
    _front: TlsFront,
}

impl Elsewhere {
    fn new(test: &Fixture) -> Self {
        let server = GitServer::start().unwrap();
        let library = library(&server, "other");
        let front = TlsFront::start(server.url(), false).unwrap();
        let ca = test.data.path().join("ca.pem");
        std::fs::write(&ca, front.ca()).unwrap();
        let url = library.url().replace(server.url(), &front.url());
        Self { server, library, url, ca, _front: front }
    }
}

#[test]
fn another_host_is_asked_by_https_without_credentials_and_only_if_allowed() {
    crate::support::define_apps();
    let test = Fixture::new("submodules-other");
    let Elsewhere { server: elsewhere, library: other, url, ca, _front } = Elsewhere::new(&test);
    test.git.set_fault(Fault::BasicAuth { user: "bob".into(), password: "hunter2".into() });
    test.login("git");
    link(&test.repo, "other", &url, &other.head().unwrap());
    let linked = commit(&test.repo);
    let daemon = trusting(&test, &ca, &[]);
    test.app("web", ".", json!({"submodules": true, "secretRef": {"name": "git"}}));
    test.applied("web", &linked);
    test.expect("configmap/other", ".data.key", "1");
    assert!(!elsewhere.requests().is_empty());
    // One that wants credentials gets none.
    elsewhere.set_fault(Fault::BasicAuth { user: "bob".into(), password: "hunter2".into() });
    other.write("a.yaml", config_map("other", "2")).unwrap();
    let later = other.commit("Later").unwrap();
    link(&test.repo, "other", &url, &later);
    commit(&test.repo);
    daemon.line(&["SubmoduleRefused", "wants credentials", "own host"]);
    elsewhere.set_fault(Fault::None);
    test.expect("configmap/other", ".data.key", "2");
    drop(daemon);
    let own = test.git.url().trim_start_matches("http://").to_owned();
    let daemon = trusting(&test, &ca, &[&format!("--allowed-repos={own}/**")]);
    other.write("a.yaml", config_map("other", "3")).unwrap();
    let latest = other.commit("Latest").unwrap();
    let before = elsewhere.requests().len();
    link(&test.repo, "other", &url, &latest);
    commit(&test.repo);
    daemon.line(&["SubmoduleRefused", "--allowed-repos"]);
    assert_eq!(elsewhere.requests().len(), before);
    assert_eq!(test.field("configmap/other", ".data.key"), "2");
}

#[test]
fn submodules_without_end_are_refused_and_flags_fetch_them_too() {
    let test = Fixture::new("submodules-flag");
    let base = library(&test.git, "base");
    link(&test.repo, "apps/base", "../base.git", &base.head().unwrap());
    commit(&test.repo);
    let daemon = test.run(&["--git-submodules"]);
    test.expect("configmap/base", ".data.key", "1");
    base.write("a.yaml", config_map("base", "2")).unwrap();
    let later = base.commit("Later").unwrap();
    // Those that are refused count as well, and what comes after them is not looked at.
    for n in 0..49 {
        link(&test.repo, &format!("a/{n:02}"), "file:///none", &"1".repeat(40));
    }
    link(&test.repo, "apps/z", "../base.git", &later);
    commit(&test.repo);
    daemon.line(&["SubmoduleRefused", "more than 50 submodules"]);
    test.repo.git(&["revert", "--no-edit", "HEAD"]).unwrap();
    test.repo.git(&["push", "--quiet", "origin", "HEAD"]).unwrap();
    // Each within another.
    let mut inner = base.head().unwrap();
    for n in 0..6 {
        let repo = test.git.create_repo(&format!("nested{n}")).unwrap();
        let name = if n == 0 { "base".to_owned() } else { format!("nested{}", n - 1) };
        link(&repo, "inner", &format!("../{name}.git"), &inner);
        inner = commit(&repo);
    }
    link(&test.repo, "apps/nested", "../nested5.git", &inner);
    commit(&test.repo);
    let said = daemon.line(&["SubmoduleRefused", "the 5th within another"]);
    assert!(said.contains("apps/nested/inner/inner"), "{said}");
    assert_eq!(test.field("configmap/base", ".data.key"), "1");
}

impl Apps {
    /// Commits a file, and what is linked.
    fn commit_linked(&self, path: &str, text: &str) -> String {
        self.test.repo.write(path, text).unwrap();
        self.test.repo.git(&["add", path]).unwrap();
        commit(&self.test.repo)
    }

    /// What an app says of a submodule that it reaches.
    fn lacks(&self, app: &str, reason: &str, words: &str) {
        eventually(DEADLINE, &format!("{app} to say {words}"), || {
            let found = self.condition(app, "Ready");
            let said = found["message"].as_str().unwrap_or_default().to_owned();
            let is_it = found["reason"] == reason && said.contains(words);
            if is_it { Ok(Some(())) } else { Err(found.to_string()) }
        })
        .unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn one_that_cannot_be_fetched_stops_only_the_apps_that_reach_it() {
    let apps = Apps::new("submodules-broken");
    let (base, lost) = (library(&apps.test.git, "base"), library(&apps.test.git, "other"));
    for (path, name) in [("own/a.yaml", "lost"), ("more/a.yaml", "more")] {
        lost.write(path, config_map(name, "1")).unwrap();
    }
    lost.commit("Add").unwrap();
    let kustomization = "resources: [../libs/lost/own/a.yaml]\nnamePrefix: by-\n";
    apps.test.commit(&[
        ("apps/own.yaml", &config_map("own", "1")),
        ("overlay/kustomization.yaml", kustomization),
        ("linked/own.yaml", &config_map("linked", "1")),
    ]);
    apps.test.repo.symlink("linked/more", "../libs/lost/more").unwrap();
    let started = apps.test.repo.commit("Link").unwrap();
    link(&apps.test.repo, "libs/base", "../base.git", &base.head().unwrap());
    link(&apps.test.repo, "libs/lost", "../other.git", &lost.head().unwrap());
    let first = commit(&apps.test.repo);
    assert_ne!(first, started);
    let reaching = [("lost", "libs/lost/own"), ("overlay", "overlay"), ("linked", "linked")];
    for (app, path) in [("own", "apps"), ("base", "libs/base")].into_iter().chain(reaching) {
        apps.app(app, path, submodules());
        apps.applied(app, &first);
    }
    // Its commit is gone, and another part of the same commit is news.
    link(&apps.test.repo, "libs/lost", "../other.git", &"1".repeat(40));
    let second = apps.commit_linked("apps/own.yaml", &config_map("own", "2"));
    apps.applied("own", &second);
    apps.applied("base", &second);
    apps.test.expect("configmap/own", ".data.key", "2");
    for (app, _) in reaching {
        apps.lacks(app, "SubmoduleUnavailable", "submodule libs/lost cannot be fetched");
    }
    // So is its repository, and at last nothing tells where any of them is.
    link(&apps.test.repo, "libs/lost", "../none.git", &"1".repeat(40));
    let third = apps.commit_linked("apps/own.yaml", &config_map("own", "3"));
    apps.applied("own", &third);
    apps.lacks("lost", "SubmoduleUnavailable", "no repository at");
    apps.test.repo.write(".gitmodules", "[submodule \"x\"\n").unwrap();
    let fourth = apps.commit_linked("apps/own.yaml", &config_map("own", "4"));
    apps.applied("own", &fourth);
    apps.lacks("lost", "SubmoduleRefused", "line 1 is none of git's configuration");
    // What was there stays, of a whole app as of a part, and nothing is held as an accident.
    apps.kubectl(&["delete", "configmap", "lost", "by-lost"]);
    apps.test.expect("configmap/lost", ".data.key", "1");
    apps.test.expect("configmap/by-lost", ".data.key", "1");
    assert_eq!(apps.get("lost")["status"]["lastAppliedRevision"]["sha"], first.as_str());
    lost.write("own/a.yaml", config_map("lost", "2")).unwrap();
    let mended = lost.commit("Later").unwrap();
    apps.test.repo.write(".gitmodules", "").unwrap();
    link(&apps.test.repo, "libs/base", "../base.git", &base.head().unwrap());
    link(&apps.test.repo, "libs/lost", "../other.git", &mended);
    let last = commit(&apps.test.repo);
    for app in ["own", "base", "lost", "overlay", "linked"] {
        apps.applied(app, &last);
    }
    apps.test.expect("configmap/lost", ".data.key", "2");
}

#[test]
fn one_that_hangs_keeps_only_those_waiting_that_reach_it() {
    crate::support::define_apps();
    let test = Fixture::new("submodules-hang");
    let Elsewhere { server: elsewhere, library: other, url, ca, _front } = Elsewhere::new(&test);
    test.commit(&[("apps/own.yaml", &config_map("own", "1"))]);
    elsewhere.set_fault(Fault::Hang);
    link(&test.repo, "other", &url, &other.head().unwrap());
    let linked = commit(&test.repo);
    let daemon = trusting(&test, &ca, &["--fetch-timeout=40s"]);
    test.app("own", "apps", submodules());
    test.app("other", "other", submodules());
    test.applied("own", &linked);
    daemon.line(&["SubmoduleUnavailable", "submodule other cannot be fetched"]);
    test.repo.write("apps/own.yaml", config_map("own", "2")).unwrap();
    test.repo.git(&["add", "apps/own.yaml"]).unwrap();
    let next = commit(&test.repo);
    test.applied("own", &next);
}

#[test]
fn one_that_rests_is_not_asked_for() {
    let git = GitServer::start().unwrap();
    let (base, repo) = (library(&git, "base"), git.create_repo("config").unwrap());
    let missing = base.head().unwrap();
    link(&repo, "base", "../base.git", &missing);
    commit(&repo);
    let fetched = |resting: Value| {
        let folder = tempfile::tempdir().unwrap();
        let request = json!({
            "repository": {
                "url": repo.url(), "branch": "main", "insecure": false,
                "submodules": {"allowed": []},
            },
            "dir": folder.path().join("clone"), "credentials": null, "token": null,
            "seconds": 600, "fresh": false, "depth": null, "resting": resting,
        });
        let mut child = program();
        child.arg("git-fetch").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = child.spawn().unwrap();
        child.stdin.take().unwrap().write_all(request.to_string().as_bytes()).unwrap();
        let answer: Value =
            serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap();
        answer["head"]["Ok"]["missing"].clone()
    };
    let rests = json!([{
        "commit": missing, "url": "../base.git", "took": {"secs": 9, "nanos": 0},
        "error": {"SubmoduleUnavailable": {"path": "base", "why": "slow"}},
    }]);
    let is_asked = || git.requests().iter().any(|request| request.contains("/base.git"));
    assert_eq!(fetched(rests.clone()), rests);
    assert!(!is_asked(), "{:?}", git.requests());
    // By another URL it is another one.
    let mut other = rests;
    other[0]["url"] = json!("../elsewhere.git");
    assert_eq!(fetched(other), json!([]));
    assert!(is_asked());
}

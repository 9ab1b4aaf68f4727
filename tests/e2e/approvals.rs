//! Approvals by commit trailer, in the history of clones that began shallow.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gitops_sync::source::{
    Approvals, Fetcher, Limits, Repository, Revision, Snapshot, SourceError,
};
use tempfile::TempDir;
use testbed::{Fault, GitServer, Repo};

use crate::support::config_map;

/// A repository on a server, and a clone of it.
struct Fixture {
    git: GitServer,
    repo: Repo,
    data: TempDir,
    fetcher: Fetcher,
}

impl Fixture {
    fn new() -> Self {
        let git = GitServer::start().unwrap();
        let repo = git.create_repo("config").unwrap();
        let data = TempDir::new().unwrap();
        let repository = Repository {
            insecure: false,
            submodules: None,
            url: repo.url().to_owned(),
            branch: "main".to_owned(),
            files: Arc::default(),
            credentials: None,
        };
        let fetcher = Fetcher {
            render: Arc::default(),
            limits: Limits::default(),
            repository,
            dir: data.path().join("clone"),
            path: "apps".to_owned(),
            timeout: Duration::from_secs(30),
            program: env!("CARGO_BIN_EXE_gitops-sync").into(),
            shared: Arc::default(),
        };
        Self { git, repo, data, fetcher }
    }

    /// Commits what was written, without a push.
    fn commit(&self, value: &str) -> String {
        let trailer =
            if value.is_empty() { String::new() } else { format!("GitOps-Prune: {value}") };
        self.repo.git(&["add", "--all"]).unwrap();
        self.repo.git(&["commit", "-q", "--allow-empty", "-m", "Change", "-m", &trailer]).unwrap();
        self.repo.head().unwrap()
    }

    /// Commits many times.
    fn commits(&self, count: usize) {
        for _ in 0..count {
            self.commit("");
        }
    }

    /// Pushes, and fetches as a pass does.
    fn fetch(&self) -> Revision {
        self.repo.git(&["push", "-q", "--force", "origin", "main"]).unwrap();
        block_on(self.fetcher.fetch(Instant::now().into())).unwrap()
    }

    fn approvals(&self, head: &Revision, since: &str) -> Approvals {
        block_on(self.fetcher.approvals(head, Some(since))).unwrap()
    }

    /// The same, in a clone that has all that it takes.
    fn approvals_without_request(&self, head: &Revision, since: &str) -> Approvals {
        let before = self.git.requests().len();
        let approvals = self.approvals(head, since);
        assert_eq!(self.git.requests().len(), before);
        approvals
    }

    /// The files before and after each commit that approves all, in the form `before > after`.
    fn removals(&self, approvals: &Approvals) -> Vec<String> {
        let shown = |files: Snapshot| {
            files.files.into_iter().map(|file| file.path).collect::<Vec<_>>().join(" ")
        };
        let removal = |approval| block_on(self.fetcher.removal(approval, None)).unwrap();
        let removals = approvals.commits.iter().map(removal);
        removals.map(|r| format!("{} > {}", shown(r.before), shown(r.after))).collect()
    }

    fn write(&self, name: &str) {
        self.repo.write(&format!("apps/{name}.yaml"), config_map(name, "1")).unwrap();
    }

    fn remove(&self, name: &str) {
        self.repo.remove(&format!("apps/{name}.yaml")).unwrap();
    }

    /// Whether the clone lacks history.
    fn is_shallow(&self) -> bool {
        fs::metadata(self.fetcher.dir.join("shallow")).is_ok_and(|file| file.len() > 0)
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(future)
}

fn hashes(all: &[(&str, &String)]) -> BTreeMap<String, String> {
    all.iter().map(|(hash, commit)| ((*hash).to_owned(), (*commit).clone())).collect()
}

#[test]
fn history_is_fetched_as_far_as_it_takes() {
    let test = Fixture::new();
    test.write("a");
    test.write("b");
    test.commit("too-old");
    test.commits(100);
    let since = test.commit("applied");
    test.remove("b");
    let removed = test.commit("all");
    let approved = test.commit("abc");
    test.commits(60);
    let head = test.fetch();
    assert!(test.is_shallow());

    let found = test.approvals(&head, &since);
    assert_eq!(found.hashes, hashes(&[("abc", &approved)]));
    assert_eq!(found.commits[0].commit, removed);
    assert_eq!(found.commits[0].parent, since);
    assert!(!found.truncated);
    assert_eq!(test.removals(&found), ["apps/a.yaml apps/b.yaml > apps/a.yaml"]);
    assert_eq!(test.approvals_without_request(&head, &since), found);
}

#[test]
fn history_that_is_there_costs_no_request() {
    let test = Fixture::new();
    test.write("a");
    test.commits(3);
    let since = test.fetch();
    let removed = {
        test.repo.remove("apps").unwrap();
        test.commit("all")
    };
    let head = test.fetch();
    let found = test.approvals_without_request(&head, &since.commit);
    assert_eq!(found.commits[0].commit, removed);
    // The whole path is gone.
    assert_eq!(test.removals(&found), ["apps/a.yaml > "]);
    let none = test.approvals_without_request(&head, &head.commit);
    assert_eq!(none, Approvals::default());
    assert!(test.is_shallow());
}

#[test]
fn a_head_alone_is_compared_with_its_parent() {
    let test = Fixture::new();
    test.write("a");
    test.write("b");
    test.commits(2);
    test.remove("a");
    test.commit("all");
    let head = test.fetch();
    let found = block_on(test.fetcher.approvals(&head, None)).unwrap();
    assert_eq!(test.removals(&found), ["apps/a.yaml apps/b.yaml > apps/b.yaml"]);
    assert!(!found.truncated);
}

#[test]
fn rewritten_history_approves_by_its_head_alone() {
    let test = Fixture::new();
    test.commit("");
    let since = test.fetch().commit;
    fs::remove_dir_all(&test.fetcher.dir).unwrap();
    test.repo
        .git(&["commit", "-q", "--amend", "--allow-empty", "-m", "T\n\nGitOps-Prune: old"])
        .unwrap();
    test.commits(70);
    let newest = test.commit("new");
    let head = test.fetch();
    let found = test.approvals(&head, &since);
    assert_eq!(found, Approvals { hashes: hashes(&[("new", &newest)]), ..Approvals::default() });
    assert!(!test.is_shallow(), "all history was searched");
    test.approvals_without_request(&head, &since);
}

#[test]
fn a_merged_branch_counts_as_far_as_it_goes() {
    let test = Fixture::new();
    test.write("a");
    test.write("b");
    let base = test.commit("");
    test.repo.git(&["switch", "-q", "-c", "side"]).unwrap();
    test.remove("a");
    let removed = test.commit("all");
    test.commits(60);
    test.repo.git(&["switch", "-q", "main"]).unwrap();
    let since = test.commit("");
    test.repo.git(&["merge", "-q", "--no-ff", "-m", "M", "-m", "GitOps-Prune: m", "side"]).unwrap();
    let merge = test.repo.head().unwrap();
    let head = test.fetch();
    let found = test.approvals(&head, &since);
    assert_eq!(found.hashes, hashes(&[("m", &merge)]));
    assert_eq!((&found.commits[0].commit, &found.commits[0].parent), (&removed, &base));
    assert!(!found.truncated);
}

#[test]
fn more_history_never_makes_it_shorter() {
    let test = Fixture::new();
    let since = test.commit("");
    test.commits(2);
    test.fetch();
    // More than libgit2 tells a server at once, and more than the first step.
    let early = test.commit("early");
    test.commits(300);
    let head = test.fetch();
    let found = test.approvals(&head, &since);
    assert_eq!(found.hashes, hashes(&[("early", &early)]));
    // And the clone goes on as before.
    let next = test.commit("next");
    let head = test.fetch();
    let found = test.approvals_without_request(&head, &since);
    assert_eq!(found.hashes, hashes(&[("early", &early), ("next", &next)]));
}

#[test]
fn what_cannot_be_fetched_approves_nothing() {
    let test = Fixture::new();
    let since = test.commit("");
    test.commit("all");
    let head = test.fetch();
    for fault in [Fault::Status(500), Fault::Cut { after_bytes: 20 }] {
        test.git.set_fault(fault);
        let refused = block_on(test.fetcher.approvals(&head, Some(&since)));
        assert!(matches!(refused, Err(SourceError::RepositoryUnreachable { .. })), "{refused:?}");
    }
    test.git.set_fault(Fault::Hang);
    let hurried = Fetcher {
        render: Arc::default(),
        limits: Limits::default(),
        timeout: Duration::from_secs(1),
        repository: test.fetcher.repository.clone(),
        dir: test.fetcher.dir.clone(),
        path: String::new(),
        program: test.fetcher.program.clone(),
        shared: Arc::default(),
    };
    let refused = block_on(hurried.approvals(&head, Some(&since)));
    assert!(matches!(refused, Err(SourceError::FetchTimedOut { .. })), "{refused:?}");
    test.git.set_fault(Fault::None);
    assert_eq!(test.approvals(&head, &since).commits.len(), 1);
}

#[test]
fn a_damaged_clone_is_fetched_afresh() {
    let test = Fixture::new();
    let since = test.commit("");
    test.commit("all");
    let head = test.fetch();
    let pack = test.fetcher.dir.join("objects/pack");
    fs::remove_dir_all(&pack).unwrap();
    fs::create_dir(&pack).unwrap();
    assert_eq!(test.approvals(&head, &since).commits.len(), 1);
}

#[test]
fn trailers_are_what_git_takes_for_them() {
    let test = Fixture::new();
    let check = |message: &str| {
        let file = test.data.path().join("message");
        fs::write(&file, message).unwrap();
        let file = file.to_str().unwrap();
        test.repo
            .git(&["commit", "-q", "--allow-empty", "--cleanup=verbatim", "-F", file])
            .unwrap();
        let head = test.fetch();
        let ours = block_on(test.fetcher.approvals(&head, None)).unwrap().hashes;
        let gits = test.repo.git(&["interpret-trailers", "--parse", file]).unwrap();
        let gits = gits.lines().filter_map(|line| {
            let (key, value) = line.split_once(':')?;
            let value = value.trim().to_owned();
            key.eq_ignore_ascii_case("gitops-prune").then(|| (value, head.commit.clone()))
        });
        assert_eq!(ours, gits.collect::<BTreeMap<_, _>>(), "{message:?}");
    };
    for message in [
        "Title\n\nGitOps-Prune: a1\n",
        "T\n\nBody.\n\ngitops-PRUNE:  a1  \nSigned-off-by: x\n",
        "T\n\nGitOps-Prune: a1\nGitOps-Prune: b2\n",
        "T\n\nSee the docs.\nGitOps-Prune: a1\nSigned-off-by: x\n",
        "T\n\nGitOps-Prune : a1\n",
        "GitOps-Prune: a1\n",
        "T\nGitOps-Prune: a1\n",
        "T\n\nGitOps-Prune: a1\n\nThat was the plan.\n",
        "T\n\nLet us add\nGitOps-Prune: a1\n",
        "T\n\n  GitOps-Prune: a1\n",
        "T\n\n> GitOps-Prune: a1\n",
        "T\n\nGitOps-Prune-Not: a1\nX-GitOps-Prune: b2\n",
        "T\n\n---\n\nGitOps-Prune: a1\n",
        "T\n\nGitOps-Prune: a1\n# a comment\n",
    ] {
        check(message);
    }
}

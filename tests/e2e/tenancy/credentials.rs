//! Credentials of a Secret: used for the server they are for, and for no other.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use gitops_sync::source::credentials::{Hidden, Login};
use gitops_sync::source::{Credentials, Fetcher, SourceError};
use testbed::{Fault, GitServer};
use tokio::runtime::Runtime;

use super::fetcher;
use crate::support::{Fixture, config_map};

fn basic(password: &str) -> Credentials {
    Credentials::of(Login::basic(Some("bob".to_owned()), password.to_owned()))
}

fn bearer(token: &str) -> Credentials {
    Credentials::of(Login::Bearer(Hidden(token.to_owned())))
}

/// A repository with one commit, and what fetches it.
fn prepared(name: &str) -> (Fixture, String, impl Fn(Option<Credentials>) -> Fetcher) {
    let test = Fixture::new(name);
    let commit = test.commit(&[("a.yaml", &config_map("a", "1"))]);
    let plain = fetcher(&test);
    let with = move |credentials: Option<Credentials>| {
        let mut fetcher = plain.clone();
        fetcher.repository.credentials = credentials.map(Arc::new);
        fetcher
    };
    (test, commit, with)
}

/// The commit that is fetched.
fn fetch(fetcher: &Fetcher) -> Result<String, SourceError> {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    RUNTIME.block_on(fetcher.fetch(Instant::now().into())).map(|revision| revision.commit)
}

/// The word for why nothing is fetched.
fn reason(fetcher: &Fetcher) -> &'static str {
    fetch(fetcher).map_or_else(|error| error.reason(), |_| "Fetched")
}

#[test]
fn a_name_and_password_or_a_token_of_a_secret_open_the_repository() {
    let (test, commit, with) = prepared("secret");
    let (user, password) = ("bob".to_owned(), "hunter2".to_owned());
    for (fault, right, wrong) in [
        (Fault::BasicAuth { user, password }, basic("hunter2"), basic("other")),
        (Fault::BearerAuth { token: "hunter2".to_owned() }, bearer("hunter2"), bearer("other")),
    ] {
        test.git.set_fault(fault);
        assert_eq!(fetch(&with(Some(right.clone()))).unwrap(), commit);
        for wrong in [Some(wrong), None] {
            let error = fetch(&with(wrong)).unwrap_err();
            assert_eq!(error.reason(), "CredentialsRefused", "{error}");
            assert!(!error.to_string().contains("other"), "{error}");
        }
        // An unchanged head is listed, and nothing is transferred.
        let before = test.git.requests().len();
        assert_eq!(fetch(&with(Some(right.clone()))).unwrap(), commit);
        let requests = test.git.requests().split_off(before);
        assert!(requests.iter().all(|request| request.starts_with("GET ")), "{requests:#?}");
        let mut absent = with(Some(right.clone()));
        absent.repository.branch = "absent".to_owned();
        assert_eq!(reason(&absent), "BranchNotFound");
        let next = test.commit(&[("a.yaml", &config_map("a", "2"))]);
        assert_eq!(fetch(&with(Some(right))).unwrap(), next);
        test.repo.git(&["reset", "--quiet", "--hard", &commit]).unwrap();
        test.repo.git(&["push", "--quiet", "--force", "origin", "HEAD"]).unwrap();
    }
    let clone = test.data.path().join("clone");
    let found = std::process::Command::new("grep").args(["-r", "hunter2"]).arg(clone).output();
    assert_eq!(found.unwrap().status.code(), Some(1), "credentials are on disk");
}

#[test]
fn another_host_is_not_followed() {
    let (test, commit, with) = prepared("redirect");
    let other = GitServer::start().unwrap();
    let repo = other.create_repo("config").unwrap();
    repo.write("a.yaml", config_map("a", "2")).unwrap();
    repo.commit("Change").unwrap();
    test.git.set_fault(Fault::Redirect { to: other.url().replace("127.0.0.1", "localhost") });
    for credentials in [Some(basic("hunter2")), Some(bearer("hunter2")), None] {
        let error = fetch(&with(credentials)).unwrap_err();
        assert_eq!(error.reason(), "RedirectRefused", "{error}");
    }
    assert_eq!(other.requests(), [""; 0]);
    test.git.set_fault(Fault::None);
    assert_eq!(fetch(&with(Some(bearer("hunter2")))).unwrap(), commit);
}

#[test]
fn a_server_in_trouble_is_no_reason_to_clone_afresh() {
    let (test, commit, with) = prepared("trouble");
    let fetcher = with(Some(bearer("hunter2")));
    assert_eq!(fetch(&fetcher).unwrap(), commit);
    let mark = test.data.path().join("clone/mark");
    std::fs::write(&mark, "").unwrap();
    for (fault, expect) in [
        (Fault::Status(500), "RepositoryUnreachable"),
        (Fault::Status(404), "RepositoryNotFound"),
        (Fault::Status(403), "CredentialsRefused"),
        (Fault::Cut { after_bytes: 10 }, "RepositoryUnreachable"),
    ] {
        test.git.set_fault(fault.clone());
        assert_eq!(reason(&fetcher), expect, "{fault:?}");
    }
    let mut away = fetcher.clone();
    away.repository.url = GitServer::start().unwrap().url().to_owned() + "/config.git";
    assert_eq!(reason(&away), "RepositoryUnreachable");
    away.repository.url = "http://host.invalid/config.git".to_owned();
    assert_eq!(reason(&away), "RepositoryUnreachable");
    assert!(mark.exists());
}

//! One app by flags: the same ways, with credentials in files that are read anew for each fetch.

use std::fs;
use std::path::{Path, PathBuf};

use testbed::{Fault, ProxyKind, ProxyServer, TlsFront};

use super::Site;
use super::ssh::sshd;
use crate::support::{Daemon, Fixture, config_map, program};

/// Writes files, and gives the flags that name them.
fn flags(folder: &Path, files: &[(&str, &str)]) -> Vec<String> {
    let flag = |(flag, text): &(&str, &str)| {
        [format!("--git-{flag}-file"), written(folder, flag, text).display().to_string()]
    };
    files.iter().flat_map(flag).collect()
}

fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    fs::write(&file, text).unwrap();
    file
}

fn run(test: &Fixture, url: &str, flags: &[String]) -> Daemon {
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    Daemon::start(test.run_command_at(url, ".", &flags))
}

fn bearer(token: &str) -> Fault {
    Fault::BearerAuth { token: token.to_owned() }
}

#[test]
fn files_are_read_anew_for_each_fetch() {
    let test = Fixture::new("flags-https");
    let site = Site::new("site", bearer("one"));
    let front = TlsFront::start(site.git.url(), true).unwrap();
    let proxy = ProxyServer::start(ProxyKind::Socks5, Some(("somebody", "let me"))).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut flags = flags(
        folder.path(),
        &[
            ("ca", front.ca()),
            ("cert", front.client_certificate()),
            ("key", front.client_key()),
            ("token", "one\n"),
            ("proxy-password", "let me\n"),
        ],
    );
    let more = ["--git-proxy", &proxy.url(), "--git-proxy-username", "somebody"];
    flags.extend(more.map(str::to_owned));
    let daemon = run(&test, &site.behind(&front.url()), &flags);
    test.expect("configmap/site", ".data.key", "1");
    assert!(!proxy.seen().is_empty());
    site.git.set_fault(bearer("two"));
    daemon.line(&["CredentialsRefused"]);
    site.repo.write("a.yaml", config_map("site", "2")).unwrap();
    site.repo.commit("Change").unwrap();
    written(folder.path(), "token", "two");
    test.expect("configmap/site", ".data.key", "2");
}

#[test]
fn proxies_of_the_environment_are_used() {
    let test = Fixture::new("flags-environment");
    let site = Site::new("site", Fault::None);
    let proxy = ProxyServer::start(ProxyKind::Http, None).unwrap();
    let mut command = test.run_command_at(site.repo.url(), ".", &[]);
    command.env("HTTP_PROXY", proxy.url()).env("NO_PROXY", "git.example");
    // The API server is not asked for through it.
    command.env_remove("http_proxy").env_remove("no_proxy").env_remove("ALL_PROXY");
    let _daemon = Daemon::start(command);
    test.expect("configmap/site", ".data.key", "1");
    assert!(!proxy.seen().is_empty());
}

#[test]
fn a_deploy_key_in_files_opens_a_repository() {
    let Some(sshd) = sshd() else { return };
    let test = Fixture::new("flags-ssh");
    let site = Site::new("site", Fault::None);
    let folder = tempfile::tempdir().unwrap();
    let key = sshd.key("ed25519", "open sesame").unwrap();
    let flags = flags(
        folder.path(),
        &[
            ("ssh-key", &key),
            ("ssh-passphrase", "open sesame\n"),
            ("known-hosts", &sshd.known_hosts("rsa").unwrap()),
        ],
    );
    let daemon = run(&test, &sshd.url(site.repo.path()), &flags);
    test.expect("configmap/site", ".data.key", "1");
    written(folder.path(), "known-hosts", "git.example ssh-ed25519 AAAA");
    daemon.line(&["HostKeyUnknown", "SHA256:"]);
}

/// A URL may hold a password, be it against the rules.
#[test]
fn help_shows_no_url_of_the_environment() {
    for verb in ["run", "sync"] {
        let mut command = program();
        command.args([verb, "--help"]);
        for variable in ["GITOPS_SYNC_REPO", "GITOPS_SYNC_GIT_PROXY"] {
            command.env(variable, "http://bob:hunter2@git.example");
        }
        let help = String::from_utf8(command.output().unwrap().stdout).unwrap();
        assert!(help.contains("GITOPS_SYNC_GIT_PROXY"), "{help}");
        assert!(!help.contains("hunter2"), "{help}");
    }
}

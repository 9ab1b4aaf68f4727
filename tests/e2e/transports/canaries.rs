//! Credentials are nowhere to be found but where they belong: something unmistakable in each of them, and all
//! that comes out of the daemon searched for it.

use std::any::Any;
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use testbed::{Fault, ProxyKind, ProxyServer, Sshd, TlsFront, eventually, http, rsa_key};

use super::ssh::sshd;
use super::{Site, basic};
use crate::apps::Apps;
use crate::support::{DEADLINE, Daemon, config_map};

/// Fetching children that are looked at while they run.
const CHILDREN: usize = 30;

/// Something unmistakable, the same in each call.
fn canary(what: &str) -> String {
    format!("canary-{what}-{}", std::process::id())
}

/// A line out of the middle of a key: nothing of it is to be seen anywhere.
fn middle(pem: &str) -> String {
    pem.lines().nth(2).unwrap().to_owned()
}

/// What is found of the canaries in a text.
fn found<'a>(canaries: &'a [String], text: &str) -> Vec<&'a String> {
    canaries.iter().filter(|canary| text.contains(canary.as_str())).collect()
}

/// What everybody on the machine sees of a process.
#[derive(Debug)]
struct Process {
    id: u32,
    arguments: String,
    environment: String,
}

/// Each process that runs now.
fn processes() -> Vec<Process> {
    let ids = fs::read_dir("/proc").unwrap().flatten();
    let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let text = |id: u32, name: &str| {
        let bytes = fs::read(format!("/proc/{id}/{name}")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    ids.map(|id| Process { id, arguments: text(id, "cmdline"), environment: text(id, "environ") })
        .collect()
}

/// What is planted, and where it is used.
struct Planted {
    apps: Apps,
    canaries: Vec<String>,
    /// Accepts the password, the certificate and the token.
    locked: Site,
    /// Accepts nothing.
    other: Site,
    /// What else has to live on.
    servers: Vec<Box<dyn Any>>,
}

impl Planted {
    /// Each is accepted somewhere, and refused elsewhere: errors say more than successes do.
    fn new(sshd: &Sshd, app_key: &str) -> Self {
        let apps = Apps::with("canaries", &["--api"]);
        let (locked, other) = (
            Site::new("locked", basic("bob", &canary("password"))),
            Site::new("other", basic("bob", "else")),
        );
        let canaries = ["password", "token", "passphrase", "proxy", "url"].map(canary).to_vec();
        let mut planted = Self { apps, canaries, locked, other, servers: Vec::new() };
        planted.certificates();
        planted.tokens();
        planted.ssh(sshd);
        planted.app(app_key);
        planted
    }

    fn certificates(&mut self) {
        let Self { apps, locked, other, .. } = &*self;
        let (password, tls) =
            (canary("password"), TlsFront::start(locked.git.url(), true).unwrap());
        let stranger = TlsFront::start(other.git.url(), true).unwrap();
        let keys = [
            ("ca.crt", tls.ca()),
            ("tls.crt", tls.client_certificate()),
            ("tls.key", tls.client_key()),
            ("username", "bob"),
            ("password", &password),
        ];
        apps.reached("certified", &locked.behind(&tls.url()), &keys, &[]);
        let wrong = [&[("ca.crt", stranger.ca())], &keys[1..]].concat();
        apps.reached("uncertified", &other.behind(&stranger.url()), &wrong, &[]);
        apps.reached("wrong", other.repo.url(), &keys[3..], &[]);
        // A child that hangs can be looked at for long.
        let hung = Site::new("hung", Fault::Hang);
        apps.reached("hung", hung.repo.url(), &keys[3..], &[]);
        self.canaries.push(middle(tls.client_key()));
        self.servers.push(Box::new((tls, stranger, hung)));
    }

    fn tokens(&mut self) {
        let (apps, url, token) = (&self.apps, self.other.repo.url(), canary("token"));
        let keys = [("bearerToken", token.as_str())];
        apps.reached("wrong-token", url, &keys, &[]);
        // Of what makes no sense nothing is shown either.
        apps.reached("nonsense", url, &[("bearerToken", &format!("{token} {token}"))], &[]);
        let bearer = Site::new("bearer", Fault::BearerAuth { token: token.clone() });
        let password = canary("proxy");
        let proxy = ProxyServer::start(ProxyKind::Http, Some(("somebody", &password))).unwrap();
        let closed = ProxyServer::start(ProxyKind::Socks5, Some(("somebody", "else"))).unwrap();
        for (name, address) in [("bearer", proxy.url()), ("wrong-proxy", closed.url())] {
            let user = [("address", &*address), ("username", "somebody"), ("password", &*password)];
            apps.reached(name, bearer.repo.url(), &keys, &user);
        }
        self.servers.push(Box::new((bearer, proxy, closed)));
    }

    fn ssh(&mut self, sshd: &Sshd) {
        let (apps, passphrase) = (&self.apps, canary("passphrase"));
        let (locked, open) = (sshd.key("ed25519", &passphrase), sshd.key("rsa", ""));
        let (locked, open) = (locked.unwrap(), open.unwrap());
        let site = Site::new("site", Fault::None);
        let (url, hosts) = (sshd.url(site.repo.path()), sshd.known_hosts("ed25519").unwrap());
        let with = |passphrase| {
            [("identity", &*locked), ("password", passphrase), ("known_hosts", &*hosts)]
        };
        apps.reached("site", &url, &with(&passphrase), &[]);
        apps.reached("wrong-phrase", &url, &with(&canary("token")), &[]);
        let lost = [("identity", open.as_str()), ("known_hosts", "git.example ssh-rsa AAAA")];
        apps.reached("wrong-host", &url, &lost, &[]);
        self.canaries.extend([middle(&locked), middle(&open)]);
        self.servers.push(Box::new(site));
    }

    fn app(&mut self, key: &str) {
        let keys = [
            ("githubAppID", "7"),
            ("githubAppInstallationID", "42"),
            ("githubAppPrivateKey", key),
            ("githubAppBaseURL", self.other.git.url()),
        ];
        self.apps.reached("wrong-app", self.other.repo.url(), &keys, &[]);
        self.canaries.push(middle(key));
    }

    /// One app by flags, whose URL has a password in it.
    fn alone(&self) -> Daemon {
        let user = format!("http://bob:{}@", canary("url"));
        let url = self.other.repo.url().replace("http://", &user);
        let daemon = Daemon::start(self.apps.test.run_command_at(&url, ".", &[]));
        daemon.line(&["CredentialsRefused"]);
        daemon
    }

    /// Looks at many fetching children while they run, and at all other processes.
    fn look_at_processes(&self, alone: u32) {
        let mut seen = BTreeSet::new();
        eventually(DEADLINE, "many fetches to be looked at", || {
            let all = processes();
            // What a person gives as an argument is their own doing. Its children do not repeat it: but they have
            // its arguments until they become another program.
            let own = all.iter().find(|process| process.id == alone).unwrap();
            for process in &all {
                let arguments = found(&self.canaries, &process.arguments);
                assert!(arguments.is_empty() || process.arguments == own.arguments, "{process:?}");
                assert_eq!(found(&self.canaries, &process.environment), [""; 0], "{process:?}");
                if process.arguments.contains("git-fetch\0") {
                    seen.insert(process.id);
                }
            }
            if seen.len() >= CHILDREN { Ok(Some(())) } else { Err(seen.len().to_string()) }
        })
        .unwrap();
    }

    /// Waits until each has been accepted or refused.
    fn settle(&self) {
        for name in ["certified", "bearer", "site"] {
            self.apps.wait(name, "Ready");
        }
        self.locked.repo.write("a.yaml", config_map("locked", "2")).unwrap();
        self.apps.applied("certified", &self.locked.repo.commit("Change").unwrap());
        for (name, reason) in [
            ("uncertified", "CredentialsRefused"),
            ("wrong", "CredentialsRefused"),
            ("wrong-token", "CredentialsRefused"),
            ("wrong-proxy", "ProxyFailed"),
            ("wrong-host", "HostKeyUnknown"),
            ("wrong-phrase", "CredentialsRefused"),
            ("wrong-app", "CredentialsRefused"),
            ("nonsense", "SecretUnavailable"),
        ] {
            self.apps.refused(name, reason, &[]);
        }
    }

    /// All that a daemon says of itself.
    fn said(daemon: &Daemon) -> Vec<String> {
        let mut said = vec![daemon.0.lines().join("\n"), daemon.metrics()];
        let url = format!("{}/api/v1/apps", daemon.url());
        let list = http("GET", &url, &[], b"").unwrap().1;
        let apps: serde_json::Value = serde_json::from_str(&list).unwrap();
        for app in apps["apps"].as_array().unwrap() {
            let name = app["name"].as_str().unwrap();
            said.push(http("GET", &format!("{url}/{name}"), &[], b"").unwrap().1);
        }
        said.push(list);
        said
    }
}

#[test]
fn credentials_are_shown_nowhere() {
    let (Some(sshd), Some(app_key)) = (sshd(), rsa_key().unwrap()) else { return };
    let planted = Planted::new(&sshd, &app_key);
    let alone = planted.alone();
    planted.look_at_processes(alone.0.id());
    planted.settle();
    let Planted { apps, canaries, .. } = &planted;
    let mut shown = [&apps.daemon, &alone].map(Planted::said).concat();
    for kind in ["gapp", "events"] {
        shown.push(apps.test.kubectl(&["get", kind, "-o", "json"]));
    }
    for text in &shown {
        assert!(text.len() > 10, "{text:?}");
        assert_eq!(found(canaries, text), [""; 0], "{text}");
    }
    let mut search = Command::new("grep");
    search.arg("-rlF").args(canaries.iter().flat_map(|canary| ["-e", canary]));
    let output = search.arg(apps.test.data.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
}

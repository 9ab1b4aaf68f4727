//! ssh, against a real OpenSSH server.

use std::net::TcpListener;

use testbed::{Fault, Sshd, eventually};

use super::Site;
use crate::apps::Apps;
use crate::support::{DEADLINE, config_map};

/// A server, or `None` where OpenSSH is not installed.
pub fn sshd() -> Option<Sshd> {
    let sshd = Sshd::start().unwrap();
    if sshd.is_none() {
        #[expect(clippy::print_stderr, reason = "whoever runs the tests has to hear of it")]
        {
            eprintln!("skipped: sshd is not installed (openssh-server)");
        }
    }
    sshd
}

#[test]
fn deploy_keys_of_every_kind_read_a_repository() {
    let Some(sshd) = sshd() else { return };
    let apps = Apps::new("ssh-ways");
    let known = sshd.known_hosts("ed25519").unwrap();
    let (ecdsa, rsa) = (sshd.known_hosts("ecdsa").unwrap(), sshd.known_hosts("rsa").unwrap());
    let hashed = sshd.hashed(&rsa).unwrap();
    let all = format!("# all\n{known}\n{ecdsa}\n{rsa}");
    let mut sites = Vec::new();
    for (name, kind, passphrase, known_hosts) in [
        ("ed25519", "ed25519", "", &known),
        ("rsa", "rsa", "", &all),
        ("ecdsa", "ecdsa", "", &ecdsa),
        ("ed25519-locked", "ed25519", "open sesame", &hashed),
        ("rsa-locked", "rsa", "open sesame", &rsa),
        ("ecdsa-locked", "ecdsa", "open sesame", &known),
    ] {
        let site = Site::new(name, Fault::Status(500));
        let key = sshd.key(kind, passphrase).unwrap();
        let field = match kind {
            "rsa" => "ssh-privatekey",
            "ecdsa" => "sshPrivateKey",
            _ => "identity",
        };
        let mut keys = vec![(field, key.as_str()), ("known_hosts", known_hosts)];
        keys.extend(Some(("password", passphrase)).filter(|_| !passphrase.is_empty()));
        apps.reached(name, &sshd.url(site.repo.path()), &keys, &[]);
        sites.push((name, site));
    }
    let short = Site::new("short", Fault::Status(500));
    if let Some(url) = sshd.short_url(short.repo.path()) {
        let key = sshd.key("ed25519", "").unwrap();
        let keys = [("identity", key.as_str()), ("identity.pub", "any"), ("known_hosts", &known)];
        apps.reached("short", &url, &keys, &[]);
        sites.push(("short", short));
    }
    for (name, site) in &sites {
        apps.wait(name, "Ready");
        assert_eq!(apps.test.field(&format!("configmap/{name}"), ".data.key"), "1");
        assert_eq!(site.git.requests(), [""; 0]);
    }
    let (name, site) = &sites[0];
    site.repo.write("a.yaml", config_map(name, "2")).unwrap();
    apps.applied(name, &site.repo.commit("Change").unwrap());
    let found = std::process::Command::new("grep")
        .args(["-rlE", "PRIVATE KEY|open sesame"])
        .arg(apps.test.data.path())
        .output();
    assert_eq!(found.unwrap().status.code(), Some(1), "keys are on disk");
}

#[test]
fn a_server_or_key_that_is_not_known_is_refused() {
    let (Some(sshd), Some(impostor)) = (sshd(), sshd()) else { return };
    let apps = Apps::new("ssh-refused");
    let site = Site::new("site", Fault::None);
    let url = sshd.url(site.repo.path());
    let key = sshd.key("ed25519", "").unwrap();
    let known = sshd.known_hosts("ed25519").unwrap();
    let other = known.replace("[127.0.0.1]", "[git.example]").replace("127.99.", "127.98.");
    let changed = {
        let place = known.split(' ').next().unwrap();
        let key = impostor.known_hosts("ed25519").unwrap();
        format!("{place} {}", key.split_once(' ').unwrap().1)
    };
    let (revoked, authority) = (format!("@revoked {known}"), format!("@cert-authority {known}"));
    for (name, hosts) in [
        ("unknown", &other),
        ("changed", &changed),
        ("revoked", &revoked),
        ("certified", &authority),
    ] {
        apps.reached(name, &url, &[("identity", &key), ("known_hosts", hosts)], &[]);
    }
    apps.reached("no-hosts", &url, &[("identity", &key)], &[]);
    apps.reached("no-secret", &url, &[], &[]);
    let stranger = impostor.key("ed25519", "").unwrap();
    apps.reached("stranger", &url, &[("identity", &stranger), ("known_hosts", &known)], &[]);
    for kind in ["ed25519", "rsa", "ecdsa"] {
        let locked = sshd.key(kind, "open sesame").unwrap();
        let mut keys = vec![("identity", locked.as_str()), ("known_hosts", &known)];
        apps.reached(&format!("{kind}-locked"), &url, &keys, &[]);
        keys.push(("password", "canary"));
        apps.reached(&format!("{kind}-wrong"), &url, &keys, &[]);
    }
    let absent = sshd.url(&site.repo.path().with_extension("absent"));
    apps.reached("absent", &absent, &[("identity", &key), ("known_hosts", &known)], &[]);

    let shown = sshd.fingerprint("ed25519").unwrap();
    apps.refused("unknown", "HostKeyUnknown", &["SHA256:", "add it"]);
    apps.refused("changed", "HostKeyChanged", &[&shown, "someone may be in between"]);
    apps.refused("revoked", "HostKeyRevoked", &[&shown]);
    apps.refused("certified", "HostKeyCertified", &["@cert-authority", "SHA256:"]);
    apps.refused("no-hosts", "SecretUnavailable", &["no known_hosts", "ssh-keyscan"]);
    apps.refused("no-secret", "CredentialsRefused", &["private key and known_hosts"]);
    apps.refused("stranger", "CredentialsRefused", &["key"]);
    apps.refused("absent", "RepositoryNotFound", &[]);
    for kind in ["ed25519", "rsa", "ecdsa"] {
        for how in ["locked", "wrong"] {
            let said =
                apps.refused(&format!("{kind}-{how}"), "CredentialsRefused", &["passphrase"]);
            assert!(!said.contains("canary"), "{said}");
        }
    }
}

#[test]
fn a_server_that_hangs_is_cut_and_holds_up_no_other() {
    let Some(sshd) = sshd() else { return };
    let apps = Apps::with("ssh-hangs", &["--fetch-timeout=3s"]);
    let (key, known) = (sshd.key("ed25519", "").unwrap(), sshd.known_hosts("ed25519").unwrap());
    let keys = [("identity", key.as_str()), ("known_hosts", known.as_str())];
    let (site, other) = (Site::new("site", Fault::None), Site::new("other", Fault::None));
    apps.reached("site", &sshd.url(site.repo.path()), &keys, &[]);
    apps.reached("other", other.repo.url(), &[], &[]);
    apps.wait("site", "Ready");
    // One that takes connections and says nothing, and one that lets in and says no more.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ssh://git@{}/config.git", silent.local_addr().unwrap());
    apps.reached("silent", &url, &keys, &[]);
    sshd.set_hanging(true).unwrap();
    site.repo.write("a.yaml", config_map("site", "2")).unwrap();
    let commit = site.repo.commit("Change").unwrap();
    for name in ["silent", "site"] {
        apps.refused(name, "FetchTimedOut", &["longer than 3s", "--fetch-timeout"]);
    }
    other.repo.write("a.yaml", config_map("other", "2")).unwrap();
    apps.applied("other", &other.repo.commit("Change").unwrap());
    apps.kubectl(&["delete", "configmap", "site"]);
    apps.expect("configmap/site", ".data.key", "1");
    sshd.set_hanging(false).unwrap();
    apps.applied("site", &commit);
    apps.kubectl(&["delete", "gapp", "silent"]);
    eventually(DEADLINE, "the end of all children that hang", || {
        let left = crate::never_sticks::children(apps.daemon.0.id());
        if left.is_empty() { Ok(Some(())) } else { Err(format!("{left:?}")) }
    })
    .unwrap();
}

//! Servers and proxies that refuse, lead astray, or are not what they should be.

use testbed::{Fault, GitServer, ProxyKind, ProxyServer, TlsFront};

use super::{Site, basic};
use crate::apps::Apps;

#[test]
fn each_refusal_says_what_to_do() {
    let apps = Apps::new("http-refused");
    let site = Site::new("site", Fault::None);
    let trickling = Site::new("trickling", Fault::Trickle);
    apps.reached("trickling", trickling.repo.url(), &[], &[]);
    let (front, other) = (tls(&site, false), tls(&site, false));
    let url = site.behind(&front.url());
    apps.reached("unknown-ca", &url, &[], &[]);
    apps.reached("other-ca", &url, &[("ca.crt", other.ca())], &[]);
    let demanding = tls(&site, true);
    let certified = site.behind(&demanding.url());
    apps.reached("no-certificate", &certified, &[("ca.crt", demanding.ca())], &[]);
    let stranger = tls(&site, true);
    let keys = [
        ("ca.crt", demanding.ca()),
        ("tls.crt", stranger.client_certificate()),
        ("tls.key", stranger.client_key()),
    ];
    apps.reached("stranger", &certified, &keys, &[]);

    let locked = Site::new("locked", basic("bob", "hunter2"));
    let wrong = [("username", "bob"), ("password", "canary")];
    apps.reached("wrong-password", locked.repo.url(), &wrong, &[]);
    apps.reached("no-password", locked.repo.url(), &[], &[]);
    apps.reached("ssh-keys", locked.repo.url(), &[("identity", "canary")], &[]);

    let elsewhere = GitServer::start().unwrap();
    let to = elsewhere.url().replace("127.0.0.1", "localhost");
    let leading = Site::new("leading", Fault::Redirect { to });
    apps.reached("astray", leading.repo.url(), &[], &[]);
    let downgrading = Site::new("downgrading", Fault::Redirect { to: elsewhere.url().to_owned() });
    let down = tls(&downgrading, false);
    apps.reached("down", &downgrading.behind(&down.url()), &[("ca.crt", down.ca())], &[]);
    let (from, to) = ("/info".to_owned(), "/info".to_owned());
    let circling = Site::new("circling", Fault::Moved { from, to });
    apps.reached("circling", circling.repo.url(), &[], &[]);
    let (from, to) = ("/info/refs".to_owned(), "/users/sign_in".to_owned());
    let login = Site::new("login", Fault::Moved { from, to });
    apps.reached("login", login.repo.url(), &[], &[]);
    let page = Site::new("page", Fault::WebPage);
    apps.reached("page", page.repo.url(), &[], &[]);

    let keys = [("ca.crt", front.ca())];
    let mut proxies = Vec::new();
    for (name, kind) in [("connect", ProxyKind::Http), ("socks", ProxyKind::Socks5)] {
        let proxy = ProxyServer::start(kind, Some(("somebody", "let me"))).unwrap();
        let address = proxy.url();
        let user =
            [("address", address.as_str()), ("username", "somebody"), ("password", "canary")];
        apps.reached(name, &url, &keys, &user);
        apps.reached(&format!("{name}-plain"), site.repo.url(), &[], &[("address", &address)]);
        proxies.push(proxy);
    }
    apps.reached("no-proxy", &url, &keys, &[("address", "http://proxy.invalid:3128")]);

    let untrusted = ["not trusted", "ca.crt"];
    for (name, reason, words) in [
        ("unknown-ca", "CertificateUntrusted", &untrusted[..]),
        ("other-ca", "CertificateUntrusted", &untrusted),
        ("no-certificate", "CredentialsRefused", &["client certificate"]),
        ("stranger", "CredentialsRefused", &["client certificate"]),
        ("wrong-password", "CredentialsRefused", &["status code 401", "secretRef"]),
        ("no-password", "CredentialsRefused", &["it wants some"]),
        ("ssh-keys", "SecretUnavailable", &["identity is for a URL of ssh"]),
        ("astray", "RedirectRefused", &["another host"]),
        ("down", "RedirectRefused", &["away from TLS"]),
        ("circling", "RepositoryUnreachable", &["redirects more than 5 times"]),
        ("login", "NotAGitServer", &["a redirect to another page"]),
        ("page", "NotAGitServer", &["a web page", "check the URL"]),
        ("connect", "ProxyFailed", &["407", "proxySecretRef"]),
        ("connect-plain", "ProxyFailed", &["407"]),
        ("socks", "ProxyFailed", &["proxy"]),
        ("socks-plain", "ProxyFailed", &["proxy"]),
        ("no-proxy", "ProxyFailed", &["resolve"]),
        ("trickling", "RepositoryUnreachable", &["too slow"]),
    ] {
        let said = apps.refused(name, reason, words);
        assert!(!said.contains("canary") && !said.contains("let me"), "{said}");
    }
    assert_eq!(elsewhere.requests(), [""; 0]);
    assert!(proxies.iter().all(|proxy| proxy.seen().is_empty()));
}

fn tls(site: &Site, demands_client: bool) -> TlsFront {
    TlsFront::start(site.git.url(), demands_client).unwrap()
}

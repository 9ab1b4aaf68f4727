//! http and https: certificates, logins, proxies, redirects on the same host.

use testbed::{Fault, ProxyKind, ProxyServer, TlsFront};

use super::{Site, basic};
use crate::apps::Apps;

#[test]
fn every_way_by_http_is_taken() {
    let apps = Apps::new("http-ways");
    let open = Site::new("open", Fault::None);
    let front = TlsFront::start(open.git.url(), false).unwrap();
    apps.reached("open", &open.behind(&front.url()), &[("ca.crt", front.ca())], &[]);

    let shown = Site::new("shown", Fault::None);
    let demanding = TlsFront::start(shown.git.url(), true).unwrap();
    let (certificate, key) = (demanding.client_certificate(), demanding.client_key());
    let keys = [("caFile", demanding.ca()), ("certFile", certificate), ("keyFile", key)];
    apps.reached("shown", &shown.behind(&demanding.url()), &keys, &[]);

    // GitLab's tokens go with any name, those of Azure DevOps as well; both take a bearer too.
    let gitlab = Site::new("gitlab", basic("oauth2", "glpat-1"));
    let tls = TlsFront::start(gitlab.git.url(), false).unwrap();
    let keys = [("ca.crt", tls.ca()), ("username", "oauth2"), ("password", "glpat-1\n")];
    apps.reached("gitlab", &gitlab.behind(&tls.url()), &keys, &[]);
    let azure = Site::new("azure", basic("git", "pat:with/signs"));
    apps.reached("azure", azure.repo.url(), &[("password", "pat:with/signs")], &[]);
    let bearer = Site::new("bearer", Fault::BearerAuth { token: "token-1".to_owned() });
    let bearer_tls = TlsFront::start(bearer.git.url(), true).unwrap();
    let keys = [
        ("ca.crt", bearer_tls.ca()),
        ("tls.crt", bearer_tls.client_certificate()),
        ("tls.key", bearer_tls.client_key()),
        ("bearerToken", "token-1"),
    ];
    apps.reached("bearer", &bearer.behind(&bearer_tls.url()), &keys, &[]);

    let mut proxies = Vec::new();
    for (name, kind) in [("connect", ProxyKind::Http), ("socks", ProxyKind::Socks5)] {
        let site = Site::new(name, Fault::BearerAuth { token: "token-2".to_owned() });
        let tls = TlsFront::start(site.git.url(), false).unwrap();
        let proxy = ProxyServer::start(kind, Some(("somebody", "let me"))).unwrap();
        let (address, keys) = (proxy.url(), [("ca.crt", tls.ca()), ("bearerToken", "token-2")]);
        // A name that this machine does not know: only the proxy can find it.
        let url = site.behind(&tls.url()).replace("127.0.0.1", "localhost");
        let user =
            [("address", address.as_str()), ("username", "somebody"), ("password", "let me")];
        apps.reached(name, &url, &keys, &user);
        proxies.push((proxy, tls.url(), site, tls));
    }
    // One that is spoken to by TLS itself.
    let inner = Site::new("secure", basic("bob", "hunter2"));
    let tls = TlsFront::start(inner.git.url(), false).unwrap();
    let open_proxy = ProxyServer::start(ProxyKind::Http, Some(("somebody", "let me"))).unwrap();
    let secure = TlsFront::start(&open_proxy.url(), false).unwrap();
    let (both, address) = (format!("{}\n{}", tls.ca(), secure.ca()), secure.url());
    let keys = [("ca.crt", both.as_str()), ("username", "bob"), ("password", "hunter2")];
    let user = [("address", address.as_str()), ("username", "somebody"), ("password", "let me")];
    apps.reached("secure", &inner.behind(&tls.url()), &keys, &user);
    let plain = Site::new("plain", basic("bob", "hunter2"));
    let proxy = ProxyServer::start(ProxyKind::Http, None).unwrap();
    let keys = [("username", "bob"), ("password", "hunter2")];
    let (url, address) = (plain.repo.url().to_owned(), proxy.url());
    apps.reached("plain", &url, &keys, &[("address", &address)]);

    let moved = Site::new("moved", Fault::None);
    let from = ("/elsewhere".to_owned(), String::new());
    moved.git.set_fault_for("/elsewhere", Fault::Moved { from: from.0, to: from.1 });
    let old = moved.repo.url().replace("/moved", "/elsewhere/moved");
    apps.reached("moved", &old, &[], &[]);
    let raised = Site::new("raised", basic("bob", "hunter2"));
    let raised_tls = TlsFront::start(raised.git.url(), false).unwrap();
    let below = Site::new("raised", Fault::Redirect { to: raised_tls.url() });
    let keys = [("ca.crt", raised_tls.ca()), ("username", "bob"), ("password", "hunter2")];
    apps.reached("raised", below.repo.url(), &keys, &[]);

    for name in [
        "open", "shown", "gitlab", "azure", "bearer", "connect", "socks", "secure", "plain",
        "moved", "raised",
    ] {
        apps.wait(name, "Ready");
        assert_eq!(apps.test.field(&format!("configmap/{name}"), ".data.key"), "1");
    }
    for (proxy, url, ..) in &proxies {
        let port = url.rsplit_once(':').unwrap().1;
        assert!(proxy.seen().iter().any(|target| target.ends_with(port)), "{:?}", proxy.seen());
    }
    assert!(!proxy.seen().is_empty() && !open_proxy.seen().is_empty());
    // A push of each is seen by the same way.
    for (name, site) in [("shown", &shown), ("plain", &plain), ("raised", &raised)] {
        site.repo.write("a.yaml", crate::support::config_map(name, "2")).unwrap();
        apps.applied(name, &site.repo.commit("Change").unwrap());
    }
}

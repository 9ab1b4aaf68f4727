//! Ways to a registry that asks for more than a password: certificates, proxies, tokens of an identity.

use serde_json::json;
use testbed::{ProxyKind, ProxyServer, Registry, TlsFront, TokenFront};

use super::{FLUX, push};
use crate::apps::Apps;

/// A secret's keys and values.
type Keys<'a> = &'a [(&'a str, &'a str)];

impl Apps {
    /// An app that follows an artifact with these credentials.
    fn by(&self, name: &str, url: &str, keys: Keys<'_>, proxy: Keys<'_>) {
        let mut more = json!({});
        for (field, what, keys) in [("secretRef", "oci", keys), ("proxySecretRef", "proxy", proxy)]
        {
            if !keys.is_empty() {
                let secret = format!("{name}-{what}");
                self.keep(&secret, keys);
                more[field] = json!({"name": secret});
            }
        }
        self.artifact(name, url, "HEAD", more);
    }
}

#[test]
fn a_registry_that_wants_a_certificate_is_shown_one() {
    let (apps, registry) = (Apps::new("oci-mtls"), Registry::start_with_login().unwrap());
    let front = TlsFront::start(&format!("http://{}", registry.address()), true).unwrap();
    let url = front.url().replace("https://", "oci://") + "/team/app";
    let digest = push(&registry, "team/app:latest", FLUX, "1");
    let login = [("ca.crt", front.ca()), ("username", "git"), ("password", "hunter2")];
    let client = [("tls.crt", front.client_certificate()), ("tls.key", front.client_key())];
    apps.by("nobody", &url, &login, &[]);
    apps.by("web", &url, &[&login[..], &client].concat(), &[]);
    apps.brought("web", &digest);
    apps.test.expect("configmap/a", ".data.key", "1");
    let said = apps.reason("nobody", "Ready", "CredentialsRefused");
    assert!(said.contains("tls.crt and tls.key"), "{said}");
    apps.says_nothing_of("hunter2");
}

#[test]
fn a_registry_behind_a_proxy_is_reached_by_it() {
    let (apps, registry) = (Apps::new("oci-proxy"), Registry::start_with_login().unwrap());
    let front = TlsFront::start(&format!("http://{}", registry.address()), false).unwrap();
    let digest = push(&registry, "team/app:latest", FLUX, "1");
    // A name that only the proxy is asked for.
    let url = front.url().replace("https://127.0.0.1", "oci://localhost") + "/team/app";
    let login = [("ca.crt", front.ca()), ("username", "git"), ("password", "hunter2")];
    for (name, kind) in [("http", ProxyKind::Http), ("socks", ProxyKind::Socks5)] {
        let proxy = ProxyServer::start(kind, Some(("somebody", "canary"))).unwrap();
        let address = proxy.url();
        let user = [("address", address.as_str()), ("username", "somebody")];
        apps.by(name, &url, &login, &[&user[..], &[("password", "canary")]].concat());
        apps.brought(name, &digest);
        assert!(!proxy.seen().is_empty());
        // Two apps would be at odds over what is in it.
        apps.kubectl(&["delete", "gapp", name]);
        // Whom the proxy does not know gets nowhere.
        let wrong = format!("{name}-wrong");
        apps.by(&wrong, &url, &login, &[&user[..], &[("password", "other")]].concat());
        let said = apps.reason(&wrong, "Ready", "ProxyFailed");
        assert!(said.contains("through the proxy"), "{said}");
    }
    apps.says_nothing_of("hunter2");
    apps.says_nothing_of("canary");
}

#[test]
fn an_identity_of_docker_gets_tokens() {
    let (apps, registry) = (Apps::new("oci-identity"), Registry::start_with_login().unwrap());
    let front = TokenFront::start(registry.address(), "identity-hunter2").unwrap();
    let digest = push(&registry, "team/app:latest", FLUX, "1");
    let (host, url) = (front.address(), format!("oci://{}/team/app", front.address()));
    let login = |identity: &str| {
        // As Azure's registries have it: a name that means nothing, and no password.
        let auth = "MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwOg==";
        json!({host.as_str(): {"auth": auth, "identitytoken": identity}})
    };
    for (name, identity) in [("right", "identity-hunter2"), ("wrong", "identity-canary")] {
        let config = json!({"auths": login(identity)}).to_string();
        apps.keep(name, &[(".dockerconfigjson", &config)]);
        apps.artifact(name, &url, "HEAD", json!({"secretRef": {"name": name}}));
    }
    apps.brought("right", &digest);
    apps.test.expect("configmap/a", ".data.key", "1");
    // What is known is asked for and not pulled: registries count that.
    let before = front.seen().len();
    let name = format!("app={}/right}}", apps.test.namespace);
    (0..3).for_each(|_| drop(apps.daemon.line_after(apps.daemon.mark(), &["Synced", &name])));
    let seen = front.seen().split_off(before);
    assert!(!seen.is_empty() && seen.iter().all(|asked| asked.starts_with("HEAD ")), "{seen:?}");
    apps.reason("wrong", "Ready", "CredentialsRefused");
    apps.artifact("anybody", &url, "HEAD", json!({}));
    apps.reason("anybody", "Ready", "CredentialsRefused");
    for word in ["hunter2", "canary"] {
        apps.says_nothing_of(word);
    }
}

//! Credentials that change are used at once.

use serde_json::json;
use testbed::{Fault, ProxyKind, ProxyServer};

use super::{Site, basic};
use crate::apps::Apps;
use crate::support::config_map;

#[test]
fn secrets_that_change_are_used_at_once() {
    let apps = Apps::new("rotated");
    let site = Site::new("site", basic("bob", "one"));
    let proxy = || ProxyServer::start(ProxyKind::Http, None).unwrap();
    let (first, second) = (proxy(), proxy());
    let login = |password| [("username", "bob"), ("password", password)];
    apps.keep("git", &login("one"));
    apps.keep("proxy", &[("address", &first.url())]);
    // Nothing but the change of a Secret makes it look again.
    apps.apply(
        "site",
        &json!({
            "repoURL": site.repo.url(), "interval": "1h",
            "secretRef": {"name": "git"}, "proxySecretRef": {"name": "proxy"},
        }),
    );
    apps.wait("site", "Ready");
    assert!(!first.seen().is_empty() && second.seen().is_empty());
    site.repo.write("a.yaml", config_map("site", "2")).unwrap();
    let commit = site.repo.commit("Change").unwrap();
    apps.keep("proxy", &[("address", &second.url())]);
    apps.applied("site", &commit);
    assert!(!second.seen().is_empty());
    site.git.set_fault(basic("bob", "two"));
    site.repo.write("a.yaml", config_map("site", "3")).unwrap();
    let commit = site.repo.commit("Change").unwrap();
    apps.keep("git", &login("two"));
    apps.applied("site", &commit);
    site.git.set_fault(Fault::None);
}

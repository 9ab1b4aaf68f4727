//! Whom a fetch trusts: who is named in the Secret, and still whom the system trusts.

use testbed::{Fault, TlsFront};

use super::Site;
use crate::revisions::submodules::trusting;
use crate::support::{Fixture, define_apps};

#[test]
fn an_authority_of_ones_own_stands_beside_those_of_the_system() {
    define_apps();
    let test = Fixture::new("authorities");
    let (public, own) = (Site::new("public", Fault::None), Site::new("own", Fault::None));
    let public_tls = TlsFront::start(public.git.url(), false).unwrap();
    let own_tls = TlsFront::start(own.git.url(), false).unwrap();
    let ca = test.data.path().join("ca.pem");
    std::fs::write(&ca, public_tls.ca()).unwrap();
    let _daemon = trusting(&test, &ca, &[]);
    test.keep("git", &[("ca.crt", own_tls.ca())]);
    for (name, site, front) in [("public", &public, &public_tls), ("own", &own, &own_tls)] {
        let secret = serde_json::json!({"secretRef": {"name": "git"}});
        let mut spec = test.spec(".", secret);
        spec["repoURL"] = site.behind(&front.url()).into();
        test.apply(name, &spec);
        test.applied(name, &site.repo.head().unwrap());
    }
}

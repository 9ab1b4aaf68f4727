//! The daemon manages itself: what `deploy` holds is in git, and an app of its own applies it.

use serde_json::{Value, json};
use testbed::{ControlPlane, Signal, eventually};

use super::alone::{Alone, HOME};
use crate::install::build;
use crate::support::{DEADLINE, Daemon, config_map};

/// What the daemon cannot do without.
const VITAL: [&str; 7] = [
    "namespace/gitops-sync",
    "crd/gitopsapps.gitops-sync.dev",
    "deployment/gitops-sync",
    "serviceaccount/gitops-sync",
    "rolebinding/gitops-sync",
    "clusterrolebinding/gitops-sync-manages-everything",
    "configmap/gitops-sync",
];

/// The definition, with one more field if there is one.
pub fn definition(field: Option<&str>) -> Value {
    let mut crd = serde_json::to_value(gitops_sync::api::crd()).unwrap();
    crd["apiVersion"] = json!("apiextensions.k8s.io/v1");
    crd["kind"] = json!("CustomResourceDefinition");
    if let Some(field) = field {
        let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
        crd.pointer_mut(spec).unwrap()[field] = json!({"type": "string", "description": "New."});
    }
    crd
}

/// A cluster as a person sets it up, with the daemon that keeps itself as git has it.
struct Itself {
    alone: Alone,
    daemon: Daemon,
}

impl Itself {
    fn new() -> Self {
        let alone = Alone::on(ControlPlane::start().unwrap());
        for object in build("deploy") {
            alone.apply(&object);
        }
        alone.define(&definition(None));
        write_all(&alone, "1", None);
        alone.repo.write("other/a.yaml", config_map("other", "1")).unwrap();
        let commit = alone.repo.commit("All of it").unwrap();
        let daemon = alone.start(&alone.own_account());
        alone.apply(&own_app(&alone, "Abandon"));
        alone.apply(&alone.app("other", "other", json!({})));
        alone.applied("itself", &commit, &daemon);
        alone.applied("other", &commit, &daemon);
        Self { alone, daemon }
    }

    /// The image of the daemon in the cluster, as the Deployment says.
    fn image(&self) -> String {
        self.alone.field("deployment/gitops-sync", ".spec.template.spec.containers[0].image")
    }

    /// Upgrades it by a commit: as soon as its Deployment names the new image, it is ended and a new process
    /// takes its place.
    fn upgrade(&mut self, version: &str, field: &str, end: impl FnOnce(&Daemon)) {
        write_all(&self.alone, version, Some(field));
        let commit = self.alone.repo.commit("Upgrade").unwrap();
        eventually(DEADLINE, "the Deployment to be upgraded", || {
            let image = self.image();
            if image.ends_with(&format!(":{version}")) { Ok(Some(())) } else { Err(image) }
        })
        .unwrap_or_else(|error| panic!("{error}\n{:#?}", self.daemon.0.lines()));
        end(&self.daemon);
        self.daemon.0.wait_exit(DEADLINE).unwrap();
        self.daemon = self.alone.start(&self.alone.own_account());
        self.alone.applied("itself", &commit, &self.daemon);
        for n in 0..CHILDREN {
            let child = format!("gapp/child{n}");
            self.alone.expect(&child, &format!(".spec.{field}"), version, &self.daemon);
            self.alone.applied(&format!("child{n}"), &commit, &self.daemon);
        }
    }

    /// All of it is in git again, with the app that deletes what it has.
    fn comes_back(&self, version: &str) {
        write_all(&self.alone, version, None);
        self.alone.write("itself/app.json", &own_app(&self.alone, "Delete"));
        let commit = self.alone.repo.commit("Back").unwrap();
        self.alone.applied("itself", &commit, &self.daemon);
        assert!(self.image().ends_with(&format!(":{version}")), "{}", self.image());
    }

    /// Whether what the daemon cannot do without is no app's.
    fn is_free(&self) {
        for object in VITAL {
            let label = ".metadata.labels.gitops-sync\\.dev/app";
            self.alone.expect(object, label, "", &self.daemon);
        }
    }

    /// Whether what the daemon cannot do without is there, and it works: a commit goes live.
    fn works(&self, value: &str) {
        let path = "-o=jsonpath={.items[*].metadata['uid','deletionTimestamp']}";
        let found = self.alone.kubectl(&[&["get", path][..], &VITAL].concat());
        assert_eq!(found.split_whitespace().count(), VITAL.len(), "uids alone: {found}");
        self.alone.repo.write("other/a.yaml", config_map("other", value)).unwrap();
        self.alone.repo.commit("Other").unwrap();
        self.alone.expect("configmap/other", ".data.key", value, &self.daemon);
    }
}

/// Apps beside it, in git as well.
const CHILDREN: usize = 5;

/// The app of the daemon itself. Nothing but what the daemon is keeps anything from being pruned.
fn own_app(alone: &Alone, policy: &str) -> Value {
    let guard = json!({"protectKinds": [], "maxPercent": 100, "allowEmpty": true});
    alone.app("itself", "itself", json!({"pruneGuard": guard, "deletionPolicy": policy}))
}

/// Writes the daemon, itself as an app, and apps that use a field of the definition of the same commit.
fn write_all(alone: &Alone, version: &str, field: Option<&str>) {
    for (n, mut object) in build("deploy").into_iter().enumerate() {
        if object["kind"] == "Deployment" {
            let image = format!("gitops-sync:{version}");
            object["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
        }
        alone.write(&format!("itself/{n}.json"), &object);
    }
    alone.write("itself/crd.json", &definition(field));
    alone.write("itself/app.json", &own_app(alone, "Abandon"));
    for n in 0..CHILDREN {
        let mut child =
            alone.app(&format!("child{n}"), "children", json!({"targetNamespace": HOME}));
        child["spec"]["path"] = json!(format!("children/{n}"));
        if let Some(field) = field {
            child["spec"][field] = json!(version);
        }
        alone.write(&format!("itself/child{n}.json"), &child);
        alone
            .repo
            .write(&format!("children/{n}/a.yaml"), config_map(&format!("c{n}"), version))
            .unwrap();
    }
}

#[test]
fn it_upgrades_itself_in_the_middle_of_a_pass_and_is_never_deleted_by_itself() {
    let mut itself = Itself::new();
    itself.works("2");
    itself.upgrade("2", "color", |daemon| daemon.0.kill().unwrap());
    itself.upgrade("3", "shape", |daemon| daemon.0.signal(Signal::TERM).unwrap());
    itself.works("3");

    // All of it leaves git but the app.
    itself.alone.repo.git(&["rm", "-rq", "itself"]).unwrap();
    itself.alone.write("itself/app.json", &own_app(&itself.alone, "Delete"));
    let commit = itself.alone.repo.commit("Forget what runs here").unwrap();
    itself.alone.applied("itself", &commit, &itself.daemon);
    for n in 0..CHILDREN {
        itself.alone.expect(&format!("gapp/child{n}"), ".metadata.uid", "", &itself.daemon);
    }
    itself.works("4");
    itself.is_free();

    // It comes back, and the app, which wants its objects to be deleted, goes by hand and by git.
    itself.comes_back("5");
    itself.alone.kubectl(&["delete", "gapp", "itself", "--timeout=180s"]);
    itself.works("6");
    itself.is_free();
    itself.alone.apply(&own_app(&itself.alone, "Delete"));
    itself.comes_back("7");
    itself.alone.repo.remove("itself/app.json").unwrap();
    itself.alone.repo.commit("No app of its own").unwrap();
    itself.alone.expect("gapp/itself", ".metadata.uid", "", &itself.daemon);
    itself.works("8");
    itself.is_free();
    itself.alone.apply(&own_app(&itself.alone, "Abandon"));
    write_all(&itself.alone, "9", None);
    let commit = itself.alone.repo.commit("Back, with Abandon").unwrap();
    itself.alone.applied("itself", &commit, &itself.daemon);
    itself.alone.kubectl(&["delete", "gapp", "itself", "--timeout=180s"]);
    itself.works("10");
    itself.is_free();
}

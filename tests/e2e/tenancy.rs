//! Apps with the rights of a service account: what it may not do, the daemon does not do for it.

mod credentials;
mod remote;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gitops_sync::api::GitOpsAppSpec;
use gitops_sync::api::names::Labels;
use gitops_sync::api::reference::NamespaceName;
use gitops_sync::api::resources::{KindPattern, Resources};
use gitops_sync::api::spec::CreateNamespace;
use gitops_sync::builder::Tools;
use gitops_sync::cluster::list::{Content, Target};
use gitops_sync::cluster::store::Store;
use gitops_sync::cluster::{Cluster, Connection};
use gitops_sync::object::{AppId, GroupKind, ServiceAccount};
use gitops_sync::plan::prune::selector;
use gitops_sync::plan::{CommonMetadata, Reach, Resource};
use gitops_sync::report::{Action, Failure, Fate, Outcome, Trigger};
use gitops_sync::source::{Clones, Fetcher, Limits, Repository};
use gitops_sync::sync::{App, Checkout, Destination, Ground, Memory, Origin, Stop, pass::pass};
use testbed::{ApiRequest, eventually};
use tokio::runtime::Runtime;

use crate::support::{DEADLINE, DEPLOYMENT, Fixture, config_map, plane};

/// An app of the library, with its folder, in a namespace of its own.
struct Tenant {
    test: Fixture,
    runtime: Runtime,
    app: App,
    memory: Memory,
}

impl Tenant {
    /// An app that does everything with the daemon's own rights.
    fn new(name: &str) -> Self {
        let test = Fixture::new(name);
        let runtime = Runtime::new().unwrap();
        let cluster = runtime.block_on(connect(plane().kubeconfig()));
        let store = Store::new(cluster.clone(), &test.namespace);
        let id: AppId = test.namespace.parse().unwrap();
        let id = id.within(&test.namespace);
        let spec = GitOpsAppSpec {
            target_namespace: Some(NamespaceName(test.namespace.clone())),
            ..GitOpsAppSpec::of(test.repo.url())
        };
        let origin = Origin::Git(fetcher(&test));
        let checkout = Checkout {
            clones: Clones::default(),
            data_dir: test.data.path().to_owned(),
            program: env!("CARGO_BIN_EXE_gitops-sync").into(),
            timeout: DEADLINE,
            limits: Limits::default(),
        };
        let app = runtime.block_on(async {
            let destination = Destination::new(cluster, selector(&id), &test.namespace);
            let reach = Reach::default();
            let tools = Tools::new(&checkout.program, &checkout.data_dir, DEADLINE);
            let ground = Ground { destination, store, reach, parallel: 8, checkout, tools };
            App { interval: Duration::ZERO, ..App::new(id, &spec, origin, &ground).unwrap() }
        });
        Self { test, runtime, app, memory: Memory::default() }
    }

    /// Makes a service account with these rights in the namespace, and has the app act as it.
    fn act_as(&mut self, name: &str, rules: &[(&str, &str)]) {
        self.test.kubectl(&["create", "serviceaccount", name]);
        let account = ServiceAccount::new(&self.test.namespace, name).unwrap();
        for (at, (resources, verbs)) in rules.iter().enumerate() {
            let role = format!("{name}-{at}");
            let (resources, verbs) = (format!("--resource={resources}"), format!("--verb={verbs}"));
            self.test.kubectl(&["create", "role", &role, &resources, &verbs]);
            let subject = format!("--serviceaccount={}:{name}", self.test.namespace);
            self.test.kubectl(&[
                "create",
                "rolebinding",
                &role,
                &format!("--role={role}"),
                &subject,
            ]);
        }
        self.app.cluster = self.app.cluster.acting_as(&account);
        self.app.store = Store::new(self.app.cluster.clone(), &self.test.namespace);
    }

    fn write(&self, file: &str, text: &str) {
        self.test.commit(&[(file, text)]);
    }

    fn remove(&self, file: &str) {
        self.test.repo.remove(file).unwrap();
        self.test.repo.commit("Remove one").unwrap();
    }

    fn pass(&mut self) -> Outcome {
        self.runtime.block_on(async {
            let stop = Stop::on_signals().unwrap();
            pass(&self.app, &mut self.memory, Trigger::Command, &stop).await
        })
    }

    /// What the program under test sent about the namespace since a mark.
    fn requests(&self, mark: testbed::Mark) -> Vec<ApiRequest> {
        let all = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
        all.into_iter().filter(|request| request.namespace == self.test.namespace).collect()
    }
}

/// What fetches the whole repository.
fn fetcher(test: &Fixture) -> Fetcher {
    let repository = Repository {
        insecure: false,
        submodules: None,
        url: test.repo.url().to_owned(),
        branch: "main".to_owned(),
        files: Arc::default(),
        credentials: None,
    };
    let (dir, path) = (test.data.path().join("clone"), ".".to_owned());
    let program = PathBuf::from(env!("CARGO_BIN_EXE_gitops-sync"));
    Fetcher {
        repository,
        dir,
        path,
        render: Arc::default(),
        limits: Limits::default(),
        timeout: DEADLINE,
        program,
        shared: Arc::default(),
    }
}

async fn connect(kubeconfig: &Path) -> Cluster {
    let kubeconfig = Some(kubeconfig.to_owned());
    let connection = Connection { kubeconfig, context: None, timeout: Duration::from_secs(30) };
    Cluster::connect(&connection, Arc::new(|_, _| ())).await.unwrap()
}

/// What became of an object, by its name.
fn action<'a>(outcome: &'a Outcome, name: &str) -> &'a Action {
    let mut done = outcome.done.iter().filter(|done| done.desired.id.name == name);
    &done.next().unwrap_or_else(|| panic!("nothing of {name} in {outcome:#?}")).action
}

fn assert_refused(outcome: &Outcome, name: &str, account: &str) {
    match action(outcome, name) {
        Action::Failed(why) if why.contains("403") || why.contains(account) => {}
        other => panic!("{name}: {other:?}"),
    }
}

const ALL: &str = "get,list,create,patch,delete";

#[test]
fn an_app_may_do_what_its_service_account_may_and_nothing_else() {
    let mut tenant = Tenant::new("tenant");
    tenant.act_as("deployer", &[("configmaps", ALL)]);
    let account = format!("system:serviceaccount:{}:deployer", tenant.test.namespace);
    tenant.write("a.yaml", &config_map("a", "1"));
    tenant.write("b.yaml", &config_map("b", "1"));
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {pin: hunter2}\n";
    tenant.write("s.yaml", secret);
    let role = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: {}}}\nrules: []\n",
        tenant.test.namespace
    );
    tenant.write("r.yaml", &role);
    let mark = plane().audit().mark().unwrap();
    let outcome = tenant.pass();
    assert_eq!(*action(&outcome, "a"), Action::Created, "{outcome:#?}");
    assert_eq!(*action(&outcome, "b"), Action::Created);
    assert_refused(&outcome, "s", &account);
    assert_refused(&outcome, &tenant.test.namespace, &account);
    assert_eq!(outcome.failed(), 2);
    assert_eq!(tenant.test.field("secret/s", ".metadata.name"), "");

    // Drift is read and put back, and a refused object is tried again, in the same name.
    tenant.test.kubectl(&["patch", "configmap", "a", "-p", "{\"data\":{\"key\":\"other\"}}"]);
    let outcome = tenant.pass();
    assert!(matches!(action(&outcome, "a"), Action::Reverted(_)), "{outcome:#?}");

    let requests = tenant.requests(mark);
    let is_own = |r: &&ApiRequest| r.name.starts_with("gitops-sync-") || r.resource == "events";
    let (own, apps): (Vec<_>, Vec<_>) = requests.iter().partition(is_own);
    let writes: Vec<_> = apps.iter().filter(|r| r.verb != "list" && r.verb != "watch").collect();
    assert!(writes.len() >= 5, "{requests:#?}");
    let groups = format!(
        "system:serviceaccounts,system:serviceaccounts:{},system:authenticated",
        tenant.test.namespace
    );
    for write in writes {
        assert_eq!(
            (&write.impersonated, &write.impersonated_groups),
            (&account, &groups),
            "{write:?}"
        );
    }
    assert!(own.iter().any(|r| r.verb == "create" && r.resource == "secrets"), "{own:#?}");
    assert!(own.iter().all(|r| r.impersonated.is_empty()), "{own:#?}");
    assert!(apps.iter().all(|r| r.user == "admin"), "{apps:#?}");

    // A watch is in the log once it has ended.
    tenant.memory = Memory::default();
    let is_watch = |r: &ApiRequest| r.verb == "watch" && r.uri.contains(&tenant.test.namespace);
    let watches = eventually(DEADLINE, "the watches to end", || {
        let all = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
        let watches: Vec<_> = all.into_iter().filter(is_watch).collect();
        if watches.len() >= 3 { Ok(Some(watches)) } else { Err(watches.len()) }
    });
    let watches = watches.unwrap_or_else(|error| panic!("{error}"));
    assert!(watches.iter().all(|watch| watch.impersonated.is_empty()), "{watches:#?}");
}

#[test]
fn the_daemon_deletes_nothing_that_its_tenant_could_not() {
    let mut tenant = Tenant::new("undeleted");
    tenant.write("a.yaml", &config_map("a", "1"));
    tenant.write("b.yaml", &config_map("b", "1"));
    assert_eq!(tenant.pass().failed(), 0);
    tenant.act_as("deployer", &[("configmaps", "get,list,create,patch")]);
    tenant.remove("b.yaml");
    let outcome = tenant.pass();
    let fate = outcome.leftovers.iter().find(|(id, _)| id.name == "b").map(|(_, fate)| fate);
    assert!(matches!(fate, Some(Fate::Failed(why)) if why.contains("deployer")), "{outcome:#?}");
    assert_eq!(tenant.test.field("configmap/b", ".data.key"), "1");
    assert_eq!(*action(&outcome, "a"), Action::Unchanged);
}

#[test]
fn metadata_is_listed_by_the_daemon_and_whole_objects_by_the_app() {
    let mut tenant = Tenant::new("listed");
    tenant.act_as("deployer", &[("configmaps", ALL)]);
    let resource = |plural: &str, kind: &str| Resource {
        kind: GroupKind::new("", kind),
        version: "v1".to_owned(),
        plural: plural.to_owned(),
        namespaced: true,
        listable: true,
    };
    let (secrets, config_maps) =
        (resource("secrets", "Secret"), resource("configmaps", "ConfigMap"));
    let mark = plane().audit().mark().unwrap();
    let list = |resource: &Resource, content: Content| {
        let cluster = tenant.app.cluster.clone();
        let target = Target {
            resource: resource.clone(),
            namespace: tenant.test.namespace.clone(),
            labels: String::new(),
            fields: String::new(),
            content,
        };
        let listed = cluster.list(&target, |_| ());
        tenant.runtime.block_on(listed).map(drop).map_err(|error| error.code())
    };
    assert_eq!(list(&config_maps, Content::Whole), Ok(()));
    assert_eq!(list(&config_maps, Content::Metadata), Ok(()));
    assert_eq!(list(&secrets, Content::Metadata), Ok(()));
    assert_eq!(list(&secrets, Content::Whole), Err(403));
    let account = format!("system:serviceaccount:{}:deployer", tenant.test.namespace);
    let whom: Vec<_> = tenant.requests(mark).into_iter().map(|r| r.impersonated).collect();
    assert_eq!(whom, [account.as_str(), "", "", account.as_str()]);
}

#[test]
fn a_kubeconfig_that_acts_as_another_already_is_no_way_to_more_rights() {
    let mut tenant = Tenant::new("acting");
    let text = fs::read_to_string(plane().kubeconfig()).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
    config["users"][0]["user"]["as"] = "bob".into();
    config["users"][0]["user"]["as-groups"] = serde_json::json!(["system:masters"]);
    let file = tenant.test.data.path().join("acting.kubeconfig");
    fs::write(&file, config.to_string()).unwrap();
    tenant.app.cluster = tenant.runtime.block_on(connect(&file));
    tenant.write("a.yaml", &config_map("a", "1"));
    tenant.act_as("deployer", &[]);
    let outcome = tenant.pass();
    let refused = matches!(action(&outcome, "a"), Action::Failed(why) if why.contains("\"as\""));
    assert!(refused, "{outcome:#?}");
    assert_eq!(tenant.test.field("configmap/a", ".metadata.name"), "");
}

fn labels(team: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("team".to_owned(), team.to_owned())])
}

#[test]
fn a_kind_that_is_not_allowed_is_neither_applied_nor_deleted_and_nothing_is_pruned() {
    let mut tenant = Tenant::new("kinds");
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {pin: '1'}\n";
    tenant.write("a.yaml", &config_map("a", "1"));
    tenant.write("b.yaml", &config_map("b", "1"));
    tenant.write("s.yaml", secret);
    assert_eq!(tenant.pass().failed(), 0);
    let secrets = KindPattern { group: String::new(), kind: "Secret".to_owned() };
    tenant.app.resources = Arc::new(Resources { deny: vec![secrets], ..Resources::default() });
    tenant.remove("b.yaml");
    tenant.write("a.yaml", &config_map("a", "2"));
    tenant.write("s.yaml", &secret.replace("'1'", "'2'"));
    let outcome = tenant.pass();
    let said: Vec<_> = outcome.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 1, "{outcome:#?}");
    assert!(said[0].starts_with("s.yaml:1: secret/s is of a kind that"), "{said:?}");
    assert_eq!(*action(&outcome, "a"), Action::Configured);
    assert_eq!(outcome.pruned(), 0);
    assert_eq!(tenant.test.field("secret/s", ".data.pin"), "MQ==");
    assert_eq!(tenant.test.field("configmap/b", ".data.key"), "1");
    // Of the same source all is resolved anew.
    tenant.app.resources = Arc::default();
    let outcome = tenant.pass();
    assert_eq!((outcome.failed(), outcome.pruned()), (0, 1), "{outcome:#?}");
    assert_eq!(tenant.test.field("secret/s", ".data.pin"), "Mg==");
}

#[test]
fn common_labels_are_kept_on_objects_and_stay_off_their_pods() {
    let mut tenant = Tenant::new("common");
    tenant.write("web.yaml", DEPLOYMENT);
    let common =
        |team: &str| Arc::new(CommonMetadata { labels: labels(team), ..CommonMetadata::default() });
    tenant.app.common = common("a");
    tenant.pass();
    let label = |tenant: &Tenant| tenant.test.field("deployment/web", ".metadata.labels.team");
    assert_eq!(label(&tenant), "a");
    tenant.test.kubectl(&["label", "deployment", "web", "team=x", "--overwrite"]);
    let outcome = tenant.pass();
    assert!(matches!(action(&outcome, "web"), Action::Reverted(_)), "{outcome:#?}");
    assert_eq!(label(&tenant), "a");
    tenant.app.common = common("b");
    tenant.app.atomic = true;
    assert_eq!(*action(&tenant.pass(), "web"), Action::Configured);
    assert_eq!(label(&tenant), "b");
    assert_eq!(*action(&tenant.pass(), "web"), Action::Unchanged);
    // What is accepted for one label says nothing of another.
    tenant.app.common = common("not a label");
    let outcome = tenant.pass();
    let is_refused = matches!(outcome.failure, Some(Failure::CommitRefused { .. }));
    assert!(is_refused, "{outcome:#?}");
    let template = tenant.test.field("deployment/web", ".spec.template.metadata.labels");
    assert_eq!(template, r#"{"app":"web"}"#);
    assert_eq!(
        tenant.test.field("deployment/web", ".spec.selector.matchLabels"),
        r#"{"app":"web"}"#
    );
}

/// A namespace that is not there.
fn elsewhere(tenant: &mut Tenant) -> String {
    let name = format!("{}-new", tenant.test.namespace);
    let wanted = CreateNamespace { labels: Labels(labels("a")), ..CreateNamespace::default() };
    tenant.app.target_namespace.clone_from(&name);
    tenant.app.create_namespace = Some(wanted);
    name
}

fn is_gone(namespace: &str) -> bool {
    plane().kubectl(&["get", "namespace", namespace, "--ignore-not-found"]).unwrap().is_empty()
}

/// How often a namespace was asked to be created.
fn creations(mark: testbed::Mark, namespace: &str) -> usize {
    let all = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
    let is_one = |r: &&ApiRequest| r.resource == "namespaces" && r.verb == "create";
    // Only the answer to one that was created names it.
    let of_it = |r: &&ApiRequest| r.name == namespace || r.namespace == namespace;
    all.iter().filter(is_one).filter(of_it).count()
}

#[test]
fn the_namespace_of_an_app_is_created_where_there_is_none_and_never_again_touched() {
    let mut tenant = Tenant::new("created");
    let name = elsewhere(&mut tenant);
    tenant.write("a.yaml", &config_map("a", "1"));
    tenant.app.dry_run = true;
    let outcome = tenant.pass();
    assert_eq!(*action(&outcome, "a"), Action::NotChecked("namespace is new"));
    assert!(is_gone(&name));
    tenant.app.dry_run = false;
    tenant.app.atomic = true;
    let mark = plane().audit().mark().unwrap();
    let outcome = tenant.pass();
    assert_eq!(*action(&outcome, "a"), Action::Created, "{outcome:#?}");
    let namespace = format!("namespace/{name}");
    let label = |tenant: &Tenant| tenant.test.field(&namespace, ".metadata.labels.team");
    assert_eq!(label(&tenant), "a");
    let marks = tenant.test.field(&namespace, ".metadata.annotations");
    assert!(!marks.contains("gitops-sync"), "{marks}");
    // The dry-run that --atomic begins with, and the creation.
    assert_eq!(creations(mark, &name), 2);
    let mark = plane().audit().mark().unwrap();
    plane().kubectl(&["label", "namespace", &name, "team=x", "--overwrite"]).unwrap();
    tenant.write("b.yaml", &config_map("b", "1"));
    assert_eq!(*action(&tenant.pass(), "b"), Action::Created);
    assert_eq!((label(&tenant).as_str(), creations(mark, &name)), ("x", 0));
    tenant.remove("a.yaml");
    tenant.remove("b.yaml");
    tenant.app.guard.allow_empty = true;
    assert_eq!(tenant.pass().pruned(), 2);
    assert!(!is_gone(&name));
}

#[test]
fn a_namespace_that_vanished_is_created_again_and_one_that_is_there_needs_no_right_to_create() {
    let mut tenant = Tenant::new("vanished");
    let name = elsewhere(&mut tenant);
    tenant.write("a.yaml", &config_map("a", "1"));
    assert_eq!(tenant.pass().failed(), 0);
    plane().kubectl(&["delete", "namespace", &name, "--wait=true"]).unwrap();
    eventually(DEADLINE, "the object to be back", || {
        let outcome = tenant.pass();
        if outcome.failed() == 0 { Ok(Some(())) } else { Err(format!("{outcome:?}")) }
    })
    .unwrap_or_else(|error| panic!("{error}"));
    assert!(!is_gone(&name));
    plane().kubectl(&["-n", &name, "delete", "configmap", "a"]).unwrap();
    tenant.act_as("deployer", &[]);
    let outcome = tenant.pass();
    assert_refused(&outcome, "a", "deployer");
    let subject = format!("--serviceaccount={}:deployer", tenant.test.namespace);
    let binding = ["create", "rolebinding", "edit", "--clusterrole=edit", &subject, "-n", &name];
    plane().kubectl(&binding).unwrap();
    let outcome = tenant.pass();
    assert_eq!(outcome.failed(), 0, "{outcome:#?}");
}

#[test]
fn a_namespace_that_git_declares_is_left_to_git() {
    let mut tenant = Tenant::new("declared");
    let name = elsewhere(&mut tenant);
    tenant.write("a.yaml", &config_map("a", "1"));
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n");
    tenant.write("n.yaml", &namespace);
    let mark = plane().audit().mark().unwrap();
    let outcome = tenant.pass();
    assert_eq!(*action(&outcome, &name), Action::Created, "{outcome:#?}");
    assert_eq!((outcome.failed(), creations(mark, &name)), (0, 0));
}

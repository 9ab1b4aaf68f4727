//! What a tenant may try who writes `GitOpsApp`s, `ConfigMap`s, Secrets, service accounts and git in one namespace,
//! against a daemon that may do everything. Beside each attack stands the honest app, which works.

mod clusters;
mod clusters_bad;
mod doings;
mod identity;
mod marks;
mod ownership;
mod places;
mod repositories;
mod rogue;
mod secrets;

use serde_json::{Value, json};
use testbed::{ApiRequest, Mark, Repo, eventually};

use crate::apps::Apps;
use crate::support::{DEADLINE, Daemon, Fixture, define_apps, plane, program};

/// The account that apps act as if they name none.
const ACCOUNT: &str = "gitops";
/// What the daemon is told of that.
const DEFAULT: &str = "--default-service-account=gitops";

/// A tenant's namespace with its repository, another's with its own, and a daemon in a third one.
pub struct Attack {
    /// The tenant's namespace and repository, and the daemon.
    pub apps: Apps,
    /// Where the daemon keeps what it knows.
    pub home: String,
    /// The namespace of another tenant.
    pub victim: String,
    /// The repository of that one.
    pub theirs: Repo,
}

impl Attack {
    pub fn new(name: &str) -> Self {
        Self::with(name, &[])
    }

    /// The same, with more arguments for the daemon.
    pub fn with(name: &str, arguments: &[&str]) -> Self {
        let all: Vec<_> =
            [&[DEFAULT], arguments].concat().iter().map(ToString::to_string).collect();
        Self::prepared(name, |_| all.clone())
    }

    /// The same, with just these arguments, which may depend on the tenant's fixture.
    pub fn prepared(name: &str, arguments: impl Fn(&Fixture) -> Vec<String>) -> Self {
        define_apps();
        let test = Fixture::new(name);
        let (home, victim) =
            (format!("{}-ops", test.namespace), format!("{}-victim", test.namespace));
        for namespace in [&home, &victim] {
            plane().kubectl(&["create", "namespace", namespace]).unwrap();
        }
        for namespace in [&test.namespace, &victim] {
            account(namespace, ACCOUNT, namespace);
        }
        tenant(&test.namespace);
        let theirs = test.git.create_repo("victim").unwrap();
        let daemon = start(&test, &home, &arguments(&test));
        Self { apps: Apps { test, daemon }, home, victim, theirs }
    }

    /// The same with another daemon in the place of the first.
    pub fn restarted(self, arguments: &[&str]) -> Self {
        let Self { apps: Apps { test, daemon }, home, victim, theirs } = self;
        drop(daemon);
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        let daemon = start(&test, &home, &arguments);
        Self { apps: Apps { test, daemon }, home, victim, theirs }
    }

    /// The tenant's namespace.
    pub fn tenant(&self) -> &str {
        &self.apps.test.namespace
    }

    /// Declares an app of the tenant on a folder of its repository, with the tenant's own rights.
    pub fn app(&self, name: &str, path: &str, more: Value) {
        let mut spec =
            json!({"repoURL": self.apps.test.repo.url(), "path": path, "interval": "1s"});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.declare(name, &spec).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Declares an app as the tenant, or says what the API server says.
    pub fn declare(&self, name: &str, spec: &Value) -> Result<String, String> {
        self.as_tenant(&self.resource(name, spec))
    }

    /// The other tenant's app, on its own repository.
    pub fn victims_app(&self, more: Value) {
        let mut spec = json!({"repoURL": self.theirs.url(), "interval": "1s"});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let app = self.resource("web", &spec).to_string();
        let arguments = ["apply", "--server-side", "-n", &self.victim, "-f", "-"];
        plane().kubectl_with_stdin(&arguments, &app).unwrap();
        let wait =
            ["wait", "-n", &self.victim, "--for=condition=Ready", "--timeout=180s", "gapp/web"];
        plane().kubectl(&wait).unwrap();
    }

    fn resource(&self, name: &str, spec: &Value) -> Value {
        json!({
            "apiVersion": "gitops-sync.dev/v1alpha1", "kind": "GitOpsApp",
            "metadata": {"name": name, "labels": {"attack": self.tenant()}}, "spec": spec,
        })
    }

    /// Applies something in the tenant's namespace with the tenant's own rights.
    pub fn as_tenant(&self, object: &Value) -> Result<String, String> {
        let tenant = format!("--as=system:serviceaccount:{}:tenant", self.tenant());
        let arguments = ["apply", "--server-side", "-n", self.tenant(), &tenant, "-f", "-"];
        let applied = plane().kubectl_with_stdin(&arguments, &object.to_string());
        applied.map_err(|error| error.to_string())
    }

    /// A Secret of the tenant.
    pub fn secret(&self, name: &str, data: Value) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data,
        });
        self.as_tenant(&secret).unwrap();
    }

    /// kubectl of the administrator in the other tenant's namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        plane().kubectl(&[&["-n", &self.victim], arguments].concat()).unwrap()
    }

    /// An object of the other tenant's namespace: its uid and version.
    pub fn state(&self, object: &str) -> String {
        self.kubectl(&["get", object, "-o=jsonpath={.metadata.uid} {.metadata.resourceVersion}"])
    }

    /// Waits until one of the app's failures is about an object of this name, and gives what is said.
    pub fn failure(&self, app: &str, object: &str) -> String {
        self.failure_with(app, object, "")
    }

    /// The same, once these words are said.
    pub fn failure_with(&self, app: &str, object: &str, words: &str) -> String {
        let failures = || self.apps.get(app)["status"]["failures"].as_array().cloned();
        let found = eventually(DEADLINE, &format!("{object} to be refused"), || {
            let failures = failures().unwrap_or_default();
            let is_it = |failure: &&Value| {
                failure["object"]["name"] == object
                    && failure["message"].to_string().contains(words)
            };
            match failures.iter().find(is_it) {
                Some(failure) => Ok(Some(failure["message"].to_string())),
                None => Err(format!("{failures:?}")),
            }
        });
        found.unwrap_or_else(|error| panic!("{error}\n{:#?}", self.apps.daemon.0.lines()))
    }

    /// Waits until two passes of an app of the tenant have ended, well or not.
    pub fn passes(&self, app: &str) {
        let name = format!("app={}/{app}}}", self.tenant());
        for _ in 0..2 {
            self.apps.daemon.line_after(self.apps.daemon.mark(), &["trigger=", &name]);
        }
    }

    /// What the daemon sent about these three namespaces since a mark, as far as it has ended.
    pub fn sent(&self, mark: Mark) -> Vec<ApiRequest> {
        let all = plane().audit().requests_since(mark, "gitops-sync/").unwrap();
        let spaces = [self.tenant(), &self.home, &self.victim];
        let is_here = |r: &ApiRequest| {
            spaces.contains(&r.namespace.as_str()) || spaces.contains(&r.name.as_str())
        };
        all.into_iter().filter(is_here).collect()
    }

    /// How the API server names the account that the tenant's apps act as.
    pub fn account(&self) -> String {
        format!("system:serviceaccount:{}:{ACCOUNT}", self.tenant())
    }

    /// Asserts that since a mark the daemon did nothing to objects in its own name, and did something as the
    /// tenant's account.
    pub fn acted_as_account(&self, mark: Mark) {
        let (own, others): (Vec<_>, Vec<_>) =
            self.sent(mark).into_iter().partition(|r| is_own(r, &self.home));
        assert!(own.iter().all(|r| r.impersonated.is_empty()), "{own:#?}");
        assert!(!others.is_empty());
        let accounts = [self.account(), format!("system:serviceaccount:{}:{ACCOUNT}", self.victim)];
        let strange: Vec<_> =
            others.iter().filter(|r| !accounts.contains(&r.impersonated)).collect();
        assert!(strange.is_empty(), "{strange:#?}");
        assert!(others.iter().any(|r| r.impersonated == accounts[0]), "{others:#?}");
    }
}

/// Whether a request is for what the daemon does for itself: its state, the apps and their events, and watches,
/// which begin with a list and show no values.
fn is_own(request: &ApiRequest, home: &str) -> bool {
    let is_seeing =
        matches!(request.verb.as_str(), "watch" | "list") && request.impersonated.is_empty();
    let is_telling = matches!(request.resource.as_str(), "events" | "gitopsapps");
    is_seeing || request.namespace == home || is_telling
}

/// Makes an account that may change everything in a namespace, usually its own.
pub fn account(of: &str, name: &str, namespace: &str) {
    let subject = format!("--serviceaccount={of}:{name}");
    // It may be there.
    let _ = plane().kubectl(&["create", "serviceaccount", name, "-n", of]);
    let role = format!("{name}-of-{of}");
    plane()
        .kubectl(&["create", "rolebinding", &role, "--clusterrole=edit", &subject, "-n", namespace])
        .unwrap();
}

/// Makes who writes the tenant's resources.
fn tenant(namespace: &str) {
    let kubectl =
        |arguments: &[&str]| plane().kubectl(&[&["-n", namespace], arguments].concat()).unwrap();
    kubectl(&["create", "serviceaccount", "tenant"]);
    let kinds = "--resource=gitopsapps.gitops-sync.dev,configmaps,secrets,serviceaccounts";
    kubectl(&[
        "create",
        "role",
        "tenant",
        kinds,
        "--verb=get,list,watch,create,update,patch,delete",
    ]);
    let subject = format!("--serviceaccount={namespace}:tenant");
    kubectl(&["create", "rolebinding", "tenant", "--role=tenant", &subject]);
}

/// Starts a daemon with full rights for the apps of one attack.
fn start(test: &Fixture, home: &str, arguments: &[String]) -> Daemon {
    let mut command = program();
    command.args(["run", "--watch-apps", "--listen", "127.0.0.1:0", "--namespace", home]);
    command.args(["--watch-label-selector", &format!("attack={}", test.namespace)]);
    command.arg("--kubeconfig").arg(plane().kubeconfig());
    command.arg("--data-dir").arg(test.data.path()).args(arguments);
    Daemon::start(command)
}

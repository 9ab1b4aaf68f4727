//! A running Kubernetes control plane.

use crate::{
    ApiProxy, Audit, Error, Programs, Signal, Spawned, Tool, User, api_client::ApiClient, command,
    eventually, http, lock::lock, node, site::Site,
};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{LazyLock, Mutex},
    time::Duration,
};

/// Many times what a start takes on two busy cores.
const DEADLINE: Duration = Duration::from_secs(120);
const ATTEMPTS: usize = 5;

static SHARED: LazyLock<Result<ControlPlane, Error>> = LazyLock::new(ControlPlane::start);

/// etcd, an API server and, unless [`api_only`](ControlPlane::api_only), all that makes Deployments
/// run: one fake node holds any number of pods. All of it ends on drop, or with the process.
pub struct ControlPlane {
    // Dropped in this order: those who call the API server first, the folder of their files last.
    controllers: Vec<Spawned>,
    api: Mutex<Option<Spawned>>,
    etcd: Spawned,
    client: ApiClient,
    kubeconfig: PathBuf,
    site: Site,
}

impl ControlPlane {
    /// Starts everything: returns when the node is ready and the `default` namespace has its
    /// service account.
    ///
    /// # Errors
    /// If a program cannot be found or built, ends early, or is not ready in time.
    pub fn start() -> Result<Self, Error> {
        let mut plane = Self::api_only()?;
        let commands = [plane.site.controller_manager(), plane.site.scheduler(), plane.site.kwok()];
        plane.controllers = commands.into_iter().map(Spawned::start).collect::<Result<_, _>>()?;
        node::create(&plane.client)?;
        plane.await_all("the node to be ready", || node::check_ready(&plane.client))?;
        Ok(plane)
    }

    /// Starts etcd and the API server only, in about half the time: objects are stored and nothing
    /// acts on them.
    ///
    /// # Errors
    /// If a program cannot be found or built, ends early, or is not ready in time.
    pub fn api_only() -> Result<Self, Error> {
        for _ in 1..ATTEMPTS {
            match Self::try_api_only() {
                Err(error) if error.is_port_clash() => {}
                result => return result,
            }
        }
        Self::try_api_only()
    }

    /// The control plane that all tests of one executable share, started when first asked for.
    ///
    /// # Errors
    /// If it could not be started: the same error each time.
    pub fn shared() -> Result<&'static Self, &'static Error> {
        SHARED.as_ref()
    }

    fn try_api_only() -> Result<Self, Error> {
        let site = Site::prepare()?;
        let plane = Self {
            controllers: Vec::new(),
            api: Mutex::new(None),
            etcd: Spawned::start(site.etcd())?,
            client: ApiClient::new(&site.server, &site.pki.ca, site.pki.token(User::Admin.name()))?,
            kubeconfig: site.kubeconfig(User::Admin),
            site,
        };
        plane.start_api()?;
        Ok(plane)
    }

    /// The programs it runs, and those that tests run.
    pub fn programs(&self) -> &Programs {
        &self.site.programs
    }

    /// The address of the API server.
    pub fn server(&self) -> &str {
        &self.site.server
    }

    /// The administrator's kubeconfig, with one context, named `testbed`. It refers to no other
    /// file.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The kubeconfig of a user. All but the administrator may do only what a test binds to them.
    pub fn kubeconfig_of(&self, user: User) -> PathBuf {
        self.site.kubeconfig(user)
    }

    /// Writes a kubeconfig, named `name`, for the bearer of any token.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn kubeconfig_for_token(&self, name: &str, token: &str) -> Result<PathBuf, Error> {
        self.site.write_kubeconfig(name, token)
    }

    /// Starts a proxy before the API server. The holder of its kubeconfig is the administrator.
    ///
    /// # Errors
    /// If the system has no port for it.
    pub fn proxy(&self) -> Result<ApiProxy, Error> {
        let configure = |proxy: &str| self.site.write_proxied_kubeconfig(proxy);
        let token = self.token(User::Admin);
        ApiProxy::serve(&self.site.server, &self.site.pki.ca, &token, configure)
    }

    /// Makes etcd forget all versions of objects but the last ones, as it does every five minutes by order of
    /// the API server: whoever wants to go on from an earlier version has to list again.
    ///
    /// # Errors
    /// If etcd refuses.
    pub fn compact_etcd(&self) -> Result<(), Error> {
        let etcd = |path: &str, body: Value| -> Result<Value, Error> {
            let url = format!("{}/v3/kv/{path}", self.site.etcd_url());
            let (code, answer) = http("POST", &url, &[], body.to_string().as_bytes())?;
            let invalid =
                || Error::Api { request: url.clone(), answer: format!("{code} {answer}") };
            serde_json::from_str(&answer).ok().filter(|_| code == 200).ok_or_else(invalid)
        };
        // The key is one zero byte: only the revision is asked for.
        let found = etcd("range", json!({"key": "AA=="}))?;
        etcd("compaction", json!({"revision": found["header"]["revision"], "physical": true}))?;
        Ok(())
    }

    /// The static token of a user.
    pub fn token(&self, user: User) -> String {
        self.site.pki.token(user.name())
    }

    /// A token of a service account, from the TokenRequest API.
    ///
    /// # Errors
    /// If there is no such service account.
    pub fn service_account_token(&self, namespace: &str, name: &str) -> Result<String, Error> {
        Ok(self.kubectl(&["create", "token", name, "--namespace", namespace])?.trim().to_owned())
    }

    /// The certificate authority that signed the API server's certificate.
    pub fn ca_pem_path(&self) -> PathBuf {
        self.site.path("ca.pem")
    }

    /// What is at a path of the API, if anything is, once the API server says so. A look takes a fraction of what
    /// kubectl takes for it.
    ///
    /// # Errors
    /// If it gives no answer in time but errors, or what is no JSON.
    pub fn read(&self, path: &str) -> Result<Option<Value>, Error> {
        let invalid = |error| Error::Invalid(format!("the answer to GET {path}: {error}"));
        let what = format!("an answer to GET {path}");
        let found = eventually(DEADLINE, &what, || self.client.find(path).map(Some))?;
        found.map(|text| serde_json::from_str(&text).map_err(invalid)).transpose()
    }

    /// Runs the pinned kubectl as the administrator and gives what it printed.
    ///
    /// # Errors
    /// With kubectl's output, if it fails.
    pub fn kubectl(&self, args: &[&str]) -> Result<String, Error> {
        self.kubectl_with_stdin(args, "")
    }

    /// Runs the pinned kubectl as the administrator with `input` on its standard input.
    ///
    /// # Errors
    /// With kubectl's output, if it fails.
    pub fn kubectl_with_stdin(&self, args: &[&str], input: &str) -> Result<String, Error> {
        command::run(self.kubectl_command(args), input.as_bytes())
    }

    /// Waits until a kind is served, by the name of its definition. (That a definition is `Established` is said a
    /// moment before, and kubectl cannot wait for conditions of what has none yet.)
    ///
    /// # Errors
    /// If it is not served in time.
    pub fn wait_served(&self, definition: &str) -> Result<(), Error> {
        let what = format!("{definition} to be served");
        eventually(DEADLINE, &what, || self.kubectl(&["get", definition, "-A"]).map(Some)).map(drop)
    }

    /// A kubectl command line to run otherwise, such as a watch.
    pub fn kubectl_command(&self, args: &[&str]) -> Command {
        let mut command = self.site.command(Tool::Kubectl);
        command.env("KUBECONFIG", &self.kubeconfig).env("KUBERC", "off").args(args);
        command
    }

    /// The record of all requests that the API server has answered.
    pub fn audit(&self) -> Audit {
        Audit::of(self.site.path("audit.log"))
    }

    /// Kills the API server. What it stored stays.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn stop_api(&self) -> Result<(), Error> {
        lock(&self.api).take().map_or(Ok(()), |api| api.kill())
    }

    /// Starts the API server at the same address and with the same data, and waits until it is
    /// ready.
    ///
    /// # Errors
    /// If it is not ready in time.
    pub fn start_api(&self) -> Result<(), Error> {
        *lock(&self.api) = Some(Spawned::start(self.site.api_server())?);
        self.await_all("the API server to be ready", || self.client.get("/readyz").map(|_| ()))
    }

    /// Freezes the API server: connections stay open, nothing is answered.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn pause_api(&self) -> Result<(), Error> {
        self.signal_api(Signal::STOP)
    }

    /// Lets a frozen API server go on.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn resume_api(&self) -> Result<(), Error> {
        self.signal_api(Signal::CONT)
    }

    fn signal_api(&self, signal: Signal) -> Result<(), Error> {
        lock(&self.api).as_ref().map_or(Ok(()), |api| api.signal(signal))
    }

    /// Waits until `probe` succeeds, but not past the end of any process.
    fn await_all(&self, what: &str, probe: impl Fn() -> Result<(), Error>) -> Result<(), Error> {
        eventually(DEADLINE, what, || match self.check_alive() {
            Err(ended) => Ok(Some(Err(ended))),
            Ok(()) => probe().map(|()| Some(Ok(()))),
        })?
    }

    fn check_alive(&self) -> Result<(), Error> {
        self.etcd.check_alive()?;
        lock(&self.api).as_ref().map_or(Ok(()), Spawned::check_alive)?;
        self.controllers.iter().try_for_each(Spawned::check_alive)
    }
}

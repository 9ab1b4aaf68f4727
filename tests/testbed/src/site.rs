//! What one control plane is made of before anything runs: files, keys, ports, command lines.

use crate::{Error, Programs, Tool, folders::RunFolder, kubeconfig, pki::Pki, ports::free_port};
use std::{env, path::PathBuf, process::Command};

/// One line for each request, when its response is complete.
const AUDIT_POLICY: &str = r#"{
  "apiVersion": "audit.k8s.io/v1", "kind": "Policy",
  "omitStages": ["RequestReceived", "ResponseStarted"], "rules": [{"level": "Metadata"}]
}"#;

/// A user with a static token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// May do everything.
    Admin,
    /// May do what a test binds to her.
    Alice,
    /// May do what a test binds to him.
    Bob,
}

impl User {
    const ALL: [Self; 3] = [Self::Admin, Self::Alice, Self::Bob];

    /// The name that a RoleBinding uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Alice => "alice",
            Self::Bob => "bob",
        }
    }

    fn groups(self) -> &'static str {
        if self == Self::Admin { "system:masters" } else { "" }
    }
}

/// The files and addresses of one control plane.
pub(crate) struct Site {
    pub(crate) programs: Programs,
    pub(crate) server: String,
    pub(crate) pki: Pki,
    folder: RunFolder,
    api_port: u16,
    etcd_port: u16,
    etcd_peer_port: u16,
}

impl Site {
    /// Picks ports and writes all files.
    pub(crate) fn prepare() -> Result<Self, Error> {
        let api_port = free_port()?;
        let site = Self {
            programs: Programs::locate()?,
            server: format!("https://127.0.0.1:{api_port}"),
            pki: Pki::generate()?,
            folder: RunFolder::create()?,
            api_port,
            etcd_port: free_port()?,
            etcd_peer_port: free_port()?,
        };
        site.write_files()?;
        Ok(site)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn kubeconfig(&self, user: User) -> PathBuf {
        self.path(&format!("{}.kubeconfig", user.name()))
    }

    /// Writes a kubeconfig for the bearer of `token`.
    pub(crate) fn write_kubeconfig(&self, name: &str, token: &str) -> Result<PathBuf, Error> {
        let content = kubeconfig::render(&self.server, &self.pki.ca, token);
        self.folder.write(&format!("{name}.kubeconfig"), content)
    }

    /// Writes a kubeconfig for the administrator that leads to a proxy, named after its port.
    pub(crate) fn write_proxied_kubeconfig(&self, proxy: &str) -> Result<PathBuf, Error> {
        let content = kubeconfig::render(proxy, &self.pki.ca, &self.pki.token(User::Admin.name()));
        let port = proxy.rsplit(':').next().unwrap_or_default();
        self.folder.write(&format!("proxy-{port}.kubeconfig"), content)
    }

    /// Where etcd answers its clients.
    pub(crate) fn etcd_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.etcd_port)
    }

    pub(crate) fn etcd(&self) -> Command {
        let clients = self.etcd_url();
        let peers = format!("http://127.0.0.1:{}", self.etcd_peer_port);
        let mut command = self.command(Tool::Etcd);
        command.arg("--data-dir").arg(self.path("etcd")).arg("--unsafe-no-fsync");
        command.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
        command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
        command.args(["--initial-cluster", &format!("default={peers}"), "--log-level", "warn"]);
        command
    }

    pub(crate) fn api_server(&self) -> Command {
        let mut command = self.command(Tool::KubeApiserver);
        command.args([
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            "--allow-privileged=true",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.0.0.0/16",
            "--audit-log-mode=blocking",
            "--audit-log-maxsize=10000",
        ]);
        command.arg(format!("--secure-port={}", self.api_port));
        command.arg(format!("--etcd-servers={}", self.etcd_url()));
        let files = [
            ("--tls-cert-file", "server.pem"),
            ("--tls-private-key-file", "server.key"),
            ("--token-auth-file", "tokens.csv"),
            ("--service-account-key-file", "token.pub"),
            ("--service-account-signing-key-file", "token.key"),
            ("--audit-policy-file", "audit-policy.json"),
            ("--audit-log-path", "audit.log"),
        ];
        command.args(
            files.into_iter().flat_map(|(flag, name)| [PathBuf::from(flag), self.path(name)]),
        );
        command
    }

    pub(crate) fn controller_manager(&self) -> Command {
        let mut command = self.controller(Tool::KubeControllerManager);
        command.args([
            "--leader-elect=false",
            "--secure-port=0",
            "--use-service-account-credentials=false",
        ]);
        command.args(["--kube-api-qps=500", "--kube-api-burst=1000"]);
        command.arg("--root-ca-file").arg(self.path("ca.pem"));
        command.arg("--service-account-private-key-file").arg(self.path("token.key"));
        command
    }

    pub(crate) fn scheduler(&self) -> Command {
        let mut command = self.controller(Tool::KubeScheduler);
        command.args(["--leader-elect=false", "--secure-port=0"]);
        command
    }

    pub(crate) fn kwok(&self) -> Command {
        let mut command = self.controller(Tool::Kwok);
        command.args(["--manage-all-nodes=true", "--node-lease-duration-seconds=40", "--config"]);
        command.arg(self.programs.stage_file());
        command
    }

    /// A command that knows neither the home folder nor the variables of whoever runs the tests.
    pub(crate) fn command(&self, tool: Tool) -> Command {
        let mut command = self.programs.command(tool);
        command.env_clear().envs(env::var_os("PATH").map(|path| ("PATH", path)));
        command.current_dir(self.folder.path()).env("HOME", self.folder.path());
        command
    }

    fn controller(&self, tool: Tool) -> Command {
        let mut command = self.command(tool);
        command.arg("--kubeconfig").arg(self.kubeconfig(User::Admin));
        command
    }

    fn write_files(&self) -> Result<(), Error> {
        let line = |user: User| {
            let name = user.name();
            format!("{},{name},{name},\"{}\"\n", self.pki.token(name), user.groups())
        };
        self.folder.write("tokens.csv", User::ALL.map(line).concat())?;
        self.folder.write("audit-policy.json", AUDIT_POLICY)?;
        self.folder.write("audit.log", "")?;
        self.folder.write("ca.pem", &self.pki.ca)?;
        self.folder.write("server.pem", &self.pki.server)?;
        self.folder.write("server.key", &self.pki.server_key)?;
        self.folder.write("token.key", &self.pki.token_key)?;
        self.folder.write("token.pub", &self.pki.token_public_key)?;
        for user in User::ALL {
            self.write_kubeconfig(user.name(), &self.pki.token(user.name()))?;
        }
        Ok(())
    }
}

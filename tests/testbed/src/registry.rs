//! A registry of OCI artifacts, and the program that pushes them: built once with Go, apart from the control plane.

use crate::{
    Error, Spawned, command, console, folders::RunFolder, folders::env_folder, ports::free_port,
};
use sha2::{Digest, Sha256};
use std::{fs, fs::File, net::TcpStream, path::PathBuf, process::Command, time::Duration};

/// The Go module that pins them.
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../registry");
const PINS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../registry/go.sum"));
const PACKAGES: [&str; 2] =
    ["github.com/distribution/distribution/v3/cmd/registry", "oras.land/oras/cmd/oras"];
/// Who may use a registry that asks: git, with the password hunter2.
const USERS: &str = "git:$2a$04$q3xLNrHwoY73EVsO.fmijuF2Z1F83uyKRbmVGhtVTbLIMu8PVT9Ku\n";
const READY: Duration = Duration::from_secs(120);

/// A registry on loopback.
pub struct Registry {
    programs: PathBuf,
    folder: RunFolder,
    address: String,
    login: Vec<&'static str>,
    _process: Spawned,
}

impl Registry {
    /// Starts one that anybody may use.
    ///
    /// # Errors
    /// If Go is missing, or it does not start.
    pub fn start() -> Result<Self, Error> {
        Self::launch(false)
    }

    /// Starts one that asks who it is: git, with the password hunter2.
    ///
    /// # Errors
    /// If Go is missing, or it does not start.
    pub fn start_with_login() -> Result<Self, Error> {
        Self::launch(true)
    }

    fn launch(asks: bool) -> Result<Self, Error> {
        let (programs, folder) = (programs()?, RunFolder::create()?);
        let address = format!("127.0.0.1:{}", free_port()?);
        let users = folder.write("users", USERS)?;
        let auth = format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", users.display());
        let config = format!(
            "version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"{address}\"}}\n{}",
            folder.path().join("data").display(),
            if asks { auth.as_str() } else { "" },
        );
        let config = folder.write("config.yml", config)?;
        let mut command = Command::new(programs.join("registry"));
        command.arg("serve").arg(config).env("OTEL_TRACES_EXPORTER", "none");
        let process = Spawned::start(command)?;
        crate::eventually(READY, "the registry to listen", || {
            TcpStream::connect(&address).map(|_| Some(()))
        })?;
        let login = if asks { vec!["-u", "git", "-p", "hunter2"] } else { Vec::new() };
        Ok(Self { programs, folder, address, login, _process: process })
    }

    /// Where it listens, without TLS.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The URL of a repository.
    pub fn url(&self, repository: &str) -> String {
        format!("oci://{}/{repository}", self.address)
    }

    /// Pushes files as Flux does, and gives the digest. `kind` is the type of the layer.
    ///
    /// # Errors
    /// If tar or oras fails.
    pub fn push(&self, target: &str, kind: &str, files: &[(&str, &str)]) -> Result<String, Error> {
        let root = self.folder.path().join("content");
        let _ = fs::remove_dir_all(&root);
        for (name, text) in files {
            let file = root.join(name);
            let made = file.parent().map_or(Ok(()), fs::create_dir_all);
            made.and_then(|()| fs::write(&file, text))
                .map_err(Error::io(format!("write {name}")))?;
        }
        let mut tar = Command::new("tar");
        tar.current_dir(self.folder.path()).args(["-czf", "content.tgz", "-C", "content", "."]);
        command::run(tar, b"")?;
        self.folder.write("config.json", "{}")?;
        let mut oras = Command::new(self.programs.join("oras"));
        oras.current_dir(self.folder.path()).env("HOME", self.folder.path());
        oras.args(["push", "--plain-http", "--format", "go-template={{.digest}}"]);
        oras.args(["--config", "config.json:application/vnd.cncf.flux.config.v1+json"]);
        oras.args(["--annotation", "org.opencontainers.image.revision=main@sha1:abc"]);
        oras.args(&self.login).arg(format!("{}/{target}", self.address));
        oras.arg(format!("content.tgz:{kind}"));
        Ok(command::run(oras, b"")?.trim().to_owned())
    }
}

/// The folder of the programs. Of several processes one builds them and the others wait.
fn programs() -> Result<PathBuf, Error> {
    let base = env_folder("GITOPS_SYNC_TESTBED_CACHE")
        .or_else(|| Some(env_folder("HOME")?.join(".cache/gitops-sync-testbed")))
        .ok_or_else(|| Error::Invalid("no place to keep programs in: set HOME".to_owned()))?;
    let folder = base.join(format!("registry-{}", hex::encode(&Sha256::digest(PINS)[..6])));
    let doing = || format!("write to {}", folder.display());
    fs::create_dir_all(&folder).map_err(Error::io(doing()))?;
    let lock = File::create(folder.join(".lock")).map_err(Error::io(doing()))?;
    lock.lock().map_err(Error::io(doing()))?;
    if !folder.join("oras").is_file() {
        console::say("building a registry, once: about two minutes on two cores");
        let unfinished = folder.join("unfinished");
        let mut build = Command::new("go");
        build.args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w"]);
        build.arg("-o").arg(unfinished.join("")).args(PACKAGES).current_dir(MODULE);
        build.env("GOWORK", "off").env("CGO_ENABLED", "0").env_remove("GOOS").env_remove("GOARCH");
        command::run(build, b"")?;
        for program in ["registry", "oras"] {
            let moved = fs::rename(unfinished.join(program), folder.join(program));
            moved.map_err(Error::io(doing()))?;
        }
    }
    Ok(folder)
}

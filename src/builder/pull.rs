//! Fetches a chart from an HTTP repository of charts or a registry, by the real helm.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Tools;
use super::helm::{HELM, flag, homes};
use super::program::{Ended, Run};
use super::stage::Stage;
use crate::api::helm::HelmChart;
use crate::render::helm::fetch_complaint;
use crate::source::authorities;
use crate::source::credentials::{Client, Hidden, Login};
use crate::source::error::display_url;
use crate::source::oci::Address;
use crate::source::{Credentials, SourceError};

/// Bytes of an archive at most.
const ARCHIVE: u64 = 32 << 20;
/// What the repository is called for one fetch.
const SOURCE: &str = "source";
/// How helm says that credentials are refused, or wanted.
const REFUSED: &[&str] = &[
    "401 Unauthorized",
    "403 Forbidden",
    "credential not found",
    "code 401",
    "code 403",
    "denied",
];
/// How it says that there is no such chart.
const NOT_FOUND: &[&str] = &[
    ": not found",
    "code 404",
    "Could not locate a version",
    "no chart version found",
    "no chart name found",
    "improper constraint",
];
/// Where the archive is put.
const PULLED: &str = "pulled";

/// The archive of a chart.
pub(super) async fn pull(
    tools: &Tools,
    chart: &HelmChart,
    credentials: Option<&Credentials>,
) -> Result<Vec<u8>, SourceError> {
    let stage = tools.stage(|stage| fs::create_dir(stage.home().join(PULLED))).await?;
    let home = stage.home();
    let files = Files::write(&home, credentials).map_err(Stage::failed)?;
    let address = Address::of(&chart.repo_url);
    let fetch = Fetch { tools, stage: &stage, chart };
    let mut arguments: Vec<OsString> = vec!["pull".into()];
    if let Some(address) = &address {
        write_login(&home, address, credentials).map_err(Stage::failed)?;
        let url = chart.repo_url.trim_end_matches('/');
        arguments.push(format!("{url}/{}", chart.name).into());
        // Registries on this machine need not speak TLS.
        let is_plain = chart.insecure || (address.is_loopback() && files.ca.is_none());
        arguments.extend(is_plain.then(|| "--plain-http".into()));
        arguments.extend(files.flags());
    } else {
        let repositories = files.repository(chart, credentials);
        fs::write(home.join("repositories.yaml"), repositories).map_err(Stage::failed)?;
        let update = ["repo", "update", SOURCE, "--fail-on-repo-update-fail"];
        fetch.run(update.map(OsString::from).to_vec()).await?;
        arguments.push(format!("{SOURCE}/{}", chart.name).into());
    }
    arguments.push(flag("--version", &chart.version));
    arguments.push(flag("--destination", home.join(PULLED)));
    fetch.run(arguments).await?;
    pulled(&home.join(PULLED)).map_err(|why| fetch.failed(why))
}

struct Fetch<'a> {
    tools: &'a Tools,
    stage: &'a Stage,
    chart: &'a HelmChart,
}

impl Fetch<'_> {
    async fn run(&self, arguments: Vec<OsString>) -> Result<(), SourceError> {
        let home = self.stage.home();
        let mut environment = homes(&home);
        environment.extend([
            ("HELM_REPOSITORY_CONFIG", home.join("repositories.yaml").into()),
            ("HELM_REPOSITORY_CACHE", home.join("repository").into()),
            ("HELM_REGISTRY_CONFIG", home.join("registry.json").into()),
        ]);
        let stage = self.stage;
        let run = Run {
            program: HELM,
            arguments,
            environment,
            stage,
            network: true,
            writes: true,
            or_not: true,
        };
        match run.run(self.tools).await? {
            Ended::Well(_) => Ok(()),
            Ended::Badly(complaints) => Err(self.refused(&complaints)),
            Ended::NotConfined => Err(self.failed("helm could not be started".to_owned())),
        }
    }

    fn refused(&self, complaints: &str) -> SourceError {
        let has = |words: &[&str]| words.iter().any(|word| complaints.contains(word));
        let why = fetch_complaint(complaints);
        let url = display_url(&self.chart.repo_url);
        if has(REFUSED) {
            return SourceError::ChartRefused { url, why };
        }
        if has(NOT_FOUND) {
            let (chart, version) = (self.chart.name.clone(), self.chart.version.clone());
            return SourceError::ChartNotFound { chart, version, url };
        }
        self.failed(why)
    }

    fn failed(&self, why: String) -> SourceError {
        let url = display_url(&self.chart.repo_url);
        SourceError::ChartUnreachable { chart: self.chart.name.clone(), url, why }
    }
}

/// What was fetched: one archive.
fn pulled(folder: &Path) -> Result<Vec<u8>, String> {
    let read = || -> io::Result<Option<Vec<u8>>> {
        let Some(entry) = fs::read_dir(folder)?.next().transpose()? else { return Ok(None) };
        if entry.metadata()?.len() > ARCHIVE {
            return Ok(None);
        }
        fs::read(entry.path()).map(Some)
    };
    let found = read().map_err(|error| error.to_string())?;
    found.ok_or_else(|| format!("it is no archive of at most {} MiB", ARCHIVE >> 20))
}

/// Credentials in files, where nobody but helm sees them: arguments are for everybody on the machine to read.
#[derive(Default)]
struct Files {
    ca: Option<PathBuf>,
    client: Option<(PathBuf, PathBuf)>,
}

impl Files {
    fn write(home: &Path, credentials: Option<&Credentials>) -> io::Result<Self> {
        let Some(credentials) = credentials else { return Ok(Self::default()) };
        let put = |name: &str, text: &str| {
            let file = home.join(name);
            fs::write(&file, text).map(|()| file)
        };
        let ca = credentials
            .tls
            .ca
            .as_ref()
            .map(|ca| put("ca.pem", &authorities::beside(ca)))
            .transpose()?;
        let client = credentials.tls.client.as_ref().map(|Client { certificate, key }| {
            Ok::<_, io::Error>((put("client.pem", certificate)?, put("client.key", &key.0)?))
        });
        Ok(Self { ca, client: client.transpose()? })
    }

    fn flags(&self) -> Vec<OsString> {
        let mut flags = Vec::new();
        flags.extend(self.ca.as_ref().map(|ca| flag("--ca-file", ca)));
        if let Some((certificate, key)) = &self.client {
            flags.extend([flag("--cert-file", certificate), flag("--key-file", key)]);
        }
        flags
    }

    /// What helm knows of the repository. What it leads to elsewhere gets no password.
    fn repository(&self, chart: &HelmChart, credentials: Option<&Credentials>) -> Vec<u8> {
        let mut entry = json!({"name": SOURCE, "url": chart.repo_url});
        if let Some((username, Hidden(password))) = basic(credentials) {
            entry["username"] = json!(username);
            entry["password"] = json!(password);
        }
        let path = |path: &PathBuf| Value::from(path.to_string_lossy());
        if let Some(ca) = &self.ca {
            entry["caFile"] = path(ca);
        }
        if let Some((certificate, key)) = &self.client {
            entry["certFile"] = path(certificate);
            entry["keyFile"] = path(key);
        }
        json!({"apiVersion": "v1", "repositories": [entry]}).to_string().into_bytes()
    }
}

fn basic(credentials: Option<&Credentials>) -> Option<(&String, &Hidden)> {
    match credentials?.login.as_ref()? {
        Login::Basic { username, password } => Some((username, password)),
        Login::Bearer(_) | Login::Identity(_) | Login::App(_) => None,
    }
}

/// Writes who logs in to a registry, as docker does.
fn write_login(
    home: &Path,
    address: &Address,
    credentials: Option<&Credentials>,
) -> io::Result<()> {
    let entry = match credentials.and_then(|found| found.login.as_ref()) {
        Some(Login::Basic { username, password }) => {
            json!({"auth": STANDARD.encode(format!("{username}:{}", password.0))})
        }
        Some(Login::Identity(Hidden(token))) => json!({"identitytoken": token}),
        Some(Login::Bearer(Hidden(token))) => json!({"registrytoken": token}),
        Some(Login::App(_)) | None => return fs::write(home.join("registry.json"), "{}"),
    };
    let logins = json!({"auths": {&address.registry: entry}});
    fs::write(home.join("registry.json"), logins.to_string())
}

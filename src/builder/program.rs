//! Runs a program on the files of a repository: confined, with a deadline and bounds.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::confine::{CHILD_VERB, NOT_CONFINED, NOT_FOUND};
use super::stage::Stage;
use super::{Tools, kms};
use crate::source::SourceError;

/// Bytes of output that are read.
const OUTPUT: u64 = 64 << 20;
/// Bytes of complaints that are read.
const COMPLAINTS: u64 = 64 << 10;
/// Bytes that a file may come to have by a program.
const FILE: u64 = 256 << 20;
/// What names the authorities whose certificates are trusted.
const TRUSTED: &[&str] = &["SSL_CERT_FILE", "SSL_CERT_DIR"];
/// Where there is no proxy, and so no network, where the kernel does not keep a program from it.
const NOWHERE: &str = "http://127.0.0.1:9";

/// A run of a program.
pub(super) struct Run<'a> {
    /// Its name.
    pub program: &'static str,
    /// Its arguments; never anything secret, for everybody on the machine can read them.
    pub arguments: Vec<OsString>,
    /// What it finds in its environment beside its home.
    pub environment: Vec<(&'static str, OsString)>,
    /// Where it runs.
    pub stage: &'a Stage,
    /// Whether it may use the network.
    pub network: bool,
    /// Whether it may write there.
    pub writes: bool,
    /// Whether it may run where the kernel cannot confine it.
    pub or_not: bool,
}

/// How a run ended.
pub(super) enum Ended {
    /// Well, with this output.
    Well(Vec<u8>),
    /// With these complaints.
    Badly(String),
    /// Before it began: the kernel cannot confine it.
    NotConfined,
}

impl Run<'_> {
    /// Runs it once there is a lane for it. Dropping the future kills it, with all that it started.
    pub async fn run(&self, tools: &Tools) -> Result<Ended, SourceError> {
        tools.lanes.run(|| self.within(tools)).await
    }

    async fn within(&self, tools: &Tools) -> Result<Ended, SourceError> {
        let overdue = || SourceError::BuildTimedOut {
            program: self.program.to_owned(),
            limit: tools.timeout,
        };
        timeout(tools.timeout, self.ended(tools)).await.map_err(|_| overdue())?
    }

    async fn ended(&self, tools: &Tools) -> Result<Ended, SourceError> {
        let program = found(self.program, &tools.path)?;
        let failed =
            |why: String| SourceError::ProgramFailed { program: self.program.to_owned(), why };
        let io = |error: std::io::Error| failed(error.to_string());
        let mut child = self.command(tools, &program).spawn().map_err(io)?;
        let group = Group::of(&child);
        let (output, complaints) = (child.stdout.take(), child.stderr.take());
        let (output, complaints) =
            tokio::join!(bounded(output, OUTPUT), beginning(complaints, COMPLAINTS));
        let (output, complaints) = (output.map_err(io)?, complaints.map_err(io)?);
        let Some(output) = output else {
            drop(group);
            let why = format!("it wrote more than {} MiB", OUTPUT >> 20);
            return Ok(Ended::Badly(why));
        };
        let status = child.wait().await.map_err(io)?;
        let complaints = self.shortened(&String::from_utf8_lossy(&complaints));
        match status.code() {
            Some(0) => Ok(Ended::Well(output)),
            Some(code) if code == i32::from(NOT_CONFINED) => Ok(Ended::NotConfined),
            Some(code) if code == i32::from(NOT_FOUND) => Err(missing(self.program)),
            // Of what it fetches, helm says there why it cannot.
            Some(_) if self.network => {
                let said = String::from_utf8_lossy(&output);
                Ok(Ended::Badly(format!("{said}\n{complaints}")))
            }
            Some(_) => Ok(Ended::Badly(complaints)),
            None => Ok(Ended::Badly(killed(status, &complaints))),
        }
    }

    /// A text with paths as they are in the repository.
    fn shortened(&self, text: &str) -> String {
        let tree = self.stage.tree();
        let tree = tree.to_string_lossy();
        text.replace(&format!("{tree}/"), "").replace(&*tree, ".")
    }

    fn command(&self, tools: &Tools, program: &Path) -> Command {
        let mut command = Command::new(&tools.program);
        command.arg(CHILD_VERB).arg("--dir").arg(self.stage.path());
        command.args(self.network.then_some("--network"));
        command.args(self.or_not.then_some("--or-not"));
        for file in kms::files(&self.environment) {
            command.arg("--read").arg(file);
        }
        command.args(["--seconds", &tools.timeout.as_secs().max(1).to_string()]);
        command.args(["--memory", &tools.memory.to_string()]);
        if self.writes {
            command.args(["--file", &FILE.to_string()]);
        }
        command.args(["--parent", &std::process::id().to_string()]);
        if self.network {
            let given = TRUSTED.iter().filter_map(env::var_os).flat_map(|it| ["--read".into(), it]);
            command.args(given);
        }
        command.arg(program).arg("--").args(&self.arguments);
        command.env_clear().envs(self.surroundings(tools.memory));
        command.current_dir(self.stage.tree()).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn surroundings(&self, memory: u64) -> Vec<(&str, OsString)> {
        let home = self.stage.home().into_os_string();
        let mut all: Vec<(&str, OsString)> = vec![
            ("HOME", home.clone()),
            ("TMPDIR", home),
            ("LC_ALL", "C.UTF-8".into()),
            // From there on Go cleans up more often.
            ("GOMEMLIMIT", (memory / 5 * 4).to_string().into()),
        ];
        if self.network {
            let kept = ["SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"];
            all.extend(kept.into_iter().filter_map(|name| Some((name, env::var_os(name)?))));
        } else {
            all.extend(["HTTP_PROXY", "HTTPS_PROXY"].map(|name| (name, NOWHERE.into())));
        }
        all.extend(self.environment.iter().cloned());
        all
    }
}

/// The processes of a run. They end with it.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Mostly nobody is left of it.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// All that comes, or `None` if it is more than `most`.
async fn bounded(
    from: Option<impl AsyncRead + Unpin>,
    most: u64,
) -> std::io::Result<Option<Vec<u8>>> {
    let mut all = Vec::new();
    if let Some(from) = from {
        from.take(most + 1).read_to_end(&mut all).await?;
    }
    Ok((all.len() as u64 <= most).then_some(all))
}

/// The first `most` bytes of what comes. The rest is heard, or it would end who says it.
async fn beginning(from: Option<impl AsyncRead + Unpin>, most: u64) -> std::io::Result<Vec<u8>> {
    let mut first = Vec::new();
    if let Some(mut from) = from {
        (&mut from).take(most).read_to_end(&mut first).await?;
        tokio::io::copy(&mut from, &mut tokio::io::sink()).await?;
    }
    Ok(first)
}

fn killed(status: ExitStatus, complaints: &str) -> String {
    let signal = status.signal().unwrap_or_default();
    let first = complaints.lines().next().unwrap_or_default();
    format!("it was ended by signal {signal} {first}").trim_end().to_owned()
}

/// Where a program is.
fn found(name: &'static str, path: &OsString) -> Result<PathBuf, SourceError> {
    let mut places = env::split_paths(path).map(|folder| folder.join(name));
    places.find(|place| place.is_file()).ok_or_else(|| missing(name))
}

fn missing(program: &'static str) -> SourceError {
    SourceError::ProgramMissing { program: program.to_owned() }
}

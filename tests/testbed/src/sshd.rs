//! A real OpenSSH server.

use crate::{Error, Spawned, command, folders::RunFolder, ports::free_port};
use std::{
    env, fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{self, Command},
    time::Duration,
};

/// Longest time it may take to begin.
const SOON: Duration = Duration::from_secs(120);
/// Set where a test that is skipped is a failure.
const NO_SKIP: &str = "GITOPS_SYNC_TEST_NO_SKIP";
/// What is done for whoever logs in.
const FORCED: &str = "exec git shell -c \"$SSH_ORIGINAL_COMMAND\"\n";
/// The kinds of its own keys, as `ssh-keygen` calls them.
const KINDS: [&str; 3] = ["ed25519", "ecdsa", "rsa"];

/// An OpenSSH server on a loopback port, as the current user, which lets its keys do nothing but read
/// repositories by their absolute paths.
pub struct Sshd {
    _process: Spawned,
    folder: RunFolder,
    user: String,
    port: u16,
    /// An address whose port 22 it listens on as well: where nobody else does, and it may.
    usual: Option<Ipv4Addr>,
}

impl Sshd {
    /// Starts one, if OpenSSH is installed.
    ///
    /// # Errors
    /// If it does not start; or it is not installed, and tests may not be skipped.
    pub fn start() -> Result<Option<Self>, Error> {
        let Some(program) = find("sshd") else {
            let remedy = "install openssh-server";
            let missing = Error::Missing { program: "sshd", remedy };
            return if may_skip() { Ok(None) } else { Err(missing) };
        };
        let folder = RunFolder::create()?;
        for kind in KINDS {
            keygen(&folder.path().join(kind), kind, "")?;
        }
        folder.write("authorized_keys", "")?;
        let port = free_port()?;
        let usual = usual();
        let config = folder.write("config", config(folder.path(), port, usual)?)?;
        // Where it runs as root it wants a folder that nobody needs.
        let _ = fs::create_dir_all("/run/sshd");
        let mut command = Command::new(program);
        command.arg("-D").arg("-e").arg("-f").arg(config);
        let process = Spawned::start(command)?;
        process.wait_for_line(|line| line.contains("Server listening"), SOON)?;
        let user = run("id", &["-un"])?;
        Ok(Some(Self { _process: process, folder, user, port, usual }))
    }

    /// The URL of a repository.
    pub fn url(&self, repository: &Path) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", self.user, self.port, repository.display())
    }

    /// The address of a repository as `user@host:path`, which knows no port but 22.
    pub fn short_url(&self, repository: &Path) -> Option<String> {
        Some(format!("{}@{}:{}", self.user, self.usual?, repository.display()))
    }

    /// From now on lets whoever logs in wait for an answer, or not.
    ///
    /// # Errors
    /// If that cannot be written down.
    pub fn set_hanging(&self, hangs: bool) -> Result<(), Error> {
        let command = if hangs { "exec sleep 30\n" } else { FORCED };
        self.folder.write("forced", command).map(|_| ())
    }

    /// A new private key that it lets in, in the format of OpenSSH.
    ///
    /// # Errors
    /// If the key cannot be made.
    pub fn key(&self, kind: &str, passphrase: &str) -> Result<String, Error> {
        let file = tempfile::tempdir().map_err(Error::io("make a folder"))?;
        let file = file.path().join("key");
        let (private, public) = keygen(&file, kind, passphrase)?;
        let all = self.folder.path().join("authorized_keys");
        let known = fs::read_to_string(&all).map_err(Error::io("read the keys"))?;
        self.folder.write("authorized_keys", known + &public)?;
        Ok(private)
    }

    /// A line of `known_hosts` for its key of this kind, under both of its addresses.
    ///
    /// # Errors
    /// If there is none.
    pub fn known_hosts(&self, kind: &str) -> Result<String, Error> {
        let file = self.folder.path().join(format!("{kind}.pub"));
        let key = fs::read_to_string(file).map_err(Error::io("read a key"))?;
        let usual = self.usual.map(|address| format!(",{address}")).unwrap_or_default();
        Ok(format!("[127.0.0.1]:{}{usual} {key}", self.port))
    }

    /// The fingerprint of its key of this kind.
    ///
    /// # Errors
    /// If there is none.
    pub fn fingerprint(&self, kind: &str) -> Result<String, Error> {
        let file = self.folder.path().join(format!("{kind}.pub"));
        let said = run("ssh-keygen", &["-l", "-f", &file.to_string_lossy()])?;
        Ok(said.split(' ').nth(1).unwrap_or_default().to_owned())
    }

    /// The same `known_hosts` with names that are hashed.
    ///
    /// # Errors
    /// If `ssh-keygen` fails.
    pub fn hashed(&self, known_hosts: &str) -> Result<String, Error> {
        let file = self.folder.write("hashed", known_hosts)?;
        run("ssh-keygen", &["-H", "-f", &file.to_string_lossy()])?;
        fs::read_to_string(file).map_err(Error::io("read what is hashed"))
    }
}

/// Whether a test may be skipped for want of a program.
pub fn may_skip() -> bool {
    env::var_os(NO_SKIP).is_none()
}

/// A private RSA key as PEM, the way GitHub gives one to an app, if `ssh-keygen` is installed.
///
/// # Errors
/// If it fails; or it is not installed, and tests may not be skipped.
pub fn rsa_key() -> Result<Option<String>, Error> {
    if find("ssh-keygen").is_none() && may_skip() {
        return Ok(None);
    }
    let folder = tempfile::tempdir().map_err(Error::io("make a folder"))?;
    let file = folder.path().join("key");
    let name = file.to_string_lossy().into_owned();
    run("ssh-keygen", &["-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f", &name])?;
    fs::read_to_string(file).map(Some).map_err(Error::io("read a key"))
}

fn config(folder: &Path, port: u16, usual: Option<Ipv4Addr>) -> Result<String, Error> {
    let forced = folder.join("forced");
    fs::write(&forced, FORCED).map_err(Error::io("write a command"))?;
    let mut lines: Vec<_> =
        KINDS.iter().map(|kind| format!("HostKey {}", folder.join(kind).display())).collect();
    lines.push(format!("ListenAddress 127.0.0.1:{port}"));
    lines.extend(usual.map(|address| format!("ListenAddress {address}:22")));
    lines.push(format!("AuthorizedKeysFile {}", folder.join("authorized_keys").display()));
    lines.push(format!("ForceCommand sh {}", forced.display()));
    for line in [
        "PidFile none",
        "StrictModes no",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin prohibit-password",
        "MaxStartups 100",
    ] {
        lines.push(line.to_owned());
    }
    Ok(lines.join("\n") + "\n")
}

/// Makes a key, and gives its private and public half.
fn keygen(file: &Path, kind: &str, passphrase: &str) -> Result<(String, String), Error> {
    let name = file.to_string_lossy();
    run("ssh-keygen", &["-q", "-t", kind, "-N", passphrase, "-C", "testbed", "-f", &name])?;
    let read = |file: &Path| fs::read_to_string(file).map_err(Error::io("read a key"));
    Ok((read(file)?, read(&file.with_extension("pub"))?))
}

/// An address of this machine alone whose port 22 is free and ours to take.
fn usual() -> Option<Ipv4Addr> {
    let [.., high, low] = process::id().to_be_bytes();
    let address = Ipv4Addr::new(127, 99, high, low);
    TcpListener::bind((address, 22)).is_ok().then_some(address)
}

/// The path of a program, also of one for administrators. `sshd` wants to be called by it.
fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn run(program: &str, arguments: &[&str]) -> Result<String, Error> {
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command::run(command, b"")?.trim().to_owned())
}

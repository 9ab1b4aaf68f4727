//! Confines a program before it starts: what it may read and write, how long it lives, how much memory it takes.
//!
//! This runs in a child of ours that becomes the program. The files of a repository are anybody's, and what kustomize
//! and helm read is decided by them; Landlock (Linux 5.13) keeps the rest of the file system, and with it our service
//! account's token and the other apps' clones, out of their reach, whatever they ask for. A filter of system calls
//! (`syscalls`) does the same for the network and for other processes.

use std::convert::Infallible;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};

use super::syscalls;

/// Name of the verb.
pub const CHILD_VERB: &str = "confine";
/// How the child ends where it cannot confine anything: the kernel does not know how.
pub const NOT_CONFINED: u8 = 125;
/// How it ends where there is no such program.
pub const NOT_FOUND: u8 = 127;

/// What the restrictions are made by.
const KNOWN: ABI = ABI::V6;
/// What every program may read: libraries, and what its runtime looks at.
const READ: &[&str] =
    &["/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/dev/urandom", "/sys/kernel/mm"];
/// What one that uses the network reads beside that.
const READ_FOR_NETWORK: &[&str] = &[
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
];
/// What it may write.
const WRITE: &[&str] = &["/dev/null"];

/// How a program is confined.
#[derive(Debug, Args)]
pub struct Confinement {
    /// Folder that it may read.
    #[arg(long)]
    pub dir: PathBuf,
    /// Files and folders beside that which it may read.
    #[arg(long)]
    pub read: Vec<PathBuf>,
    /// Whether it may use the network.
    #[arg(long)]
    pub network: bool,
    /// Whether it may run although the kernel cannot confine it.
    #[arg(long)]
    pub or_not: bool,
    /// Seconds of CPU time that it may take.
    #[arg(long)]
    pub seconds: u64,
    /// Bytes of memory that it may take.
    #[arg(long)]
    pub memory: u64,
    /// Bytes that a file may come to have by it, below that folder. Without, it writes none.
    #[arg(long)]
    pub file: Option<u64>,
    /// The process that wants it.
    #[arg(long)]
    pub parent: u32,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,
}

/// Why a program was not started.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// The kernel knows no such restrictions.
    #[error("the kernel cannot confine it")]
    NotConfined,
    /// Nobody wants it any more.
    #[error("the process that wanted it is gone")]
    Abandoned,
    /// They could not be made.
    #[error("cannot restrict files: {0}")]
    Restrict(#[from] RulesetError),
    /// A limit could not be set.
    #[error("cannot set limits: {0}")]
    Limit(#[from] rustix::io::Errno),
    /// The program did not start.
    #[error("cannot start it: {0}")]
    Start(#[from] io::Error),
}

impl ConfineError {
    /// How the child ends.
    pub fn code(&self) -> u8 {
        match self {
            Self::NotConfined => NOT_CONFINED,
            Self::Start(error) if error.kind() == io::ErrorKind::NotFound => NOT_FOUND,
            Self::Abandoned | Self::Restrict(_) | Self::Limit(_) | Self::Start(_) => 126,
        }
    }
}

/// Becomes the program.
pub fn exec(confinement: &Confinement) -> Result<Infallible, ConfineError> {
    // Whoever wanted it is gone then.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if std::os::unix::process::parent_id() != confinement.parent {
        // It was gone before that could be heard.
        return Err(ConfineError::Abandoned);
    }
    limit(Resource::Cpu, confinement.seconds)?;
    limit(Resource::Data, confinement.memory)?;
    limit(Resource::Fsize, confinement.file.unwrap_or_default())?;
    limit(Resource::Core, 0)?;
    let has_files = restrict(confinement)? != RulesetStatus::NotEnforced;
    let has_calls = syscalls::restrict(confinement.network).is_ok();
    let is_confined = has_files && has_calls;
    if !is_confined && !confinement.or_not {
        return Err(ConfineError::NotConfined);
    }
    Err(Command::new(&confinement.program).args(&confinement.arguments).exec().into())
}

fn limit(resource: Resource, most: u64) -> rustix::io::Result<()> {
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
}

fn restrict(confinement: &Confinement) -> Result<RulesetStatus, RulesetError> {
    let (read, all) = (AccessFs::from_read(KNOWN), AccessFs::from_all(KNOWN));
    // What it writes there it does not run.
    let own = if confinement.file.is_some() { all & !AccessFs::Execute } else { read };
    let network: &[&str] = if confinement.network { READ_FOR_NETWORK } else { &[] };
    let mut rules = Ruleset::default().handle_access(all)?.scope(Scope::from_all(KNOWN))?;
    if !confinement.network {
        rules = rules.handle_access(AccessNet::from_all(KNOWN))?;
    }
    let restricted = rules
        .create()?
        .add_rules(path_beneath_rules(READ.iter().chain(network), read))?
        .add_rules(path_beneath_rules(&confinement.read, read))?
        .add_rules(path_beneath_rules([&confinement.program], read))?
        .add_rules(path_beneath_rules(WRITE, all))?
        .add_rules(path_beneath_rules([&confinement.dir], own))?
        .restrict_self()?;
    Ok(restricted.ruleset)
}
